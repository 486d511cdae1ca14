"""What the loop, the checkpoints and the predictions ask of a network; a new one is a subclass with a name in `__init__.py`.

Its children are the files of its checkpoints, `<name>.pth`; parameters outside of them would not be trained.
"""

from __future__ import annotations

from typing import NamedTuple, TypeAlias

from torch import Tensor, nn

from baselines.batch import Source
from benchmark.errors import InputError, TrainingError

Images: TypeAlias = dict[Source, Tensor]
Features: TypeAlias = dict[Source, list[Tensor]]


class DepthOutput(NamedTuple):
    """What the network says about b images.

    Attributes:
        sigmoids: by scale s (b, 1, h / 2^s, w / 2^s) in (0, 1), 0 among them; `DepthNetwork.inverse_depth` gives them a unit.
        masks: by scale, a channel for each source, in (0, 1); None without the predictive mask.
        features: of the encoder, 1/2 to 1/32.
    """

    sigmoids: dict[int, Tensor]
    masks: dict[int, Tensor] | None
    features: list[Tensor]


class DepthNetwork(nn.Module):
    """Images to disparities. `scales`: of the maps it predicts."""

    scales: tuple[int, ...]

    def forward(self, image: Tensor) -> DepthOutput:
        """Sigmoid maps, masks and features of images (b, 3, h, w) in [0, 1]."""
        raise NotImplementedError

    def features(self, image: Tensor) -> list[Tensor]:
        """The encoder's features of images (b, 3, h, w) in [0, 1], for pose networks that build on them."""
        raise NotImplementedError

    def inverse_depth(self, sigmoid: Tensor) -> Tensor:
        """1 / depth of a sigmoid map, in units of the network."""
        raise NotImplementedError

    def check_size(self, height: int, width: int, *, error: type[InputError] = TrainingError) -> None:
        """Refuse images of a size that the network cannot take.

        Raises:
            error: says which sizes work.
        """
        raise NotImplementedError


class PoseNetwork(nn.Module):
    """Images to motions. `needs_features`: of the depth network, for each image. `scales_with_depth`: translations are in
    units of the mean depth."""

    needs_features = False
    scales_with_depth = False

    def forward(self, images: Images, features: Features | None = None) -> dict[int, Tensor]:
        """T_source_target (b, 4, 4) for every neighbour in time among `images` (b, 3, h, w)."""
        raise NotImplementedError
