"""Take a zip archive apart under a root that nothing may leave; every member is held to its CRC."""

from __future__ import annotations

import os
import shutil
import stat
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from benchmark.errors import DatasetError

CHUNK = 1 << 20


class DamagedError(DatasetError):
    """The archive's own bytes are wrong: no zip, a CRC that differs, an end that is missing."""


class HostileError(DatasetError):
    """A member would be written somewhere else, or is no plain file."""


class Unpacked(NamedTuple):
    """What an archive held: its file names, and how many of them were written."""

    names: frozenset[str]
    n_written: int


def unpack(
    archive: Path,
    root: Path,
    *,
    wanted: Callable[[str], bool] = lambda name: True,
    report: Callable[[int, int], None] = lambda done, total: None,
) -> Unpacked:
    """Write the wanted members of a zip under `root`; each appears only whole and with its CRC correct.

    All names are checked before the first byte is written. Members that are not wanted are read, too, so that a return
    means that the whole archive is sound. `report(done, total)` counts unpacked bytes. Existing files are replaced.

    Raises:
        DatasetError: the archive is damaged, hostile, or larger than the free space.
    """
    try:
        with zipfile.ZipFile(archive) as opened:
            members = _checked_members(archive, opened)
            _check_space(archive, root, [info for info in members if wanted(info.filename)])
            return _unpack_members(opened, root, members, wanted=wanted, report=report)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError) as error:
        raise DamagedError(
            f"{archive} is damaged: {error}. Every member of a zip archive should match its CRC. "
            "Delete the file and run the download again."
        ) from error
    except OSError as error:
        raise DatasetError(
            f"{archive} could not be unpacked into {root}: {error}. The archive is kept; "
            "make room or correct the permissions and run the same command again."
        ) from error


def _unpack_members(
    opened: zipfile.ZipFile,
    root: Path,
    members: list[zipfile.ZipInfo],
    *,
    wanted: Callable[[str], bool],
    report: Callable[[int, int], None],
) -> Unpacked:
    total = sum(info.file_size for info in members)
    done = n_written = 0
    for info in members:
        if wanted(info.filename):
            _write_member(opened, info, root / info.filename)
            n_written += 1
        else:
            _read_member(opened, info)
        done += info.file_size
        report(done, total)
    return Unpacked(frozenset(info.filename for info in members), n_written)


def _write_member(opened: zipfile.ZipFile, info: zipfile.ZipInfo, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(f".{target.name}.part")
    try:
        with opened.open(info) as source, temporary.open("wb") as file:
            shutil.copyfileobj(source, file, CHUNK)
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)


def _read_member(opened: zipfile.ZipFile, info: zipfile.ZipInfo) -> None:
    with opened.open(info) as source:
        while source.read(CHUNK):
            pass


def _checked_members(archive: Path, opened: zipfile.ZipFile) -> list[zipfile.ZipInfo]:
    members = [info for info in opened.infolist() if not info.is_dir()]
    seen: set[str] = set()
    for info in opened.infolist():
        fault = _fault(info)
        if fault is None and not info.is_dir() and info.filename in seen:
            fault = "is listed twice"
        if fault is not None:
            raise HostileError(
                f"{archive}: the member {info.orig_filename!r} {fault}; nothing of this archive was unpacked. Members "
                "should be plain files below the folder. Delete the archive and check where it came from."
            )
        seen.add(info.filename)
    return members


def _fault(info: zipfile.ZipInfo) -> str | None:
    """Why a member may not be unpacked, or None."""
    name = info.orig_filename
    if "\0" in name or "\\" in name or ":" in name:
        return "has a backslash, a colon or a zero byte in its name"
    if name.startswith("/") or ".." in name.split("/"):
        return "would be written outside the folder"
    kind = stat.S_IFMT(info.external_attr >> 16)
    if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
        return "is a link or a special file"
    if info.flag_bits & 1:
        return "is encrypted"
    return None


def _check_space(archive: Path, root: Path, members: list[zipfile.ZipInfo]) -> None:
    root.mkdir(parents=True, exist_ok=True)
    new = sum(info.file_size for info in members if not os.path.lexists(root / info.filename))
    free = shutil.disk_usage(root).free
    if new > free:
        raise DatasetError(
            f"{archive} unpacks to {new / 1e9:.2f} GB of new files, but {root} has {free / 1e9:.2f} GB free. "
            "The archive is kept; make room and run the same command again."
        )
