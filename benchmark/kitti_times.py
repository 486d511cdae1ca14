"""KITTI odometry keeps the times of its ground truth in a file of their own: sequences/09/times.txt beside poses/09.txt."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmark.errors import TrajectoryError
from benchmark.trajectory import FORM_NAMES, Trajectory


def add_times(gt: Trajectory, pred: Trajectory) -> tuple[Trajectory, str]:
    """The ground truth, with KITTI's times where the prediction has times and KITTI's poses have none; its format in words.

    Raises:
        TrajectoryError: there is no such file of times, or it does not fit the poses.
    """
    form = FORM_NAMES[gt.form]
    if pred.time is None or gt.time is not None or gt.form != "kitti":
        return gt, form
    poses = Path(gt.source)
    path = poses.parent.parent / "sequences" / poses.stem / "times.txt"
    if not path.is_file():
        raise TrajectoryError(
            f"{pred.source}: has times ({FORM_NAMES[pred.form]}) and {poses} has none, nor is there a {path}; expected KITTI's "
            "times.txt there, one second on a line for each pose. Or write the predicted poses in 13 columns, the frame number "
            "before each"
        )
    return replace(
        gt, time=_read_times(path, len(gt.poses), poses)
    ), f"{form}, at the times of sequences/{poses.stem}/times.txt"


def _read_times(path: Path, n: int, poses: Path) -> NDArray[np.float64]:
    """Seconds (n,) of the frames of a sequence, one on each line."""
    try:
        time = np.array(path.read_text("ascii").split(), np.float64)
    except (OSError, ValueError) as problem:
        raise TrajectoryError(f"{path}: cannot be read ({problem}); expected one second on a line for each pose") from problem
    if len(time) != n or not np.isfinite(time).all() or (np.diff(time) <= 0).any():
        raise TrajectoryError(
            f"{path}: holds {len(time)} times for the {n} poses of {poses}; expected one finite second for each, ascending"
        )
    return time
