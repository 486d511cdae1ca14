"""What every reprojection loss starts from: photometric errors, each computed once, and the auto-mask."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from baselines.losses.photometric import photometric
from baselines.losses.ssim import moments
from baselines.views import Views


class Costs(NamedTuple):
    """Photometric errors (n, b, 1, h, w) of one scale by source: of the warped sources, and of the sources as they are.

    `identity` is None without auto-mask; `noise`, like it, breaks its ties, and is None for none.
    """

    reprojection: Tensor
    identity: Tensor | None
    noise: Tensor | None


def photometric_costs(views: Views, *, ssim: float, automask: bool) -> dict[int, Costs]:
    """Costs by scale. What does not depend on the prediction is computed once per resolution."""
    known = {level: moments(frames.target) if ssim else None for level, frames in views.frames.items()}
    identity = {
        level: photometric(frames.sources, frames.target, ssim=ssim, target_moments=known[level]) if automask else None
        for level, frames in views.frames.items()
    }
    costs = {}
    for scale, view in views.scales.items():
        target = views.frames[view.level].target
        reprojection = photometric(view.warped, target, ssim=ssim, target_moments=known[view.level])
        costs[scale] = Costs(reprojection, identity[view.level], view.noise)
    return costs


def automasked(reprojection: Tensor, identity: Tensor | None) -> tuple[Tensor, Tensor]:
    """The smaller error of each pixel, and a mask of those that keep the reprojection; both like the arguments.

    Where the sources as they are fit no worse than the warped ones, nothing moves or all moves along: the pixel then adds a
    constant to the value and nothing to the gradient. Godard et al. 2019, section 3.3.
    """
    if identity is None:
        return reprojection, torch.ones_like(reprojection, dtype=torch.bool)
    masked = identity <= reprojection  # this way round a NaN of the reprojection is kept, and seen
    return torch.where(masked, identity, reprojection), ~masked


def perturbed(error: Tensor, noise: Tensor | None) -> Tensor:
    """The identity's error with the noise that breaks ties."""
    return error if noise is None else error + noise


def finest_costs(views: Views, *, ssim: float, automask: bool) -> Costs:
    """Costs of the finest scale alone, for what is shown rather than learnt from."""
    scale = min(views.scales)
    return photometric_costs(views._replace(scales={scale: views.scales[scale]}), ssim=ssim, automask=automask)[scale]


def scale_mean(values: list[Tensor]) -> Tensor:
    """The mean () over scales of scalars ()."""
    return torch.stack(values).mean()
