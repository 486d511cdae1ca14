"""The ground-truth file: HDF5, 1-D arrays in chunks of 131072, deflate level 1 with shuffle, no pickle, no links.

Chunks are compressed and decompressed by threads (zlib releases the interpreter lock, the HDF5 library does not), in
order, so the bytes of a file do not depend on the number of threads.
"""

from __future__ import annotations

import os
import zlib
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from benchmark.errors import GroundTruthError
from benchmark.io.files import atomic_path
from benchmark.io.ground_truth import FORMAT_VERSION, GroundTruth, Header, Part, creator, from_arrays

CHUNK = 131072
DEFLATE_LEVEL = 1
# A deflate stream expands at most 1032 times (zlib's documentation): a header that declares more is not honest.
MAX_EXPANSION = 1040
MAX_SIDE = 16384
ARRAYS: dict[str, tuple[str, ...]] = {
    "indptr": ("<i8",),
    "indices": ("<u2",),
    "data": ("<f4", "<u2"),
    "row_start": ("<i8",),
    "shape": ("<i8",),
    "K": ("<f8",),
}
KNOWN_FILTERS = {h5py.h5z.FILTER_SHUFFLE, h5py.h5z.FILTER_DEFLATE, h5py.h5z.FILTER_FLETCHER32, h5py.h5z.FILTER_LZF}


def write_hdf5(path: Path, header: Header, parts: Iterable[Part]) -> None:
    """Write the parts in order; the file appears only whole.

    Raises:
        GroundTruthError: the parts do not add up to the header's frames, or the file cannot be written.
    """
    try:
        with atomic_path(path) as temporary, ThreadPoolExecutor(os.cpu_count()) as pool:
            with h5py.File(temporary, "w", libver=("v110", "v110")) as file:
                small = _write_points(file, parts, pool)
                for name, array in small.items():
                    _write_array(file, name, array, pool)
                _write_header(file, header)
            _seal(temporary)
    except OSError as error:
        raise GroundTruthError(
            f"{path}: cannot write the ground truth: {error}. Free some space or choose another --out; nothing was left behind"
        ) from error


def _seal(temporary: Path) -> None:
    """Read the file back, which checks every promise of the layout, and store the hash of its content."""
    truth = read_hdf5(temporary, verify=False)
    with h5py.File(temporary, "r+", libver=("v110", "v110")) as file:
        file.attrs["content_sha256"] = truth.content_sha256


def _write_header(file: h5py.File, header: Header) -> None:
    ids = np.array([i.encode() for i in header.frame_id])
    file.create_dataset("frame_id", data=ids, chunks=(max(1, min(len(ids), CHUNK)),), compression="gzip", shuffle=True)
    file.attrs["format_version"] = FORMAT_VERSION
    for name in ("dataset", "split", "split_sha256", "depth_kind"):
        file.attrs[name] = getattr(header, name)
    if header.data_scale is not None:
        file.attrs["data_scale"] = header.data_scale
    file.attrs["creator"] = creator()


def _write_points(file: h5py.File, parts: Iterable[Part], pool: ThreadPoolExecutor) -> dict[str, NDArray[Any]]:
    """Stream `indices` and `data` to the file; return the small arrays, which need all parts."""
    shapes, intrinsics, counts = [], [], []
    streams: dict[str, ChunkStream] = {}
    for part in parts:
        shapes.append(part.shape)
        intrinsics.append(part.K)
        counts.append(part.row_count)
        for name in ("indices", "data"):
            array = getattr(part, name)
            if name not in streams:
                streams[name] = ChunkStream(file, name, array.dtype, pool)
            streams[name].append(array)
    if not shapes:
        raise GroundTruthError("there is no frame to write")
    for stream in streams.values():
        stream.close()
    shape = np.concatenate(shapes)
    return {
        "indptr": np.concatenate([[0], np.cumsum(np.concatenate(counts))]).astype(np.int64),
        "row_start": np.concatenate([[0], np.cumsum(shape[:, 0])]).astype(np.int64),
        "shape": shape,
        "K": np.concatenate(intrinsics),
    }


