"""A predicted trajectory laid on its ground truth: which pose belongs to which frame, and the pieces that both have.

Both are first seen from the first frame that is predicted, all frames of the ground truth alike: kitti-odom-eval leaves
those without a prediction where they were, and distances across gaps explode.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from benchmark.errors import TrajectoryError
from benchmark.geometry import inverse, path_lengths
from benchmark.metrics.pose import LENGTHS_M, STEP_FRAMES, Segments, find_segments
from benchmark.trajectory import Trajectory

Array = NDArray[np.float64]
Indices = NDArray[np.int64]
MAX_TIME_GAP_S = 0.01  # evo's and SfMLearner's
PIECE_M = 100.0  # of path, over which a scale is measured


class Rules(NamedTuple):
    """What a protocol may set: lengths of segments (none: no segments are wanted), frames between their starts, time gap."""

    lengths_m: tuple[int, ...] = LENGTHS_M
    step_frames: int = STEP_FRAMES
    max_gap_s: float = MAX_TIME_GAP_S


USUAL_RULES = Rules()


class Pair(NamedTuple):
    """Both trajectories seen from the first predicted frame, and what can be compared."""

    gt: Array  # (n, 4, 4), every frame
    pred: Array  # (m, 4, 4), not aligned
    at: Indices  # (m,) places of the predictions in gt
    segments: Segments  # those with both ends predicted, as places in gt
    ends: tuple[Indices, Indices]  # the same as places in pred
    frame: Indices  # (n,) frame numbers of gt
    time: Array | None  # (n,) seconds of gt, where it has times


def lay_on(gt: Trajectory, pred: Trajectory, *, rules: Rules = USUAL_RULES) -> Pair:
    """The prediction laid on the ground truth.

    Raises:
        TrajectoryError: frames or times do not belong together, or no segment has both ends predicted.
    """
    at = match_frames(gt, pred, max_gap_s=rules.max_gap_s)
    gt_poses, pred_poses = inverse(gt.poses[at[0]]) @ gt.poses, inverse(pred.poses[0]) @ pred.poses
    every = find_segments(gt_poses, lengths_m=rules.lengths_m, step=rules.step_frames)
    place = np.full(len(gt_poses), -1, np.int64)
    place[at] = np.arange(len(at))
    scored = (place[every.first] >= 0) & (place[every.last] >= 0)
    if rules.lengths_m and not scored.any():
        length = path_lengths(gt_poses)[-1]
        shorter = "shorter `lengths_m`, or `segments: null` and neither t_err nor r_err"
        remedy = "Predict more of the sequence" if len(every.first) else f"Copy the protocol under another name, with {shorter}"
        raise TrajectoryError(
            f"{pred.source}: has {len(at)} poses for {len(gt_poses)} frames of {gt.source}, whose path is {length:.1f} m; no "
            f"segment of {rules.lengths_m[0]} m or more has both ends predicted, so t_err and r_err do not exist. {remedy}"
        )
    segments = Segments(every.first[scored], every.last[scored], every.length_m[scored])
    ends = (place[segments.first], place[segments.last])
    return Pair(gt_poses, pred_poses, at, segments, ends, gt.frame, gt.time)


def match_frames(gt: Trajectory, pred: Trajectory, *, max_gap_s: float = MAX_TIME_GAP_S) -> Indices:
    """The place in gt of each predicted pose, (m,) ascending: by time where both have times, else by frame number.

    Raises:
        TrajectoryError: a prediction without its frame, or times on one side only.
    """
    if (gt.time is None) != (pred.time is None):
        timed, bare = (gt, pred) if pred.time is None else (pred, gt)
        before = "the frame number before each (13 columns)" if pred is timed else "the time before each (TUM, 8 columns)"
        raise TrajectoryError(
            f"{timed.source}: has times ({timed.form}) and {bare.source} has frame numbers ({bare.form}); expected times or "
            f"frame numbers in both. Write the predicted poses with {before}"
        )
    if gt.time is not None and pred.time is not None:
        return _match_times(gt, pred, (gt.time, pred.time), max_gap_s)
    at = np.minimum(np.searchsorted(gt.frame, pred.frame), len(gt.frame) - 1)
    strange = gt.frame[at] != pred.frame
    if strange.any():
        one_based = pred.frame[0] == gt.frame[0] + 1 and pred.frame[-1] == gt.frame[-1] + 1
        counted = f"Its numbers begin at {pred.frame[0]} where {gt.frame[0]} was expected: subtract 1 from each"
        raise TrajectoryError(
            f"{pred.source}: has {len(pred.frame)} poses, {strange.sum()} of them for frames that {gt.source} lacks, the first "
            f"frame {pred.frame[strange][0]}; expected frames {gt.frame[0]} to {gt.frame[-1]}. "
            + (counted if one_based else "Is it another sequence?")
        )
    if pred.form in {"kitti", "relative"} and len(pred.frame) != len(gt.frame):
        raise TrajectoryError(
            f"{pred.source}: has {len(pred.frame)} poses without frame numbers, {gt.source} has {len(gt.frame)}; expected one "
            "pose for each frame. Where frames are left out, put the frame number before each pose (13 columns)"
        )
    return at.astype(np.int64)


def _match_times(gt: Trajectory, pred: Trajectory, times: tuple[Array, Array], max_gap_s: float) -> Indices:
    gt_s, pred_s = times
    at = nearest(gt_s, pred_s)
    far = np.abs(gt_s[at] - pred_s) > max_gap_s
    if far.any():
        raise TrajectoryError(
            f"{pred.source}: {far.sum()} of {len(pred_s)} times match none of {gt.source} within {max_gap_s:g} s, the first "
            f"{pred_s[far][0]:.16g}; expected times from {gt_s[0]:.16g} to {gt_s[-1]:.16g} s. Check the unit and the clock"
        )
    if (np.diff(at) == 0).any():
        twice = float(gt_s[at[:-1][np.diff(at) == 0][0]])
        raise TrajectoryError(
            f"{pred.source}: two poses match the time {twice:.16g} of {gt.source}; expected one pose for each frame"
        )
    return at


def nearest(values: Array, wanted: Array) -> Indices:
    """The place in ascending values (n,) of the one nearest to each that is wanted, (m,); of two equally near the first."""
    after = np.clip(np.searchsorted(values, wanted), 1, max(len(values) - 1, 1))
    before = after - 1
    after = np.minimum(after, len(values) - 1)
    return np.where(np.abs(values[before] - wanted) <= np.abs(values[after] - wanted), before, after).astype(np.int64)


def scale_along(pair: Pair) -> tuple[Array, Array]:
    """The scale of each full piece of 100 m of the ground truth's path: (metres at its middle (k,), scale (k,)).

    A measure of our own: the piece's length in the ground truth by its length in the prediction, both from predicted frame
    to predicted frame, is the factor that the prediction lacks there. NaN where the prediction stands still; a piece that a
    gap swallows is left out.
    """
    gt_m, pred_m = path_lengths(pair.gt[pair.at]), path_lengths(pair.pred)
    begin_m = PIECE_M * np.unique(gt_m // PIECE_M)[:-1]  # of the pieces that hold a frame; the last one is not full
    first, last = np.searchsorted(gt_m, begin_m), np.searchsorted(gt_m, begin_m + PIECE_M)
    gt_piece, pred_piece = gt_m[last] - gt_m[first], pred_m[last] - pred_m[first]
    scale = np.divide(gt_piece, pred_piece, out=np.full(len(begin_m), np.nan), where=pred_piece > 0)
    return begin_m + PIECE_M / 2, scale


def scale_drift(pair: Pair) -> float:
    """The standard deviation of `scale_along` by its mean, in %; NaN below two pieces. No alignment changes it.

    NaN also where a piece has no scale, which `standing_pieces` says.
    """
    scale = scale_along(pair)[1]
    return float(100 * scale.std() / scale.mean()) if len(scale) > 1 else float("nan")


def standing_pieces(pair: Pair) -> str:
    """What is said of pieces of 100 m along which the prediction stands still; empty where there is none."""
    middle_m, scale = scale_along(pair)
    still = np.isnan(scale)
    if not still.any():
        return ""
    first_m = middle_m[still][0] - PIECE_M / 2
    return (
        f"the prediction stands still along {still.sum()} of {len(scale)} pieces of {PIECE_M:g} m, first from {first_m:g} to "
        f"{first_m + PIECE_M:g} m; the scale and its drift do not exist there"
    )
