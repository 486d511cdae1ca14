"""Submission packs, read back.

A pack is a hostile file until its names, places and declared sizes were seen; nothing of it is ever unpacked to the disk.
"""

from __future__ import annotations

import re
import stat
import struct
import threading
import weakref
import zipfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmark.errors import PredictionError
from benchmark.io.files import sha256_of
from benchmark.io.png import GREY_16, MAX_PIXELS, SIGNATURE, decode_png16
from benchmark.io.submissions.formats import METRE, PACK_FORMATS

SATURATED = 2**16 - 1
MAX_FILE_BYTES = 2**26
DEFLATE_RATIO = 1032  # the most that a deflate stream expands (zlib's documentation)


class PackPredictions:
    """A pack as predictions in metres, in the order of their positions; `form` is a name of PACK_FORMATS."""

    frame_id = None
    surplus = 0
    declared = "depth"

    def __init__(self, path: Path, *, count: int | None = None) -> None:
        self.path, self.source = path, str(path)
        self._archive = _open(path)
        weakref.finalize(self, self._archive.close)
        self._lock = threading.Lock()
        entries = self._archive.infolist()
        for entry in entries:
            _check_place(path, entry)
        self.form = _recognise(path, [entry.orig_filename for entry in entries])
        names = PACK_FORMATS[self.form].names(count or PACK_FORMATS[self.form].count)
        _check_names(path, self.form, [entry.orig_filename for entry in entries], names)
        by_name = {entry.orig_filename: entry for entry in entries}
        self._entries = [by_name[name] for name in names]
        _check_declared(path, self.form, self._entries)
        self.sizes = [self._size(i) for i in range(len(names))]
        self.shape = (len(names), *self.sizes[0]) if len(set(self.sizes)) == 1 else None

    def __len__(self) -> int:
        return len(self._entries)

    def load(self, i: int) -> NDArray[np.float32]:
        """Prediction i in metres."""
        return self.load_raw(i).astype(np.float32) / np.float32(METRE)

    def load_raw(self, i: int) -> NDArray[np.uint16]:
        """Prediction i, (h, w) in 1/256 m.

        Raises:
            PredictionError: damaged, or with pixels that are no depth for the server.
        """
        raw, largest = self.decode(i), PACK_FORMATS[self.form].largest
        bad = (raw == 0) | (raw > largest)
        if bad.any():
            row, column = np.argwhere(bad)[0]
            raise PredictionError(
                f"{self._where(i)}: {raw[row, column]} at row {row}, column {column} ({np.count_nonzero(bad)} such pixels in "
                f"this image); expected 1 to {largest} everywhere, because 0 says that there is no prediction and "
                f"{SATURATED} that a number ran over: clip the depths before they are stored, or write the file with "
                "`depthbench pack`"
            )
        return raw

    def decode(self, i: int) -> NDArray[np.uint16]:
        """Image i as it is stored, whatever its values; PredictionError where it is damaged."""
        return decode_png16(self._read(i), self._where(i), PredictionError)

    def name(self, i: int) -> str:
        """The file of image i."""
        return self._entries[i].filename

    def sha256(self) -> str:
        """Of the file."""
        return sha256_of(self.path)

    def _where(self, i: int) -> str:
        return f"{self.path}: {self._entries[i].filename}"

    def _read(self, i: int, size: int = -1) -> bytes:
        try:
            with self._lock, self._archive.open(self._entries[i]) as file:
                return file.read(size)
        except Exception as problem:  # zip and zlib have no common error
            raise PredictionError(
                f"{self._where(i)}: cannot be read from the zip ({_one_line(problem)}); the archive is damaged: "
                "copy or pack it again"
            ) from problem

    def _size(self, i: int) -> tuple[int, int]:
        """Height and width by the header of an image alone."""
        head = self._read(i, 26)
        whole = len(head) == 26 and head.startswith(SIGNATURE)
        width, height, *kind = struct.unpack_from(">IIBB", head if whole else bytes(26), 16)
        if tuple(kind) != GREY_16 or not 0 < width * height <= MAX_PIXELS:
            height, width = decode_png16(self._read(i), self._where(i), PredictionError).shape  # says what is wrong
        form = PACK_FORMATS[self.form]
        if form.size not in {None, (height, width)}:
            raise PredictionError(
                f"{self._where(i)}: {height}x{width} pixels; the {form.title} takes {'x'.join(map(str, form.size or ()))} "
                "alone: resize the predictions, or write the file with `depthbench pack`"
            )
        return height, width


