"""Files of motions between consecutive frames: a `.npy` of 4x4 matrices, as Monodepth2's evaluate_pose.py saves it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmark.errors import OptionError, TrajectoryError
from benchmark.geometry import distance_from_so3, motions, nearest_rotations
from benchmark.io.npy import open_array, read_header, read_values
from benchmark.io.trajectories import MAX_METRES, MAX_OFF_ROTATION, rotation_note
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
    return chained(read_motions(path), direction, source=str(path))


def chained(relative: Array, direction: str, *, source: str) -> Trajectory:
    """The trajectory of motions (n, 4, 4) as `read_motions` returns them.

    The nearest rotations are chained, since a chain multiplies what each is off; a note says so where that is not rounding.
    """
    mended = rotation_note(relative, place="matrix", number=np.arange(len(relative)))
    rigid = motions(nearest_rotations(relative[:, :3, :3]), relative[:, :3, 3])
    poses = chain(camera_steps(rigid, direction))
    return Trajectory(poses, np.arange(len(poses), dtype=np.int64), None, source, "relative", mended)


def read_motions(path: Path) -> Array:
    """The relative motions (n, 4, 4) of a `.npy` as they are, whatever their direction.

    Raises:
        TrajectoryError: the file holds something else.
    """
    if not path.is_file():
        raise TrajectoryError(f"{path}: is not there; expected a .npy of relative motions (n, 4, 4)")
    relative = read_matrices(path, (4, 4), place="matrix")
    off = np.maximum(distance_from_so3(relative[:, :3, :3]), np.abs(relative[:, 3] - [0, 0, 0, 1]).max(axis=1))
    if (off > MAX_OFF_ROTATION).any():
        worst = int(np.argmax(off))
        raise TrajectoryError(
            f"{path}: matrix {worst} is off a rigid motion by {off[worst]:.2g}; "
            f"expected a rotation to within {MAX_OFF_ROTATION:g} and the last row 0 0 0 1"
        )
    return relative


def read_matrices(path: Path, shape: tuple[int, ...], *, place: str) -> Array:
    """The matrices (n, *shape) of a `.npy`, n > 0, whose entries are finite and no further than MAX_METRES.

    Raises:
        TrajectoryError: the file holds something else, named by its place (matrix, snippet); half precision is refused.
    """
    with open_array(path, (), TrajectoryError) as (stream, size):
        header = read_header(stream, size, str(path), TrajectoryError)
        if header.shape[1:] != shape or header.shape[0] == 0 or header.dtype.kind != "f":
            expected = f"(n, {', '.join(map(str, shape))}) floating point, n > 0"
            raise TrajectoryError(f"{path}: holds {header.shape} {header.dtype}; expected {expected}")
        if header.dtype.itemsize == np.dtype(np.float16).itemsize:
            raise TrajectoryError(
                f"{path}: holds {header.dtype}, whose three digits make no rotations; expected float32 or float64. Convert the "
                "network's output before poses are computed from it, such as `pose.float()`, and save them again"
            )
        values = read_values(stream, header, str(path), TrajectoryError)
    largest = np.abs(values).max(axis=tuple(range(1, values.ndim)))  # NaN where any entry is
    if not np.isfinite(largest).all():
        raise TrajectoryError(
            f"{path}: {place} {np.argmin(np.isfinite(largest))} is not finite; expected rotations and positions"
        )
    if (largest > MAX_METRES).any():
        raise TrajectoryError(
            f"{path}: {place} {np.argmax(largest > MAX_METRES)} holds a number beyond {MAX_METRES:g}; expected rotations, and "
            "positions in metres or up to scale"
        )
    return values.astype(np.float64)
