"""Somebody's predictions: `.npy`, `.npz`, `.h5`, a folder of per-frame files, or a manifest that names one of these.

A prediction file is data: nothing is unpickled, nothing is cast, and its header is checked before memory is taken.
"""

from __future__ import annotations

import os
import threading
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Protocol

import numpy as np
from numpy.lib import format as npy_format
from numpy.typing import NDArray

from benchmark.errors import PredictionError
from benchmark.io.files import sha256_of

KINDS = ("disparity", "inverse_depth", "depth")
NPZ_KEYS = ("disp", "pred", "depth", "data")


class Predictions(Protocol):
    """N predictions. `frame_id` is None for a bare array, whose order is that of a split. `load` may run in threads."""

    @property
    def source(self) -> str:
        """The file, for messages."""

    @property
    def frame_id(self) -> tuple[str, ...] | None:
        """One id a prediction."""

    def __len__(self) -> int: ...

    def load(self, i: int) -> NDArray[Any]:
        """Prediction i, (h, w) float32 or float64. The array may be reused by the next call of the same thread."""

    def sha256(self) -> str:
        """Hash of what was submitted."""


@dataclass(frozen=True)
class ArrayPredictions:
    """Predictions in memory, (N, h, w)."""

    array: NDArray[Any]
    source: str = "array"
    frame_id: tuple[str, ...] | None = None
    path: Path | None = None

    def __post_init__(self) -> None:
        check_header(self.source, self.array.shape, self.array.dtype)

    def __len__(self) -> int:
        return len(self.array)

    def load(self, i: int) -> NDArray[Any]:
        """Prediction i, a view."""
        return np.asarray(self.array[i])

    def sha256(self) -> str:
        """Of the file where there is one, else of the values."""
        import hashlib

        if self.path is not None:
            return sha256_of(self.path)
        return hashlib.sha256(np.ascontiguousarray(self.array).data).hexdigest()


class NpyPredictions:
    """A `.npy` file read frame by frame into a buffer of each thread, so that memory does not grow with the file."""

    frame_id = None

    def __init__(self, path: Path) -> None:
        self.path, self.source = path, str(path)
        with path.open("rb") as file:
            shape, fortran, self.dtype = read_npy_header(file, self.source)
            self.offset = file.tell()
        check_header(self.source, shape, self.dtype)
        if fortran:
            raise PredictionError(
                f"{path}: stored in Fortran order, whose frames are not contiguous; save it with np.ascontiguousarray first"
            )
        self.shape = shape
        expected, size = self.offset + int(np.prod(shape)) * self.dtype.itemsize, path.stat().st_size
        if size != expected:
            raise PredictionError(
                f"{path}: {size} bytes, but its header declares {shape} {self.dtype}, {expected} bytes; the file is cut "
                "short or was still being written: copy or save it again"
            )
        self._local = threading.local()

    def __len__(self) -> int:
        return self.shape[0]

    def load(self, i: int) -> NDArray[Any]:
        """Prediction i in this thread's buffer."""
        if not hasattr(self._local, "buffer"):
            self._local.buffer = np.empty(self.shape[1:], self.dtype)
            self._local.file = self.path.open("rb", buffering=0)
        buffer: NDArray[Any] = self._local.buffer
        file: BinaryIO = self._local.file
        file.seek(self.offset + i * buffer.nbytes)
        if file.readinto(buffer.data.cast("B")) != buffer.nbytes:  # type: ignore[attr-defined]
            raise PredictionError(
                f"{self.path}: prediction {i} could not be read in full; the file changed while it was scored"
            )
        return buffer

    def sha256(self) -> str:
        """Of the file."""
        return sha256_of(self.path)


def read_npy_header(file: BinaryIO, source: str) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    """Shape, Fortran order and type of the `.npy` stream at its start.

    Raises:
        PredictionError: not the npy format, or an object array, which would have to be unpickled.
    """
    try:
        version = npy_format.read_magic(file)
        read = {(1, 0): npy_format.read_array_header_1_0, (2, 0): npy_format.read_array_header_2_0}[version]
        shape, fortran, dtype = read(file)
    except (ValueError, KeyError, OSError, EOFError) as problem:
        raise PredictionError(f"{source}: not a NumPy array file ({problem}); save it with np.save") from problem
    return shape, fortran, dtype


