"""From a prediction to the quantity that is sampled; from the sampled points of an image, or of a part of it, to metrics."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from benchmark.align import Alignment, apply_alignment, find_alignment
from benchmark.flip import fuse
from benchmark.inpaint import interpolate_background
from benchmark.metrics.depth import DEPTH_METRICS, UNIT_FACTORS
from benchmark.metrics.pixel_sums import pixel_sums
from benchmark.protocol import DepthProtocol
from benchmark.sampling import Points

Inversion = Callable[[NDArray[Any]], NDArray[Any]]
INVERSIONS: dict[str, Inversion] = {
    "reciprocal": lambda x: 1 / x,
    "floor_1e-6": lambda x: 1 / np.maximum(x, x.dtype.type(1e-6)),
    "plus_1e-6": lambda x: 1 / (x + x.dtype.type(1e-6)),
}


class Depths(NamedTuple):
    """True and predicted depth (n,) metres of the scored pixels in the working type; the prediction up to scale."""

    gt: NDArray[Any]
    pred: NDArray[Any]


class Measured(NamedTuple):
    """The alignment, the aligned and clamped prediction (n,) metres, and the metrics in the protocol's units."""

    alignment: Alignment
    pred: NDArray[Any]
    values: tuple[float, ...]


def interpolated_quantity(
    pred: NDArray[Any], unflipped: NDArray[Any] | None, kind: str, protocol: DepthProtocol
) -> NDArray[Any]:
    """A prediction (h, w) as the quantity the protocol interpolates, in its working type or the wider submitted one."""
    invert = INVERSIONS[protocol.inversion]
    values = pred.astype(np.result_type(pred, protocol.dtype), copy=False)
    is_depth = kind == "depth"
    if protocol.invalid_prediction == "inpaint":
        values, is_depth = interpolate_background(values if is_depth else np.where(values > 0, invert(values), 0)), True
    if unflipped is not None:
        mirrored = unflipped.astype(values.dtype, copy=False)
        pair = (invert(values), invert(mirrored)) if is_depth else (values, mirrored)
        values, is_depth = fuse(*pair, np.result_type(values, protocol.flip_fusion)), False
    if protocol.inversion == "plus_1e-6" and not is_depth:
        # SC-SfMLearner's evaluator eats depth: the small constant enters on the way there and on the way back.
        values, is_depth = 1 / values, True
    return values if is_depth == (protocol.resize.quantity == "depth") else invert(values)


def depths(points: Points, protocol: DepthProtocol) -> Depths:
    """The sampled quantity as depth."""
    pred = points.pred
    if protocol.resize.quantity == "disparity":
        pred = INVERSIONS[protocol.inversion](pred)
    if protocol.clamp.when == "before_scaling":
        pred = _clamp(pred, protocol)
    return Depths(points.gt.astype(points.pred.dtype, copy=False), pred)


def measure(found: Depths, protocol: DepthProtocol) -> Measured:
    """Align on these pixels, clamp and measure; n >= 1."""
    alignment = find_alignment(*found, scaling=protocol.scaling, convention=protocol.median)
    pred = apply_alignment(found.pred, alignment)
    if protocol.clamp.when == "after_scaling":
        pred = _clamp(pred, protocol)
    return Measured(alignment, pred, metric_values(found.gt, pred, protocol))


def metric_values(gt: NDArray[Any], pred: NDArray[Any], protocol: DepthProtocol) -> tuple[float, ...]:
    """The metrics of a protocol in its units. gt, pred (n,) metres, aligned and clamped."""
    sums = pixel_sums(gt, pred)
    return tuple(
        DEPTH_METRICS[name].function(sums) * UNIT_FACTORS[DEPTH_METRICS[name].unit, unit]
        for name, unit in protocol.metrics.items()
    )


def _clamp(pred: NDArray[Any], protocol: DepthProtocol) -> NDArray[Any]:
    return np.asarray(np.clip(pred, protocol.clamp.min_m, protocol.clamp.max_m))
