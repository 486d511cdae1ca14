"""Image pyramids as Pillow makes them, in batches and on any device: each level is resized from the one before, in 8 bits."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

SUPPORT = 3.0  # of the Lanczos window, in pixels of the smaller image
PRECISION = 22  # bits behind the point of Pillow's weights for 8-bit images


def pyramid(image: Tensor, levels: int) -> list[Tensor]:
    """Levels 0 to `levels` - 1 of uint8 images (..., h, w); level s is (..., h / 2^s, w / 2^s), resized from level s - 1.

    Equal to Pillow's `resize(..., LANCZOS)` to the last bit (monodepth2 datasets/mono_dataset.py at b676244 resizes so).
    """
    made = [image]
    for _ in range(1, levels):
        height, width = made[-1].shape[-2:]
        made.append(resize(made[-1], (height // 2, width // 2)))
    return made


def resize(image: Tensor, size: tuple[int, int]) -> Tensor:
    """uint8 images (..., h, w) to `size` by Lanczos: along the rows first, rounded to 8 bits, then along the columns."""
    for axis, new in ((-1, size[1]), (-2, size[0])):
        weights = _weights(image.shape[axis], new, image.device)
        # Whole numbers below 2^53: exact in float64 in any order of summing, and out of autocast's and TF32's reach.
        values = image.double()
        values = values @ weights.T if axis == -1 else weights @ values
        image = values.add_(2 ** (PRECISION - 1)).mul_(2.0**-PRECISION).floor_().clamp_(0, 255).to(torch.uint8)
    return image


@lru_cache(64)
def _weights(old: int, new: int, device: torch.device) -> Tensor:
    """(new, old) weights of a one-dimensional resize, in units of 2^-PRECISION.

    The window is stretched when the image shrinks; pixels outside of the image take no part, and the rest sums to one.
    """
    scale = old / new
    stretch = max(scale, 1.0)
    matrix = np.zeros((new, old))
    for i in range(new):
        centre = (i + 0.5) * scale
        first, last = max(int(centre - SUPPORT * stretch + 0.5), 0), min(int(centre + SUPPORT * stretch + 0.5), old)
        x = (np.arange(first, last) - centre + 0.5) / stretch
        window = np.where(np.abs(x) < SUPPORT, np.sinc(x) * np.sinc(x / SUPPORT), 0)
        fixed = window / window.sum() * (1 << PRECISION)
        matrix[i, first:last] = np.trunc(fixed + np.copysign(0.5, fixed))
    return torch.from_numpy(matrix).to(device)
