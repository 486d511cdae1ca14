"""What explains a bad score of a trajectory: a convention of poses that the file was written in, and the suite does not expect.

Each reading below is applied to the prediction; where one makes a bad error good, the file was most likely meant that way.
A reading changes no score: the note only says what to try.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from benchmark.geometry import inverse, matrix_to_quaternion, motions, quaternion_to_matrix, relative_motions
from benchmark.metrics.pose import LENGTHS_M, find_segments
from benchmark.pose_directions import chain
from benchmark.trajectory import Trajectory

Array = NDArray[np.float64]

# Translation error of 100 m, at the best scale. Below, a score needs no explanation; a reading must halve what is above, and
# come below: what leaves an error of 60 % explains nothing.
BAD_PERCENT, HALF = 10.0, 0.5
# From forward (z forward, y down) to what other libraries call a camera: T_camera_other.
OPENGL = np.diag([1.0, -1.0, -1.0, 1.0])  # z backward, y up
VEHICLE = np.array([[0.0, -1, 0, 0], [0, 0, -1, 0], [1, 0, 0, 0], [0, 0, 0, 1]])  # x forward, y left, z up
TURNED = np.diag([-1.0, 1.0, -1.0, 1.0])  # a camera that looks back
NED = np.array([[0.0, 1, 0, 0], [0, 0, 1, 0], [1, 0, 0, 0], [0, 0, 0, 1]])  # x forward, y right, z down


def _inverse_steps(poses: Array) -> Array:
    return chain(inverse(relative_motions(poses)))


def _left_steps(poses: Array) -> Array:
    return chain(poses[1:] @ inverse(poses[:-1]))


def _right_steps(poses: Array) -> Array:
    return inverse(_inverse_steps(poses))


def _transposed(poses: Array) -> Array:
    return motions(np.swapaxes(poses[:, :3, :3], 1, 2), poses[:, :3, 3])


def _negated(poses: Array) -> Array:
    return motions(poses[:, :3, :3], -poses[:, :3, 3])


def _w_first(poses: Array) -> Array:
    # What was read as x y z w is w x y z.
    q = matrix_to_quaternion(poses[:, :3, :3])
    return motions(quaternion_to_matrix(q[:, [1, 2, 3, 0]]), poses[:, :3, 3])


# What the poses may be -> the poses as the suite expects them.
READINGS: dict[str, Callable[[Array], Array]] = {
    "the inverse poses, T_cam_world instead of T_world_cam": inverse,
    "motions chained in the other direction (of a .npy: the other --direction)": _inverse_steps,
    "motions multiplied from the left (P = M @ P) instead of the right (P = P @ M)": _left_steps,
    "motions taken from the left (M = P2 @ inv(P1)) and multiplied from the right": _right_steps,
    "translations with the opposite sign": _negated,
    "rotations that are transposed, beside right positions": _transposed,
    "OpenGL's axes (y up, z backward) instead of a camera's (y down, z forward)": lambda poses: poses @ inverse(OPENGL),
    "a camera that looks back (x left, z backward)": lambda poses: poses @ inverse(TURNED),
    "a vehicle's axes (x forward, z up) instead of a camera's (z forward, y down)": lambda poses: poses @ inverse(VEHICLE),
    "north-east-down axes (x forward, y right) instead of a camera's (z forward, y down)": lambda poses: poses @ inverse(NED),
}
TUM_READINGS = {"quaternions with w first (qw qx qy qz) instead of last": _w_first}


def explain(gt: Array, pred: Trajectory, *, unscaled: bool = True) -> tuple[str, ...]:
    """A note on what would make a bad error of the predicted poses good; none where the score is good, or just bad.

    Args:
        gt: (m, 4, 4) of the same frames.
        pred: the trajectory as its file has it.
        unscaled: whether the scale 1 was scored as well, so that a prediction up to scale needs a word.
    """
    segments = find_segments(gt, lengths_m=LENGTHS_M[:1])
    if not len(segments.first):
        return ()

    def over_segments(poses: Array) -> Array:
        return inverse(poses[segments.first]) @ poses[segments.last]

    G, P = over_segments(gt), over_segments(pred.poses)
    scale = fitting_scale(G, P)
    error = translation_error(G, P, scale=scale)
    if error <= BAD_PERCENT:
        as_is = translation_error(G, P, scale=1.0)
        return (_up_to_scale(scale, as_is, error),) if unscaled and as_is > BAD_PERCENT and error < HALF * as_is else ()
    readings = READINGS | (TUM_READINGS if pred.form == "tum" else {})
    read_as = {name: over_segments(read(pred.poses)) for name, read in readings.items()}
    errors = {name: translation_error(G, P, scale=fitting_scale(G, P)) for name, P in read_as.items()}
    least = min(errors.values())
    if not (least < HALF * error and least <= BAD_PERCENT):
        return ()
    # On a straight road several readings are the same.
    names = " or ".join(name for name, value in errors.items() if value <= max(2 * least, 1.0))
    wrong = f"translations over 100 m are wrong by {error:.3g} % at the best scale"
    return (f"{wrong}, by {least:.3g} % if the file holds {names}; is that so?",)


def explain_snippets(scale: Array, error: Array, inverse_error: Array | None) -> tuple[str, ...]:
    """A note where most snippets fit only with a negative scale: no error of snippets sees the sign of translations.

    Args:
        scale: (n,) the factor that fits each best, NaN where it stands still.
        error: (n,) of each.
        inverse_error: (n,) of each if the file holds the inverse poses; None where it holds only positions.
    """
    negative = int((scale < 0).sum())
    if not 2 * negative > len(scale):
        return ()
    said = f"{negative} of {len(scale)} snippets fit only with a negative scale"
    as_is, inverted = (float("nan") if e is None else float(np.nanmean(e)) for e in (error, inverse_error))
    if inverted < HALF * as_is:
        return (
            f"{said}, and the error falls from {as_is:.3g} to {inverted:.3g} if the file holds the inverse poses, of the first "
            "camera seen from the others; is that so?",
        )
    return (
        f"{said}: their translations point backward, with the opposite sign or of inverse poses; no 5-frame error sees that",
    )


def _up_to_scale(scale: float, as_is: float, error: float) -> str:
    return (
        f"the prediction is up to scale: translations over 100 m are wrong by {as_is:.3g} % as they are, by {error:.3g} % "
        f"times {scale:.4g}; `none` and `6dof` keep the scale"
    )


def fitting_scale(gt: Array, pred: Array) -> float:
    """The mean length of gt's translations by that of pred's, of motions (n, 4, 4); 0 where pred stands still."""
    total = float(np.linalg.norm(pred[:, :3, 3], axis=1).sum())
    return float(np.linalg.norm(gt[:, :3, 3], axis=1).sum()) / total if total else 0.0


def translation_error(gt: Array, pred: Array, *, scale: float) -> float:
    """What is left of the translations of motions (n, 4, 4) in % of gt's, pred times a scale; 0 where gt goes nowhere."""
    g, p = gt[:, :3, 3], pred[:, :3, 3]
    total = float(np.linalg.norm(g, axis=1).sum())
    return float(100 * np.linalg.norm(g - scale * p, axis=1).sum()) / total if total else 0.0
