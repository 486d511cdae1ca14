"""The file that predictions are written to, `.npy` or `.h5`, and the manifest beside it that says what they are.

Both are a header and one block of float32 maps, which threads fill in any order: memory does not grow with the number of
frames, and the bytes depend on the maps alone.
"""

from __future__ import annotations

import errno
import math
import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import BinaryIO

import numpy as np
import numpy.typing as npt
import yaml
from numpy.lib import format as npy_format

from benchmark.cores import cpu_count
from benchmark.errors import PredictionError
from benchmark.io.files import atomic_path, atomic_write
from benchmark.io.manifest import read_manifest
from benchmark.splits import Split, read_index
from datasets_prep.progress import Progress

Size = tuple[int, int]
Task = Callable[[int], npt.NDArray[np.float32]]
SUFFIXES = (".npy", ".h5")
CANNOT_RESERVE = (errno.EINVAL, errno.EOPNOTSUPP)  # some file systems have no such call
HEADER_BYTES = 1 << 16  # more than the header of either file, its frame ids aside


def manifest_path(out: Path) -> Path:
    """`disps.yaml` of `disps.npy`."""
    return out.with_suffix(".yaml")


def check_out(out: Path, split: Split) -> None:
    """Refuse a place that cannot hold predictions of this split, before any of them is made.

    Raises:
        PredictionError: a folder, another suffix, a bare array of frames without an order or with a list that its manifest
            cannot name, or a file that is no manifest where the manifest goes.
    """
    if out.is_dir() or out.suffix not in SUFFIXES:
        what = "is a folder" if out.is_dir() else f"ends in {out.suffix or 'no suffix'!r}"
        raise PredictionError(
            f"{out}: {what}; expected a file to write, {' or '.join(SUFFIXES)}: choose a name such as {out.stem or 'depth'}.npy"
        )
    if out.suffix == ".npy" and not split.ordered:
        raise PredictionError(
            f"{out}: an array has no names, and {split.name} is a set of frames without an order; choose "
            f"{out.with_suffix('.h5').name}, which keeps the frame ids"
        )
    if out.suffix == ".npy" and _split_beside(out, split) is None:
        raise PredictionError(
            f"{out}: an array has no names, and its manifest can name only a list that lies in its own folder, which "
            f"{split.source} does not; choose {out.with_suffix('.h5').name}, which keeps the frame ids, or copy the list there"
        )
    beside = manifest_path(out)
    if beside.exists() and not _describes(beside, out):
        raise PredictionError(
            f"{beside}: the manifest of {out.name} goes there, and the file that is there is not one of it; move that file, or "
            "choose another --out"
        )


def write_predictions(
    out: Path, split: Split, task: Task, *, size: Size, method: str, training: str | None, jobs: int | None = None,
    quiet: bool = False, kind: str = "depth",
) -> None:  # fmt: skip
    """Write task(i), a complete (h, w) float32 map above zero, for each frame i of the split, and the manifest.

    Args:
        out: the file, as `check_out` accepts it; it appears only whole.
        split: the frames, in order.
        task: runs in threads.
        size: (h, w).
        method: the name that the manifest gives.
        training: the split that was learnt from, if any.
        jobs: threads; None is one for each usable core.
        quiet: no progress on stderr.
        kind: of the maps, as in a manifest: metres, or a disparity.

    Raises:
        PredictionError: the disk is full or cannot be written.
    """
    nbytes = 4 * len(split.frames) * size[0] * size[1]
    declared = {
        "predictions": out.name, "kind": kind, "method": method, "split": _split_beside(out, split), "training": training,
    }  # fmt: skip
    told = yaml.safe_dump({key: value for key, value in declared.items() if value is not None}, sort_keys=False)
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        # The predictions take their name first: a manifest never speaks of a file that is not there.
        with atomic_write(manifest_path(out)) as beside, atomic_path(out) as temporary:
            beside.write(told.encode())
            offset = _start(temporary, out.suffix, split, size)
            with temporary.open("rb+") as file:
                _write_maps(file, offset, task, split, size, jobs=jobs or cpu_count(), quiet=quiet)
    except OSError as error:
        raise PredictionError(
            f"{out}: cannot write the predictions, {nbytes / 1e6:.1f} MB ({error.strerror or error}). Free some space or "
            "choose another --out; no half-written file was left"
        ) from error


