"""Monodepth2's depth network: an encoder, a decoder and, on request, a second decoder for the predictive mask."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from baselines.networks.depth_decoder import DepthDecoder, check_size
from baselines.networks.interface import DepthNetwork, DepthOutput
from baselines.networks.resnet import ResnetEncoder
from benchmark.errors import InputError, TrainingError


class Monodepth2Depth(DepthNetwork):
    """Godard et al., "Digging into self-supervised monocular depth estimation", ICCV 2019. Children are named as the
    published files: encoder, depth, predictive_mask.

    Args:
        layers: of the ResNet, 18 or 50.
        width: factor of all widths, for small recipes; 1 is the published network.
        scales: of the predicted maps, 0 the full size, which has to be among them.
        min_depth: that a sigmoid of 1 stands for, in units of the network.
        max_depth: that a sigmoid of 0 stands for.
        bias: is added to the initial biases of the disparity heads.
        mask_sources: channels of the predictive mask (one for each source), None for none.
    """

    def __init__(
        self, *, layers: int = 18, width: float = 1.0, scales: Sequence[int] = (0, 1, 2, 3), min_depth: float = 0.1,
        max_depth: float = 100.0, bias: float = 0.0, mask_sources: int | None = None,
    ) -> None:  # fmt: skip
        super().__init__()
        if not 0 < min_depth < max_depth:
            raise TrainingError(f"Depths from {min_depth} to {max_depth} were asked for; expected 0 < min_depth < max_depth.")
        self.min_depth, self.max_depth, self.scales = min_depth, max_depth, tuple(scales)
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
        self.check_size(*image.shape[2:])
        features = self.features(image)
        masks = None if self.predictive_mask is None else self.predictive_mask(features)
        return DepthOutput(self.depth(features), masks, features)

    def features(self, image: Tensor) -> list[Tensor]:
        """The encoder's five features of images (b, 3, h, w) in [0, 1]."""
        features: list[Tensor] = self.encoder(image)
        return features

    def check_size(self, height: int, width: int, *, error: type[InputError] = TrainingError) -> None:
        """Refuse sides that are not multiples of 32, or too small (`depth_decoder.check_size`)."""
        check_size(height, width, error=error)

    def inverse_depth(self, sigmoid: Tensor) -> Tensor:
        """1 / depth of a sigmoid map, linear from 1 / max_depth to 1 / min_depth (layers.py at b676244: disp_to_depth)."""
        low, high = 1 / self.max_depth, 1 / self.min_depth
        return low + (high - low) * sigmoid
