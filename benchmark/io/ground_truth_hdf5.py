"""The ground-truth file: HDF5, 1-D arrays in chunks of 2^20, deflate level 1 with shuffle, no pickle, no links.

Chunks are compressed and decompressed by threads (zlib releases the interpreter lock, the HDF5 library does not), in
order, so the bytes of a file do not depend on the number of threads.
"""

from __future__ import annotations

import contextlib
import zlib
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from benchmark.cores import cpu_count
from benchmark.errors import GroundTruthError
from benchmark.io.files import atomic_path
from benchmark.io.ground_truth import (
    FORMAT_VERSION,
    GroundTruth,
    Header,
    Part,
    array_sha256,
    check_structure,
    combined_sha256,
    creator,
    from_arrays,
    join,
)
from benchmark.io.hdf5 import attribute, check_bytes, filters, read_ids, refuse_links
from benchmark.io.hdf5_writing import CHUNK, DEFLATE_LEVEL, ChunkStream, PatientFile, deflate
from benchmark.io.npy import MAX_SIDE

ARRAYS: dict[str, tuple[str, ...]] = {
    "indptr": ("<i8",),
    "indices": ("<u2",),
    "data": ("<f4", "<u2"),
    "row_start": ("<i8",),
    "shape": ("<i8",),
    "K": ("<f8",),
}


def write_hdf5(path: Path, header: Header, parts: Iterable[Part]) -> None:
    """Write the parts in order; the file appears only whole.

    Raises:
        GroundTruthError: the parts do not add up to the header's frames, or the file cannot be written.
    """
    try:
        with atomic_path(path) as temporary, temporary.open("w+b", buffering=0) as raw:
            file = PatientFile(raw)
            _write(file, header, parts)
            file.raise_error()
    except GroundTruthError as error:
        raise GroundTruthError(f"not written: {path}: {error}") from error
    except OSError as error:
        raise GroundTruthError(
            f"{path}: cannot write the ground truth: {error.strerror or error}. Free some space or choose another --out; "
            "no half-written file was left"
        ) from error


def _write(out: PatientFile, header: Header, parts: Iterable[Part]) -> None:
    """Part by part, so that memory does not grow with the file: 49 MB of the Eigen split, 1.1 GB of six cameras of DDAD."""
    with ThreadPoolExecutor(cpu_count()) as pool, h5py.File(out, "w", libver="earliest") as file:
        digests = _write_arrays(file, header, _until_error(_made(parts), out), pool)
        _write_header(file, header)
        file.attrs["content_sha256"] = np.bytes_(combined_sha256(header, digests))


def _made(parts: Iterable[Part]) -> Iterator[Part]:
    """The parts; an error of the system while one is made is not one of the file that is written."""
    try:
        yield from parts
    except OSError as error:
        raise GroundTruthError(f"a frame could not be read: {error}; correct what it names and run the same again") from error


def _until_error(parts: Iterable[Part], out: PatientFile) -> Iterator[Part]:
    for part in parts:
        yield part
        out.raise_error()


def _write_header(file: h5py.File, header: Header) -> None:
    ids = np.array([i.encode() for i in header.frame_id])
    _write_whole(file, "frame_id", ids)
    file.attrs["format_version"] = FORMAT_VERSION
    for name in ("dataset", "split", "split_sha256", "depth_kind"):
        file.attrs[name] = np.bytes_(getattr(header, name).encode())
    if header.data_scale is not None:
        file.attrs["data_scale"] = header.data_scale
    file.attrs["creator"] = np.bytes_(creator())


