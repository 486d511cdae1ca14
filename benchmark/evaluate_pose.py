"""Scores of predicted trajectories: (ground truth, prediction) -> one row for each alignment.

Both trajectories are first seen from the first frame that is predicted, all frames of the ground truth alike:
kitti-odom-eval leaves those without a prediction where they were, and distances across gaps explode.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from benchmark.align_poses import ALIGNMENTS, align
from benchmark.errors import TrajectoryError
from benchmark.geometry import inverse, path_lengths, rotation_angle, rotation_angle_acos
from benchmark.metrics import pose as metrics
from benchmark.metrics.pose import LENGTHS_M, POSE_METRICS, PoseErrors, Segments
from benchmark.trajectory import Trajectory

Array = NDArray[np.float64]
Indices = NDArray[np.int64]
MAX_TIME_GAP_S = 0.01  # evo's and SfMLearner's


@dataclass(frozen=True)
class PoseRow:
    """The score of one sequence under one alignment; metrics are NaN, with a reason, where the alignment does not exist."""

    sequence: str
    alignment: str
    scale: float
    metrics: dict[str, float]
    n_segments: int
    path_length_m: float  # of the whole ground truth
    n_poses: int  # predicted
    n_missing: int  # frames of the ground truth without a prediction
    errors: PoseErrors | None
    reason: str = ""


class Pair(NamedTuple):
    """Both trajectories seen from the first predicted frame, and what can be compared."""

    gt: Array  # (n, 4, 4), every frame
    pred: Array  # (m, 4, 4)
    at: Indices  # (m,) places of the predictions in gt
    segments: Segments  # those with both ends predicted, as places in gt
    ends: tuple[Indices, Indices]  # the same as places in pred


def evaluate_pose(
    gt: Trajectory,
    pred: Trajectory,
    *,
    sequence: str = "",
    alignments: Sequence[str] = tuple(ALIGNMENTS),
    lengths_m: tuple[int, ...] = LENGTHS_M,
) -> list[PoseRow]:
    """Score one sequence under alignments (keys of ALIGNMENTS).

    Raises:
        TrajectoryError: frames or times do not belong together, or no segment has both ends predicted.
    """
    pair = _pair(gt, pred, lengths_m)
    snippets = _snippets(pair)
    return [_row(pair, snippets, sequence, alignment) for alignment in alignments]


def _pair(gt: Trajectory, pred: Trajectory, lengths_m: tuple[int, ...]) -> Pair:
    at = match_frames(gt, pred)
    gt_poses, pred_poses = inverse(gt.poses[at[0]]) @ gt.poses, inverse(pred.poses[0]) @ pred.poses
    every = metrics.find_segments(gt_poses, lengths_m=lengths_m)
    place = np.full(len(gt_poses), -1, np.int64)
    place[at] = np.arange(len(at))
    scored = (place[every.first] >= 0) & (place[every.last] >= 0)
    if not scored.any():
        length = path_lengths(gt_poses)[-1]
        raise TrajectoryError(
            f"{pred.source}: has {len(at)} poses for {len(gt_poses)} frames of {gt.source}, whose path is {length:.1f} m; no "
            f"segment of {lengths_m[0]} m or more has both ends predicted, so t_err and r_err do not exist. Predict more of "
            "the sequence"
        )
    segments = Segments(every.first[scored], every.last[scored], every.length_m[scored])
    return Pair(gt_poses, pred_poses, at, segments, (place[segments.first], place[segments.last]))


def match_frames(gt: Trajectory, pred: Trajectory) -> Indices:
    """The place in gt of each predicted pose, (m,) ascending: by time where both have times, else by frame number.

    Raises:
        TrajectoryError: a prediction without its frame, or times on one side only.
    """
    if (gt.time is None) != (pred.time is None):
        timed, bare = (gt, pred) if pred.time is None else (pred, gt)
        raise TrajectoryError(
            f"{timed.source}: has times ({timed.form}) and {bare.source} has frame numbers ({bare.form}); expected times or "
            "frame numbers in both. Write either in the other's format; 13 columns hold the frame number before the pose"
        )
    if gt.time is not None and pred.time is not None:
        return _match_times(gt, pred, gt.time, pred.time)
    at = np.minimum(np.searchsorted(gt.frame, pred.frame), len(gt.frame) - 1)
    strange = gt.frame[at] != pred.frame
    if strange.any():
        raise TrajectoryError(
            f"{pred.source}: has {len(pred.frame)} poses, {strange.sum()} of them for frames that {gt.source} lacks, the first "
            f"frame {pred.frame[strange][0]}; expected frames {gt.frame[0]} to {gt.frame[-1]}. Is it another sequence?"
        )
    if pred.form in {"kitti", "relative"} and len(pred.frame) != len(gt.frame):
        raise TrajectoryError(
            f"{pred.source}: has {len(pred.frame)} poses without frame numbers, {gt.source} has {len(gt.frame)}; expected one "
            "pose for each frame. Where frames are left out, put the frame number before each pose (13 columns)"
        )
    return at.astype(np.int64)


def _match_times(gt: Trajectory, pred: Trajectory, gt_s: Array, pred_s: Array) -> Indices:
    after = np.clip(np.searchsorted(gt_s, pred_s), 1, max(len(gt_s) - 1, 1))
    before = after - 1
    after = np.minimum(after, len(gt_s) - 1)
    at = np.where(np.abs(gt_s[before] - pred_s) <= np.abs(gt_s[after] - pred_s), before, after)
    far = np.abs(gt_s[at] - pred_s) > MAX_TIME_GAP_S
    if far.any():
        raise TrajectoryError(
            f"{pred.source}: {far.sum()} of {len(pred_s)} times match none of {gt.source} within {MAX_TIME_GAP_S} s, the first "
            f"{pred_s[far][0]:.16g}; expected times from {gt_s[0]:.16g} to {gt_s[-1]:.16g} s. Check the unit and the clock"
        )
    if (np.diff(at) == 0).any():
        twice = float(gt_s[at[:-1][np.diff(at) == 0][0]])
        raise TrajectoryError(
            f"{pred.source}: two poses match the time {twice:.16g} of {gt.source}; expected one pose for each frame"
        )
    return at.astype(np.int64)


def _runs(at: Indices) -> list[Indices]:
    """The places in the prediction, cut where frames are missing."""
    return np.split(np.arange(len(at)), np.flatnonzero(np.diff(at) != 1) + 1)


def _snippets(pair: Pair) -> tuple[Array, Array, Array]:
    """The errors of 5-frame snippets; each is scaled by itself, so that no alignment changes them."""
    runs = [run for run in _runs(pair.at) if len(run) > 1]

    def over_runs(function: Callable[[Array, Array], Array]) -> Array:
        return np.concatenate([np.empty(0), *(function(pair.gt[pair.at[run]], pair.pred[run]) for run in runs)])

    sfmlearner = over_runs(metrics.snippets_sfmlearner)
    return over_runs(metrics.snippets_monodepth2), sfmlearner, sfmlearner * np.sqrt(metrics.SNIPPET_FRAMES)


def _row(pair: Pair, snippets: tuple[Array, Array, Array], sequence: str, alignment: str) -> PoseRow:
    length, n_missing = float(path_lengths(pair.gt)[-1]), len(pair.gt) - len(pair.at)
    counts = (len(pair.segments.first), length, len(pair.at), n_missing)
    try:
        similarity = ALIGNMENTS[alignment](pair.gt[pair.at, :3, 3], pair.pred[:, :3, 3])
    except TrajectoryError as problem:
        none = dict.fromkeys(POSE_METRICS, float("nan"))
        return PoseRow(sequence, alignment, float("nan"), none, *counts, None, str(problem))
    errors = _errors(pair, align(pair.pred, similarity), snippets)
    scores = {name: metric.function(errors) for name, metric in POSE_METRICS.items()}
    return PoseRow(sequence, alignment, similarity.scale, scores, *counts, errors)


def _errors(pair: Pair, pred: Array, snippets: tuple[Array, Array, Array]) -> PoseErrors:
    gt = pair.gt[pair.at]
    in_pred = Segments(*pair.ends, pair.segments.length_m)
    segment_t, segment_r = metrics.segment_errors(gt, pred, in_pred)
    E = metrics.step_motions(gt, pred)[np.diff(pair.at) == 1]
    return PoseErrors(
        segment_t,
        segment_r,
        np.linalg.norm(gt[:, :3, 3] - pred[:, :3, 3], axis=1),
        np.linalg.norm(E[:, :3, 3], axis=1),
        rotation_angle(E[:, :3, :3]),
        rotation_angle_acos(E[:, :3, :3]),
        *snippets,
    )


def mean_rows(rows: Sequence[PoseRow]) -> list[PoseRow]:
    """Two rows for each alignment: `mean` over the sequences, and `all`, over the segments, frames and snippets of all.

    An alignment that does not exist for one sequence has no mean; the reason says which.
    """
    made = []
    for alignment in dict.fromkeys(row.alignment for row in rows):
        own = [row for row in rows if row.alignment == alignment]
        reason = "; ".join(f"{row.sequence}: {row.reason}" for row in own if row.reason)
        counts = (
            sum(row.n_segments for row in own),
            sum(row.path_length_m for row in own),
            sum(row.n_poses for row in own),
            sum(row.n_missing for row in own),
        )
        mean = {name: float(np.mean([row.metrics[name] for row in own])) for name in POSE_METRICS}
        scale = float(np.mean([row.scale for row in own]))
        pooled = _pool([row.errors for row in own if row.errors is not None]) if not reason else None
        every = {name: m.function(pooled) if pooled else float("nan") for name, m in POSE_METRICS.items()}
        made.append(PoseRow("mean", alignment, scale, mean, *counts, None, reason))
        made.append(PoseRow("all", alignment, scale, every, *counts, pooled, reason))
    return made


def _pool(errors: Sequence[PoseErrors]) -> PoseErrors:
    return PoseErrors(*(np.concatenate(parts) for parts in zip(*errors, strict=True)))
