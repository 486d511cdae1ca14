"""Snippets of five frames that were predicted one by one, each with a scale of its own: nothing joins them to a path."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from benchmark.errors import TrajectoryError
from benchmark.geometry import inverse
from benchmark.metrics.pose import SNIPPET_FRAMES, snippet_errors, snippet_scales
from benchmark.pose_pairs import MAX_TIME_GAP_S, nearest
from benchmark.trajectory import Trajectory

Array = NDArray[np.float64]
Indices = NDArray[np.int64]
MIN_MATCHES = 2


class Snippets(NamedTuple):
    """The positions of snippets, seen from the first frame of each."""

    first: Indices  # (n,) frame number of the first frame, ascending
    xyz: Array  # (n, 5, 3)
    time: Array | None  # (n, 5) seconds, where the files have times
    source: str
    form: str  # a key of trajectory.FORM_NAMES
    inverse_xyz: Array | None = None  # (n, 5, 3), the positions if the file holds the inverse poses
    mended: str = ""  # as in Trajectory


class SnippetScores(NamedTuple):
    """The errors of snippets, NaN for one that stands still in the prediction, and which they are."""

    sfmlearner: Array  # (n,) m, in order of first
    rmse: Array
    first: Indices
    missing: Indices  # first frames of the snippets of the ground truth that are not predicted
    scale: Array  # (n,) the factor that fits each best


def cut_snippets(trajectory: Trajectory) -> Snippets:
    """All snippets of consecutive frames of a trajectory."""
    frames, poses = trajectory.frame, trajectory.poses
    n = max(len(frames) - SNIPPET_FRAMES + 1, 0)
    start = np.flatnonzero(frames[SNIPPET_FRAMES - 1 :] - frames[:n] == SNIPPET_FRAMES - 1)
    five = poses[start[:, None] + np.arange(SNIPPET_FRAMES)]
    xyz = (inverse(five[:, :1]) @ five)[..., :3, 3]
    return Snippets(frames[start], xyz, None, trajectory.source, trajectory.form)


def score_snippets(gt: Snippets | Trajectory, pred: Snippets, *, max_gap_s: float = MAX_TIME_GAP_S) -> SnippetScores:
    """The 5-frame errors of predicted snippets. SfMLearner's pose_evaluation_utils.py.

    Unlike there a snippet with the error 0 counts, and one without ground truth or with less than two matching times is an
    error; there all of them are left out without a word. A snippet with times begins at the pose of gt with the same time,
    where a trajectory gt has times; the names of files are counted from any frame, and gt may have gaps.

    Raises:
        TrajectoryError: a snippet has no ground truth.
    """
    truth, missing = _truth(gt, pred, max_gap_s)
    g, p = truth.xyz, pred.xyz
    if truth.time is not None and pred.time is not None:
        g, p = _matched(truth.time, g, pred, max_gap_s)
    return SnippetScores(*snippet_errors(g, p), pred.first, missing, snippet_scales(g, p))


def _truth(gt: Snippets | Trajectory, pred: Snippets, max_gap_s: float) -> tuple[Snippets, Indices]:
    """The snippet of the ground truth for each that is predicted, and the first frames of those that are not."""
    if isinstance(gt, Trajectory) and gt.time is not None and pred.time is not None:
        return _at_times(gt, gt.time, pred, pred.time[:, 0], max_gap_s)
    truth = cut_snippets(gt) if isinstance(gt, Trajectory) else gt
    place = np.minimum(np.searchsorted(truth.first, pred.first), max(len(truth.first) - 1, 0))
    strange = truth.first[place] != pred.first if len(truth.first) else np.ones(len(pred.first), bool)
    if strange.any():
        raise TrajectoryError(
            f"{pred.source}: {strange.sum()} of {len(pred.first)} snippets have no ground truth in {truth.source}, the first "
            f"begins at frame {pred.first[strange][0]}; expected {_range(truth.first)}. Is it another sequence?"
        )
    time = None if truth.time is None else truth.time[place]
    missing = np.setdiff1d(truth.first, pred.first)
    return truth._replace(first=pred.first, xyz=truth.xyz[place], time=time), missing


def _at_times(gt: Trajectory, gt_s: Array, pred: Snippets, begin_s: Array, max_gap_s: float) -> tuple[Snippets, Indices]:
    row = nearest(gt_s, begin_s)
    far = np.abs(gt_s[row] - begin_s) > max_gap_s
    if far.any():
        raise TrajectoryError(
            f"{pred.source}: {far.sum()} of {len(row)} snippets begin at a time that {gt.source} lacks within {max_gap_s:g} s; "
            f"the first is {pred.first[far][0]:06d}.txt at {begin_s[far][0]:.16g}; expected times from {gt_s[0]:.16g} to "
            f"{gt_s[-1]:.16g} s. Check the unit and the clock; leave out snippets that begin where the ground truth has a gap"
        )
    five = np.minimum(row[:, None] + np.arange(SNIPPET_FRAMES), len(gt_s) - 1)  # past the end the last pose, which matches once
    xyz = (inverse(gt.poses[row][:, None]) @ gt.poses[five])[..., :3, 3]
    missing = gt.frame[np.setdiff1d(np.arange(len(gt_s) - SNIPPET_FRAMES + 1), row)]
    return Snippets(pred.first, xyz, gt_s[five], gt.source, gt.form), missing


def _range(first: Indices) -> str:
    return f"frames {first[0]} to {first[-1]}" if len(first) else f"{SNIPPET_FRAMES} consecutive frames, which it lacks"


def _matched(gt_s: Array, gt: Array, pred: Snippets, max_gap_s: float) -> tuple[Array, Array]:
    """The positions (n, 5, 3) of frames with matching times, moved to the front and to a common first; NaN behind them."""
    assert pred.time is not None
    away = np.abs(pred.time[:, :, None] - gt_s[:, None, :])
    at = away.argmin(axis=2)
    seen = away.min(axis=2) < max_gap_s
    # A frame that was too far away does not take its neighbour's match from the next one.
    seen[:, 1:] &= (at[:, 1:] != at[:, :-1]) | ~seen[:, :-1]
    count = seen.sum(axis=1)
    if (count < MIN_MATCHES).any():
        k = int(np.argmax(count < MIN_MATCHES))
        raise TrajectoryError(
            f"{pred.source}: snippet {pred.first[k]:06d}.txt: {count[k]} of its {SNIPPET_FRAMES} times match its ground truth "
            f"within {max_gap_s:g} s, which has {gt_s[k][0]:.16g} to {gt_s[k][-1]:.16g}; expected at least {MIN_MATCHES}. "
            "Check the unit and the clock"
        )
    order = np.argsort(~seen, axis=1, kind="stable")
    g = np.take_along_axis(gt, np.take_along_axis(at, order, axis=1)[..., None], axis=1)
    p = np.take_along_axis(pred.xyz, order[..., None], axis=1)
    p = p - p[:, :1] + g[:, :1]
    p[np.arange(SNIPPET_FRAMES) >= count[:, None]] = np.nan
    return g, p
