"""The two ways to read motions between consecutive frames; no file says which, but the ground truth can tell."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from benchmark.errors import OptionError, TrajectoryError
from benchmark.geometry import inverse, relative_motions
from benchmark.trajectory import Trajectory

Array = NDArray[np.float64]

# What the matrix at t does. The file cannot tell: the inverse of a drive is a drive as well.
DIRECTIONS: dict[str, str] = {
    "next_from_this": "maps points of frame t into frame t + 1, as Monodepth2 saves it",
    "this_from_next": "maps points of frame t + 1 into frame t: the pose of the next camera",
}
# Steps of real predictions agree with the truth to 0.9 and more, read backwards to -0.9 and less.
CLEAR, CONTRARY = 0.25, -0.5


class Direction(NamedTuple):
    """The direction that relative motions were read in, and the agreement of both with the ground truth (NaN: not asked)."""

    name: str  # a key of DIRECTIONS
    detected: bool
    agreement: float  # of the translations, -1 to 1
    other: float  # the same, read in the other direction


def chain(relative: Array) -> Array:
    """The poses (n + 1, 4, 4) that motions (n, 4, 4), `T_cam(i)_cam(i+1)`, lead through from the origin."""
    poses = np.empty((len(relative) + 1, 4, 4))
    poses[0] = np.eye(4)
    for i, motion in enumerate(relative):
        np.matmul(poses[i], motion, out=poses[i + 1])
    return poses


def camera_steps(relative: Array, direction: str) -> Array:
    """The motions `T_cam(i)_cam(i+1)` (n, 4, 4) of a file read in a direction (a key of DIRECTIONS)."""
    return inverse(relative) if direction == "next_from_this" else relative


def directions_named() -> str:
    """Both choices in words, for messages."""
    return "; ".join(f"{name} {meaning}" for name, meaning in DIRECTIONS.items())


def detect_direction(relative: Array, gt: Trajectory, *, source: str) -> Direction:
    """The direction in which motions (n, 4, 4) go where the ground truth goes.

    Raises:
        OptionError: neither direction is clearly the right one.
        TrajectoryError: not one motion for each pair of frames.
    """
    truth = relative_motions(gt.poses)
    if len(relative) != len(truth):
        hint = ". One matrix for each frame is a pose, no motion: write poses as text" * (len(relative) == len(gt.poses))
        raise TrajectoryError(
            f"{source}: has {len(relative)} motions, {gt.source} has {len(gt.poses)} frames; expected {len(truth)}, one for "
            f"each pair of frames{hint}"
        )
    steps = {name: camera_steps(relative, name) for name in DIRECTIONS}
    along = {name: _agreement(truth[:, :3, 3], step[:, :3, 3]) for name, step in steps.items()}
    best, other = sorted(along, key=lambda name: along[name], reverse=True)
    turning = _agreement(_turn_vectors(truth), _turn_vectors(steps[best]))
    if not (along[best] > CLEAR and along[other] < -CLEAR) or turning < CONTRARY:
        raise OptionError(
            f"{source}: its motions fit neither direction clearly: read as {best}, the translations agree with {gt.source} to "
            f"{along[best]:.2f} and the rotations to {turning:.2f}, read as {other} to {along[other]:.2f} and "
            f"{0.0 - turning:.2f} (1 is perfect). {_sign(best, other, along[best], turning)}Say which with --direction: "
            f"{directions_named()}"
        )
    return Direction(best, True, along[best], along[other])


def _sign(best: str, other: str, along: float, turning: float) -> str:
    """What is said where translations go with the truth and rotations against it: half of each motion is inverted."""
    if not (along > CLEAR and turning < CONTRARY):
        return ""
    return (
        f"Most likely these are motions of {other} whose translations have the opposite sign, or of {best} whose rotations are "
        "transposed: mend them. "
    )


def _agreement(gt: Array, pred: Array) -> float:
    """The cosine between all vectors (n, 3) taken as one; 0 where one of them is nothing."""
    size = float(np.linalg.norm(gt) * np.linalg.norm(pred))
    return float((gt * pred).sum()) / size if size else 0.0


def _turn_vectors(T: Array) -> Array:
    """The axes of rotations (n, 3), as long as twice the sine of the angle."""
    return np.stack([T[:, 2, 1] - T[:, 1, 2], T[:, 0, 2] - T[:, 2, 0], T[:, 1, 0] - T[:, 0, 1]], axis=-1)
