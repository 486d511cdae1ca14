"""Factors that a scaling without ground truth would carry into the number: 5.4 missing or doubled, 256, a drifting scale."""

from __future__ import annotations

import numpy as np

from benchmark.align import STEREO_FACTOR, parse_factor
from benchmark.checks.case import Case, joined
from benchmark.checks.finding import Finding
from benchmark.checks.samples import Array, Samples

TOLERANCE = 0.15  # the logarithm of how far a factor may lie from the one that is looked for
STEADY = 0.3  # and how far apart the middle two thirds of the frames may be
PNG_FACTOR = 256.0
LARGE_SPREAD = 0.5  # standard deviation of the factors over their median


def factor_missing(case: Case) -> Finding:
    """Metres that are 5.4 times too small: disparities of a stereo network taken for 1/m."""
    mend = f"multiply the depth by {STEREO_FACTOR}, or score with --scaling stereo"
    return _factor(case, "factor_missing", (STEREO_FACTOR,), f"as if the factor {STEREO_FACTOR} were missing: {mend}")


def factor_doubled(case: Case) -> Finding:
    """Metres that are 5.4 times too large: the factor of the stereo baseline entered twice."""
    mend = "divide the depth by it, or score without --scaling stereo"
    return _factor(case, "factor_doubled", (1 / STEREO_FACTOR,), f"as if the factor {STEREO_FACTOR} were in them twice: {mend}")


def times_256(case: Case) -> Finding:
    """Raw values of a 16-bit PNG taken for metres, or divided twice."""
    mend = "KITTI's 16-bit PNG hold 256 x metres"
    return _factor(case, "times_256", (PNG_FACTOR, 1 / PNG_FACTOR), f"which is {PNG_FACTOR:.0f} or its inverse: {mend}")


def scale_varies(case: Case) -> Finding:
    """Frames that need very different factors."""
    factors = _factors(joined(case))
    if len(factors) < 2:
        return Finding("scale_varies", "not judged", "fewer than two sampled frames have values above zero")
    spread = float(np.std(factors) / np.median(factors))
    message = f"the factor to metres is {np.median(factors):.3g} at the median frame and varies by {spread:.0%} between frames"
    if spread > LARGE_SPREAD:
        message += ": depth is not consistent over the split"
    return Finding("scale_varies", "warn" if spread > LARGE_SPREAD else "fine", message, {"spread": spread})


def _factors(samples: Samples) -> Array:
    """Metres per unit of predicted depth, one for each frame that has values above zero."""
    truth, predicted = samples.points.log_gt, samples.read["as_it_is"]
    usable = np.isfinite(predicted).all(axis=1)
    if not usable.any():
        return np.empty(0)
    # The ratio of the medians, as median scaling has it.
    return np.asarray(np.exp(np.median(truth[usable], axis=1) - np.median(predicted[usable], axis=1)))


def _factor(case: Case, defect: str, wanted: tuple[float, ...], words: str) -> Finding:
    factors = _factors(joined(case))
    fixed = {s: f for s in case.scalings if (f := parse_factor(s)) is not None and (case.kind != "disparity" or s != "none")}
    if not fixed:
        return Finding(defect, "fine", "the values are scaled by the ground truth, so a factor changes nothing")
    if len(factors) == 0:
        return Finding(defect, "not judged", "no sampled frame has values above zero")
    left = {s: float(np.median(factors)) / f for s, f in fixed.items()}
    low, high = np.quantile(np.log(factors), (1 / 6, 5 / 6))
    found = [s for s, x in left.items() if any(abs(np.log(x / w)) < TOLERANCE for w in wanted) and high - low < STEADY]
    if found:
        x = left[found[0]]
        message = f"with scaling {found[0]} the depths need a factor of {x:.3g} to be metres, {words}"
        return Finding(defect, "warn", message, {"factor": x}, tuple(found))
    listed = ", ".join(f"{x:.3g} (scaling {s})" for s, x in left.items())
    return Finding(defect, "fine", f"factor left to metres: {listed}", {"factor": next(iter(left.values()))})
