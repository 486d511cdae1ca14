"""Flip fusion: a prediction blended with the un-flipped prediction of the mirrored image."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def fuse(pred: NDArray[Any], unflipped: NDArray[Any], dtype: np.dtype[Any]) -> NDArray[Any]:
    """(h, w) disparities of the image and of its mirror image (already mirrored back) -> fused (h, w).

    The left border takes the mirrored prediction, the right border the direct one, the middle their mean; the ramps run
    from 5 % to 10 % of the width. Godard 2017 (arXiv:1609.03677) sec. 3.4.
    """
    x = np.linspace(0.0, 1.0, pred.shape[1])
    left = 1.0 - np.clip(20.0 * (x - 0.05), 0.0, 1.0)
    right = left[::-1]
    fused = right * pred + left * unflipped + (1.0 - left - right) * 0.5 * (pred.astype(np.float64) + unflipped)
    return np.asarray(fused, dtype)
