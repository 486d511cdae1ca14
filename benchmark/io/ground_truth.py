"""Sparse ground truth of a whole split: one CSR matrix whose rows are the image rows of all frames, top to bottom.

The layout follows scipy's CSR convention (`indptr`, `indices`, `data`), so a frame is one contiguous slice. Measured on
real HDL-64 maps (375x1242): shuffled and deflated it takes 70 kB a frame, where the field's dense `.npz` takes 82 kB and
plain arrays 115 kB. Unpacked by two threads it loads in 0.35 ms a frame, its checks and its hash included.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from benchmark import __version__
from benchmark.errors import GroundTruthError

FORMAT_VERSION = 1
DEPTH_KINDS = ("lidar_forward_x", "camera_z", "annotated_png", "exact")
PNG_SCALE = 1 / 256
ARRAY_NAMES = ("indptr", "indices", "data", "row_start", "shape", "K")


class Part(NamedTuple):
    """Consecutive frames: `shape` (n, 2), `K` (n, 3, 3), `row_count` (sum of heights,) points in each image row,
    `indices` (nnz,) uint16 columns ascending within a row, `data` (nnz,) float32 metres or scaled uint16."""

    shape: NDArray[np.int64]
    K: NDArray[np.float64]
    row_count: NDArray[np.int64]
    indices: NDArray[np.uint16]
    data: NDArray[Any]


@dataclass(frozen=True)
class Header:
    """What the numbers are: data set, split and its sha256, depth kind, frame ids in order, metres per unit of `data`."""

    dataset: str
    split: str
    split_sha256: str
    depth_kind: str
    frame_id: tuple[str, ...]
    data_scale: float | None = None


@dataclass(frozen=True)
class GroundTruth:
    """Sparse depth of N frames. `indptr` (rows + 1,), `indices` (nnz,), `data` (nnz,), `row_start` (N + 1,), `shape`
    (N, 2), `K` (N, 3, 3). `order_assumed` is true when the source named no frames and the split's order was taken; `source`
    is the file's path; `label` (nnz,) are semantic ids of the data set, where the source has them."""

    header: Header
    indptr: NDArray[np.int64]
    indices: NDArray[np.uint16]
    data: NDArray[Any]
    row_start: NDArray[np.int64]
    shape: NDArray[np.int64]
    K: NDArray[np.float64]
    content_sha256: str
    order_assumed: bool = False
    source: str = "the ground truth"
    label: NDArray[np.uint8] | None = None

    def __len__(self) -> int:
        return len(self.shape)

    def frame(self, i: int) -> tuple[NDArray[np.int64], NDArray[np.uint16], NDArray[np.float32]]:
        """Frame i as indptr (H + 1,), columns and depths in metres; indptr counts from the frame's first point on."""
        rows = self.indptr[self.row_start[i] : self.row_start[i + 1] + 1]
        cut = slice(rows[0], rows[-1])
        depth = self.data[cut]
        if self.header.data_scale is not None:
            depth = depth.astype(np.float32) * np.float32(self.header.data_scale)
        return rows - rows[0], self.indices[cut], depth

    def ids(self, i: int) -> NDArray[np.uint8]:
        """Semantic ids of the points of frame i, of a source that has them."""
        if self.label is None:
            raise ValueError(f"{self.source} has no semantic ids")
        return self.label[slice(*self.indptr[self.row_start[i : i + 2]].tolist())]

    def points(self, i: int) -> tuple[NDArray[np.int64], NDArray[np.uint16], NDArray[np.float32]]:
        """Row, column and depth in metres of frame i's points, in raster order."""
        indptr, column, depth = self.frame(i)
        return np.repeat(np.arange(len(indptr) - 1), np.diff(indptr)), column, depth

    def dense(self, i: int) -> NDArray[np.float32]:
        """Frame i as (H, W) float32 metres, 0 where there is no ground truth."""
        row, column, depth = self.points(i)
        out = np.zeros(tuple(self.shape[i]), np.float32)
        out[row, column] = depth
        return out


def sparsify(depth_maps: Sequence[NDArray[Any]], K: NDArray[np.float64]) -> Part:
    """Dense (H, W) maps, 0 or below where empty, to one part. float maps become float32, uint16 maps stay raw."""
    counts, columns, values, shapes = [], [], [], []
    for depth in depth_maps:
        if depth.ndim != 2 or max(depth.shape) > 65535:
            raise GroundTruthError(f"a depth map has shape {depth.shape}; expected two axes (H, W) of at most 65535")
        row, column = np.nonzero(depth > 0)
        counts.append(np.bincount(row, minlength=depth.shape[0]))
        columns.append(column.astype(np.uint16))
        kept = depth[row, column]
        values.append(kept if depth.dtype == np.uint16 else kept.astype(np.float32))
        shapes.append(depth.shape)
    kind = values[0].dtype if values else np.dtype(np.float32)
    return Part(
        np.array(shapes, np.int64).reshape(-1, 2),
        np.broadcast_to(np.asarray(K, np.float64), (len(shapes), 3, 3)),
        np.concatenate([np.empty(0, np.int64), *counts]).astype(np.int64),
        np.concatenate([np.empty(0, np.uint16), *columns]),
        np.concatenate([np.empty(0, kind), *values]),
    )


def assemble(
    header: Header, parts: Iterable[Part], *, order_assumed: bool = False, source: str = "the ground truth"
) -> GroundTruth:
    """All parts in memory as one checked ground truth."""
    listed = list(parts)
    if not listed:
        raise GroundTruthError(f"{source}: holds no frame of {header.split}; export it with `depthbench export_gt`")
    return from_arrays(header, join(listed), source=source, order_assumed=order_assumed)


