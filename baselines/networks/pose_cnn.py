"""Monodepth2's small pose network (networks/pose_cnn.py at b676244), after Zhou et al., "Unsupervised learning of depth and
ego-motion from video", CVPR 2017."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from baselines.networks.layers import scaled
from baselines.networks.pose_decoder import SCALE, motions, start_forward

WIDTHS = (16, 32, 64, 128, 256, 256, 256)
KERNELS = (7, 5, 3, 3, 3, 3, 3)


class PoseCNN(nn.Module):
    """Seven convolutions of stride 2 with ReLU and no normalisation, from stacked images to the motions between them.

    Args:
        images: how many RGB images are stacked in the channels; one motion less is predicted.
        width: factor of all widths, for small recipes; 1 is the published network.
        scale: factor of all outputs.
        forward_tz: the translation along the optical axis that all motions begin near, in units of the output.
    """

    def __init__(self, images: int = 2, *, width: float = 1.0, scale: float = SCALE, forward_tz: float = 0.0) -> None:
        super().__init__()
        self.scale = scale
        widths = [3 * images, *scaled(WIDTHS, width)]
        # Registered before the others, as in the published keys.
        self.pose_conv = nn.Conv2d(widths[-1], 6 * (images - 1), 1)
        start_forward(self.pose_conv, forward_tz, scale=scale)
        self.net = nn.ModuleList(
            nn.Conv2d(inputs, outputs, kernel, stride=2, padding=kernel // 2)
            for inputs, outputs, kernel in zip(widths[:-1], widths[1:], KERNELS, strict=True)
        )

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Axis-angle and translation, (b, images - 1, 1, 3) each, of images (b, 3 * images, h, w) in [0, 1]."""
        x = images
        for layer in self.net:
            x = torch.relu(layer(x))
        return motions(self.pose_conv, x, scale=self.scale)
