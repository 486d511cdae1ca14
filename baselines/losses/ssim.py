"""Structural dissimilarity of two images."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import pad

from baselines.conventions import C1, C2


class Moments(NamedTuple):
    """An image (..., c, h, w) mirrored by one pixel, and the means of it and of its square over 3x3 windows."""

    padded: Tensor
    mean: Tensor
    mean_square: Tensor


def moments(image: Tensor) -> Moments:
    """What SSIM needs to know of one image; computed once where several images are compared with it."""
    padded = pad(image.flatten(0, -4), (1, 1, 1, 1), mode="reflect")
    padded = padded.reshape(*image.shape[:-2], *padded.shape[-2:])
    return Moments(padded, _mean3x3(padded), _mean3x3(padded.square()))


def ssim_dissimilarity(x: Tensor, y: Tensor, *, y_moments: Moments | None = None) -> Tensor:
    """(1 - SSIM) / 2 within [0, 1], of x (..., c, h, w) and y (..., c, h, w), for images in [0, 1]; leading sizes broadcast.

    Windows of 3x3 with equal weights and mirrored borders, as in monodepth2 layers.py at b676244. Wang et al. 2004, eq. 13.
    """
    x_moments, y_moments = moments(x), y_moments or moments(y)
    product = x_moments.mean * y_moments.mean
    squares = x_moments.mean.square() + y_moments.mean.square()
    covariance = _mean3x3(x_moments.padded * y_moments.padded) - product
    variances = x_moments.mean_square + y_moments.mean_square - squares
    similarity = (2 * product + C1) * (2 * covariance + C2) / ((squares + C1) * (variances + C2))
    return ((1 - similarity) / 2).clamp(0, 1)


class _Mean3x3(torch.autograd.Function):
    """The mean over 3x3 windows that lie within (..., h, w) -> (..., h - 2, w - 2).

    Sums of shifted rows, then columns: on a CPU a third of avg_pool2d's time, and the heart of every loss. The filter is
    symmetric: its derivative is the same filter on the gradient with two zeros around.
    """

    @staticmethod
    def forward(ctx: Any, padded: Tensor) -> Tensor:
        rows = (padded[..., :-2] + padded[..., 1:-1]).add_(padded[..., 2:])
        return (rows[..., :-2, :] + rows[..., 1:-1, :]).add_(rows[..., 2:, :]).mul_(1 / 9)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        return _mean3x3(pad(gradient, (2, 2, 2, 2)))


def _mean3x3(padded: Tensor) -> Tensor:
    means: Tensor = _Mean3x3.apply(padded)  # type: ignore[no-untyped-call]
    return means
