"""The photometric error between an image and its reconstruction."""

from __future__ import annotations

from torch import Tensor

from baselines.conventions import SSIM_WEIGHT
from baselines.losses.ssim import Moments, ssim_dissimilarity


def photometric(pred: Tensor, target: Tensor, *, ssim: float = SSIM_WEIGHT, target_moments: Moments | None = None) -> Tensor:
    """ssim * (1 - SSIM) / 2 + (1 - ssim) * |difference|, each the mean over channels. (..., c, h, w) twice -> (..., 1, h, w).

    Leading sizes broadcast, so that several predictions (n, b, c, h, w) are held against one target (b, c, h, w). `ssim` of 0
    is the plain L1. Godard et al. 2019, eq. 2.

    Args:
        pred: the reconstruction, in [0, 1].
        target: what it should be.
        ssim: weight alpha of the structural part.
        target_moments: `moments(target)`, where they are used more than once.
    """
    difference = (pred - target).abs().mean(-3, keepdim=True)
    if not ssim:
        return difference
    dissimilarity = ssim_dissimilarity(pred, target, y_moments=target_moments).mean(-3, keepdim=True)
    return ssim * dissimilarity + (1 - ssim) * difference
