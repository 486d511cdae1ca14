"""The metric sets of the dense restatement, and the devkit's in-painting. Shares no function with `benchmark/`.

All take the valid pixels of one frame, ground truth and aligned prediction, (n,) metres, in the devkit's order:
column by column. Only `devkit_float32` depends on the order.
"""

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.floating]
Metrics = dict[str, float]


def _mean(values: NDArray[Any]) -> float:
    return float(np.mean(values, dtype=np.float64))


def eigen7(g: Array, p: Array) -> Metrics:
    """The seven of Eigen 2014 as the field computes them; sq_rel and the rmse in metres, the others without unit."""
    error, log_error = g - p, np.log(g) - np.log(p)
    worse = np.maximum(g / p, p / g)
    return {
        "abs_rel": _mean(np.abs(error) / g),
        "sq_rel": _mean(error**2 / g),
        "rmse": _mean(error**2) ** 0.5,
        "rmse_log": _mean(log_error**2) ** 0.5,
        **{f"a{k}": _mean(worse < 1.25**k) for k in (1, 2, 3)},
    }


def vidar(g: Array, p: Array) -> Metrics:
    """The seven and silog = 100 sqrt(mean e^2 - (mean e)^2), e = ln p - ln g."""
    return {**eigen7(g, p), "silog": 100 * devkit(g, p)["silog"]}


def devkit(g: Array, p: Array) -> Metrics:
    """The nine of the KITTI depth devkit in m, 1/m and fractions, with exact sums."""
    error, inverse, log = g - p, 1 / g - 1 / p, np.log(g) - np.log(p)
    return {
        "mae": _mean(np.abs(error)),
        "rmse": _mean(error**2) ** 0.5,
        "inverse_mae": _mean(np.abs(inverse)),
        "inverse_rmse": _mean(inverse**2) ** 0.5,
        "log_mae": _mean(np.abs(log)),
        "log_rmse": _mean(log**2) ** 0.5,
        "silog": float(np.sqrt(_mean(log**2) - _mean(log) ** 2)),
        "abs_rel": _mean(np.abs(error) / g),
        "sq_rel_over_gt_squared": _mean((error / g) ** 2),
    }


def devkit_float32(g: Array, p: Array) -> Metrics:
    """The devkit's nine as its C++ adds them up: float32 running sums, pixels column by column."""
    n = np.float32(g.size)

    def mean(values: Array) -> np.float32:
        total = np.add.accumulate(values.astype(np.float32), dtype=np.float32)[-1]
        return np.float32(total / n)

    error = np.abs(g - p).astype(np.float32)
    inverse = np.abs(1 / g.astype(np.float64) - 1 / p.astype(np.float64)).astype(np.float32)
    log = (np.log(g) - np.log(p)).astype(np.float32)
    log_square = mean(log * log)
    values = {
        "mae": mean(error),
        "rmse": np.sqrt(mean(error * error)),
        "inverse_mae": mean(inverse),
        "inverse_rmse": np.sqrt(mean(inverse * inverse)),
        "log_mae": mean(np.abs(log)),
        "log_rmse": np.sqrt(log_square),
        "silog": np.sqrt(log_square - mean(log) ** 2),
        "abs_rel": mean(error / g),
        "sq_rel_over_gt_squared": mean(error * error / (g * g)),
    }
    return {name: float(value) for name, value in values.items()}


def mb_benchmark(g: Array, p: Array) -> Metrics:
    """The nine of monodepth_benchmark: m, 1/km, 100 x log and percent; SqRel divides by the square of the truth."""
    exact = devkit(g, p)
    return {name: unit * exact[source] for name, source, unit in MB_BENCHMARK}


def interpolate_background(raw: NDArray[Any]) -> NDArray[np.float32]:
    """Depth of a raw 16-bit map, (H,W) -> (H,W) float32 metres, holes filled as the KITTI devkit does (facts 5.3).

    A gap inside a row takes the nearer of its two ends, row ends take their neighbour, then empty rows above and
    below are filled from the column. An empty row between filled ones stays -1.
    """
    depth = np.where(raw == 0, np.float32(-1), raw.astype(np.float32) / np.float32(256)).astype(np.float32)
    for row in depth:
        known = np.flatnonzero(row >= 0)
        if known.size == 0:
            continue
        for first, last in pairwise(known):
            row[first + 1 : last] = min(row[first], row[last])
        row[: known[0]] = row[known[0]]
        row[known[-1] + 1 :] = row[known[-1]]
    filled = np.flatnonzero((depth >= 0).any(axis=1))
    if filled.size:
        depth[: filled[0]] = depth[filled[0]]
        depth[filled[-1] + 1 :] = depth[filled[-1]]
    return depth


MB_BENCHMARK = (
    ("MAE", "mae", 1),
    ("RMSE", "rmse", 1),
    ("InvMAE", "inverse_mae", 1000),
    ("InvRMSE", "inverse_rmse", 1000),
    ("LogMAE", "log_mae", 100),
    ("LogRMSE", "log_rmse", 100),
    ("LogSI", "silog", 100),
    ("AbsRel", "abs_rel", 100),
    ("SqRel", "sq_rel_over_gt_squared", 100),
)

METRIC_SETS: dict[str, Callable[[Array, Array], Metrics]] = {
    "eigen7": eigen7,
    "vidar": vidar,
    "mb_benchmark": mb_benchmark,
    "devkit": devkit,
    "devkit_float32": devkit_float32,
}
