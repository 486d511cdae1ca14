"""A dense depth evaluator, written from the published protocols alone, to hold the engine against.

It resizes the whole prediction, as the reference evaluators do, and shares no function with `benchmark/`. Nothing
here is fast. The rules of one evaluator are one `Setting`; golden_cases.py holds those of the ten that were run.
Quantities are `depth` (m), `disparity` and `inverse_depth` (both 1/depth up to a factor, treated alike).
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from restatement_metrics import METRIC_SETS, interpolate_background

Array = NDArray[np.floating]
Metrics = dict[str, float]

CROP_FRACTIONS = {  # top, bottom, left, right as fractions of the height and the width
    "garg": (0.40810811, 0.99189189, 0.03594771, 0.96405229),
    "eigen": (0.3324324, 0.91351351, 0.03594771, 0.96405229),
    "eigen_md1": (0.3324324, 0.91351351, 0.0359477, 0.96405229),
}


@dataclass(frozen=True)
class Setting:
    """The rules of one evaluator. The defaults are those of monodepth2 on the Eigen split."""

    kind: str = "disparity"  # what the prediction is: disparity, inverse_depth, depth, or depth_png (raw 256 m, 0 = hole)
    fused: str = "given"  # what flip fusion works on: the quantity given, or its inverse
    resized: str = "disparity"  # disparity, depth, or inverse_depth_eps = 1/(d+1e-6) and back
    resize: str = "half_pixel"  # half_pixel, align_corners, nearest, or top_center (pasted, never interpolated)
    invert: str = "plain"  # plain, floor_1e-6 (packnet), positive_only (monodepth_benchmark, vidar), inf_to_zero (mrharicot)
    crop: str = "none"  # none, a key of CROP_FRACTIONS, or one with _rounded behind it (a mistake to measure)
    min_depth: float = 1e-3  # both bounds are open
    max_depth: float | None = 80.0
    scaling: str | float = "median"  # median, none, lstsq_depth, lstsq_disparity, or a factor
    median: str = "mean_of_middle"  # or lower
    clamp: tuple[float, float] | None = (1e-3, 80.0)
    clamp_moment: str = "after_scaling"  # or before_scaling
    dtype: str = "float32"  # of everything between the resize and the sums
    metric_set: str = "eigen7"  # a key of restatement_metrics.METRIC_SETS


def score_dense(gt: Array, pred: Array, setting: Setting, *, unflipped: Array | None = None) -> Metrics:
    """Metrics of one frame: gt (H,W) metres, 0 = empty; pred (h,w). Adds n_valid, scale, and shift for least squares.

    `unflipped` (h,w) is the prediction of the mirrored image, mirrored back: it is fused into `pred`.
    A frame without a valid pixel gives NaN metrics and n_valid 0.
    """
    gt = gt.astype(setting.dtype)
    with np.errstate(all="ignore"):
        if unflipped is not None:
            pred = _fuse_as(pred, unflipped, setting)
        depth = dense_depth(pred, gt.shape, setting).astype(setting.dtype)
        mask = valid_mask(gt, setting)
        g, p = gt.T[mask.T], depth.T[mask.T]
        if g.size == 0:
            one = np.ones(1, dtype=gt.dtype)
            return dict.fromkeys(METRIC_SETS[setting.metric_set](one, one), np.nan) | {"n_valid": 0, "scale": np.nan}
        p, fit = _align_and_clamp(g, p, setting)
        metrics = METRIC_SETS[setting.metric_set](g, p)
    return {**metrics, "n_valid": g.size, **fit}


def valid_mask(gt: Array, setting: Setting) -> NDArray[np.bool_]:
    """Pixels that count, (H,W): inside the open depth range and the crop. Bounds are truncated, not rounded."""
    mask = gt > setting.min_depth
    if setting.max_depth is not None:
        mask &= gt < setting.max_depth
    if setting.crop == "none":
        return mask
    name, rounded, _ = setting.crop.partition("_rounded")
    top, bottom, left, right = CROP_FRACTIONS[name]
    whole: Callable[[float], int] = round if rounded else int
    rows, columns = gt.shape
    inside = np.zeros_like(mask)
    inside[whole(top * rows) : whole(bottom * rows), whole(left * columns) : whole(right * columns)] = True
    return mask & inside


def fuse(pred: Array, unflipped: Array, *, borders: str = "field", dtype: str = "float64") -> Array:
    """Flip fusion of (h,w) maps: the left border takes `unflipped`, the right one `pred`, the middle their mean.

    The ramp is 1 on the outer 5 % of the columns and 0 from 10 % on. `borders` "exchanged" and "mean" are mistakes to
    measure.
    """
    columns = pred.shape[1]
    left = 1 - np.clip(20 * (np.linspace(0, 1, columns) - 0.05), 0, 1)
    left = left.astype(dtype)[None, :]
    right = left[:, ::-1]
    if borders == "mean":
        left = right = np.zeros_like(left)
    elif borders == "exchanged":
        left, right = right, left
    d, f = pred.astype(dtype), unflipped.astype(dtype)
    return np.asarray(right * d + left * f + (1 - left - right) * (d + f) / 2)


def _fuse_as(pred: Array, unflipped: Array, setting: Setting) -> Array:
    if setting.fused == "given":
        return fuse(pred, unflipped, dtype=setting.dtype)
    inverse = fuse(invert(pred, setting.invert), invert(unflipped, setting.invert), dtype=setting.dtype)
    return invert(inverse, setting.invert)


def invert(values: Array, rule: str) -> Array:
    """1/x under an evaluator's rule for values that have no inverse."""
    if rule == "plain":
        return np.asarray(1 / values)
    if rule == "floor_1e-6":
        return np.asarray(1 / np.maximum(values, values.dtype.type(1e-6)))
    if rule == "inf_to_zero":
        inverse = np.asarray(1 / values)
        return np.where(np.isinf(inverse), values.dtype.type(0), inverse)
    if rule == "positive_only":
        smallest = np.finfo(np.float32).eps
        return np.asarray((values > 0) / np.maximum(values, values.dtype.type(smallest)))
    raise ValueError(f"unknown inversion rule {rule!r}")


