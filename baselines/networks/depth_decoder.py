"""Monodepth2's depth decoder (Godard et al., ICCV 2019; networks/depth_decoder.py and layers.py at b676244)."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from itertools import product

import torch
from torch import Tensor, nn

from baselines.networks.layers import apply_head, scaled
from benchmark.errors import InputError, TrainingError

WIDTHS = (16, 32, 64, 128, 256)  # of the stages at 1, 1/2, ... 1/16 of the image size
DEEPEST = 32  # the encoder's last feature is this much smaller than the image
SMALLEST = 2 * DEEPEST  # reflection padding needs two rows of it


class DepthDecoder(nn.Module):
    """Sigmoid maps at several scales from an encoder's five features. Reflection padding, ELU, no normalisation.

    Args:
        channels: of the features, 1/2 to 1/32.
        scales: which maps, s at 1 / 2^s, 0 among them; a subset shifts the numbers in the keys of the later layers.
        outputs: channels of each map.
        width: factor of all widths, for small recipes; 1 is the published network.
        bias: is added to the initial biases of the heads; -3 starts at far depth instead of the middle of the range.
    """

    def __init__(
        self, channels: Sequence[int], *, scales: Sequence[int] = (0, 1, 2, 3), outputs: int = 1, width: float = 1.0,
        bias: float = 0.0,
    ) -> None:  # fmt: skip
        super().__init__()
        if len(set(scales)) < len(scales) or not {0} <= set(scales) <= {0, 1, 2, 3}:
            raise TrainingError(
                f"the scales {list(scales)} were asked for; expected 0, the full size, and any of 1, 2, 3, each at most once."
            )
        self.scales = tuple(scales)
        widths = scaled(WIDTHS, width)
        layers, below = [], channels[4]
        for stage in (4, 3, 2, 1, 0):
            skip = channels[stage - 1] if stage else 0
            layers += [_conv_elu(below, widths[stage]), _conv_elu(widths[stage] + skip, widths[stage])]
            below = widths[stage]
        # One list in this order gives the published keys decoder.0 ... decoder.13: the heads come last.
        self.decoder = nn.ModuleList(layers + [_Head(widths[scale], outputs, bias) for scale in self.scales])

    def forward(self, features: Sequence[Tensor]) -> dict[int, Tensor]:
        """Maps (b, outputs, h / 2^s, w / 2^s) in (0, 1) by scale s, of features of an (h, w) image."""
        maps: dict[int, Tensor] = {}
        x = features[4]
        for stage in (4, 3, 2, 1, 0):
            n = 2 * (4 - stage)
            x = nn.functional.interpolate(self.decoder[n](x), scale_factor=2, mode="nearest")
            if stage:
                x = torch.cat((x, features[stage - 1]), 1)
            x = self.decoder[n + 1](x)
            if stage in self.scales:
                head = self.decoder[10 + self.scales.index(stage)]
                maps[stage] = torch.sigmoid(head(x))
        return {scale: maps[scale] for scale in self.scales}


def check_size(height: int, width: int, *, error: type[InputError] = TrainingError) -> None:
    """Refuse images that the encoder cannot halve five times, or too small for the decoder's reflection padding.

    Raises:
        error: names the two nearest sizes that work.
    """
    sides = [_near(side) for side in (height, width)]
    if [height] == sides[0] and [width] == sides[1]:
        return
    nearest = sorted(product(*sides), key=lambda size: abs(size[0] - height) + abs(size[1] - width))[:2]
    raise error(
        f"The network cannot take images of {height}x{width} (height x width): both have to be multiples of {DEEPEST}, "
        f"{SMALLEST} at least. The nearest sizes that work are {' and '.join(f'{h}x{w}' for h, w in nearest)}."
    )


def _near(side: int) -> list[int]:
    """The side itself where it works, else the nearest on either side that work."""
    low = max(SMALLEST, side // DEEPEST * DEEPEST)
    return [low] if side == low else [low, low + DEEPEST]


class _Head(nn.Module):
    """A 3x3 convolution; its key is `conv`. `bias` is added to its initial biases."""

    def __init__(self, inputs: int, outputs: int, bias: float) -> None:
        super().__init__()
        self.conv = _conv(inputs, outputs)
        assert self.conv.bias is not None
        self.conv.bias.data += bias

    def forward(self, x: Tensor) -> Tensor:
        """Logits (b, outputs, h, w) of (b, inputs, h, w)."""
        return apply_head(self.conv, x)


def _conv_elu(inputs: int, outputs: int) -> nn.Sequential:
    """A 3x3 convolution and ELU; its key is `conv.conv`."""
    conv = nn.Sequential(OrderedDict(conv=_conv(inputs, outputs)))
    return nn.Sequential(OrderedDict(conv=conv, elu=nn.ELU()))


def _conv(inputs: int, outputs: int) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, 3, padding=1, padding_mode="reflect")
