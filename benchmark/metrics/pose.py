"""Metrics of one predicted trajectory, each a function of errors that were measured on it.

Conventions
    Poses are `T_world_cam` (n, 4, 4) in metres, the prediction aligned; E is the motion that is left between the two.
    The functions above the metrics measure, one error for each frame, segment or snippet; a metric only averages.

Sources: Geiger 2012 (KITTI) for segments; Sturm 2012 for ATE and RPE; Zhou 2017 (SfMLearner) and Godard 2019
(Monodepth2) for snippets of five frames; kitti-odom-eval for the units, and for the mean where RPE is a root mean square.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from benchmark.geometry import inverse, path_lengths, relative_motions, rotation_angle_acos
from benchmark.metrics.metric import Metric

Array = NDArray[np.float64]
Indices = NDArray[np.int64]
LENGTHS_M = (100, 200, 300, 400, 500, 600, 700, 800)
STEP_FRAMES = 10
SNIPPET_FRAMES = 5


class Segments(NamedTuple):
    """Pieces of the ground truth: the places of both ends in it, and the nominal length in metres; each (n,)."""

    first: Indices
    last: Indices
    length_m: Array


class PoseErrors(NamedTuple):
    """What is measured on one trajectory; each an array of one axis."""

    segment_t: Array  # |t| of E by the length of the segment
    segment_r: Array  # angle of E by the length, rad/m
    position: Array  # |gt - pred|, m
    step_t: Array  # |t| of E from frame to frame, m
    step_r: Array  # its angle, rad
    step_r_acos: Array  # the same through the arc cosine
    snippet_monodepth2: Array
    snippet_sfmlearner: Array
    snippet_rmse: Array  # m


def find_segments(gt: Array, *, lengths_m: tuple[int, ...] = LENGTHS_M, step: int = STEP_FRAMES) -> Segments:
    """From each tenth frame to the first one that is further than the length along gt (n, 4, 4). Geiger 2012.

    The step counts the poses of gt: where the ground truth itself has gaps, fewer segments begin.
    """
    distance = path_lengths(gt)
    first = np.arange(0, len(gt), step)
    last = np.searchsorted(distance, distance[first][:, None] + np.array(lengths_m, np.float64), side="right")
    start, which = np.nonzero(last < len(gt))
    return Segments(first[start], last[start, which].astype(np.int64), np.array(lengths_m, np.float64)[which])


def segment_errors(gt: Array, pred: Array, segments: Segments) -> tuple[Array, Array]:
    """|t| / length and angle / length (rad/m) of what is left over each segment, (n,) each. Geiger 2012."""
    motion_gt, motion_pred = (inverse(poses[segments.first]) @ poses[segments.last] for poses in (gt, pred))
    E = inverse(motion_pred) @ motion_gt
    return np.linalg.norm(E[:, :3, 3], axis=1) / segments.length_m, rotation_angle_acos(E[:, :3, :3]) / segments.length_m


def step_motions(gt: Array, pred: Array) -> Array:
    """What is left over each pair of consecutive poses, (n - 1, 4, 4): inv(motion of gt) @ motion of pred. Sturm 2012."""
    return inverse(relative_motions(gt)) @ relative_motions(pred)


def chain_places(motions: Array) -> Array:
    """Where products of 0 to 4 consecutive motions (m, 4, 4) lead, (m, 5, 3); NaN where the motions run out."""
    padded = np.concatenate([motions, np.full((SNIPPET_FRAMES - 2, 4, 4), np.nan)])
    chain = np.broadcast_to(np.eye(4), motions.shape)
    places = [chain[:, :3, 3]]
    for k in range(SNIPPET_FRAMES - 1):
        chain = chain @ padded[k : k + len(motions)]
        places.append(chain[:, :3, 3])
    return np.stack(places, axis=1)


def snippet_scales(gt: Array, pred: Array) -> Array:
    """The factor of each snippet (m, 5, 3) with the least squared distance, (m,); NaN where it stands still in pred."""
    with np.errstate(invalid="ignore", divide="ignore"):
        scale: Array = np.nansum(gt * pred, axis=(1, 2)) / np.nansum(pred * pred, axis=(1, 2))
    return scale


def snippet_residuals(gt: Array, pred: Array) -> tuple[Array, Indices]:
    """Root of the summed squared distance after the best scale of each snippet (m, 5, 3), and its frames; (m,) each.

    A snippet that stands still in the prediction has no scale and is NaN.
    """
    with np.errstate(invalid="ignore"):
        squares = (gt - snippet_scales(gt, pred)[:, None, None] * pred) ** 2
    frames = np.isfinite(pred).all(axis=2).sum(axis=1)
    seen = np.arange(SNIPPET_FRAMES) < frames[:, None]
    return np.sqrt(np.where(seen, squares.sum(axis=2), 0.0).sum(axis=1)), frames


def snippet_errors(gt: Array, pred: Array) -> tuple[Array, Array]:
    """What is left of snippets (m, 5, 3) after their best scales, in metres: the residual by the number of frames, which is
    what the field publishes, and by its root, which is a root mean square; (m,) each."""
    residual, frames = snippet_residuals(gt, pred)
    return residual / frames, residual / np.sqrt(frames)


def snippets_monodepth2(gt: Array, pred: Array, *, tails: bool = True) -> Array:
    """The 5-frame error of Monodepth2's evaluate_pose.py, (n - 1,) in metres, of consecutive poses (n, 4, 4).

    Three things are its own: the residual is divided by the frames and not by their root, the chains multiply the inverse
    motions (no path the camera took), and the last three snippets, of 4, 3 and 2 frames, count as well. Where the poses end
    before the sequence does, there are no tails: (n - 4,).
    """
    error, _ = snippet_errors(*(chain_places(inverse(relative_motions(poses))) for poses in (gt, pred)))
    return error if tails else error[: max(len(gt) - SNIPPET_FRAMES + 1, 0)]


def snippets_sfmlearner(gt: Array, pred: Array) -> tuple[Array, Array]:
    """The 5-frame error of SfMLearner's pose_evaluation_utils.py, of consecutive poses (n, 4, 4), and the root mean square
    over the frames, which is sqrt(5) times as much; (n - 4,) each, in metres."""
    full = max(len(gt) - SNIPPET_FRAMES + 1, 0)
    return snippet_errors(*(chain_places(relative_motions(poses))[:full] for poses in (gt, pred)))


def t_err(e: PoseErrors) -> float:
    """Mean translation error of all segments in %."""
    return _mean(e.segment_t) * 100


def r_err(e: PoseErrors) -> float:
    """Mean rotation error of all segments in degrees for 100 m."""
    return float(np.degrees(_mean(e.segment_r))) * 100


def ate_rmse(e: PoseErrors) -> float:
    """Root mean square distance of the positions in metres."""
    return _root_mean_square(e.position)


def rpe_trans_mean(e: PoseErrors) -> float:
    """Mean translation error from frame to frame in metres: what kitti-odom-eval calls RPE."""
    return _mean(e.step_t)


def rpe_trans_rmse(e: PoseErrors) -> float:
    """Root mean square of the same in metres: Sturm's definition, and evo's headline."""
    return _root_mean_square(e.step_t)


def rpe_rot_mean(e: PoseErrors) -> float:
    """Mean rotation error from frame to frame in degrees, as evo has it."""
    return float(np.degrees(_mean(e.step_r)))


def rpe_rot_rmse(e: PoseErrors) -> float:
    """Root mean square of the same in degrees."""
    return float(np.degrees(_root_mean_square(e.step_r)))


def rpe_rot_acos_mean(e: PoseErrors) -> float:
    """Mean of the same in degrees through the arc cosine: kitti-odom-eval's, lower because small angles are clipped to 0."""
    return float(np.degrees(_mean(e.step_r_acos)))


