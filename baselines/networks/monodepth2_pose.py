"""Monodepth2's three pose networks: the motion between the target image and its neighbours in time.

Each pair goes through the network in temporal order, so that it need only know forward motion, and the answer for an earlier
neighbour is inverted (trainer.py at b676244: predict_poses). Only the first of the predicted motions counts. A pair is a
forward pass of its own: batch normalisation must not mix the pairs.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import torch
from torch import Tensor

from baselines.geometry import pose_matrix
from baselines.networks.interface import Features, Images, PoseNetwork
from baselines.networks.pose_cnn import PoseCNN
from baselines.networks.pose_decoder import SCALE, PoseDecoder
from baselines.networks.resnet import ResnetEncoder, feature_channels

Motion: TypeAlias = tuple[Tensor, Tensor]


class SeparatePose(PoseNetwork):
    """A ResNet for the two images of a pair, and a decoder. Children are named as the published files: pose_encoder, pose.

    Args:
        layers: of the ResNet, the same as of the depth network.
        width: factor of all widths, for small recipes; 1 is the published network.
        scale: factor of all outputs.
        forward_tz: the translation along the optical axis that all motions begin near, in units of the output.
    """

    def __init__(self, *, layers: int = 18, width: float = 1.0, scale: float = SCALE, forward_tz: float = 0.0) -> None:
        super().__init__()
        self.pose_encoder = ResnetEncoder(layers, images=2, width=width)
        self.pose = PoseDecoder(self.pose_encoder.channels[-1], width=width, scale=scale, forward_tz=forward_tz)

    def forward(self, images: Images, features: Features | None = None) -> dict[int, Tensor]:
        """T_source_target (b, 4, 4) for every neighbour in time among `images` (b, 3, h, w)."""
        return _by_source(images, lambda first, second: self.motion(images[first], images[second]))

    def motion(self, first: Tensor, second: Tensor) -> Motion:
        """Axis-angle and translation (b, frames, 1, 3) from the earlier image (b, 3, h, w) to the later."""
        motion: Motion = self.pose([self.pose_encoder(torch.cat((first, second), 1))[-1]])
        return motion


class SharedPose(PoseNetwork):
    """A decoder on the depth encoder's last features of both images. Its child is named as the published file: pose.

    Args:
        layers: of the depth network's ResNet.
        width: factor of all widths, the depth network's.
        scale: factor of all outputs.
        forward_tz: the translation along the optical axis that all motions begin near, in units of the output.
    """

    needs_features = True

    def __init__(self, *, layers: int = 18, width: float = 1.0, scale: float = SCALE, forward_tz: float = 0.0) -> None:
        super().__init__()
        channels = feature_channels(layers, width)[-1]
        self.pose = PoseDecoder(channels, features=2, frames=1, width=width, scale=scale, forward_tz=forward_tz)

    def forward(self, images: Images, features: Features | None = None) -> dict[int, Tensor]:
        """T_source_target (b, 4, 4) for every neighbour in time among `images`, by the depth encoder's `features` of each."""
        if features is None:
            raise ValueError("the shared pose network needs the depth encoder's features of the target and its neighbours")
        return _by_source(images, lambda first, second: self.pose([features[first][-1], features[second][-1]]))


class PoseCNNPose(PoseNetwork):
    """A small network of its own. Its child is named as the published file: pose.

    Its translations are in units of the mean depth: they count times the mean inverse depth that the depth network sees, a
    scale of the pyramid at a time (`scale_translation`).

    Args:
        width: factor of all widths, for small recipes; 1 is the published network.
        scale: factor of all outputs.
        forward_tz: the translation along the optical axis that all motions begin near, in units of the output.
    """

    scales_with_depth = True

    def __init__(self, *, width: float = 1.0, scale: float = SCALE, forward_tz: float = 0.0) -> None:
        super().__init__()
        self.pose = PoseCNN(2, width=width, scale=scale, forward_tz=forward_tz)

    def forward(self, images: Images, features: Features | None = None) -> dict[int, Tensor]:
        """T_source_target (b, 4, 4) for every neighbour in time among `images` (b, 3, h, w); not yet scaled by depth."""
        return _by_source(images, lambda first, second: self.pose(torch.cat((images[first], images[second]), 1)))


def scale_translation(T: Tensor, inverse_depth: Tensor) -> Tensor:
    """Poses (b, 4, 4) with translations times the mean of the inverse depth (b, 1, h, w) that the target is warped by.

    Inverted or not, the last column of a pose is linear in the predicted translation (trainer.py at b676244, lines 366-375).
    """
    column = T[:, :3, 3:] * inverse_depth.mean((1, 2, 3)).view(-1, 1, 1)
    return torch.cat((torch.cat((T[:, :3, :3], column), 2), T[:, 3:]), 1)


def _by_source(images: Images, motion: Callable[[int, int], Motion]) -> dict[int, Tensor]:
    poses = {}
    for source in [source for source in images if isinstance(source, int) and source]:
        earlier = source < 0
        axisangle, translation = motion(*((source, 0) if earlier else (0, source)))
        poses[source] = pose_matrix(axisangle[:, 0, 0], translation[:, 0, 0], invert=earlier)
    return poses