def read_pack(path: Path, *, count: int | None = None) -> PackPredictions:
    """Open a pack of either server, recognised by its names.

    Args:
        path: the zip.
        count: images that it must hold; None is the published number.

    Raises:
        PredictionError: damaged, hostile, or with other names, another number, size or form of images.
    """
    return PackPredictions(path, count=count)


def _open(path: Path) -> zipfile.ZipFile:
    try:
        return zipfile.ZipFile(path)
    except OSError as problem:
        raise PredictionError(f"{path}: cannot be opened ({problem.strerror or problem}); expected a zip of PNGs") from problem
    except Exception as problem:  # zip and zlib have no common error
        raise PredictionError(
            f"{path}: cannot be opened as a zip ({_one_line(problem)}); expected a whole archive of PNGs: copy or pack it again"
        ) from problem


def _check_place(path: Path, entry: zipfile.ZipInfo) -> None:
    """Every entry is a file in the root of the zip."""
    name = entry.orig_filename
    steps = re.split(r"[/\\]", name)
    if len(steps) == 1 and not stat.S_ISLNK(entry.external_attr >> 16):
        return
    if len(steps) == 1:
        fault = "is a link, which is never followed"
    elif ".." in steps or not steps[0] or steps[0].endswith(":"):
        fault = "leaves the folder that the zip is unpacked in"
    else:
        fault = "lies in a sub-folder, where the servers find nothing"
    raise PredictionError(
        f"{path}: the entry {_quoted(name)} {fault}; expected files in the root of the zip: zip the images themselves "
        "(`cd FOLDER && zip ../pack.zip *.png`), not their folder"
    )


def _recognise(path: Path, names: Sequence[str]) -> str:
    for form, known in PACK_FORMATS.items():
        if any(re.fullmatch(rf"[0-9]{{{known.digits}}}\.png", name) for name in names):
            return form
    first = f"its first entry is {_quoted(names[0])}" if names else "it is empty"
    known_names = ", ".join(f"{f.names(1)[0]} to {f.names(f.count)[-1]} ({f.title})" for f in PACK_FORMATS.values())
    raise PredictionError(f"{path}: no submission pack, {first}; expected the files {known_names}: rename the images")


def _check_names(path: Path, form: str, found: Sequence[str], expected: Sequence[str]) -> None:
    faults = []
    missing, stray = sorted(set(expected) - set(found)), sorted(set(found) - set(expected))
    if missing:
        faults.append(f"{len(missing)} {'is' if len(missing) == 1 else 'are'} missing, the first is {missing[0]}")
    if stray:
        entries = "1 entry has another name, it" if len(stray) == 1 else f"{len(stray)} entries have other names, the first"
        faults.append(f"{entries} is {_quoted(stray[0])}")
    if len(found) > len(set(found)):
        faults.append(f"{_quoted(max(found, key=list(found).count))} is there more than once")
    if faults:
        other = form == "ddad_challenge" and len(expected) != PACK_FORMATS[form].count
        hint = ", or score them with `--protocol ddad_challenge_self` or `ddad_challenge_semi`" * other
        raise PredictionError(
            f"{path}: {'; '.join(faults)}; expected the {len(expected)} files {expected[0]} to {expected[-1]} of the "
            f"{PACK_FORMATS[form].title}, each once and nothing else: pack exactly these{hint}"
        )


def _check_declared(path: Path, form: str, entries: Sequence[zipfile.ZipInfo]) -> None:
    """What the directory of the zip promises, before anything is inflated."""
    size = PACK_FORMATS[form].size
    limit = MAX_FILE_BYTES if size is None else 2 * size[0] * size[1] + 2**18  # raw pixels, and room for other chunks
    for entry in entries:
        fault = ""
        if entry.flag_bits & 1:
            fault = "is encrypted"
        elif entry.compress_type not in {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}:
            fault = f"is compressed by method {entry.compress_type}"
        elif entry.file_size > limit or entry.file_size > DEFLATE_RATIO * entry.compress_size:
            fault = f"declares {entry.file_size} bytes in {entry.compress_size}"
        if fault:
            raise PredictionError(
                f"{path}: {entry.filename} {fault}; expected PNGs, stored or deflated, of at most {limit} bytes: pack "
                "them again"
            )
    packed = sum(entry.compress_size for entry in entries)
    if packed > path.stat().st_size:
        raise PredictionError(
            f"{path}: its entries declare {packed} bytes in a file of {path.stat().st_size}, so they lie on top of each other; "
            "expected each image once: pack them again"
        )


def _quoted(name: str) -> str:
    return repr(name if len(name) <= 80 else f"{name[:80]}...")


def _one_line(problem: Exception) -> str:
    return " ".join(str(problem).split())[:200] or type(problem).__name__
