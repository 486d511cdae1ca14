"""What TensorBoard shows of a batch: the target, its disparity, the sources warped to it, the auto-mask."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from baselines.losses import AUTO_MASKS
from baselines.recipe import Recipe
from baselines.views import Views

ITEMS = 4  # of a batch
PERCENTILE = 95.0  # of the disparity that is the brightest colour, as in the field's pictures


@torch.no_grad()
def panels(recipe: Recipe, views: Views) -> dict[str, npt.NDArray[np.uint8]]:
    """Pictures (rows, columns, 3) uint8 by name, the first items of the batch one below the other."""
    finest = min(views.scales)
    shown = {"input": views.frames[0].target, "disparity": coloured(views.sigmoids[finest])}
    for i, source in enumerate(views.sources):
        shown[f"warped_{source}"] = views.scales[finest].warped[i]
    for name, options in recipe.losses.items():
        if name in AUTO_MASKS and options.get("automask", True):
            rest = {key: value for key, value in options.items() if key != "weight"}
            shown["auto_mask"] = AUTO_MASKS[name](views, **rest).float().expand(-1, 3, -1, -1)
    return {name: _stacked(images) for name, images in shown.items()}


def coloured(disparity: Tensor) -> Tensor:
    """Disparity (b, 1, h, w) in the colours of magma, (b, 3, h, w) in [0, 1]; near is bright."""
    return torch.stack([torch.from_numpy(magma(one[0].float().cpu().numpy())).permute(2, 0, 1) for one in disparity])


def magma(disparity: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Disparity (h, w) as RGB (h, w, 3) in [0, 1], from its minimum to its 95th percentile (monodepth2 test_simple.py)."""
    from matplotlib import colormaps

    low, high = float(disparity.min()), float(np.percentile(disparity, PERCENTILE))
    scaled = (disparity - low) / max(high - low, 1e-12)
    return np.asarray(colormaps["magma"](np.clip(scaled, 0, 1))[..., :3], np.float32)


def _stacked(images: Tensor) -> npt.NDArray[np.uint8]:
    column = torch.cat(list(images[:ITEMS].float().cpu()), dim=1)
    return np.asarray((255 * column.clamp(0, 1)).round().to(torch.uint8).permute(1, 2, 0).numpy())
