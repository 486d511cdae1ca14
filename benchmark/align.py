"""Scale and shift between a prediction and its ground truth, per image, on the scored pixels."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from benchmark.errors import ProtocolError

# The baseline of a KITTI-trained stereo network is 0.1 by convention; the real one is 0.54 m (Godard 2019, sec. 4).
STEREO_FACTOR = 5.4
SCALINGS = ("median", "stereo", "none", "lstsq_depth", "lstsq_disparity")


class Alignment(NamedTuple):
    """pred -> scale * pred + shift, in metres of depth or in 1/m of inverse depth."""

    scale: float
    shift: float = 0.0
    inverse: bool = False


def parse_factor(scaling: str) -> float | None:
    """The fixed factor of a scaling, or None where it depends on the image.

    Raises:
        ProtocolError: the scaling is unknown, or its factor is not a number above zero.
    """
    if scaling in SCALINGS:
        return {"stereo": STEREO_FACTOR, "none": 1.0}.get(scaling)
    name, _, text = scaling.partition("=")
    try:
        factor = float(text) if name == "factor" else float("nan")
    except ValueError:
        factor = float("nan")
    if not 0 < factor < float("inf"):
        raise ProtocolError(f"unknown scaling {scaling!r}; known: {', '.join(SCALINGS)}, factor=X with X above zero")
    return factor


def median(values: NDArray[Any], convention: str) -> float:
    """The median of (n,) values: numpy's mean of the two middle ones, or torch's lower one."""
    n = len(values)
    if convention == "lower":
        k = (n - 1) // 2
        return float(np.partition(values, k)[k])
    k = n // 2
    parted = np.partition(values, k)
    if n % 2:
        return float(parted[k])
    # Both middle values are averaged in the working type, as numpy does.
    return float((parted[:k].max() + parted[k]) / values.dtype.type(2))


def find_alignment(gt: NDArray[Any], pred: NDArray[Any], *, scaling: str, convention: str) -> Alignment:
    """The alignment a scaling asks for. gt and pred (n,) metres (pred up to scale), n >= 1.

    The least-squares fits return 0 and 0 where the normal equations are singular, as vidar does.
    """
    factor = parse_factor(scaling)
    if factor is not None:
        return Alignment(factor)
    if scaling == "median":
        dtype = np.result_type(gt, pred).type
        return Alignment(float(dtype(median(gt, convention)) / dtype(median(pred, convention))))
    if scaling == "lstsq_depth":
        return Alignment(*_least_squares(pred, gt))
    return Alignment(*_least_squares(1 / pred, 1 / gt), inverse=True)


def apply_alignment(pred: NDArray[Any], alignment: Alignment) -> NDArray[Any]:
    """The aligned depth in the type of `pred`. An aligned inverse depth that is not above zero becomes depth 0."""
    number = pred.dtype.type
    scale, shift = number(alignment.scale), number(alignment.shift)
    if not alignment.inverse:
        return np.asarray(pred * scale + shift if alignment.shift else pred * scale)
    inverse = scale * (1 / pred) + shift
    return np.asarray(np.divide(1, inverse, out=np.zeros_like(inverse), where=inverse > 0))


def _least_squares(x: NDArray[Any], y: NDArray[Any]) -> tuple[float, float]:
    """Scale and shift that minimise sum (scale * x + shift - y)^2, in float64."""
    x, y = x.astype(np.float64), y.astype(np.float64)
    xx, sx, n, xy, sy = float(x @ x), float(x.sum()), len(x), float(x @ y), float(y.sum())
    determinant = xx * n - sx * sx
    if determinant <= 0:
        return 0.0, 0.0
    return (n * xy - sx * sy) / determinant, (xx * sy - sx * xy) / determinant
