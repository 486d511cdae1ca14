"""Shuffled predictions: does what sets a prediction apart from the others belong to another frame's ground truth?

First a cheap question among the sampled frames: does a prediction fit its own ground truth better than it fits the others',
typical frames and typical predictions discounted? Only where it does not, each prediction looks for its frame in the whole
split: found in one half of the image, judged in the other half, so that the best of many is no argument.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from benchmark.checks.case import Case, joined
from benchmark.checks.contest import Array, Contest, contest, misfit
from benchmark.checks.finding import Finding
from benchmark.checks.samples import Samples, ScoredPoints
from benchmark.checks.values import is_prior

# A prediction fits its own frame better than at least this share of the others (chance: a half). Frames that change places
# within their drives leave 0.8 to 0.9.
AT_HOME = 0.95
STRAY = 0.6  # below this share somebody should look, where there are
ENOUGH = 16  # sampled frames whose predictions leave
LEAVES = 0.5  # of a constant's error: frames that all look alike would fit each other's predictions


class Places(NamedTuple):
    """Scored points of N frames on the grid of the thumbnails: flat cell, log depth and whether it lies left, (N, n)."""

    cell: NDArray[np.int64]
    log_gt: Array
    left: NDArray[np.bool_]


def at_home(samples: Samples, log_thumbnails: Array) -> float:
    """Share of the other sampled frames that a prediction (S, rows, columns) fits worse than its own, averaged; a half
    where the predictions do not depend on the image."""
    left, right = _misfits(log_thumbnails, _places(samples.points, log_thumbnails.shape))
    return _rank_of_own(left + right)


def shuffled(case: Case) -> Finding:
    """The order of the predictions has nothing to do with that of the frames."""
    samples = joined(case)
    if len(samples.frame) < 2 or is_prior(case.values):
        return Finding("shuffled", "fine", "every frame has the same prediction, so the order does not matter")
    share = at_home(samples, samples.log_thumbnails)
    fits = f"a prediction fits its own frame better than {share:.0%} of the others"
    if share >= AT_HOME:
        return Finding("shuffled", "fine", fits, {"at_home": share})
    found = _search(samples, case)
    evidence = {"at_home": share, **found.evidence}
    if found.convincing:
        message = (
            "the predictions are in another order: save them in the order of the list, or with frame ids. Evidence: on "
            f"{found.wins} of {found.frames} frames the ground truth of another frame fits better (error {found.other:.2f}, "
            f"as it is {found.own:.2f})"
        )
        return Finding("shuffled", "refuse", message, evidence)
    own = misfit(samples.read["as_it_is"], samples.points.log_gt)
    flat = misfit(np.zeros_like(samples.points.log_gt), samples.points.log_gt)
    if share < STRAY and len(own) >= ENOUGH and np.median(own) > LEAVES * np.median(flat) > 0:
        message = f"{fits} (chance: 50%): either the order is wrong, or the predictions do not depend on the image"
        return Finding("shuffled", "warn", message, evidence)
    return Finding("shuffled", "fine", f"{fits}, and no other order fits better", evidence)


def _search(samples: Samples, case: Case) -> Contest:
    """Each sampled prediction's best frame of the whole split against its own."""
    predicted = samples.log_thumbnails
    points = {i: p for i in range(case.n_frames) if (p := case.points_of(i)) is not None}
    every = _places(ScoredPoints(*map(np.array, zip(*points.values(), strict=True))), predicted.shape)
    own = np.arange(len(predicted))
    home = np.searchsorted(list(points), np.array(samples.frame))
    fits, flat = _misfits(predicted, every), _misfits(np.zeros_like(predicted[:1]), every)
    # Each half names the frame that the other half judges.
    named = [_kinship(fit).argmax(axis=1) for fit in fits][::-1]

    def error(at: Sequence[NDArray[np.int64]]) -> Array:
        return np.asarray((fits[0][own, at[0]] + fits[1][own, at[1]]) / 2)

    return contest(error([home, home]), error(named), (flat[0][0, named[0]] + flat[1][0, named[1]]) / 2)


def _places(points: ScoredPoints, shape: tuple[int, ...]) -> Places:
    """Every second scored point of N frames, each (N, n), on thumbnails of this shape."""
    y, x, log_gt = (part[:, ::2] for part in points)
    cell = (y * shape[1]).astype(np.int64) * shape[2] + (x * shape[2]).astype(np.int64)
    return Places(cell, log_gt, x < 0.5)


def _misfits(predicted: Array, places: Places) -> tuple[Array, Array]:
    """(S, N) standard deviation of the log ratio in the left and in the right half of the image, for every prediction
    (S, rows, columns) and every ground truth."""
    halves = [(half, np.maximum(half.sum(axis=1), 1)) for half in (places.left, ~places.left)]
    found: tuple[list[Array], list[Array]] = ([], [])
    for logs in predicted:
        ratio = logs.ravel()[places.cell] - places.log_gt
        square = ratio * ratio
        for rows, (half, n) in zip(found, halves, strict=True):
            mean = (ratio * half).sum(axis=1) / n
            rows.append(np.sqrt(np.maximum((square * half).sum(axis=1) / n - mean * mean, 0)))
    return np.array(found[0]), np.array(found[1])


def _discounted(misfits: Array) -> Array:
    """Without what makes one prediction or one ground truth fit anything well."""
    return np.asarray(misfits - misfits.mean(axis=0) - misfits.mean(axis=1, keepdims=True))


def _kinship(misfits: Array) -> Array:
    """How well a prediction fits a ground truth, compared with how well the others fit it: (S, N), large is well."""
    fit = _discounted(misfits)
    usual = np.sqrt((fit * fit).mean(axis=0))
    return np.asarray(-np.divide(fit, usual, out=np.zeros_like(fit), where=usual > 0))


def _rank_of_own(misfits: Array) -> float:
    """How often a prediction fits another sampled frame worse than its own, averaged; ties count half. (S, S) -> ()."""
    fit = _discounted(misfits)
    own = fit.diagonal()[:, None]
    n = len(fit)
    better = (fit > own).sum() + 0.5 * ((fit == own).sum() - n)
    return float(better / (n * (n - 1)))
