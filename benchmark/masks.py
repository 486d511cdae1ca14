"""Crops and depth ranges: which ground-truth pixels a protocol scores."""

from __future__ import annotations

import numpy as np

# Fractions of the image (top, bottom, left, right) as published; bounds are int(fraction * size), truncated. The comment
# carried through the field's code ("[-218,-3,44,1180]") does not match the code it stands beside.
CROPS: dict[str, tuple[float, float, float, float]] = {
    "none": (0.0, 1.0, 0.0, 1.0),
    "garg": (0.40810811, 0.99189189, 0.03594771, 0.96405229),
    "eigen": (0.3324324, 0.91351351, 0.03594771, 0.96405229),
}


def crop_box(crop: str, height: int, width: int) -> tuple[int, int, int, int]:
    """First row, row after the last, first column, column after the last. Garg 2016 and Eigen 2014, truncated."""
    top, bottom, left, right = CROPS[crop]
    return int(top * height), int(bottom * height), int(left * width), int(right * width)


def open_bounds(min_m: float | None, max_m: float | None, *, min_open: bool, max_open: bool) -> tuple[np.float32, np.float32]:
    """A depth range in metres as two strict float32 bounds: a closed bound moves outward by one representable number."""
    lower = np.float32(-np.inf) if min_m is None else np.float32(min_m)
    upper = np.float32(np.inf) if max_m is None else np.float32(max_m)
    if not min_open:
        lower = np.nextafter(lower, np.float32(-np.inf))
    if not max_open:
        upper = np.nextafter(upper, np.float32(np.inf))
    return lower, upper
