"""Images in, disparities out: a trained depth network without its training."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch

from baselines.networks.interface import DepthNetwork

Images = npt.NDArray[np.uint8]


@torch.inference_mode()
def disparities(
    depth: DepthNetwork, images: Images, *, device: torch.device | str = "cpu", mirrored: bool = False
) -> npt.NDArray[np.float32]:
    """Scaled disparities (n, h, w), inverse depth in the network's units, of RGB images (n, h, w, 3).

    `mirrored` is for flip fusion: the images are mirrored, and the disparities mirrored back.
    """
    training = depth.training
    depth.eval()
    try:
        # One by one: in batches the last digits would depend on the neighbours, and scores that count pixels with them.
        return np.stack([_disparity(depth, image, device, mirrored=mirrored) for image in images])
    finally:
        depth.train(training)


def _disparity(depth: DepthNetwork, image: Images, device: torch.device | str, *, mirrored: bool) -> npt.NDArray[np.float32]:
    x = torch.tensor(image, device=device).permute(2, 0, 1)[None].float() / 255
    sigmoid = depth(x.flip(3) if mirrored else x).sigmoids[0]
    found = depth.inverse_depth(sigmoid)[0, 0]
    return np.asarray((found.flip(1) if mirrored else found).float().cpu().numpy())
