"""KITTI annotated depth: paths, parsers, frames. Uhrig et al., "Sparsity Invariant CNNs", 3DV 2017.

16-bit PNG, value / 256 metres along the optical axis, 0 where there is no depth. Three layouts are in use: the
official one without the date folder, Monodepth2's with it, and monodepth_benchmark's under `depth_benchmark/`.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from benchmark.errors import DatasetError
from benchmark.io.png import read_png16
from benchmark.splits import Frame
from datasets_prep.kitti_raw import (
    AGAIN,
    Matrix,
    calibration_path,
    check_camera,
    check_size,
    date_of,
    entry,
    read_K,
    read_numbers,
)

# `2011_09_26_drive_0002_sync_groundtruth_depth_0000000005_image_02.png`, and `_image_`, `_velodyne_raw_` likewise.
SELECTED = re.compile(
    r"(?P<drive>\d{4}_\d{2}_\d{2}_drive_\d{4}_sync)_groundtruth_depth_(?P<number>\d{10})_(?P<camera>image_0\d)"
)
SELECTION_SIZE = (352, 1216)


class SelectedFrame(NamedTuple):
    """One frame of the devkit's validation selection, cropped to 352x1216: its ground truth, image and intrinsics."""

    frame: Frame
    depth: Path
    image: Path
    intrinsics: Path


def candidates(root: Path, frame: Frame, kind: str = "groundtruth") -> tuple[Path, ...]:
    """Where a frame's map may lie: official train, val, or one of them itself, Monodepth2's, monodepth_benchmark's.

    `kind` is `groundtruth` (annotated) or `velodyne_raw` (one scan, as distributed with it).
    """
    date = date_of(frame.drive)
    tail = Path(frame.drive) / "proj_depth" / kind / check_camera(frame) / f"{frame.number:010d}.png"
    heads = (Path("train"), Path("val"), Path(), Path(date), Path("depth_benchmark") / date)
    return tuple(root / head / tail for head in heads)


def annotated_path(root: Path, frame: Frame) -> Path:
    """The annotated map of a frame in whichever layout holds it; where none does, the name in the layout of `root`."""
    paths = candidates(root, frame)
    expected = paths[0] if (root / "train").is_dir() or (root / "val").is_dir() else paths[3]
    return next((path for path in paths if path.is_file()), expected)


def read_annotated(path: Path) -> npt.NDArray[np.uint16]:
    """Annotated depth (H, W) uint16, 1/256 metres a unit, 0 where there is none."""
    try:
        return read_png16(path, DatasetError)
    except DatasetError as problem:
        raise DatasetError(f"{problem}; {AGAIN}") from problem


def load_annotated(root: Path, frame: Frame) -> npt.NDArray[np.uint16]:
    """The annotated map (H, W) uint16 of a frame, held to the size of its day."""
    path = annotated_path(root, frame)
    depth = read_annotated(path)
    check_size(date_of(frame.drive), depth.shape, path=path)
    return depth


def find_calibration(root: Path, frame: Frame) -> Path | None:
    """KITTI raw's `calib_cam_to_cam.txt` of a frame's day beside the maps; None where it is not there."""
    beside = (root, root.parent / "kitti_raw", root.parent.parent / "kitti_raw")
    paths = (calibration_path(raw, date_of(frame.drive), "cam_to_cam") for raw in beside)
    return next((path for path in paths if path.is_file()), None)


def find_K(root: Path, frame: Frame) -> Matrix:
    """Intrinsics (3, 3) in pixels from KITTI raw's calibration beside the maps; NaN where it is not there.

    The annotated depth comes without calibration and scoring depth needs none; point clouds do and refuse NaN.
    """
    path = find_calibration(root, frame)
    return np.full((3, 3), np.nan) if path is None else read_K(path, frame.camera)


def selection(root: Path) -> tuple[SelectedFrame, ...]:
    """The 1,000 frames of `val_selection_cropped`, sorted by file name as the devkit pairs them.

    Raises:
        DatasetError: the folder is missing, empty, or holds files of other names.
    """
    bases = (root / "depth_selection" / "val_selection_cropped", root / "val_selection_cropped", root)
    base = next((b for b in bases if (b / "groundtruth_depth").is_dir()), None)
    if base is None:
        raise DatasetError(f"{bases[0]}: no folder groundtruth_depth; expected the devkit's validation selection. {AGAIN}")
    paths = sorted((base / "groundtruth_depth").glob("*.png"))
    if not paths:
        raise DatasetError(f"{base / 'groundtruth_depth'}: no PNG; expected 1,000. {AGAIN}")
    return tuple(_selected(base, path) for path in paths)


def _selected(base: Path, path: Path) -> SelectedFrame:
    match = SELECTED.fullmatch(path.stem)
    if match is None:
        raise DatasetError(
            f"{path}: not a name of the selection; expected <drive>_sync_groundtruth_depth_<10 digits>_image_0X.png. "
            "Move the file elsewhere"
        )
    stem = path.stem.replace("_groundtruth_depth_", "_image_")
    return SelectedFrame(
        frame=Frame(match["drive"], match["camera"], int(match["number"])),
        depth=path,
        image=base / "image" / f"{stem}.png",
        intrinsics=base / "intrinsics" / f"{stem}.txt",
    )


def read_selection_K(path: Path) -> Matrix:
    """Intrinsics (3, 3) of a cropped frame of the selection: nine numbers, row by row."""
    return entry({"intrinsics": read_numbers(path)}, "intrinsics", (3, 3), path=path)


def load_selected(selected: SelectedFrame) -> npt.NDArray[np.uint16]:
    """The cropped annotated map (352, 1216) uint16 of a selected frame."""
    depth = read_annotated(selected.depth)
    if depth.shape != SELECTION_SIZE:
        raise DatasetError(f"{selected.depth}: {depth.shape[0]}x{depth.shape[1]} pixels, expected 352x1216; {AGAIN}")
    return depth