def _start(path: Path, suffix: str, split: Split, size: Size) -> int:
    """Write the header and take the room for all maps; where the first of them goes."""
    ids = np.array(split.frame_ids, "S")
    shape = (len(ids), *size)
    nbytes = 4 * math.prod(shape)
    # A full disk is known before anything is computed; the HDF5 library would crash on one.
    _reserve(path, HEADER_BYTES + ids.nbytes + nbytes)
    offset = _hdf5_header(path, ids, shape) if suffix == ".h5" else _npy_header(path, shape)
    _reserve(path, offset + nbytes)
    return offset


def _reserve(path: Path, nbytes: int) -> None:
    with path.open("rb+") as file:
        if hasattr(os, "posix_fallocate"):  # not on macOS
            try:
                os.posix_fallocate(file.fileno(), 0, nbytes)
            except OSError as error:
                if error.errno not in CANNOT_RESERVE:
                    raise


def _npy_header(path: Path, shape: tuple[int, ...]) -> int:
    with path.open("wb") as file:
        npy_format.write_array_header_1_0(file, {"descr": "<f4", "fortran_order": False, "shape": shape})
        return file.tell()


def _hdf5_header(path: Path, ids: npt.NDArray[np.bytes_], shape: tuple[int, ...]) -> int:
    import h5py

    with h5py.File(path, "w", libver="earliest") as file:
        file.create_dataset("frame_id", data=ids)
        # One contiguous block that exists from now on, so that the maps are written into it as into an array file.
        how = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        how.set_alloc_time(h5py.h5d.ALLOC_TIME_EARLY)
        how.set_fill_time(h5py.h5d.FILL_TIME_NEVER)
        data = file.create_dataset("data", shape, "<f4", dcpl=how)
        return int(data.id.get_offset())


def _write_maps(file: BinaryIO, offset: int, task: Task, split: Split, size: Size, *, jobs: int, quiet: bool) -> None:
    """Make and write every map in threads; on an error or an interrupt the maps not yet begun are never made."""

    def make(i: int) -> None:
        depth = np.ascontiguousarray(task(i), "<f4")
        if depth.shape != size or not (depth.min() > 0 and np.isfinite(depth.max())):  # NaN fails both comparisons
            raise PredictionError(
                f"{split.frame_ids[i]}: the prediction has shape {depth.shape} and values of {depth.min()} to {depth.max()}; "
                f"expected {size} and finite values above zero"
            )
        with lock:
            file.seek(offset + i * depth.nbytes)
            file.write(depth.data)

    lock = threading.Lock()
    n = len(split.frames)
    with ThreadPoolExecutor(jobs) as pool, Progress("predict", unit="frame", quiet=quiet) as report:
        report(0, n)
        futures = [pool.submit(make, i) for i in range(n)]
        try:
            for i, future in enumerate(futures):
                future.result()
                report(i + 1, n)
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


def _split_beside(out: Path, split: Split) -> str | None:
    """How a manifest beside `out` can name the split: by its own name, or a list by its path from there; None if it cannot."""
    if split.role != "custom":
        return split.name
    listed, folder = Path(split.source).resolve(), out.parent.resolve()
    name = listed.relative_to(folder).as_posix() if listed.is_relative_to(folder) else None
    return None if name in read_index() else name


def _describes(manifest: Path, out: Path) -> bool:
    try:
        return read_manifest(manifest).predictions == out.resolve()
    except PredictionError:
        return False