def _write_array(file: h5py.File, name: str, array: NDArray[Any], pool: ThreadPoolExecutor) -> None:
    if array.ndim > 1:
        file.create_dataset(name, data=array, chunks=(min(len(array), 1024), *array.shape[1:]), compression="gzip")
        return
    stream = ChunkStream(file, name, array.dtype, pool)
    stream.append(array)
    stream.close()


class ChunkStream:
    """A 1-D dataset that grows by appended arrays; full chunks are compressed by the pool and written in order."""

    def __init__(self, file: h5py.File, name: str, dtype: np.dtype[Any], pool: ThreadPoolExecutor) -> None:
        self.dataset = file.create_dataset(
            name, shape=(0,), maxshape=(None,), dtype=dtype.newbyteorder("<"), chunks=(CHUNK,),
            compression="gzip", compression_opts=DEFLATE_LEVEL, shuffle=True,
        )  # fmt: skip
        self.pool = pool
        self.rest = np.empty(0, dtype)
        self.queue: list[Future[bytes]] = []
        self.length = 0
        self.written = 0

    def append(self, array: NDArray[Any]) -> None:
        """Take the next elements."""
        self.length += len(array)
        self.rest = np.concatenate([self.rest, array])
        while len(self.rest) >= CHUNK:
            self._submit(self.rest[:CHUNK])
            self.rest = self.rest[CHUNK:]
        self._drain(keep=8)

    def close(self) -> None:
        """Write what is left; the last chunk is padded with zeros, as HDF5 does."""
        if len(self.rest):
            self._submit(np.concatenate([self.rest, np.zeros(CHUNK - len(self.rest), self.rest.dtype)]))
        self._drain(keep=0)
        self.dataset.resize((self.length,))

    def _submit(self, chunk: NDArray[Any]) -> None:
        self.queue.append(self.pool.submit(_deflate, chunk))

    def _drain(self, keep: int) -> None:
        while len(self.queue) > keep:
            chunk = self.queue.pop(0).result()
            self.dataset.resize((self.written + CHUNK,))
            self.dataset.id.write_direct_chunk((self.written,), chunk)
            self.written += CHUNK


def _deflate(chunk: NDArray[Any]) -> bytes:
    planes = chunk.view(np.uint8).reshape(-1, chunk.itemsize).T
    return zlib.compress(np.ascontiguousarray(planes).data, DEFLATE_LEVEL)


def read_hdf5(path: Path, *, max_frames: int | None = None, verify: bool = True) -> GroundTruth:
    """The whole file in memory, checked.

    Args:
        path: a file of `depthbench export_gt`.
        max_frames: refuse a file that declares more frames than this, before memory is taken.
        verify: compare the content with its stored sha256.

    Raises:
        GroundTruthError: not HDF5, links or filters that are refused, arrays that contradict each other, another hash.
    """
    try:
        with h5py.File(path, "r") as file:
            refuse_links(path, file)
            header = _read_header(path, file, max_frames)
            _check_sizes(path, file, len(header.frame_id))
            with ThreadPoolExecutor(os.cpu_count()) as pool:
                arrays = {name: _read_array(path, file[name], pool) for name in ARRAYS}
            stored = file.attrs.get("content_sha256")
    except (OSError, KeyError, ValueError, RuntimeError, TypeError, zlib.error) as error:
        raise GroundTruthError(
            f"{path}: cannot be read as a depthbench ground-truth file ({error}); the file is damaged, cut short or of "
            "another kind: export it again with `depthbench export_gt`"
        ) from error
    truth = from_arrays(header, arrays, source=str(path))
    if verify and stored != truth.content_sha256:
        raise GroundTruthError(
            f"{path}: the content has sha256 {truth.content_sha256[:16]}…, the file says {str(stored)[:16]}…; it was "
            "altered after export: export it again with `depthbench export_gt`"
        )
    return truth


