"""Predictions in HDF5: `data` (N, h, w) and, optionally, `frame_id` (N,)."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from benchmark.errors import GroundTruthError, PredictionError
from benchmark.io.files import sha256_of
from benchmark.io.ground_truth_hdf5 import MAX_EXPANSION, refuse_links
from benchmark.io.predictions import check_header


class Hdf5Predictions:
    """An open file; the HDF5 library is not safe in threads, so reading is behind a lock."""

    def __init__(self, path: Path, file: h5py.File, frame_id: tuple[str, ...] | None) -> None:
        self.path, self.source, self.frame_id = path, str(path), frame_id
        self._data = file["data"]
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return int(self._data.shape[0])

    def load(self, i: int) -> NDArray[Any]:
        """Prediction i."""
        with self._lock:
            try:
                return np.asarray(self._data[i])
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
    try:
        file = h5py.File(path, "r")
        refuse_links(path, file)
        data = file["data"]
        check_header(str(path), data.shape, data.dtype)
        if data.size * data.dtype.itemsize > MAX_EXPANSION * data.id.get_storage_size():
            raise PredictionError(f"{path}: declares {data.shape} {data.dtype} but stores {data.id.get_storage_size()} bytes")
        ids = None
        if "frame_id" in file:
            ids = tuple(i.decode() if isinstance(i, bytes) else str(i) for i in file["frame_id"][:])
            if len(ids) != len(data) or len(set(ids)) != len(ids):
                raise PredictionError(f"{path}: {len(ids)} frame ids ({len(set(ids))} different) for {len(data)} predictions")
    except (OSError, KeyError, ValueError, RuntimeError, TypeError) as problem:
        raise PredictionError(f"{path}: cannot be read as HDF5 predictions with an array `data` ({problem})") from problem
    except GroundTruthError as problem:
        raise PredictionError(str(problem)) from problem
    return Hdf5Predictions(path, file, ids)
