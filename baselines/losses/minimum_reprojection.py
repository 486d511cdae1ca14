"""Monodepth2's loss: the minimum over sources of the photometric error, with the auto-mask."""

from __future__ import annotations

from torch import Tensor

from baselines.conventions import SSIM_WEIGHT
from baselines.losses.costs import Costs, automasked, finest_costs, perturbed, photometric_costs, scale_mean
from baselines.views import Views


def minimum_reprojection(views: Views, *, ssim: float = SSIM_WEIGHT, automask: bool = True) -> dict[str, Tensor]:
    """Mean over pixels and scales of the smallest photometric error. Godard et al. 2019, sections 3.2 and 3.3.

    `ssim`: weight of the structural part, 0 for L1 alone. `automask`: sources as they are compete with the warped ones; the
    mean is over all pixels, masked or not.
    """
    costs = photometric_costs(views, ssim=ssim, automask=automask)
    return {"reprojection": scale_mean([_smallest(cost)[0].mean() for cost in costs.values()])}


def kept(views: Views, *, ssim: float = SSIM_WEIGHT, automask: bool = True) -> Tensor:
    """Mask (b, 1, h, w), at the finest scale, of the pixels that keep a reprojection."""
    return _smallest(finest_costs(views, ssim=ssim, automask=automask))[1]


def _smallest(costs: Costs) -> tuple[Tensor, Tensor]:
    """Smallest error (b, 1, h, w) of each pixel, and where it is a reprojection's."""
    reprojection = costs.reprojection.min(dim=0).values
    if costs.identity is None:
        return automasked(reprojection, None)
    return automasked(reprojection, perturbed(costs.identity, costs.noise).min(dim=0).values)
