"""Ground truth of any accepted form: our `.h5`, the field's `gt_depths.npz`, or a folder with one map per frame."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmark.errors import GroundTruthError
from benchmark.io.ground_truth import PNG_SCALE, GroundTruth, Header, Part, assemble, sparsify
from benchmark.splits import Split

# Image sizes (H, W) of the five KITTI recording days.
DATE_SIZES = {
    "2011_09_26": (375, 1242),
    "2011_09_28": (370, 1224),
    "2011_09_29": (374, 1238),
    "2011_09_30": (370, 1226),
    "2011_10_03": (376, 1241),
}
BLOCK = 16
DDAD_CHALLENGE = "ddad_challenge"


def read_ground_truth(path: Path, split: Split, *, dataset: str, depth_kind: str) -> GroundTruth:
    """The ground truth in memory.

    Args:
        path: `.h5`, `.npz`, `.npy` or a folder; that of the DDAD challenge for its protocols.
        split: the frames that a file without ids must follow, and that a folder is searched for.
        dataset: the data set of the protocol; a file that does not name its own is taken to be of it.
        depth_kind: likewise.

    Raises:
        GroundTruthError: unreadable, damaged, hostile, or with other frames or sizes than the split.
    """
    if dataset == DDAD_CHALLENGE:
        from benchmark.io.ddad_challenge import read_challenge

        return read_challenge(path, split, depth_kind=depth_kind)
    if path.is_dir():
        return _read_folder(path, split, dataset=dataset, depth_kind=depth_kind)
    if not path.is_file():
        name = shlex.quote(split.source if split.role == "custom" else split.name)
        raise GroundTruthError(f"{path}: no such file or folder; make it with `depthbench export_gt --split {name}`")
    if path.suffix in {".h5", ".hdf5"}:
        from benchmark.io.ground_truth_hdf5 import read_hdf5

        return read_hdf5(path)
    if path.suffix in {".npz", ".npy"}:
        return _read_field_file(path, split, dataset=dataset, depth_kind=depth_kind)
    raise GroundTruthError(f"{path}: unknown kind of file; ground truth is .h5, gt_depths.npz, or a folder of maps")


def _read_field_file(path: Path, split: Split, *, dataset: str, depth_kind: str) -> GroundTruth:
    from benchmark.io.gt_depths_npz import About, read_about, read_gt_depths

    stored = read_about(path)
    about = stored or About(split.frame_ids, depth_kind, dataset)
    maps = read_gt_depths(
        path, len(about.frame_id), whose="it names" if stored else "the split has",
        check_size=lambda i, shape: _check_size(path, about.frame_id[i], shape),
    )  # fmt: skip
    header = _header(split, about.frame_id, dataset=about.dataset, depth_kind=about.depth_kind, scale=None)
    one_by_one = (maps.pop(0) for _ in range(len(maps)))
    return assemble(header, _blocks(one_by_one), order_assumed=stored is None, source=str(path))


def _read_folder(path: Path, split: Split, *, dataset: str, depth_kind: str) -> GroundTruth:
    from benchmark.io.depth_folders import find_files, read_map

    if not split.frame_ids:
        raise GroundTruthError(f"{path}: the split {split.name} has no list of frames to look for in a folder")
    files, by_position, _ = find_files(path, split.frame_ids, GroundTruthError)
    if by_position and len(files) != len(split.frame_ids):
        raise GroundTruthError(
            f"{path}: holds {len(files)} maps called by their position; {split.name} has {len(split.frame_ids)} frames, in "
            "that order. Take the folder made for this split, or name the files by frame id with / as __"
        )
    missing = [name for name, file in zip(split.frame_ids, files, strict=True) if file is None]
    if missing:
        raise GroundTruthError(
            f"{path}: {len(missing)} of the {len(files)} frames of {split.name} have no map, the first is {missing[0]}; "
            "fetch or export the missing ones"
        )
    # One folder has one type of file here, so a PNG means that all are raw.
    scale = PNG_SCALE if any(file is not None and file.suffix == ".png" for file in files) else None
    header = _header(split, split.frame_ids, dataset=dataset, depth_kind=depth_kind, scale=scale)
    pairs = zip(split.frame_ids, files, strict=True)
    maps = (_check_map(file, name, read_map(file, GroundTruthError)) for name, file in pairs if file is not None)
    return assemble(header, _blocks(maps), order_assumed=by_position, source=str(path))


def _header(split: Split, ids: tuple[str, ...], *, dataset: str, depth_kind: str, scale: float | None) -> Header:
    return Header(dataset, split.name, split.sha256, depth_kind, ids, scale)


def _blocks(maps: Iterator[NDArray[Any]]) -> Iterator[Part]:
    """Sparse parts; each dense map is let go as soon as it is packed."""
    unknown = np.full((3, 3), np.nan)
    while block := list(islice(maps, BLOCK)):
        yield sparsify(block, unknown)


def _check_map(path: Path, frame_id: str, depth: NDArray[Any]) -> NDArray[Any]:
    _check_size(path, frame_id, depth.shape)
    if depth.dtype != np.uint16 and not np.isfinite(depth).all():
        raise GroundTruthError(
            f"{path}: the map of {frame_id} holds NaN or inf; expected 0 where there is no ground truth: export it again"
        )
    return depth


def _check_size(path: Path, frame_id: str, shape: tuple[int, ...]) -> None:
    expected = DATE_SIZES.get(frame_id[:10])
    if expected is not None and shape != expected:
        raise GroundTruthError(
            f"{path}: the map of {frame_id} is {shape[0]}x{shape[1]}; images of {frame_id[:10]} are "
            f"{expected[0]}x{expected[1]}. The file follows another order or another split: take the one "
            "made for this split, or export it with `depthbench export_gt`"
        )
