"""ResNet encoders with torchvision's parameter names, so that its ImageNet weights load.

He et al., "Deep residual learning for image recognition", CVPR 2016; the bottleneck's stride sits on its 3x3 convolution
(torchvision's "v1.5"). What Monodepth2 changes (Godard et al., ICCV 2019; networks/resnet_encoder.py at b676244): n images
side by side in the channels, one scalar normalisation, and features taken from five places.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from baselines.networks.layers import scaled
from benchmark.errors import TrainingError

BLOCKS = {18: (2, 2, 2, 2), 50: (3, 4, 6, 3)}
WIDTHS = (64, 128, 256, 512)
CLASSES = 1000  # of ImageNet
MEAN, DEVIATION = 0.45, 0.225  # the same for all channels, unlike ImageNet's


class ResnetEncoder(nn.Module):
    """Five feature maps at 1/2, 1/4, ... 1/32 of the image size, the first one before the max-pooling.

    The classifier `fc` is never used and never learns, yet is part of the published checkpoints and of the optimiser.
    `channels`: of the features.

    Args:
        layers: 18 or 50.
        images: how many RGB images are stacked in the channels.
        width: factor of all widths, for small recipes; 1 is the published network.
    """

    def __init__(self, layers: int = 18, *, images: int = 1, width: float = 1.0) -> None:
        super().__init__()
        self.layers, self.images, self.width = layers, images, width
        self.channels = feature_channels(layers, width)
        self.encoder = _Resnet(layers, inputs=3 * images, width=width)
        self.encoder.fc.requires_grad_(False)  # distributed training would wait for gradients that never come

    def forward(self, image: Tensor) -> list[Tensor]:
        """Features of images (b, 3 * images, h, w) in [0, 1]."""
        return self.encoder.features((image - MEAN) / DEVIATION)


class _Resnet(nn.Module):
    """The classification network, of which the last step is left out."""

    def __init__(self, layers: int, *, inputs: int, width: float) -> None:
        super().__init__()
        stem, *widths = scaled((WIDTHS[0], *WIDTHS), width)
        out = [_expansion(layers) * n for n in widths]
        first, second, third, fourth = BLOCKS[layers]
        self.conv1 = _conv(inputs, stem, kernel=7, stride=2)
        self.bn1 = nn.BatchNorm2d(stem)
        self.layer1 = _stage(layers, stem, widths[0], count=first, stride=1)
        self.layer2 = _stage(layers, out[0], widths[1], count=second, stride=2)
        self.layer3 = _stage(layers, out[1], widths[2], count=third, stride=2)
        self.layer4 = _stage(layers, out[2], widths[3], count=fourth, stride=2)
        self.fc = nn.Linear(out[3], CLASSES)

    def features(self, x: Tensor) -> list[Tensor]:
        """Five feature maps of a normalised input (b, inputs, h, w)."""
        half = torch.relu(self.bn1(self.conv1(x)))
        quarter = self.layer1(nn.functional.max_pool2d(half, kernel_size=3, stride=2, padding=1))
        eighth = self.layer2(quarter)
        sixteenth = self.layer3(eighth)
        return [half, quarter, eighth, sixteenth, self.layer4(sixteenth)]


class BasicBlock(nn.Module):
    """Two 3x3 convolutions beside a shortcut."""

    def __init__(self, inputs: int, width: int, stride: int) -> None:
        super().__init__()
        self.conv1 = _conv(inputs, width, kernel=3, stride=stride)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = _conv(width, width, kernel=3)
        self.bn2 = nn.BatchNorm2d(width)
        self.downsample = _shortcut(inputs, width, stride)

    def forward(self, x: Tensor) -> Tensor:
        """(b, inputs, h, w) to (b, width, h / stride, w / stride)."""
        out = torch.relu(self.bn1(self.conv1(x)))
        return torch.relu(self.bn2(self.conv2(out)) + (x if self.downsample is None else self.downsample(x)))


class Bottleneck(nn.Module):
    """A 3x3 convolution between two 1x1 ones, beside a shortcut."""

    def __init__(self, inputs: int, width: int, stride: int) -> None:
        super().__init__()
        self.conv1 = _conv(inputs, width, kernel=1)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = _conv(width, width, kernel=3, stride=stride)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = _conv(width, 4 * width, kernel=1)
        self.bn3 = nn.BatchNorm2d(4 * width)
        self.downsample = _shortcut(inputs, 4 * width, stride)

    def forward(self, x: Tensor) -> Tensor:
        """(b, inputs, h, w) to (b, 4 * width, h / stride, w / stride)."""
        out = torch.relu(self.bn1(self.conv1(x)))
        out = torch.relu(self.bn2(self.conv2(out)))
        return torch.relu(self.bn3(self.conv3(out)) + (x if self.downsample is None else self.downsample(x)))


def feature_channels(layers: int, width: float = 1.0) -> tuple[int, ...]:
    """Channels of the five features of a ResNet of 18 or 50 layers.

    Raises:
        TrainingError: there is no such ResNet.
    """
    if layers not in BLOCKS:
        raise TrainingError(f"A ResNet of {layers} layers was asked for; there are {' and '.join(map(str, BLOCKS))}.")
    stem, *widths = scaled((WIDTHS[0], *WIDTHS), width)
    return stem, *(_expansion(layers) * n for n in widths)


def _expansion(layers: int) -> int:
    """How many times wider than its 3x3 convolution a block's output is."""
    return 4 if layers == 50 else 1


def _stage(layers: int, inputs: int, width: int, *, count: int, stride: int) -> nn.Sequential:
    """`count` blocks, of which the first one has the stride."""
    block: type[BasicBlock | Bottleneck] = Bottleneck if layers == 50 else BasicBlock
    outputs = _expansion(layers) * width
    return nn.Sequential(block(inputs, width, stride), *(block(outputs, width, 1) for _ in range(count - 1)))


def _conv(inputs: int, outputs: int, *, kernel: int, stride: int = 1) -> nn.Conv2d:
    conv = nn.Conv2d(inputs, outputs, kernel, stride=stride, padding=kernel // 2, bias=False)
    # He et al., "Delving deep into rectifiers", ICCV 2015, which torchvision draws a new ResNet from.
    nn.init.kaiming_normal_(conv.weight, mode="fan_out", nonlinearity="relu")
    return conv


def _shortcut(inputs: int, outputs: int, stride: int) -> nn.Sequential | None:
    if stride == 1 and inputs == outputs:
        return None
    return nn.Sequential(_conv(inputs, outputs, kernel=1, stride=stride), nn.BatchNorm2d(outputs))
