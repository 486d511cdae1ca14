"""Depth metrics of one image: pure functions of ground truth and prediction at the scored pixels.

Conventions
    gt, pred: (n,) metres, n >= 1, same type; gt finite and above zero, pred already aligned and clamped.
    Arithmetic is in the type of the arrays; sums over pixels accumulate in float64. All logarithms are natural unless
    the name says otherwise. Zero predictions give inf or NaN in the logarithms, as in the field; nothing is repaired.

Sources: Eigen 2014 (arXiv:1406.2283) sec. 4; Uhrig 2017 (arXiv:1708.06500) and the KITTI depth devkit for the inverse
and logarithmic errors; Spencer 2022 (arXiv:2208.01489) for their units.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[Any]


def _mean(values: Pixels) -> float:
    return float(values.mean(dtype=np.float64))


def abs_rel(gt: Pixels, pred: Pixels) -> float:
    """Mean |gt - pred| / gt."""
    return _mean(np.abs(gt - pred) / gt)


def sq_rel(gt: Pixels, pred: Pixels) -> float:
    """Mean (gt - pred)^2 / gt in metres: the form everyone reports. Dividing by gt^2 gives sq_rel_unitless."""
    return _mean((gt - pred) ** 2 / gt)


def sq_rel_unitless(gt: Pixels, pred: Pixels) -> float:
    """Mean (gt - pred)^2 / gt^2: the KITTI devkit's and Eigen's written definition."""
    return _mean(((gt - pred) / gt) ** 2)


def mae(gt: Pixels, pred: Pixels) -> float:
    """Mean |gt - pred| in metres."""
    return _mean(np.abs(gt - pred))


def rmse(gt: Pixels, pred: Pixels) -> float:
    """Root of the mean (gt - pred)^2 in metres."""
    return float(np.sqrt(_mean((gt - pred) ** 2)))


def log_mae(gt: Pixels, pred: Pixels) -> float:
    """Mean |ln gt - ln pred|."""
    return _mean(np.abs(np.log(gt) - np.log(pred)))


def rmse_log(gt: Pixels, pred: Pixels) -> float:
    """Root of the mean (ln gt - ln pred)^2."""
    return float(np.sqrt(_mean((np.log(gt) - np.log(pred)) ** 2)))


def log10(gt: Pixels, pred: Pixels) -> float:
    """Mean |log10 gt - log10 pred|. Make3D, NYU."""
    return _mean(np.abs(np.log10(gt) - np.log10(pred)))


def silog(gt: Pixels, pred: Pixels) -> float:
    """Standard deviation of ln pred - ln gt: the scale-invariant logarithmic error of the KITTI devkit."""
    error = np.log(pred) - np.log(gt)
    # Rounding can carry the difference just below zero where the error is constant.
    return float(np.sqrt(np.maximum(_mean(error**2) - _mean(error) ** 2, 0.0)))


def imae(gt: Pixels, pred: Pixels) -> float:
    """Mean |1/gt - 1/pred| in 1/m."""
    return _mean(np.abs(1 / gt - 1 / pred))


def irmse(gt: Pixels, pred: Pixels) -> float:
    """Root of the mean (1/gt - 1/pred)^2 in 1/m."""
    return float(np.sqrt(_mean((1 / gt - 1 / pred) ** 2)))


def _accuracy(gt: Pixels, pred: Pixels, threshold: float) -> float:
    return float(np.count_nonzero(np.maximum(gt / pred, pred / gt) < threshold)) / len(gt)


def a1(gt: Pixels, pred: Pixels) -> float:
    """Share of pixels with max(gt / pred, pred / gt) < 1.25."""
    return _accuracy(gt, pred, 1.25)


def a2(gt: Pixels, pred: Pixels) -> float:
    """Share of pixels with max(gt / pred, pred / gt) < 1.25^2."""
    return _accuracy(gt, pred, 1.25**2)


def a3(gt: Pixels, pred: Pixels) -> float:
    """Share of pixels with max(gt / pred, pred / gt) < 1.25^3."""
    return _accuracy(gt, pred, 1.25**3)


@dataclass(frozen=True)
class Metric:
    """A metric, the unit of what its function returns, which way is better, and how tables print its name."""

    function: Callable[[Pixels, Pixels], float]
    unit: str
    better: str
    title: str


DEPTH_METRICS: dict[str, Metric] = {
    "abs_rel": Metric(abs_rel, "1", "lower", "AbsRel"),
    "sq_rel": Metric(sq_rel, "m", "lower", "SqRel"),
    "rmse": Metric(rmse, "m", "lower", "RMSE"),
    "rmse_log": Metric(rmse_log, "1", "lower", "RMSElog"),
    "a1": Metric(a1, "1", "higher", "δ<1.25"),
    "a2": Metric(a2, "1", "higher", "δ<1.25²"),
    "a3": Metric(a3, "1", "higher", "δ<1.25³"),
    "mae": Metric(mae, "m", "lower", "MAE"),
    "log_mae": Metric(log_mae, "1", "lower", "LogMAE"),
    "log10": Metric(log10, "1", "lower", "log10"),
    "silog": Metric(silog, "1", "lower", "SILog"),
    "imae": Metric(imae, "1/m", "lower", "iMAE"),
    "irmse": Metric(irmse, "1/m", "lower", "iRMSE"),
    "sq_rel_unitless": Metric(sq_rel_unitless, "1", "lower", "SqRel/gt²"),
}

# Factor from the unit of the function to the unit a protocol reports.
UNIT_FACTORS: dict[tuple[str, str], float] = {
    ("1", "1"): 1.0,
    ("1", "%"): 100.0,
    ("1", "x100"): 100.0,
    ("m", "m"): 1.0,
    ("1/m", "1/m"): 1.0,
    ("1/m", "1/km"): 1000.0,
}

# Names the field uses for the same quantities, accepted on input.
ALIASES = {f"{prefix}{k}": f"a{k}" for prefix in ("delta", "d") for k in (1, 2, 3)}
