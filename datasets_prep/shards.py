"""Finished pieces of an export, kept beside its output so that an interrupted one resumes.

A shard is a few frames. Its name holds a key over everything its content depends on (frames, size and time of their
files, data set, depth kind, version), so a shard of another export is never taken for it. Shards are plain zip files
with a check sum of every array; a torn one does not read and is made again, which is why no shard is synced to disk.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
import re
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from benchmark import __version__
from benchmark.errors import DatasetError, GroundTruthError
from benchmark.io.ground_truth import Part
from benchmark.splits import Frame
from datasets_prep.ddad_source import DdadSource
from datasets_prep.sources import RawSource, Source

SHARD_FRAMES = 16
NAME = re.compile(r"\d{6}-[0-9a-f]{32}\.npz(\.\d+\.tmp)?")


class Shard(NamedTuple):
    """Consecutive frames and the file that holds their Part once it is made."""

    path: Path
    frames: tuple[Frame, ...]


def parts_folder(out: Path) -> Path:
    """`<out>.parts`, beside the output."""
    return out.with_name(f"{out.name}.parts")


def plan(folder: Path, source: Source, frames: Sequence[Frame]) -> list[Shard]:
    """The shards of these frames, in order.

    Raises:
        DatasetError: a file disappeared since it was looked for.
    """
    shards = []
    for first in range(0, len(frames), SHARD_FRAMES):
        cut = tuple(frames[first : first + SHARD_FRAMES])
        shards.append(Shard(folder / f"{first // SHARD_FRAMES:06d}-{_key(source, cut)}.npz", cut))
    return shards


def _key(source: Source, frames: Sequence[Frame]) -> str:
    digest = hashlib.sha256(f"{__version__} {type(source).__name__} {source.depth_kind}".encode())
    if isinstance(source, RawSource):
        digest.update(source.collision.encode())
        for date, calibration in sorted(source.calibrations.items()):
            digest.update(f"{date} {calibration.shape} {calibration.T_rect_lidar.tobytes()!r}".encode())
            digest.update(repr([(c, P.tobytes()) for c, P in sorted(calibration.P_rect.items())]).encode())
    if isinstance(source, DdadSource):
        digest.update(source.rule.encode())
    for frame in frames:
        for path in source.files(frame):
            try:
                stat = path.stat()
            except OSError as error:
                raise DatasetError(
                    f"{path}: cannot be read ({error}); it was there a moment ago: put it back and run the same command again"
                ) from error
            digest.update(f"{tuple(frame)} {path} {stat.st_size} {stat.st_mtime_ns}\n".encode())
    return digest.hexdigest()[:32]


def open_folder(folder: Path, shards: Sequence[Shard]) -> None:
    """Make the folder of the shards and drop what another export left in it.

    Raises:
        GroundTruthError: the folder cannot be made or written.
    """
    wanted = {shard.path.name for shard in shards}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for path in folder.iterdir():
            if NAME.fullmatch(path.name) and path.name not in wanted:
                path.unlink(missing_ok=True)
    except OSError as error:
        raise cannot_write(folder, error) from error


def close_folder(folder: Path, shards: Sequence[Shard]) -> None:
    """Delete the shards, and their folder unless somebody put other files there."""
    # Another export to the same file may have closed it already.
    with contextlib.suppress(FileNotFoundError):
        for shard in shards:
            shard.path.unlink(missing_ok=True)
        if not any(folder.iterdir()):
            folder.rmdir()


def make(source: Source, shard: Shard) -> bool:
    """Make a shard unless it is there and whole; whether it was made now. Runs in a worker."""
    if shard.path.is_file() and _whole(shard):
        return False
    part = source.part(shard.frames)
    temporary = shard.path.with_name(f"{shard.path.name}.{os.getpid()}.tmp")
    try:
        # In memory first: on a full disk NumPy would leave a half-open archive, which complains when it is collected.
        archive = io.BytesIO()
        np.savez(archive, **part._asdict())
        temporary.write_bytes(archive.getvalue())
        temporary.replace(shard.path)
    except OSError as error:
        raise cannot_write(shard.path, error) from error
    finally:
        temporary.unlink(missing_ok=True)
    return True


def read(shard: Shard) -> Part:
    """The Part of a finished shard.

    Raises:
        GroundTruthError: it is not whole, although it was made.
    """
    try:
        # Opened here, because np.load leaves a file open when it is no zip.
        with shard.path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            return Part(**{name: arrays[name] for name in Part._fields})
    except FileNotFoundError as error:
        raise cannot_write(shard.path, error) from error
    except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise GroundTruthError(
            f"{shard.path}: a finished piece of the export cannot be read back ({error}); run the same export again, "
            "it makes this piece anew"
        ) from error


def _whole(shard: Shard) -> bool:
    try:
        return len(read(shard).shape) == len(shard.frames)
    except GroundTruthError:
        return False


def cannot_write(path: Path, error: OSError) -> GroundTruthError:
    """What to say when the disk is full or read-only, or another export took the folder away."""
    if isinstance(error, FileNotFoundError):
        return GroundTruthError(
            f"{path}: a finished piece of the export disappeared; another export to the same --out is running or has just "
            "finished. Wait for it, or choose another --out"
        )
    return GroundTruthError(
        f"{path}: cannot write ({error.strerror or error}). The export keeps finished pieces in this folder; free some "
        "space or choose another --out, then run the same command again"
    )
