"""Snippets of five frames that were predicted one by one, each with a scale of its own: nothing joins them to a path."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from benchmark.errors import TrajectoryError
from benchmark.geometry import inverse
from benchmark.metrics.pose import SNIPPET_FRAMES, snippet_residuals
from benchmark.pose_pairs import MAX_TIME_GAP_S
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


class SnippetScores(NamedTuple):
    """The errors of snippets, NaN for one that stands still in the prediction, and which they are."""

    sfmlearner: Array  # (n,) m, in order of first
    rmse: Array
    first: Indices
    missing: Indices  # first frames of the snippets of the ground truth that are not predicted


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
    error; there all of them are left out without a word.

    Raises:
        TrajectoryError: a snippet has no ground truth.
    """
    truth = cut_snippets(gt) if isinstance(gt, Trajectory) else gt
    place = np.minimum(np.searchsorted(truth.first, pred.first), max(len(truth.first) - 1, 0))
    strange = truth.first[place] != pred.first if len(truth.first) else np.ones(len(pred.first), bool)
    if strange.any():
        raise TrajectoryError(
            f"{pred.source}: {strange.sum()} of {len(pred.first)} snippets have no ground truth in {truth.source}, the first "
            f"begins at frame {pred.first[strange][0]}; expected {_range(truth.first)}. Is it another sequence?"
        )
    g, p = truth.xyz[place], pred.xyz
    if truth.time is not None and pred.time is not None:
        g, p = _matched(truth.time[place], g, pred, max_gap_s)
    residual, frames = snippet_residuals(g, p)
    missing = np.setdiff1d(truth.first, pred.first)
    return SnippetScores(residual / frames, residual / np.sqrt(frames), pred.first, missing)


def _range(first: Indices) -> str:
    return f"frames {first[0]} to {first[-1]}" if len(first) else f"{SNIPPET_FRAMES} consecutive frames, which it lacks"


def _matched(gt_s: Array, gt: Array, pred: Snippets, max_gap_s: float) -> tuple[Array, Array]:
    """The positions (n, 5, 3) of frames with matching times, moved to the front and to a common first; NaN behind them."""
    assert pred.time is not None
    away = np.abs(pred.time[:, :, None] - gt_s[:, None, :])
    at = away.argmin(axis=2)
    seen = away.min(axis=2) < max_gap_s
    seen[:, 1:] &= at[:, 1:] != at[:, :-1]
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
