"""Edge-aware smoothness of disparity."""

from __future__ import annotations

from torch import Tensor

from baselines.losses.costs import scale_mean
from baselines.views import Views


def smoothness(views: Views) -> dict[str, Tensor]:
    """Mean over scales of the smoothness of the network's output, divided by its mean over the image, times 2^-scale.

    The output itself, not 1 / depth, at its own resolution, with the un-jittered image of that pyramid level: monodepth2
    trainer.py at b676244. The mean in the divisor keeps the disparity from shrinking (Wang et al. 2018).
    """
    terms = []
    for scale, sigmoid in views.sigmoids.items():
        disparity = sigmoid.to(views.pyramid[scale].dtype)
        normalised = disparity / (disparity.mean(dim=(-2, -1), keepdim=True) + 1e-7)
        terms.append(edge_aware(normalised, views.pyramid[scale]) / 2**scale)
    return {"smoothness": scale_mean(terms)}


def edge_aware(disparity: Tensor, image: Tensor) -> Tensor:
    """First-order smoothness () of disparity (b, 1, h, w), weighted by exp(-|gradient of image (b, c, h, w)|).

    Godard et al. 2019, eq. 3: the mean along rows plus the mean along columns.
    """
    terms = [(_step(disparity, dim).abs() * (-_step(image, dim).abs().mean(-3, keepdim=True)).exp()).mean() for dim in (-1, -2)]
    return terms[0] + terms[1]


def _step(maps: Tensor, dim: int) -> Tensor:
    """The difference of neighbours along a dimension, which becomes shorter by one."""
    return maps.narrow(dim, 0, maps.shape[dim] - 1) - maps.narrow(dim, 1, maps.shape[dim] - 1)