def dense_depth(pred: Array, size: tuple[int, ...], setting: Setting) -> Array:
    """The prediction as depth on the ground truth's grid, (h,w) -> (H,W), unscaled."""
    if setting.kind == "depth_png":
        pred = interpolate_background(pred)
    given_as_depth = setting.kind in ("depth", "depth_png")
    if setting.resized == "inverse_depth_eps":
        low = pred if given_as_depth else invert(pred, setting.invert)
        eps = low.dtype.type(1e-6)
        return np.asarray(1 / (resize(1 / (low + eps), size, setting.resize) + eps))
    wants_depth = setting.resized == "depth"
    low = pred if given_as_depth == wants_depth else invert(pred, setting.invert)
    full = resize(low, size, setting.resize)
    return full if wants_depth else invert(full, setting.invert)


def resize(values: Array, size: tuple[int, ...], rule: str) -> Array:
    """(h,w) -> (H,W) in the type of `values`; weights and sums in float64, no smoothing when it shrinks.

    half_pixel is cv2.resize (INTER_LINEAR) and torch's align_corners=False; away from the borders it is also what
    skimage.transform.resize(order=1) gives when it enlarges, so it serves for RoboDepth under the Garg crop.
    """
    if values.shape == size:
        return values
    if rule == "top_center":
        return _paste(values, size)
    if rule == "nearest":
        rows, columns = (np.arange(n) * small // n for n, small in zip(size, values.shape, strict=True))
        return values[np.ix_(rows, columns)]
    across = _interpolate(values.astype(np.float64).T, size[1], rule)
    return _interpolate(across.T, size[0], rule).astype(values.dtype)


def _interpolate(values: Array, length: int, rule: str) -> Array:
    """Linear interpolation along axis 0, (n,m) -> (length,m), ends replicated."""
    n = len(values)
    target = np.arange(length, dtype=np.float64)
    if rule == "half_pixel":
        source = (target + 0.5) * (n / length) - 0.5
    elif rule == "align_corners":
        source = target * ((n - 1) / (length - 1))
    else:
        raise ValueError(f"unknown resize rule {rule!r}")
    source = np.clip(source, 0, n - 1)
    first = np.minimum(np.floor(source).astype(int), n - 2)
    weight = (source - first)[:, None]
    return np.asarray((1 - weight) * values[first] + weight * values[first + 1])


def _paste(values: Array, size: tuple[int, ...]) -> Array:
    canvas = np.zeros(size, dtype=values.dtype)
    top, left = size[0] - values.shape[0], (size[1] - values.shape[1]) // 2
    canvas[top:, left : left + values.shape[1]] = values
    return canvas


def _align_and_clamp(g: Array, p: Array, setting: Setting) -> tuple[Array, Metrics]:
    if setting.clamp is None:
        return align(g, p, setting)
    if setting.clamp_moment == "before_scaling":
        return align(g, np.clip(p, *setting.clamp), setting)
    aligned, fit = align(g, p, setting)
    return np.clip(aligned, *setting.clamp), fit


def align(g: Array, p: Array, setting: Setting) -> tuple[Array, Metrics]:
    """Predicted depth of the valid pixels, (n,), aligned to theirs, and the fit.

    Least squares in disparity may leave values <= 0, which the inversion rule and the clamp then treat like any other.
    """
    if setting.scaling == "none":
        return p, {"scale": 1.0}
    if setting.scaling == "median":
        ratio = _median(g, setting.median) / _median(p, setting.median)
        return p * ratio, {"scale": float(ratio)}
    if setting.scaling == "lstsq_depth":
        scale, shift = _line(p, g)
        return np.asarray((scale * p + shift), dtype=p.dtype), {"scale": scale, "shift": shift}
    if setting.scaling == "lstsq_disparity":
        disparity = invert(p, setting.invert)
        scale, shift = _line(disparity, 1 / g)
        aligned = np.asarray(scale * disparity + shift, dtype=p.dtype)
        return invert(aligned, setting.invert), {"scale": scale, "shift": shift}
    factor = float(setting.scaling)
    return p * p.dtype.type(factor), {"scale": factor}


def _median(values: Array, rule: str) -> np.floating:
    ordered = np.sort(values)
    lower, upper = ordered[(len(ordered) - 1) // 2], ordered[len(ordered) // 2]
    middle: np.floating = lower if rule == "lower" else (lower + upper) / values.dtype.type(2)
    return middle


def _line(x: Array, y: Array) -> tuple[float, float]:
    """Least squares of y = scale x + shift; (0, 0) where the fit has no single answer."""
    x, y = x.astype(np.float64), y.astype(np.float64)
    n, sx, sy, sxx, sxy = len(x), x.sum(), y.sum(), (x * x).sum(), (x * y).sum()
    determinant = sxx * n - sx * sx
    if determinant <= 0:
        return 0.0, 0.0
    return float((n * sxy - sx * sy) / determinant), float((sxx * sy - sx * sxy) / determinant)