def check_header(source: str, shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
    """The type and the axes of a stack of predictions, before anything is read.

    Raises:
        PredictionError: with the line of numpy that mends it.
    """
    if dtype.kind == "O":
        raise PredictionError(
            f"{source}: holds Python objects (a list of arrays was saved), which are never unpickled; predictions of one "
            "size are saved with np.save(path, np.stack(list)), of several sizes as a folder of .npy files named by frame"
        )
    if dtype not in (np.dtype(np.float32), np.dtype(np.float64)) or not dtype.isnative:
        raise PredictionError(
            f"{source}: holds {dtype}; expected float32 or float64. Nothing is cast silently, because {dtype} has lost "
            "precision or scale: save what the network returned, with .astype(np.float32) where that is exact"
        )
    if len(shape) != 3:
        hint = {
            2: "one image only: save (N, h, w), or evaluate a folder",
            4: "drop the axis of length 1: np.squeeze(array)" if 1 in shape[1:] else "expected one channel",
        }.get(len(shape), "expected three axes")
        raise PredictionError(f"{source}: has shape {shape}; expected (N, h, w). {hint[0].upper()}{hint[1:]}")
    n, h, w = shape
    if min(shape) == 0:
        raise PredictionError(f"{source}: has shape {shape}: there is nothing in it")
    if h == 1 or w == 1:
        raise PredictionError(f"{source}: has shape {shape}; expected (N, h, w) with images of at least 2x2 pixels")
    if w * 8 < h and n < w * 8:
        raise PredictionError(
            f"{source}: has shape {shape}; the images seem to lie along the last axis: use np.moveaxis(array, -1, 0)"
        )


def read_predictions(path: Path, frame_ids: tuple[str, ...]) -> Predictions:
    """Open predictions of any accepted form.

    Args:
        path: file or folder.
        frame_ids: the frames of the split the predictions were made for; a folder is searched for these.

    Raises:
        PredictionError: unreadable, of another kind, or with axes, types or names that cannot be scored.
    """
    if path.is_dir():
        from benchmark.io.depth_folders import FolderPredictions

        return FolderPredictions(path, frame_ids)
    if not path.is_file():
        raise PredictionError(f"{path}: no such file or folder")
    if path.suffix == ".npy":
        return NpyPredictions(path)
    if path.suffix == ".npz":
        return _read_npz(path)
    if path.suffix in {".h5", ".hdf5"}:
        from benchmark.io.predictions_hdf5 import read_predictions_hdf5

        return read_predictions_hdf5(path)
    raise PredictionError(f"{path}: unknown kind of file; predictions are .npy, .npz, .h5, a folder, or a .yaml manifest")


def _read_npz(path: Path) -> Predictions:
    """The only array of an archive, or the one with a known name."""
    try:
        with zipfile.ZipFile(path) as archive:
            names = [n.removesuffix(".npy") for n in archive.namelist()]
            known = [n for n in names if n in NPZ_KEYS]
            if len(names) != 1 and len(known) != 1:
                raise PredictionError(
                    f"{path}: holds {', '.join(names[:8]) or 'nothing'}; expected one array, or exactly one called "
                    f"{', '.join(NPZ_KEYS)}"
                )
            member = archive.getinfo(f"{names[0] if len(names) == 1 else known[0]}.npy")
            with archive.open(member) as stream:
                shape, fortran, dtype = read_npy_header(stream, str(path))  # type: ignore[arg-type]
                check_header(str(path), shape, dtype)
                declared = int(np.prod(shape)) * dtype.itemsize
                if not 0 <= member.file_size - declared <= 4096:
                    raise PredictionError(f"{path}: its header declares {shape} {dtype}, but {member.file_size} bytes follow")
                flat = np.frombuffer(stream.read(declared), dtype)
    except (zipfile.BadZipFile, KeyError, OSError, EOFError, ValueError) as problem:
        raise PredictionError(f"{path}: cannot be read as .npz ({problem}); the file is damaged or cut short") from problem
    array = flat.reshape(shape, order="F" if fortran else "C")
    return ArrayPredictions(array, str(path), path=path)


def positions(predictions: Predictions, order: tuple[str, ...], wanted: tuple[str, ...]) -> list[int | None]:
    """Where each wanted frame lies in the predictions, None where there is none.

    Args:
        predictions: joined by their frame ids; a bare array is in the order of `order` and has its length.
        order: the frames of the split that a bare array follows.
        wanted: the frames of the protocol.
    """
    ids = order if predictions.frame_id is None else predictions.frame_id
    index = {name: i for i, name in enumerate(ids)}
    return [index.get(name) for name in wanted]


def cpu_count() -> int:
    """The processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
