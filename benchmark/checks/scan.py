"""Every value of every frame, for what a number cannot be made from."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray


class Scan(NamedTuple):
    """Frames looked at, and frames with values that are not finite, zero, negative, or mostly negative."""

    frames: int
    not_finite: int
    zero: int
    negative: int
    negated: int


def scan(maps: Iterable[NDArray[Any]]) -> Scan:
    """Count frames of every map (h, w)."""
    counts = np.zeros(4, np.int64)
    frames = 0
    for pred in maps:
        frames += 1
        low, high = pred.min(), pred.max()  # both propagate NaN
        if low > 0 and np.isfinite(high):
            continue
        negative = np.count_nonzero(pred < 0)
        counts += [not np.isfinite(pred).all(), bool((pred == 0).any()), bool(negative), bool(2 * negative > pred.size)]
    return Scan(frames, *(int(n) for n in counts))
