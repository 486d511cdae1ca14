"""Monodepth2 without its minimum: the mean over sources of the photometric error, with the auto-mask."""

from __future__ import annotations

from torch import Tensor

from baselines.conventions import SSIM_WEIGHT
from baselines.losses.costs import Costs, automasked, finest_costs, perturbed, photometric_costs, scale_mean
from baselines.views import Views


def average_reprojection(views: Views, *, ssim: float = SSIM_WEIGHT, automask: bool = True) -> dict[str, Tensor]:
    """Mean over pixels, sources and scales of the photometric error. Godard et al. 2019, table 2.

    `ssim`: weight of the structural part, 0 for L1 alone. `automask`: the mean error of the sources as they are competes with
    that of the warped ones; the mean is over all pixels, masked or not.
    """
    costs = photometric_costs(views, ssim=ssim, automask=automask)
    return {"reprojection": scale_mean([_mean(cost)[0].mean() for cost in costs.values()])}


def kept(views: Views, *, ssim: float = SSIM_WEIGHT, automask: bool = True) -> Tensor:
    """Mask (b, 1, h, w), at the finest scale, of the pixels that keep the reprojection."""
    return _mean(finest_costs(views, ssim=ssim, automask=automask))[1]


def _mean(costs: Costs) -> tuple[Tensor, Tensor]:
    """Mean error (b, 1, h, w) of each pixel, and where it is the reprojections'."""
    reprojection = costs.reprojection.mean(dim=0)
    if costs.identity is None:
        return automasked(reprojection, None)
    return automasked(reprojection, perturbed(costs.identity.mean(dim=0), None if costs.noise is None else costs.noise[0]))
