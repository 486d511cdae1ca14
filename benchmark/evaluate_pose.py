"""Scores of predicted trajectories: (ground truth, prediction) -> one row for each alignment."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from benchmark.align_poses import ALIGNMENTS, Similarity, align
from benchmark.errors import TrajectoryError
from benchmark.explain_poses import explain, explain_snippets
from benchmark.geometry import path_lengths, rotation_angle, rotation_angle_acos
from benchmark.metrics import pose as metrics
from benchmark.metrics.pose import POSE_METRICS, PoseErrors, Segments
from benchmark.pose_directions import Direction
from benchmark.pose_pairs import USUAL_RULES, Pair, Rules, lay_on, scale_drift, standing_pieces
from benchmark.pose_snippets import Snippets, score_snippets
from benchmark.trajectory import FORM_NAMES, Trajectory

Array = NDArray[np.float64]
Indices = NDArray[np.int64]
FRAME_S = 0.1  # the devkit's clock, where the ground truth has no times
# Of every prediction that is snippets: for those who look for the other numbers, no caution about these.
NO_PATH = "snippets are no path: t_err, ATE and RPE do not exist; snippet5_monodepth2 needs motions from frame to frame"


@dataclass(frozen=True)
class About:
    """What was compared with what in one sequence, and what explains a bad score; the same for every alignment."""

    pred: str  # the files
    gt: str
    pred_form: str  # their formats in words
    gt_form: str
    missing: Indices  # frame numbers of the ground truth without a prediction, or first frames of snippets
    notes: tuple[str, ...] = ()
    direction: Direction | None = None  # of relative motions


@dataclass(frozen=True)
class PoseRow:
    """The score of one sequence under one alignment; metrics are NaN, with a reason, where the alignment does not exist."""

    sequence: str
    alignment: str
    scale: float
    metrics: dict[str, float]
    n_segments: int
    path_length_m: float  # of the whole ground truth; NaN where the prediction is snippets
    n_poses: int  # predicted; snippets where the prediction is snippets
    n_missing: int  # frames, or snippets, of the ground truth without a prediction
    errors: PoseErrors | None
    reason: str = ""
    scale_drift: float = float("nan")  # %, see pose_pairs.scale_drift
    pair: Pair | None = None
    similarity: Similarity | None = None
    about: About | None = None  # of one sequence; None in means


class SegmentTable(NamedTuple):
    """The scored segments of a row, each an array (n,)."""

    first_frame: Indices  # numbers of the ground truth's frames
    last_frame: Indices
    length_m: Array
    speed_mps: Array
    t_err_percent: Array
    r_err_deg_per_100m: Array


def evaluate_pose(
    gt: Trajectory,
    pred: Trajectory,
    *,
    sequence: str = "",
    alignments: Sequence[str] = tuple(ALIGNMENTS),
    rules: Rules = USUAL_RULES,
    direction: Direction | None = None,
) -> list[PoseRow]:
    """Score one sequence under alignments (keys of ALIGNMENTS); the direction is for the report alone.

    Frames are consecutive where their numbers differ by 1; across a gap of the prediction, or of the ground truth itself, there
    is no RPE and no snippet. (TUM's format numbers no frames: neighbouring lines of the ground truth are consecutive.)

    Raises:
        TrajectoryError: frames or times do not belong together, or no segment has both ends predicted.
    """
    pair = lay_on(gt, pred, rules=rules)
    missing = np.delete(gt.frame, pair.at)
    notes = _mended(gt, pred) + explain(gt.poses[pair.at], pred, unscaled=not {"none", "6dof"}.isdisjoint(alignments))
    snippets, drift = _snippets(pair), scale_drift(pair)
    still = _standing(snippets[1], _snippet_starts(pair))
    notes += tuple(note for note in (f"{still}; the 5-frame errors do not exist" * bool(still), standing_pieces(pair)) if note)
    about = About(pred.source, gt.source, FORM_NAMES[pred.form], FORM_NAMES[gt.form], missing, notes, direction)
    return [_row(pair, snippets, about, sequence=sequence, alignment=alignment, drift=drift) for alignment in alignments]


def evaluate_snippets(
    gt: Trajectory | Snippets, pred: Snippets, *, sequence: str = "", rules: Rules = USUAL_RULES
) -> list[PoseRow]:
    """The one row of a sequence that was predicted as snippets; each is scaled by itself, so that no alignment applies.

    Raises:
        TrajectoryError: a snippet has no ground truth.
    """
    scores = score_snippets(gt, pred, max_gap_s=rules.max_gap_s)
    none = np.empty(0)
    errors = PoseErrors(none, none, none, none, none, none, none, scores.sfmlearner, scores.rmse)
    inverted = None if pred.inverse_xyz is None else pred._replace(xyz=pred.inverse_xyz)
    inverse_error = None if inverted is None else score_snippets(gt, inverted, max_gap_s=rules.max_gap_s).sfmlearner
    notes = (NO_PATH, *_mended(gt, pred), *explain_snippets(scores.scale, scores.sfmlearner, inverse_error))
    reason = _standing(scores.sfmlearner, scores.first)
    about = About(pred.source, gt.source, FORM_NAMES[pred.form], FORM_NAMES[gt.form], scores.missing, notes)
    values = {name: metric.function(errors) for name, metric in POSE_METRICS.items()}
    counts = (0, float("nan"), len(pred.first), len(scores.missing))
    return [PoseRow(sequence, "none", float("nan"), values, *counts, errors, reason, about=about)]


def _mended(gt: Trajectory | Snippets, pred: Trajectory | Snippets) -> tuple[str, ...]:
    return tuple(f"{whose}: {of.mended}" for whose, of in (("ground truth", gt), ("prediction", pred)) if of.mended)


def _runs(pair: Pair) -> list[Indices]:
    """The places in the prediction, cut where frames are missing."""
    return np.split(np.arange(len(pair.at)), np.flatnonzero(np.diff(pair.frame[pair.at]) != 1) + 1)


def _snippets(pair: Pair) -> tuple[Array, Array, Array]:
    """The errors of 5-frame snippets; each is scaled by itself, so that no alignment changes them.

    Monodepth2's short snippets are those at the end of the sequence: behind a gap they would only dilute the mean.
    """
    runs = [run for run in _runs(pair) if len(run) > 1]
    of_runs = [(pair.gt[pair.at[run]], pair.pred[run], bool(pair.at[run[-1]] == len(pair.gt) - 1)) for run in runs]
    none = np.empty(0)
    monodepth2 = np.concatenate([none, *(metrics.snippets_monodepth2(gt, pred, tails=end) for gt, pred, end in of_runs)])
    full = [metrics.snippets_sfmlearner(gt, pred) for gt, pred, _ in of_runs]
    sfmlearner, rmse = (np.concatenate([none, *(errors[k] for errors in full)]) for k in (0, 1))
    return monodepth2, sfmlearner, rmse


def _snippet_starts(pair: Pair) -> Indices:
    """The frame number that each snippet of 5 frames begins at."""
    starts = [run[: len(run) - metrics.SNIPPET_FRAMES + 1] for run in _runs(pair) if len(run) >= metrics.SNIPPET_FRAMES]
    places: Indices = np.concatenate([np.empty(0, np.int64), *starts])
    return pair.frame[pair.at[places]]


def _standing(errors: Array, first: Indices) -> str:
    """What is said of snippets without an error; empty where all have one."""
    still = np.isnan(errors)
    if not still.any():
        return ""
    return f"{still.sum()} of {len(still)} snippets stand still and have no scale, the first begins at frame {first[still][0]}"


def _row(
    pair: Pair, snippets: tuple[Array, Array, Array], about: About, *, sequence: str, alignment: str, drift: float
) -> PoseRow:
    length, n_missing = float(path_lengths(pair.gt)[-1]), len(pair.gt) - len(pair.at)
    counts = (len(pair.segments.first), length, len(pair.at), n_missing)
    try:
        similarity = ALIGNMENTS[alignment](pair.gt[pair.at, :3, 3], pair.pred[:, :3, 3])
    except TrajectoryError as problem:
        none = dict.fromkeys(POSE_METRICS, float("nan"))
        return PoseRow(sequence, alignment, float("nan"), none, *counts, None, str(problem), drift, pair, None, about)
    errors = _errors(pair, align(pair.pred, similarity), snippets)
    scores = {name: metric.function(errors) for name, metric in POSE_METRICS.items()}
    return PoseRow(sequence, alignment, similarity.scale, scores, *counts, errors, "", drift, pair, similarity, about)


def _errors(pair: Pair, pred: Array, snippets: tuple[Array, Array, Array]) -> PoseErrors:
    gt = pair.gt[pair.at]
    in_pred = Segments(*pair.ends, pair.segments.length_m)
    segment_t, segment_r = metrics.segment_errors(gt, pred, in_pred)
    E = metrics.step_motions(gt, pred)[np.diff(pair.frame[pair.at]) == 1]
    return PoseErrors(
        segment_t,
        segment_r,
        np.linalg.norm(gt[:, :3, 3] - pred[:, :3, 3], axis=1),
        np.linalg.norm(E[:, :3, 3], axis=1),
        rotation_angle(E[:, :3, :3]),
        rotation_angle_acos(E[:, :3, :3]),
        *snippets,
    )


def aligned_pred(row: PoseRow) -> Array:
    """The predicted poses (m, 4, 4) of a row as they were scored, in the frame of `row.pair.gt`; empty if they were not."""
    return np.empty((0, 4, 4)) if row.pair is None or row.similarity is None else align(row.pair.pred, row.similarity)


def segment_table(row: PoseRow) -> SegmentTable:
    """The segments of a row. Speed: length by duration; KITTI's devkit counts 0.1 s for every frame, both ends included."""
    if row.pair is None or row.errors is None:
        none, no = np.empty(0, np.int64), np.empty(0)
        return SegmentTable(none, none, no, no, no, no)
    pair, (first, last, length_m) = row.pair, row.pair.segments
    number = pair.frame
    duration_s = FRAME_S * (number[last] - number[first] + 1) if pair.time is None else pair.time[last] - pair.time[first]
    t, r = row.errors.segment_t * 100, np.degrees(row.errors.segment_r) * 100
    return SegmentTable(number[first], number[last], length_m, length_m / duration_s, t, r)


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
        scale, drift = (float(np.mean(of)) for of in ([row.scale for row in own], [row.scale_drift for row in own]))
        pooled = _pool([row.errors for row in own if row.errors is not None]) if not reason else None
        every = {name: m.function(pooled) if pooled else float("nan") for name, m in POSE_METRICS.items()}
        made.append(PoseRow("mean", alignment, scale, mean, *counts, None, reason, drift))
        made.append(PoseRow("all", alignment, scale, every, *counts, pooled, reason, drift))
    return made


def _pool(errors: Sequence[PoseErrors]) -> PoseErrors:
    return PoseErrors(*(np.concatenate(parts) for parts in zip(*errors, strict=True)))
