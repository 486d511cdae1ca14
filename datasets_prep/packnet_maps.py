"""PackNet-SfM's LiDAR depth maps of KITTI: one npz a frame, key `velodyne_depth`, depth along the optical axis.

They are downloads (`KITTI_raw_velodyne`); by its maintainers they come from the devkit and hold camera z, not the
LiDAR's x, so they are never the ground truth of `kitti_eigen`.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt

from benchmark.errors import DatasetError
from benchmark.io import depth_folders
from benchmark.splits import Frame
from datasets_prep.kitti_raw import check_camera, check_size, date_of, drive_folder

KEY = "velodyne_depth"
OBTAIN = "PackNet-SfM's archive KITTI_raw_velodyne.tar.gz holds the maps: unpack it over the tree of KITTI raw"


def map_path(root: Path, frame: Frame) -> Path:
    """`<root>/<date>/<drive>/proj_depth/velodyne/<camera>/<frame>.npz`."""
    folder = drive_folder(root, frame.drive) / "proj_depth" / "velodyne" / check_camera(frame)
    return folder / f"{frame.number:010d}.npz"


def read_map(path: Path) -> npt.NDArray[np.float32]:
    """A depth map (H, W) float32 in metres, 0 (or below) where there is no depth; nothing is unpickled.

    Raises:
        DatasetError: missing, damaged, another key, type or rank.
    """
    try:
        # The key is asked for, because PackNet's predictions have the same file names and another one.
        depth = depth_folders.read_map(path, DatasetError, key=KEY)
    except DatasetError as error:
        raise DatasetError(f"{error}. {OBTAIN}") from error
    if not np.isfinite(depth).all():
        raise DatasetError(f"{path}: holds NaN or inf; expected 0 where there is no depth. {OBTAIN}")
    return np.asarray(depth, np.float32)


def load_map(root: Path, frame: Frame) -> npt.NDArray[np.float32]:
    """The map (H, W) float32 of a frame in metres, held to the size of its day."""
    path = map_path(root, frame)
    depth = read_map(path)
    check_size(date_of(frame.drive), depth.shape, path=path)
    return depth
