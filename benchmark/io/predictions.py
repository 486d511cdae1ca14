"""Somebody's predictions: `.npy`, `.npz`, `.h5`, a folder of per-frame files, or a manifest that names one of these.

A prediction file is data: nothing is unpickled, nothing is cast, and its header is checked before memory is taken.
"""

from __future__ import annotations

import threading
import weakref
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Protocol

import numpy as np
from numpy.typing import NDArray

from benchmark.errors import PredictionError
from benchmark.io.files import sha256_of
from benchmark.io.npy import MAX_SIDE, NpyHeader, open_array, read_header, read_values

NPZ_KEYS = ("disp", "pred", "depth", "data")


class Predictions(Protocol):
    """N predictions. `frame_id` is None for a bare array, whose order is that of a split. `load` may run in threads."""

    @property
    def source(self) -> str:
        """The file, for messages."""

    @property
    def frame_id(self) -> tuple[str, ...] | None:
        """One id a prediction."""

    @property
    def shape(self) -> tuple[int, ...] | None:
        """(N, h, w), or None where sizes may differ."""

    @property
    def surplus(self) -> int:
        """Files of other frames that lie in the same folder."""

    @property
    def declared(self) -> str | None:
        """The kind that the form of the file itself says, None where it says nothing."""

    def __len__(self) -> int: ...

    def load(self, i: int) -> NDArray[Any]:
        """Prediction i, (h, w) float32 or float64. The array may be reused by the next call of the same thread."""

    def sha256(self) -> str:
        """Hash of what was submitted."""


def hold_to_form(predictions: Predictions, kind: str) -> None:
    """Files whose form says what they hold were not said to hold something else.

    Raises:
        PredictionError: they were.
    """
    if predictions.declared not in {None, kind}:
        raise PredictionError(
            f"{predictions.source}: files of this form hold {predictions.declared}, and they were said to hold {kind}; add "
            f"`--kind {predictions.declared}`"
        )


@dataclass(frozen=True)
class ArrayPredictions:
    """Predictions in memory, (N, h, w)."""

    array: NDArray[Any]
    source: str = "array"
    frame_id: tuple[str, ...] | None = None
    surplus: int = 0
    declared: str | None = None

    def __post_init__(self) -> None:
        check_header(self.source, self.array.shape, self.array.dtype)

    def __len__(self) -> int:
        return len(self.array)

    @property
    def shape(self) -> tuple[int, ...]:
        """(N, h, w)."""
        return self.array.shape

    def load(self, i: int) -> NDArray[Any]:
        """Prediction i, a view."""
        return np.asarray(self.array[i])

    def sha256(self) -> str:
        """Of the values."""
        import hashlib

        return hashlib.sha256(np.ascontiguousarray(self.array).data).hexdigest()


class NpyPredictions:
    """A `.npy` file read frame by frame into a buffer of each thread, so that memory does not grow with the file."""

    frame_id = None
    surplus = 0
    declared = None

    def __init__(self, path: Path) -> None:
        self.path, self.source = path, str(path)
        with open_array(path, NPZ_KEYS, PredictionError) as (file, size):
            header = read_header(file, size, self.source, PredictionError)
            self.offset = file.tell()
        self.shape, fortran, self.dtype = header
        check_header(self.source, self.shape, self.dtype)
        if fortran:
            raise PredictionError(
                f"{path}: stored in Fortran order, whose frames are not contiguous; save it with np.ascontiguousarray first"
            )
        self._files: list[BinaryIO] = []
        weakref.finalize(self, _close_all, self._files)
        self._local = threading.local()

    def __len__(self) -> int:
        return self.shape[0]

    def load(self, i: int) -> NDArray[Any]:
        """Prediction i in this thread's buffer."""
        if not hasattr(self._local, "buffer"):
            self._local.buffer = np.empty(self.shape[1:], self.dtype)
            self._local.file = self.path.open("rb", buffering=0)
            self._files.append(self._local.file)
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


def _close_all(files: list[BinaryIO]) -> None:
    for file in files:
        file.close()


class NpzPredictions:
    """The array of an archive. Its values are read on the first `load`, when its length has been held to the split's."""

    frame_id = None
    surplus = 0

    def __init__(self, path: Path) -> None:
        self.path, self.source = path, str(path)
        with open_array(path, NPZ_KEYS, PredictionError) as (stream, size):
            header = self._header(stream, size)
            # PackNet-SfM saves metres under this key; the other keys are used for everything.
            self.declared = "depth" if stream.name == "depth.npy" else None
        self.shape = header.shape
        self._lock = threading.Lock()
        self._values: NDArray[Any] | None = None

    def __len__(self) -> int:
        return self.shape[0]

    def load(self, i: int) -> NDArray[Any]:
        """Prediction i, a view."""
        with self._lock:
            if self._values is None:
                with open_array(self.path, NPZ_KEYS, PredictionError) as (stream, size):
                    self._values = read_values(stream, self._header(stream, size), self.source, PredictionError)
        return np.asarray(self._values[i])

    def sha256(self) -> str:
        """Of the file."""
        return sha256_of(self.path)

    def _header(self, stream: BinaryIO, size: int) -> NpyHeader:
        header = read_header(stream, size, self.source, PredictionError)
        check_header(self.source, header.shape, header.dtype)
        return header


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
    if dtype.kind == "f" and not dtype.isnative:
        raise PredictionError(
            f"{source}: holds {dtype.str}, the byte order of another machine; expected float32 or float64 of this one: save "
            f"it with .astype(np.float{8 * dtype.itemsize})"
        )
    if dtype not in (np.dtype(np.float32), np.dtype(np.float64)):
        raise PredictionError(
            f"{source}: holds {dtype}; expected float32 or float64. Nothing is cast silently, because {dtype} has lost "
            "precision or scale: save what the network returned, with .astype(np.float32) where that is exact"
        )
    if len(shape) != 3:
        hint = {
            2: "one image only: save (N, h, w), or evaluate a folder",
            4: f"drop the axis of length 1: np.squeeze(array, axis={shape.index(1, 1)})"
            if 1 in shape[1:]
            else "one channel is scored: save only that one",
        }.get(len(shape), "expected three axes")
        raise PredictionError(f"{source}: has shape {shape}; expected (N, h, w). {hint[0].upper()}{hint[1:]}")
    _, h, w = shape
    if min(shape) == 0:
        raise PredictionError(f"{source}: has shape {shape}; expected (N, h, w), there is nothing in it: predict again")
    if min(h, w) == 1 or max(h, w) > MAX_SIDE:
        raise PredictionError(
            f"{source}: has shape {shape}; expected (N, h, w) with images of 2x2 to {MAX_SIDE}x{MAX_SIDE} pixels: check the "
            "order of the axes"
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
        return NpzPredictions(path)
    if path.suffix in {".h5", ".hdf5"}:
        from benchmark.io.predictions_hdf5 import read_predictions_hdf5

        return read_predictions_hdf5(path)
    if path.suffix.lower() == ".zip":
        from benchmark.io.submissions import read_pack

        return read_pack(path, count=len(frame_ids))
    raise PredictionError(f"{path}: unknown kind of file; predictions are .npy, .npz, .h5, .zip, a folder, or a .yaml manifest")


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
