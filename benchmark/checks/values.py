"""Defects that the values alone show: what is not above zero, what is constant, coarse or saturated."""

from __future__ import annotations

import numpy as np

from benchmark.checks.case import Case, joined
from benchmark.checks.finding import Finding
from benchmark.checks.samples import THUMBNAIL, Array, Values

SAME = 1e-3  # predictions whose logarithms differ by less, up to a factor, are one and the same
REPEATED = 2  # a coarse map has at least this many pixels for each of its values
COARSE_STEP = 0.005  # relative step between values at the median pixel; rounding errs by a quarter of it on average
EIGHT_BIT = 256
UNEVEN = 0.05  # of a step
SATURATED = 0.25  # share of the scored pixels at the smallest or the largest value of their map


def not_finite(case: Case) -> Finding:
    """NaN or inf anywhere."""
    if case.scan is None:
        return Finding("not_finite", "not judged", "the frames were not read")
    n = case.scan.not_finite
    if n:
        mend = "mend the network's output (NaN and inf spread when an image is resized)"
        return Finding("not_finite", "refuse", f"{n} of {case.scan.frames} frames hold NaN or inf: {mend}", {"frames": n})
    return Finding("not_finite", "fine", f"every value of {case.scan.frames} frames is finite")


def not_positive(case: Case) -> Finding:
    """Zero or negative values, zero aside where the protocol fills holes."""
    if case.scan is None:
        return Finding("not_positive", "not judged", "the frames were not read")
    zero, negative = case.scan.zero * (not case.fills_holes), case.scan.negative - case.scan.negated
    if zero or negative:
        counts = f"zeros in {zero}, negative values in {negative} of {case.scan.frames} frames"
        message = f"{counts}: neither is a depth or a disparity of anything; expected values above zero"
        return Finding("not_positive", "refuse", message, {"zero": zero, "negative": negative})
    return Finding("not_positive", "fine", "no value is zero or negative" if not case.scan.negated else "see `negated`")


def negated(case: Case) -> Finding:
    """The sign of everything is turned, which median scaling would cancel."""
    n = case.scan.negated if case.scan else 0
    if n or case.values.negated:
        frames = f"in {n} of {case.scan.frames} frames " if case.scan else ""
        return Finding("negated", "refuse", f"{frames}most values are negative: turn the sign, or predict again", {"frames": n})
    return Finding("negated", "fine", "the values are above zero")


def constant(case: Case) -> Finding:
    """Maps of one value."""
    maps = case.values.thumbnails
    n = int(np.sum(maps.max(axis=(1, 2)) == maps.min(axis=(1, 2))))
    if n:
        message = f"{n} of {len(maps)} sampled predictions are one constant: they say nothing about the image"
        return Finding("constant", "warn", message, {"frames": n})
    return Finding("constant", "fine", f"no sampled prediction is constant ({len(maps)} looked at)")


def prior(case: Case) -> Finding:
    """The same prediction for every frame: scored, and called what it is."""
    if is_prior(case.values):
        return Finding("prior", "warn", "the predictions are the same for every frame: a prior")
    return Finding("prior", "fine", "the predictions differ between frames")


def is_prior(values: Values) -> bool:
    """All sampled predictions, at least two, are one map up to a factor."""
    logs = np.log(np.abs(values.thumbnails))
    shapes = logs - logs.mean(axis=(1, 2), keepdims=True)
    return len(shapes) > 1 and bool(np.all(np.abs(shapes - shapes[0]) < SAME))


def quantised(case: Case) -> Finding:
    """Few values with wide steps between them."""
    levels, step = _coarseness(case.values.thumbnails)
    if levels and step >= COARSE_STEP and levels > EIGHT_BIT:
        message = f"the values come in steps of {step:.1%} at the median pixel ({levels:.0f} different ones in {_pixels()})"
        return Finding("quantised", "warn", f"{message}: save what was computed", {"step": step, "levels": levels})
    if levels:
        return Finding("quantised", "fine", f"steps of {step:.2%} between values", {"step": step, "levels": levels})
    return Finding("quantised", "fine", "as many values as pixels, or rows or columns of one value")


def eight_bit(case: Case) -> Finding:
    """No more values than a byte has."""
    levels, step = _coarseness(case.values.thumbnails)
    if levels and step >= COARSE_STEP and levels <= EIGHT_BIT:
        message = (
            f"only {levels:.0f} different values in {_pixels()}, in steps of {step:.1%} at the median pixel, as in an 8-bit "
            "image or with few depth hypotheses"
        )
        return Finding(
            "eight_bit",
            "warn",
            f"{message}: save what was computed before rounding, if there is more",
            {"step": step, "levels": levels},
        )
    return Finding("eight_bit", "fine", "more values than a byte has, or rows or columns of one value")


def saturated(case: Case) -> Finding:
    """Many scored pixels at the smallest or largest value of their map."""
    samples, maps = joined(case), case.values.thumbnails
    if is_prior(case.values) or (maps.max(axis=(1, 2)) == maps.min(axis=(1, 2))).all():
        return Finding("saturated", "fine", "a prior may be clipped")
    ends = maps.min(axis=(1, 2)), maps.max(axis=(1, 2))
    shares = [float(np.median(np.mean(samples.raw == extreme[:, None], axis=1))) for extreme in ends]
    share = max(shares)
    if share >= SATURATED:
        end = ("smallest", "largest")[int(np.argmax(shares))]
        message = f"{share:.0%} of the scored pixels hold the {end} value of their map: "
        return Finding("saturated", "warn", f"{message}the output is clipped, or has collapsed", {"share": share})
    return Finding("saturated", "fine", f"{share:.0%} of the scored pixels at an end of their map's values", {"share": share})


def _coarseness(maps: Array) -> tuple[float, float]:
    """Different values in a thumbnail and the relative step to the next value at its median pixel, medians over frames;
    (0, 0) where the maps are as fine as their pixels, or vary along one axis only (a plane has one value a row)."""
    found = [_levels(m) for m in maps[:: max(1, len(maps) // 16)] if np.isfinite(m).all()]
    coarse = [f for f in found if f[0] > 1 and f[0] * REPEATED <= maps[0].size]
    if 2 * len(coarse) <= len(found):
        return 0.0, 0.0
    return float(np.median([levels for levels, _ in coarse])), float(np.median([step for _, step in coarse]))


def _levels(values: Array) -> tuple[int, float]:
    # A plane has one value a row: few, and yet as fine as they come.
    if not np.any(np.ptp(values, axis=0)) or not np.any(np.ptp(values, axis=1)):
        return 0, 0.0
    levels, counts = np.unique(values, return_counts=True)
    if levels[0] <= 0 or not (_even(levels) or _even(1 / levels[::-1])):
        return 0, 0.0
    steps = np.diff(levels, append=2 * levels[-1] - levels[-2]) / levels
    order = np.argsort(steps)
    middle = np.searchsorted(np.cumsum(counts[order]), values.size / 2)
    return len(levels), float(steps[order][middle])


def _even(levels: Array) -> bool:
    """Ascending values, all a whole number of steps apart, as numbers that were whole once are."""
    gaps = np.diff(levels)
    steps = (levels - levels[0]) / gaps.min()
    return bool(np.mean(np.abs(steps - np.rint(steps)) < UNEVEN) > 0.95)


def _pixels() -> str:
    return f"{THUMBNAIL[0] * THUMBNAIL[1]} pixels"
