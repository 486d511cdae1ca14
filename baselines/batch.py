"""What one training step sees: images by source, in the form that networks and losses take."""

from __future__ import annotations

from typing import Literal, NamedTuple, TypeAlias

from torch import Tensor

# 0 is the target, -1 and 1 its neighbours in time, "s" the other camera of the stereo pair at the same time.
Source: TypeAlias = int | Literal["s"]


class Batch(NamedTuple):
    """b items. Images are float RGB in [0, 1]; K in pixels of the full-resolution training image, pixel centres at integers.

    `inputs`: (b, 3, h, w) by source, colour-jittered, for the networks, which see no "s". `images`: all views without jitter,
    for the losses: a list by pyramid level, level s of (b, 3, h / 2^s, w / 2^s). `K`: (b, 3, 3). `T_stereo_target`: (b, 4, 4)
    from the target camera to the other one of the pair, None without it. `hint`: depth (b, 1, h, w) in units of the network,
    0 where there is none; None without hints.
    """

    inputs: dict[Source, Tensor]
    images: dict[Source, list[Tensor]]
    K: Tensor
    T_stereo_target: Tensor | None = None
    hint: Tensor | None = None

    @property
    def sources(self) -> list[Source]:
        """The views that are warped to the target, in the order of the recipe."""
        return [source for source in self.images if source != 0]
