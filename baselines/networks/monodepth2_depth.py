"""Monodepth2's depth network: an encoder, a decoder and, on request, a second decoder for the predictive mask."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from torch import Tensor, nn

from baselines.networks.depth_decoder import DepthDecoder, check_size
from baselines.networks.resnet import ResnetEncoder
from benchmark.errors import TrainingError


class DepthOutput(NamedTuple):
    """What the network says about b images.

    Attributes:
        sigmoids: by scale s (b, 1, h / 2^s, w / 2^s) in (0, 1); `Monodepth2Depth.inverse_depth` gives them a unit.
        masks: by scale, a channel for each source, in (0, 1); None without the predictive mask.
        features: of the encoder, 1/2 to 1/32.
    """

    sigmoids: dict[int, Tensor]
    masks: dict[int, Tensor] | None
    features: list[Tensor]


class Monodepth2Depth(nn.Module):
    """Godard et al., "Digging into self-supervised monocular depth estimation", ICCV 2019. Children are named as the
    published files: encoder, depth, predictive_mask.

    Args:
        layers: of the ResNet, 18 or 50.
        width: factor of all widths, for small recipes; 1 is the published network.
        scales: of the predicted maps, 0 the full size.
        min_depth: that a sigmoid of 1 stands for, in units of the network.
        max_depth: that a sigmoid of 0 stands for.
        bias: is added to the initial biases of the disparity heads.
        mask_sources: channels of the predictive mask (one for each source), 0 for none.
    """

    def __init__(
        self, *, layers: int = 18, width: float = 1.0, scales: Sequence[int] = (0, 1, 2, 3), min_depth: float = 0.1,
        max_depth: float = 100.0, bias: float = 0.0, mask_sources: int = 0,
    ) -> None:  # fmt: skip
        super().__init__()
        if not 0 < min_depth < max_depth:
            raise TrainingError(f"Depths from {min_depth} to {max_depth} were asked for; expected 0 < min_depth < max_depth.")
        self.min_depth, self.max_depth = min_depth, max_depth
        self.encoder = ResnetEncoder(layers, width=width)
        channels = self.encoder.channels
        self.depth = DepthDecoder(channels, scales=scales, width=width, bias=bias)
        self.predictive_mask = (
            DepthDecoder(channels, scales=scales, outputs=mask_sources, width=width) if mask_sources else None
        )

    def forward(self, image: Tensor) -> DepthOutput:
        """Sigmoid maps, masks and features of images (b, 3, h, w) in [0, 1].

        Raises:
            TrainingError: the sides are not multiples of 32.
        """
        check_size(*image.shape[2:])
        features = self.encoder(image)
        masks = None if self.predictive_mask is None else self.predictive_mask(features)
        return DepthOutput(self.depth(features), masks, features)

    def inverse_depth(self, sigmoid: Tensor) -> Tensor:
        """1 / depth of a sigmoid map, linear from 1 / max_depth to 1 / min_depth (layers.py at b676244: disp_to_depth)."""
        low, high = 1 / self.max_depth, 1 / self.min_depth
        return low + (high - low) * sigmoid