def _write_arrays(file: h5py.File, header: Header, parts: Iterable[Part], pool: ThreadPoolExecutor) -> dict[str, str]:
    """Stream `indices` and `data`, then the small arrays, which need all parts; the hash of each array."""
    shapes, intrinsics, row_counts = [], [], []
    streams: dict[str, ChunkStream] = {}
    n = 0
    for part in parts:
        first, n = n, n + len(part.shape)
        check_structure(replace(header, frame_id=header.frame_id[first:n]), join([part]), f"frames {first} to {n - 1}")
        for name in ("indices", "data"):
            array = getattr(part, name)
            if name not in streams:
                streams[name] = ChunkStream(file, name, array.dtype, pool)
            streams[name].append(array)
        shapes.append(part.shape)
        intrinsics.append(part.K)
        row_counts.append(part.row_count.astype(np.uint16))  # a row has at most 65535 pixels, six cameras of DDAD 29 M rows
    if n == 0 or n != len(header.frame_id) or len(set(header.frame_id)) != n:
        raise GroundTruthError(f"{n} frames came for {len(header.frame_id)} frame ids ({len(set(header.frame_id))} different)")
    digests = {name: stream.close() for name, stream in streams.items()}
    shape = np.concatenate(shapes).astype(np.int64)
    row_start = np.concatenate([[0], np.cumsum(shape[:, 0])])
    digests["indptr"] = _write_indptr(file, row_counts, int(row_start[-1]), pool)
    for name, array in {"row_start": row_start, "shape": shape, "K": np.concatenate(intrinsics)}.items():
        _write_whole(file, name, array)
        digests[name] = array_sha256([array])
    return digests


def _write_indptr(file: h5py.File, row_counts: list[NDArray[np.uint16]], rows: int, pool: ThreadPoolExecutor) -> str:
    stream = ChunkStream(file, "indptr", np.dtype(np.int64), pool, chunk=min(CHUNK, rows + 1))
    last = np.zeros(1, np.int64)
    stream.append(last)
    for counts in row_counts:
        ends = last + np.cumsum(counts, dtype=np.int64)
        stream.append(ends)
        last = ends[-1:]
    return stream.close()


def _write_whole(file: h5py.File, name: str, array: NDArray[Any]) -> None:
    """A small array as one chunk."""
    dataset = file.create_dataset(
        name, array.shape, array.dtype, chunks=array.shape, compression="gzip", compression_opts=DEFLATE_LEVEL, shuffle=True
    )
    dataset.id.write_direct_chunk((0,) * array.ndim, deflate(np.ascontiguousarray(array)))


def read_hdf5(path: Path, *, max_frames: int | None = None) -> GroundTruth:
    """The whole file in memory, checked.

    Args:
        path: a file of `depthbench export_gt`.
        max_frames: refuse a file that declares more frames than this, before memory is taken.

    Raises:
        GroundTruthError: not HDF5, links or filters that are refused, arrays that contradict each other, another hash.
    """
    with _open(path) as file:
        header = _read_header(path, file, max_frames)
        _check_sizes(path, file, len(header.frame_id))
        with ThreadPoolExecutor(cpu_count()) as pool:
            arrays = {name: _read_array(path, file[name], pool) for name in ARRAYS}
        stored = attribute(path, file, "content_sha256", GroundTruthError)
    truth = from_arrays(header, arrays, source=str(path))
    if stored != truth.content_sha256:
        raise GroundTruthError(
            f"{path}: the content has sha256 {truth.content_sha256[:16]}…, the file says {str(stored)[:16]}…; it was "
            "altered after export: export it again with `depthbench export_gt`"
        )
    return truth


def read_header(path: Path) -> Header:
    """What a ground-truth file says it holds: its frames in order, its split and kind, without its depths.

    Raises:
        GroundTruthError: as `read_hdf5`.
    """
    with _open(path) as file:
        return _read_header(path, file, None)


@contextlib.contextmanager
def _open(path: Path) -> Iterator[h5py.File]:
    """The file, and one error for all the ways in which HDF5 says that it is damaged."""
    try:
        with h5py.File(path, "r") as file:
            refuse_links(path, file, GroundTruthError)
            yield file
    except (OSError, KeyError, ValueError, RuntimeError, TypeError, zlib.error) as error:
        raise GroundTruthError(
            f"{path}: cannot be read as a depthbench ground-truth file ({error}); the file is damaged, cut short or of "
            "another kind: export it again with `depthbench export_gt`"
        ) from error


