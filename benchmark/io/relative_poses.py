"""Files of motions between consecutive frames: a `.npy` of 4x4 matrices, as Monodepth2's evaluate_pose.py saves it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmark.errors import OptionError, TrajectoryError
from benchmark.geometry import distance_from_so3
from benchmark.io.npy import open_array, read_header, read_values
from benchmark.io.trajectories import MAX_OFF_ROTATION
from benchmark.pose_directions import DIRECTIONS, camera_steps, chain, directions_named
from benchmark.trajectory import Trajectory

Array = NDArray[np.float64]


def read_relative(path: Path, direction: str | None) -> Trajectory:
    """The trajectory (n + 1 poses, the first in the origin) of n relative motions (n, 4, 4) in a `.npy`.

    Raises:
        OptionError: no direction is given.
        TrajectoryError: the file holds something else.
    """
    if direction not in DIRECTIONS:
        raise OptionError(f"{path}: relative motions can be read in two ways; say which with --direction: {directions_named()}")
    poses = chain(camera_steps(read_motions(path), direction))
    return Trajectory(poses, np.arange(len(poses), dtype=np.int64), None, str(path), "relative")


def read_motions(path: Path) -> Array:
    """The relative motions (n, 4, 4) of a `.npy` as they are, whatever their direction.

    Raises:
        TrajectoryError: the file holds something else.
    """
    if not path.is_file():
        raise TrajectoryError(f"{path}: is not there; expected a .npy of relative motions (n, 4, 4)")
    with open_array(path, (), TrajectoryError) as (stream, size):
        header = read_header(stream, size, str(path), TrajectoryError)
        if len(header.shape) != 3 or header.shape[1:] != (4, 4) or header.shape[0] == 0 or header.dtype.kind != "f":
            raise TrajectoryError(f"{path}: holds {header.shape} {header.dtype}; expected (n, 4, 4) floating point, n > 0")
        relative = read_values(stream, header, str(path), TrajectoryError).astype(np.float64)
    finite = np.isfinite(relative).all(axis=(1, 2))
    if not finite.all():
        raise TrajectoryError(f"{path}: matrix {np.argmin(finite)} is not finite; expected one motion for each pair")
    off = np.maximum(distance_from_so3(relative[:, :3, :3]), np.abs(relative[:, 3] - [0, 0, 0, 1]).max(axis=1))
    if (off > MAX_OFF_ROTATION).any():
        worst = int(np.argmax(off))
        raise TrajectoryError(
            f"{path}: matrix {worst} is off a rigid motion by {off[worst]:.2g}; "
            f"expected a rotation to within {MAX_OFF_ROTATION:g} and the last row 0 0 0 1"
        )
    return relative