def refuse_links(path: Path, file: h5py.File) -> None:
    """Only plain arrays with known filters, all inside the file.

    Raises:
        GroundTruthError: naming the first entry that is something else.
    """
    for name in file:
        link = file.get(name, getlink=True)
        if not isinstance(link, h5py.HardLink):
            raise GroundTruthError(
                f"{path}: {name!r} is {type(link).__name__}, which could point outside the file; expected plain arrays "
                "only. Export the ground truth again, do not link it together"
            )
        entry = file[name]
        if not isinstance(entry, h5py.Dataset) or entry.is_virtual or entry.external:
            raise GroundTruthError(f"{path}: {name!r} is a group or keeps its data in other files; expected a plain array")
        _refuse_filters(path, name, entry)


def _filters(dataset: h5py.Dataset) -> list[int]:
    properties = dataset.id.get_create_plist()
    return [properties.get_filter(i)[0] for i in range(properties.get_nfilters())]


def _refuse_filters(path: Path, name: str, dataset: h5py.Dataset) -> None:
    unknown = [code for code in _filters(dataset) if code not in KNOWN_FILTERS]
    if unknown:
        raise GroundTruthError(
            f"{path}: {name!r} uses the HDF5 filter {unknown[0]}, which would load a plugin; known are shuffle, deflate, "
            "fletcher32 and lzf. Repack it with `h5repack -f GZIP=1`"
        )


def _read_header(path: Path, file: h5py.File, max_frames: int | None) -> Header:
    version = int(file.attrs["format_version"])
    if version != FORMAT_VERSION:
        raise GroundTruthError(f"{path}: format version {version}; this depthbench reads {FORMAT_VERSION}")
    ids = file["frame_id"]
    if ids.ndim != 1 or ids.dtype.kind != "S" or ids.dtype.itemsize > 1024:
        raise GroundTruthError(f"{path}: frame_id is {ids.dtype} {ids.shape}; expected one text of at most 1024 bytes a frame")
    if max_frames is not None and len(ids) > max_frames:
        raise GroundTruthError(f"{path}: declares {len(ids)} frames; the split holds {max_frames}")
    _check_bytes(path, "frame_id", ids)
    scale = file.attrs.get("data_scale")
    text = {name: _text(file.attrs[name]) for name in ("dataset", "split", "split_sha256", "depth_kind")}
    frame_id = tuple(i.decode() for i in ids[:])
    return Header(**text, frame_id=frame_id, data_scale=None if scale is None else float(scale))


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


def _check_sizes(path: Path, file: h5py.File, n: int) -> None:
    """Every shape and type against the number of frames, before memory is taken."""
    for name, dtypes in ARRAYS.items():
        if file[name].dtype.str not in dtypes:
            raise GroundTruthError(f"{path}: {name} is {file[name].dtype}; expected {' or '.join(dtypes)}")
        _check_bytes(path, name, file[name])
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


def _check_bytes(path: Path, name: str, dataset: h5py.Dataset) -> None:
    declared, stored = dataset.size * dataset.dtype.itemsize, dataset.id.get_storage_size()
    if declared > MAX_EXPANSION * stored:
        raise GroundTruthError(f"{path}: {name} declares {declared} bytes but stores {stored}; no file packs that tightly")


def _read_array(path: Path, dataset: h5py.Dataset, pool: ThreadPoolExecutor) -> NDArray[Any]:
    """A dataset in memory: in threads where it is laid out as `write_hdf5` does, by the HDF5 library otherwise."""
    ours = [h5py.h5z.FILTER_SHUFFLE, h5py.h5z.FILTER_DEFLATE]
    if dataset.ndim != 1 or not dataset.chunks or _filters(dataset) != ours or dataset.size == 0:
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