def join(parts: Sequence[Part]) -> dict[str, NDArray[Any]]:
    """Consecutive parts as the arrays of one ground truth."""
    shape = np.concatenate([p.shape for p in parts])
    return {
        "indptr": np.concatenate([[0], np.cumsum(np.concatenate([p.row_count for p in parts]))]).astype(np.int64),
        "indices": np.concatenate([p.indices for p in parts]),
        "data": np.concatenate([p.data for p in parts]),
        "row_start": np.concatenate([[0], np.cumsum(shape[:, 0])]).astype(np.int64),
        "shape": shape,
        "K": np.concatenate([p.K for p in parts]),
    }


def from_arrays(header: Header, arrays: dict[str, NDArray[Any]], *, source: str, order_assumed: bool = False) -> GroundTruth:
    """Check the arrays against each other, hash them and wrap them.

    Raises:
        GroundTruthError: the arrays contradict each other; scoring would read outside a frame or meet no depth.
    """
    check_structure(header, arrays, source)
    return GroundTruth(
        header, **arrays, content_sha256=content_sha256(header, arrays), order_assumed=order_assumed, source=source
    )


def with_label(truth: GroundTruth, label: NDArray[np.uint8]) -> GroundTruth:
    """The ground truth with a semantic id for each of its points, which its hash covers too."""
    if label.shape != truth.data.shape:
        raise ValueError(f"{truth.source}: {label.shape} semantic ids for {truth.data.shape} points")
    both = f"{truth.content_sha256}\n{array_sha256([label])}"
    return replace(truth, label=label, content_sha256=hashlib.sha256(both.encode()).hexdigest())


def check_structure(header: Header, arrays: dict[str, NDArray[Any]], source: str) -> None:
    """Every promise of the CSR layout, so that no later index can leave its frame.

    Raises:
        GroundTruthError: naming the first broken promise.
    """
    indptr, indices, data = arrays["indptr"], arrays["indices"], arrays["data"]
    row_start, shape = arrays["row_start"], arrays["shape"]
    n = len(shape)
    frame_start = indptr[row_start] if len(indptr) and row_start.max(initial=0) < len(indptr) else indptr[:0]
    promises = {
        "one frame id per frame": len(header.frame_id) == n and len(arrays["K"]) == n,
        "unique frame ids": len(set(header.frame_id)) == n,
        "a known depth kind": header.depth_kind in DEPTH_KINDS,
        "row_start counts the rows": np.array_equal(row_start, np.concatenate([[0], np.cumsum(shape[:, 0])])),
        "one indptr entry per row and one more": len(indptr) == int(shape[:, 0].sum()) + 1,
        "indptr from 0 to the number of points, never falling": len(indptr) > 0
        and indptr[0] == 0
        and indptr[-1] == len(data) == len(indices)
        and bool(np.all(np.diff(indptr) >= 0)),
        "columns inside the image": len(frame_start) == n + 1 and _columns_inside(indices, frame_start, shape),
        "columns that ascend within a row": _columns_ascend(indices, indptr),
        "finite depths above zero": _positive(data),
        "a data_scale above zero with uint16 depths, none with float32": _scaled(header.data_scale, data.dtype),
    }
    for promise, kept in promises.items():
        if not kept:
            raise GroundTruthError(
                f"{source}: the ground truth is inconsistent, expected {promise}; the file is damaged or was not "
                "written by depthbench: export it again with `depthbench export_gt`"
            )


def _columns_inside(indices: NDArray[np.uint16], frame_start: NDArray[np.int64], shape: NDArray[np.int64]) -> bool:
    if np.any(np.diff(frame_start) < 0) or frame_start[-1] != len(indices):
        return False
    widths = {int(w) for w in shape[:, 1]}
    if len(indices) == 0 or int(indices.max()) < min(widths):
        return True
    return all(int(indices[a:b].max(initial=0)) < w for (a, b), w in zip(pairwise(frame_start), shape[:, 1], strict=True))


def _columns_ascend(indices: NDArray[np.uint16], indptr: NDArray[np.int64]) -> bool:
    # A pixel given twice would count twice. Neighbours are compared, because differences of uint16 wrap around.
    ascends = indices[1:] > indices[:-1]
    row_starts = indptr[(indptr > 0) & (indptr < len(indices))]
    ascends[row_starts - 1] = True
    return bool(ascends.all())


def _positive(data: NDArray[Any]) -> bool:
    # NaN fails both comparisons, because minimum and maximum propagate it.
    return len(data) == 0 or bool(data.min() > 0 and np.isfinite(data.max()))


def _scaled(scale: float | None, dtype: np.dtype[Any]) -> bool:
    return dtype == np.float32 if scale is None else dtype == np.uint16 and 0 < scale < float("inf")


def content_sha256(header: Header, arrays: dict[str, NDArray[Any]]) -> str:
    """sha256 of the frame ids and the arrays' little-endian bytes; independent of compression and of creator."""
    return combined_sha256(header, {name: array_sha256([arrays[name]]) for name in ARRAY_NAMES})


def array_sha256(pieces: Iterable[NDArray[Any]]) -> str:
    """sha256 of the little-endian bytes of consecutive pieces of an array."""
    digest = hashlib.sha256()
    for piece in pieces:
        digest.update(np.ascontiguousarray(piece, piece.dtype.newbyteorder("<")).data)
    return digest.hexdigest()


def combined_sha256(header: Header, digests: dict[str, str]) -> str:
    """The content hash from the hash of each array, which a writer can keep while it streams."""
    lines = [*header.frame_id, f"{header.depth_kind} {header.data_scale}", *(digests[name] for name in ARRAY_NAMES)]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def creator() -> str:
    """What wrote a file."""
    return f"depthbench {__version__}"
