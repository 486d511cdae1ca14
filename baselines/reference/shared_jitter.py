"""One colour jitter for all images of an item. This file is put beside the authors' code, and uses the torchvision there."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def shared(transforms: Any, *ranges: Any) -> Callable[[Any], Any]:
    """The jitter that torchvision up to 0.7 returned from `ColorJitter.get_params`: factors and order are drawn once.

    Args:
        transforms: the module torchvision.transforms.
        ranges: of brightness, contrast, saturation and hue.
    """
    order, *factors = transforms.ColorJitter.get_params(*ranges)
    on = transforms.functional
    adjust = (on.adjust_brightness, on.adjust_contrast, on.adjust_saturation, on.adjust_hue)

    def jitter(image: Any) -> Any:
        for i in order:
            image = adjust[int(i)](image, factors[int(i)])
        return image

    return jitter