def snippet5_monodepth2(e: PoseErrors) -> float:
    """Mean of `snippets_monodepth2` in metres."""
    return _mean(e.snippet_monodepth2)


def snippet5_monodepth2_std(e: PoseErrors) -> float:
    """Standard deviation over the snippets (population) of the same in metres: the field prints `mean +- std`."""
    return _std(e.snippet_monodepth2)


def snippet5_sfmlearner(e: PoseErrors) -> float:
    """Mean of `snippets_sfmlearner` in metres."""
    return _mean(e.snippet_sfmlearner)


def snippet5_sfmlearner_std(e: PoseErrors) -> float:
    """Standard deviation over the snippets (population) of the same in metres: the field prints `mean +- std`."""
    return _std(e.snippet_sfmlearner)


def snippet5_rmse(e: PoseErrors) -> float:
    """Mean of the root mean squares of `snippets_sfmlearner` in metres."""
    return _mean(e.snippet_rmse)


def snippet5_rmse_std(e: PoseErrors) -> float:
    """Standard deviation over the snippets (population) of the same in metres: the field prints `mean +- std`."""
    return _std(e.snippet_rmse)


def _mean(values: Array) -> float:
    return float(values.mean()) if len(values) else float("nan")


def _std(values: Array) -> float:
    return float(values.std()) if len(values) else float("nan")


def _root_mean_square(values: Array) -> float:
    return float(np.sqrt((values**2).mean())) if len(values) else float("nan")


POSE_METRICS: dict[str, Metric[PoseErrors]] = {
    "t_err": Metric(t_err, "%", "lower", "t_err\n%"),
    "r_err": Metric(r_err, "deg/100m", "lower", "r_err\n°/100m"),
    "ate_rmse": Metric(ate_rmse, "m", "lower", "ATE\nRMSE m"),
    "rpe_trans_mean": Metric(rpe_trans_mean, "m", "lower", "RPE\nmean m"),
    "rpe_trans_rmse": Metric(rpe_trans_rmse, "m", "lower", "RPE\nRMSE m"),
    "rpe_rot_mean": Metric(rpe_rot_mean, "deg", "lower", "RPE\nmean °"),
    "rpe_rot_rmse": Metric(rpe_rot_rmse, "deg", "lower", "RPE\nRMSE °"),
    "rpe_rot_acos_mean": Metric(rpe_rot_acos_mean, "deg", "lower", "RPE acos\nmean °"),
    "snippet5_monodepth2": Metric(snippet5_monodepth2, "m", "lower", "5-frame\nMonodepth2"),
    "snippet5_monodepth2_std": Metric(snippet5_monodepth2_std, "m", "lower", "5-frame\nMonodepth2 std"),
    "snippet5_sfmlearner": Metric(snippet5_sfmlearner, "m", "lower", "5-frame\nSfMLearner"),
    "snippet5_sfmlearner_std": Metric(snippet5_sfmlearner_std, "m", "lower", "5-frame\nSfMLearner std"),
    "snippet5_rmse": Metric(snippet5_rmse, "m", "lower", "5-frame\nRMSE m"),
    "snippet5_rmse_std": Metric(snippet5_rmse_std, "m", "lower", "5-frame\nRMSE m std"),
}
