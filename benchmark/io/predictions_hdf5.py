"""Predictions in HDF5: `data` (N, h, w) and, optionally, `frame_id` (N,)."""

from __future__ import annotations

import contextlib
import threading
from collections import Counter
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from benchmark.errors import PredictionError
from benchmark.io.files import sha256_of
from benchmark.io.hdf5 import check_bytes, read_ids, refuse_links
from benchmark.io.predictions import check_header


class Hdf5Predictions:
    """An open file; the HDF5 library is not safe in threads, so reading is behind a lock."""

    def __init__(self, path: Path, file: h5py.File, frame_id: tuple[str, ...] | None) -> None:
        self.path, self.source, self.frame_id = path, str(path), frame_id
        self._data = file["data"]
        self.shape: tuple[int, ...] = self._data.shape
        self.surplus, self.declared = 0, None
        self._lock = threading.Lock()
        # Frames that lie in one chunk are unpacked together and kept until another chunk is asked for.
        self._step = self._data.chunks[0] if self._data.chunks else 1
        self._block: tuple[int, NDArray[Any]] = (-1, np.empty(0))

    def __len__(self) -> int:
        return self.shape[0]

    def load(self, i: int) -> NDArray[Any]:
        """Prediction i."""
        with self._lock:
            try:
                first = i - i % self._step
                if self._block[0] != first:
                    self._block = (first, np.asarray(self._data[first : first + self._step]))
                values: NDArray[Any] = self._block[1][i - first]
                return values
            except (OSError, RuntimeError) as problem:
                raise PredictionError(
                    f"{self.path}: prediction {i} cannot be read ({problem}); the file is damaged"
                ) from problem

    def sha256(self) -> str:
        """Of the file."""
        return sha256_of(self.path)


def read_predictions_hdf5(path: Path) -> Hdf5Predictions:
    """Open a file with `data` and, optionally, `frame_id`.

    Raises:
        PredictionError: not HDF5, links, unknown filters, or axes and types that cannot be scored.
    """
    with contextlib.ExitStack() as stack:
        try:
            file = stack.enter_context(h5py.File(path, "r"))
            refuse_links(path, file, PredictionError)
            data = file["data"]
            check_header(str(path), data.shape, data.dtype)
            check_bytes(path, "data", data, PredictionError)
            ids = _names(path, file["frame_id"], len(data)) if "frame_id" in file else None
        except (OSError, KeyError, ValueError, RuntimeError, TypeError) as problem:
            raise PredictionError(
                f"{path}: cannot be read as HDF5 predictions ({problem}); expected an array `data` (N, h, w) and, optionally, "
                "`frame_id` (N,); the file is damaged or of another kind: save it again"
            ) from problem
        stack.pop_all()
    return Hdf5Predictions(path, file, ids)


def _names(path: Path, stored: h5py.Dataset, n: int) -> tuple[str, ...]:
    ids = read_ids(path, stored, n, PredictionError)
    repeated = next((name for name, count in Counter(ids).items() if count > 1), None)
    if repeated is not None:
        raise PredictionError(
            f"{path}: {len(set(ids))} different frame ids for {n} predictions, {repeated} repeats; name each once"
        )
    return ids
