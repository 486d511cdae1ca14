"""Synthetic camera paths, and the names of kitti-odom-eval's numbers."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmark.geometry import matrix_to_quaternion, motions
from benchmark.trajectory import Trajectory

Array = NDArray[np.float64]
# Ours -> those of the golden file.
KITTI_ODOM_EVAL = {
    "t_err": "t_err_percent",
    "r_err": "r_err_deg_per_100m",
    "ate_rmse": "ATE_m",
    "rpe_trans_mean": "RPE_trans_m",
    "rpe_rot_acos_mean": "RPE_rot_deg",
}


def turn(angle_rad: Array) -> Array:
    c, s, o, i = np.cos(angle_rad), np.sin(angle_rad), np.zeros_like(angle_rad), np.ones_like(angle_rad)
    return np.stack([np.stack(row, -1) for row in ([c, o, s], [o, i, o], [-s, o, c])], -2)


def drive(n: int = 301, *, step_m: float = 1.0, turn_rad: float = 0.01) -> Array:
    """A bend with hills, (n, 4, 4)."""
    angle = turn_rad * np.arange(n)
    step = step_m * np.stack([np.sin(angle), 0.1 * np.cos(angle * 3), np.cos(angle)], -1)
    return motions(turn(angle), np.cumsum(step, axis=0) - step[0])


def noisy(poses: Array, *, sigma: float = 0.01, seed: int = 0) -> Array:
    """The path with a random walk in translation and heading."""
    rng = np.random.default_rng(seed)
    relative = np.linalg.inv(poses[:-1]) @ poses[1:]
    relative[:, :3, 3] += rng.normal(0, sigma, (len(relative), 3))
    relative[:, :3, :3] = turn(rng.normal(0, sigma / 10, len(relative))) @ relative[:, :3, :3]
    chain = [np.eye(4)]
    for motion in relative:
        chain.append(chain[-1] @ motion)
    return np.array(chain)


def trajectory(poses: Array, *, frame: Array | None = None, form: str = "kitti13", source: str = "pred.txt") -> Trajectory:
    frames = np.arange(len(poses)) if frame is None else frame
    return Trajectory(poses, frames.astype(np.int64), None, source, form)


def write_tum(path: Path, poses: Array, *, time: Array) -> None:
    """A file in TUM's format, `t x y z qx qy qz qw`."""
    q = matrix_to_quaternion(poses[:, :3, :3])[:, [1, 2, 3, 0]]
    rows = np.column_stack([time, poses[:, :3, 3], q]).tolist()
    path.write_text("".join(" ".join(map(repr, row)) + "\n" for row in rows))
