"""Zhou's explainability mask on Monodepth2's minimum: Monodepth2's baseline with a learnt mask instead of the auto-mask."""

from __future__ import annotations

from torch import Tensor

from baselines.conventions import SSIM_WEIGHT
from baselines.losses.costs import photometric_costs, scale_mean
from baselines.views import Views, resize
from benchmark.errors import TrainingError


def predictive_mask(views: Views, *, ssim: float = SSIM_WEIGHT, mask_weight: float = 0.2) -> dict[str, Tensor]:
    """Minimum over sources of mask times photometric error, and mask_weight times the cross-entropy of the masks with 1.

    Means over pixels and scales. The network's mask has one sigmoid channel per source; like the disparity it is brought to the
    resolution of the images first. Godard et al. 2019, table 2; Zhou et al. 2017, section 3.3.
    """
    channels = 0 if views.masks is None else next(iter(views.masks.values())).shape[1]
    if views.masks is None or channels != len(views.sources):
        raise TrainingError(
            f"the loss predictive_mask needs one mask channel for each of the {len(views.sources)} sources, and the depth "
            f"network has {channels}; set its number of mask channels to the number of sources"
        )
    reprojections, entropies = [], []
    for scale, costs in photometric_costs(views, ssim=ssim, automask=False).items():
        mask = resize(views.masks[scale].to(costs.reprojection.dtype), costs.reprojection.shape[-2:])
        by_source = mask.transpose(0, 1).unsqueeze(2)
        reprojections.append((by_source * costs.reprojection).min(dim=0).values.mean())
        # The floor is that of torch's binary_cross_entropy, which refuses to run under autocast.
        entropies.append(-mask.log().clamp(min=-100).mean())
    return {"reprojection": scale_mean(reprojections), "mask": mask_weight * scale_mean(entropies)}
