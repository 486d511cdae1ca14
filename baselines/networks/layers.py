"""What several networks are made of."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from benchmark.errors import TrainingError


def scaled(widths: tuple[int, ...], factor: float) -> list[int]:
    """Channels times `factor`, at least one.

    Raises:
        TrainingError: the factor is not above zero.
    """
    if not factor > 0:
        raise TrainingError(f"A network of width {factor} was asked for; expected a factor above 0, 1 for the published one.")
    return [max(1, round(n * factor)) for n in widths]


def apply_head(head: nn.Conv2d, x: Tensor) -> Tensor:
    """The last layer in the type of its parameters, whatever autocast says.

    In bfloat16 a logit near -4 moves in steps of 1/32, which are steps of 3 % in depth.
    """
    with torch.autocast(x.device.type, enabled=False):
        return head(x.to(head.weight.dtype))  # type: ignore[no-any-return]
