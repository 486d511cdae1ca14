"""Filling of invalid predictions, as the KITTI depth devkit does before it scores."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

INVALID = -1.0


def interpolate_background(depth: NDArray[Any]) -> NDArray[Any]:
    """(H, W) metres with values not above zero invalid -> the same map filled from the background. KITTI devkit, io_depth.h.

    Inside a row a gap takes the smaller of its two neighbours; row ends repeat the outermost valid pixel; then columns
    repeat theirs upward and downward. A row without any valid pixel between two that have some keeps -1, as in the devkit.
    """
    filled = np.where(depth > 0, depth, depth.dtype.type(INVALID))
    for row in filled:
        _fill_row(row)
    valid = filled > 0
    has_any = valid.any(axis=0)
    first = np.argmax(valid, axis=0)
    last = len(filled) - 1 - np.argmax(valid[::-1], axis=0)
    columns = np.arange(filled.shape[1])
    rows = np.arange(len(filled))[:, None]
    above, below = filled[first, columns], filled[last, columns]
    filled = np.where(has_any & (rows < first), above, filled)
    return np.where(has_any & (rows > last), below, filled)


def _fill_row(row: NDArray[Any]) -> None:
    valid = np.flatnonzero(row > 0)
    if len(valid) == 0:
        return
    position = np.arange(len(row))
    right = np.searchsorted(valid, position)
    left = np.searchsorted(valid, position, side="right") - 1
    before = row[valid[np.clip(left, 0, None)]]
    after = row[valid[np.clip(right, None, len(valid) - 1)]]
    inside = np.minimum(before, after)
    row[:] = np.where(left < 0, after, np.where(right == len(valid), before, inside))
