"""Monodepth2's pose decoder (Godard et al., ICCV 2019; networks/pose_decoder.py at b676244)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from baselines.networks.layers import apply_head, scaled
from benchmark.errors import TrainingError

WIDTH = 256
SCALE = 0.01  # the outputs begin near zero: a small motion
TZ = 5  # the place of the forward translation among the six numbers of a motion


class PoseDecoder(nn.Module):
    """Camera motions from an encoder's last features. Zero padding, unlike the depth decoder.

    Args:
        channels: of each feature map.
        features: how many maps are put together after a squeeze that they share.
        frames: how many motions are predicted; only the first is used.
        width: factor of the inner widths, for small recipes; 1 is the published network.
        scale: factor of all outputs.
        forward_tz: the translation along the optical axis that all motions begin near, in units of the output.
    """

    def __init__(
        self, channels: int, *, features: int = 1, frames: int = 2, width: float = 1.0, scale: float = SCALE,
        forward_tz: float = 0.0,
    ) -> None:  # fmt: skip
        super().__init__()
        (inner,) = scaled((WIDTH,), width)
        self.scale = scale
        head = nn.Conv2d(inner, 6 * frames, 1)
        start_forward(head, forward_tz, scale=scale)
        self.net = nn.ModuleList(
            [
                nn.Conv2d(channels, inner, 1),
                nn.Conv2d(features * inner, inner, 3, padding=1),
                nn.Conv2d(inner, inner, 3, padding=1),
                head,
            ]
        )

    def forward(self, features: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
        """Axis-angle and translation, (b, frames, 1, 3) each, of maps (b, channels, h / 32, w / 32)."""
        x = torch.cat([torch.relu(self.net[0](feature)) for feature in features], 1)
        x = torch.relu(self.net[2](torch.relu(self.net[1](x))))
        return motions(self.net[3], x, scale=self.scale)


def motions(head: nn.Module, x: Tensor, *, scale: float) -> tuple[Tensor, Tensor]:
    """Axis-angle and translation (b, frames, 1, 3): spatial means of what a 1x1 convolution makes of x, times `scale`."""
    assert isinstance(head, nn.Conv2d)
    means = scale * apply_head(head, x).mean((2, 3)).view(len(x), -1, 1, 6)
    return means[..., :3], means[..., 3:]


def start_forward(head: nn.Conv2d, tz: float, *, scale: float) -> None:
    """Add to the head's initial biases so that the forward translation begins near `tz`.

    Raises:
        TrainingError: the scale is not above zero.
    """
    if not scale > 0:
        raise TrainingError(f"A pose network of scale {scale} was asked for; expected a factor above 0, {SCALE} as published.")
    assert head.bias is not None
    head.bias.data[TZ::6] += tz / scale
