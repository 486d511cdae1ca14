"""Depth metrics of one image, each a function of sums over its pixels.

Conventions
    `pixel_sums(gt, pred)` (metrics/pixel_sums.py) passes over the pixels once; a metric only divides and takes roots.
    All logarithms are natural unless the name says otherwise. Predictions of zero give inf or NaN in the logarithms, as
    in the field; nothing is repaired.

Sources: Eigen 2014 (arXiv:1406.2283) sec. 4; Uhrig 2017 (arXiv:1708.06500) and the KITTI depth devkit for the inverse
and logarithmic errors; Spencer 2022 (arXiv:2208.01489) for their units.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from benchmark.metrics.metric import Metric


class PixelSums(NamedTuple):
    """Sums over the pixels of one image: e = gt - pred, l = ln pred - ln gt, i = 1/gt - 1/pred, q = max(gt/pred, pred/gt)."""

    n: int
    e_over_gt: float  # |e| / gt
    e2_over_gt: float  # e^2 / gt
    e2_over_gt2: float  # e^2 / gt^2
    e: float  # |e|
    e2: float
    l_abs: float  # |l|
    l: float  # noqa: E741
    l2: float
    i: float  # |i|
    i2: float
    q1: float  # pixels with q < 1.25
    q2: float  # q < 1.25^2
    q3: float  # q < 1.25^3


def abs_rel(s: PixelSums) -> float:
    """Mean |gt - pred| / gt."""
    return s.e_over_gt / s.n


def sq_rel(s: PixelSums) -> float:
    """Mean (gt - pred)^2 / gt in metres: the form everyone reports. Dividing by gt^2 gives sq_rel_unitless."""
    return s.e2_over_gt / s.n


def sq_rel_unitless(s: PixelSums) -> float:
    """Mean (gt - pred)^2 / gt^2: the KITTI devkit's and Eigen's written definition."""
    return s.e2_over_gt2 / s.n


def mae(s: PixelSums) -> float:
    """Mean |gt - pred| in metres."""
    return s.e / s.n


def rmse(s: PixelSums) -> float:
    """Root of the mean (gt - pred)^2 in metres."""
    return float(np.sqrt(s.e2 / s.n))


def log_mae(s: PixelSums) -> float:
    """Mean |ln gt - ln pred|."""
    return s.l_abs / s.n


def rmse_log(s: PixelSums) -> float:
    """Root of the mean (ln gt - ln pred)^2."""
    return float(np.sqrt(s.l2 / s.n))


def log10(s: PixelSums) -> float:
    """Mean |log10 gt - log10 pred|. Make3D, NYU."""
    return s.l_abs / s.n / float(np.log(10))


def silog(s: PixelSums) -> float:
    """Standard deviation of ln pred - ln gt: the scale-invariant logarithmic error of the KITTI devkit."""
    # Rounding can carry the difference just below zero where the error is constant.
    return float(np.sqrt(np.maximum(s.l2 / s.n - (s.l / s.n) ** 2, 0.0)))


def imae(s: PixelSums) -> float:
    """Mean |1/gt - 1/pred| in 1/m."""
    return s.i / s.n


def irmse(s: PixelSums) -> float:
    """Root of the mean (1/gt - 1/pred)^2 in 1/m."""
    return float(np.sqrt(s.i2 / s.n))


def a1(s: PixelSums) -> float:
    """Share of pixels with max(gt / pred, pred / gt) < 1.25."""
    return s.q1 / s.n


def a2(s: PixelSums) -> float:
    """Share of pixels with max(gt / pred, pred / gt) < 1.25^2."""
    return s.q2 / s.n


def a3(s: PixelSums) -> float:
    """Share of pixels with max(gt / pred, pred / gt) < 1.25^3."""
    return s.q3 / s.n


DEPTH_METRICS: dict[str, Metric[PixelSums]] = {
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

IMAGE_SCALE = "_image_scale"  # a class whose scale is that of its image


def title(name: str) -> str:
    """How tables print a metric, one over classes (`m_abs_rel`, `car_abs_rel`, `m_abs_rel_image_scale`) included."""
    if name in DEPTH_METRICS:
        return DEPTH_METRICS[name].title
    whose, _, rest = name.partition("_")
    base = rest.removesuffix(IMAGE_SCALE)
    if base not in DEPTH_METRICS:  # abs_rel_image_scale of one class
        return f"{DEPTH_METRICS[name.removesuffix(IMAGE_SCALE)].title} (image scale)"
    words = f"m{DEPTH_METRICS[base].title}" if whose == "m" else f"{whose.capitalize()} {DEPTH_METRICS[base].title}"
    return words + " (image scale)" * rest.endswith(IMAGE_SCALE)


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
