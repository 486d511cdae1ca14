"""Depth Hints: a proxy depth from stereo matching teaches where it explains the other image better than the prediction."""

from __future__ import annotations

import torch
from torch import Tensor

from baselines.conventions import SSIM_WEIGHT
from baselines.losses.costs import Costs, finest_costs, perturbed, photometric_costs, scale_mean
from baselines.losses.photometric import photometric
from baselines.views import Views
from benchmark.errors import TrainingError

# Puts a pixel without hint out of the competition.
NO_HINT = 1000.0
EPSILON = 1e-7
REPROJECTION, IDENTITY, HINT = range(3)


def depth_hints(views: Views, *, ssim: float = SSIM_WEIGHT, automask: bool = True) -> dict[str, Tensor]:
    """Reprojection where the identity does not win, and log(|depth - hint| + 1) where the hint does; mean over scales.

    Each is the mean over its own pixels (Monodepth2 averages over all of them), with a divisor of at least 1e-7. The sources
    are reduced to their minimum first, then reprojection, identity and hint compete in that order: depth-hints trainer.py at
    aa2ecf7, Watson et al. 2019, section 3. Without hints in the views there is no term "hint".
    """
    hint_error = _hint_error(views, ssim=ssim)
    terms: dict[str, list[Tensor]] = {"reprojection": []}
    for scale, costs in photometric_costs(views, ssim=ssim, automask=automask).items():
        reprojection, winner = _compete(costs, hint_error)
        terms["reprojection"].append(_masked_mean(reprojection, winner != IDENTITY))
        if views.hint is not None:
            error = ((views.hint.depth - views.scales[scale].depth).abs() + 1).log()
            terms.setdefault("hint", []).append(_masked_mean(error, winner == HINT))
    return {name: scale_mean(values) for name, values in terms.items()}


def kept(views: Views, *, ssim: float = SSIM_WEIGHT, automask: bool = True) -> Tensor:
    """Mask (b, 1, h, w), at the finest scale, of the pixels that keep a reprojection."""
    return _winner(views, ssim=ssim, automask=automask) != IDENTITY


def hinted(views: Views, *, ssim: float = SSIM_WEIGHT, automask: bool = True) -> Tensor:
    """Mask (b, 1, h, w), at the finest scale, of the pixels that learn from their hint."""
    return _winner(views, ssim=ssim, automask=automask) == HINT


def _winner(views: Views, *, ssim: float, automask: bool) -> Tensor:
    return _compete(finest_costs(views, ssim=ssim, automask=automask), _hint_error(views, ssim=ssim))[1]


def _hint_error(views: Views, *, ssim: float) -> Tensor | None:
    """Photometric error (b, 1, h, w) of the image warped by the hint; out of reach where there is no hint."""
    if views.hint is None:
        return None
    if any(view.level for view in views.scales.values()):
        raise TrainingError("depth_hints compares at full resolution: hints have no coarser levels; set native_scales: false")
    missing = (views.hint.depth <= 0).to(views.hint.depth.dtype)
    return photometric(views.hint.warped, views.frames[0].target, ssim=ssim) + NO_HINT * missing


def _compete(costs: Costs, hint: Tensor | None) -> tuple[Tensor, Tensor]:
    """The smallest reprojection error (b, 1, h, w), and the winner of the three: the first of equals."""
    reprojection = costs.reprojection.min(dim=0).values
    best, winner = reprojection.detach(), torch.full_like(reprojection, REPROJECTION, dtype=torch.uint8)
    identity = None if costs.identity is None else costs.identity.min(dim=0).values
    if identity is not None:
        identity = perturbed(identity, None if costs.noise is None else costs.noise[0])
    for index, error in ((IDENTITY, identity), (HINT, hint)):
        if error is not None:
            winner = torch.where(error < best, index, winner)
            best = torch.minimum(error, best)
    return reprojection, winner


def _masked_mean(errors: Tensor, mask: Tensor) -> Tensor:
    return (errors * mask).sum() / (mask.sum() + EPSILON)