def _read_header(path: Path, file: h5py.File, max_frames: int | None) -> Header:
    version = attribute(path, file, "format_version", GroundTruthError)
    if version != FORMAT_VERSION:
        raise GroundTruthError(
            f"{path}: format version {version}; this depthbench reads {FORMAT_VERSION}: update it, or export again"
        )
    ids = file["frame_id"]
    if max_frames is not None and len(ids) > max_frames:
        raise GroundTruthError(f"{path}: declares {len(ids)} frames; the split holds {max_frames}")
    about = {name: attribute(path, file, name, GroundTruthError) for name in ("dataset", "split", "split_sha256", "depth_kind")}
    scale = attribute(path, file, "data_scale", GroundTruthError) if "data_scale" in file.attrs else None
    return Header(
        **{name: str(text) for name, text in about.items()},
        frame_id=read_ids(path, ids, None, GroundTruthError),
        data_scale=None if scale is None else float(scale),
    )


def _check_sizes(path: Path, file: h5py.File, n: int) -> None:
    """Every shape and type against the number of frames, before memory is taken."""
    for name, dtypes in ARRAYS.items():
        if file[name].dtype.str not in dtypes:
            raise GroundTruthError(f"{path}: {name} is {file[name].dtype}; expected {' or '.join(dtypes)}")
        check_bytes(path, name, file[name], GroundTruthError)
    if file["shape"].shape != (n, 2) or file["K"].shape != (n, 3, 3) or file["row_start"].shape != (n + 1,):
        raise GroundTruthError(f"{path}: shape, K and row_start do not have one entry for each of the {n} frames")
    shape = file["shape"][:]
    if n == 0 or shape.min() < 1 or shape.max() > MAX_SIDE:
        raise GroundTruthError(f"{path}: image sizes must lie in 1..{MAX_SIDE}, and there must be a frame")
    points, rows, pixels = file["data"].shape, int(shape[:, 0].sum()), int((shape[:, 0] * shape[:, 1]).sum())
    if file["indices"].shape != points or len(points) != 1 or points[0] > pixels or file["indptr"].shape != (rows + 1,):
        raise GroundTruthError(
            f"{path}: declares {points} depths and {file['indptr'].shape} row starts; its {n} images have {rows} rows "
            f"and {pixels} pixels"
        )


def _read_array(path: Path, dataset: h5py.Dataset, pool: ThreadPoolExecutor) -> NDArray[Any]:
    """A dataset in memory: in threads where it is laid out as `write_hdf5` does, by the HDF5 library otherwise."""
    ours = [h5py.h5z.FILTER_SHUFFLE, h5py.h5z.FILTER_DEFLATE]
    if dataset.ndim != 1 or not dataset.chunks or filters(dataset) != ours or dataset.size == 0:
        return np.asarray(dataset[...])
    out = np.empty(dataset.shape, dataset.dtype)
    step = dataset.chunks[0]
    jobs = (pool.submit(_inflate, chunk, out[at : at + step], step) for at, chunk in _raw_chunks(path, dataset, step))
    for job in list(jobs):
        job.result()
    return out


def _raw_chunks(path: Path, dataset: h5py.Dataset, step: int) -> Iterator[tuple[int, bytes]]:
    for at in range(0, dataset.shape[0], step):
        skipped, chunk = dataset.id.read_direct_chunk((at,))
        if skipped:
            raise GroundTruthError(f"{path}: a chunk of {dataset.name} was written without its filters; repack the file")
        yield at, chunk


def _inflate(chunk: bytes, out: NDArray[Any], step: int) -> None:
    size = step * out.itemsize
    raw = zlib.decompressobj().decompress(chunk, size)
    if len(raw) != size:
        raise ValueError(f"a chunk holds {len(raw)} bytes instead of {size}")
    planes = np.frombuffer(raw, np.uint8).reshape(out.itemsize, step)[:, : len(out)]
    target = out.view(np.uint8).reshape(-1, out.itemsize)
    for k in range(out.itemsize):
        target[:, k] = planes[k]
