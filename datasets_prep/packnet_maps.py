"""PackNet-SfM's LiDAR depth maps of KITTI: one npz a frame, key `velodyne_depth`, depth along the optical axis.

They are downloads (`KITTI_raw_velodyne`); by its maintainers they come from the devkit and hold camera z, not the
LiDAR's x, so they are never the ground truth of `kitti_eigen`.
"""

from __future__ import annotations

import zipfile
import zlib
from pathlib import Path

import numpy as np
import numpy.typing as npt

from benchmark.errors import DatasetError
from benchmark.splits import Frame
from datasets_prep.kitti_raw import AGAIN, check_size, date_of, drive_folder

KEY = "velodyne_depth"
MAX_SIDE = 16384


def map_path(root: Path, frame: Frame) -> Path:
    """`<root>/<date>/<drive>/proj_depth/velodyne/<camera>/<frame>.npz`."""
    folder = drive_folder(root, frame.drive) / "proj_depth" / "velodyne" / frame.camera
    return folder / f"{frame.number:010d}.npz"


def read_map(path: Path) -> npt.NDArray[np.float32]:
    """A depth map (H, W) float32 in metres, 0 (or below) where there is no depth; nothing is unpickled.

    Raises:
        DatasetError: missing, damaged, another key, type or rank.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            name = f"{KEY}.npy"
            if name not in archive.namelist():
                raise _damaged(path, f"no array {KEY!r}; found: {', '.join(archive.namelist()) or 'none'}")
            with archive.open(name) as member:
                version = np.lib.format.read_magic(member)
                read_header = {
                    (1, 0): np.lib.format.read_array_header_1_0,
                    (2, 0): np.lib.format.read_array_header_2_0,
                }[version]
                shape, _, dtype = read_header(member)
                if dtype.kind != "f" or len(shape) != 2 or not 0 < max(shape) <= MAX_SIDE:
                    raise _damaged(path, f"{KEY} is {dtype} {shape}, expected float32 (H, W) of at most {MAX_SIDE}")
            with archive.open(name) as member:
                depth = np.lib.format.read_array(member, allow_pickle=False)
    except (OSError, zipfile.BadZipFile, zlib.error, ValueError, KeyError, EOFError) as error:
        raise _damaged(path, f"the depth map cannot be read ({error})") from error
    if np.isnan(depth).any():
        raise _damaged(path, f"{KEY} holds NaN")
    return np.asarray(depth, np.float32)


def load_map(root: Path, frame: Frame) -> npt.NDArray[np.float32]:
    """The map of a frame, held to the size of its day."""
    path = map_path(root, frame)
    depth = read_map(path)
    check_size(date_of(frame.drive), depth.shape, path=path)
    return depth


def _damaged(path: Path, what: str) -> DatasetError:
    return DatasetError(f"{path}: {what}; {AGAIN}")
