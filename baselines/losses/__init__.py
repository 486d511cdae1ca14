"""The losses that a recipe may name: functions (views, **options) -> scalar terms by name."""

from collections.abc import Callable

from torch import Tensor

from baselines.losses import average_reprojection, depth_hints, minimum_reprojection, predictive_mask, smoothness

LOSSES: dict[str, Callable[..., dict[str, Tensor]]] = {
    "minimum_reprojection": minimum_reprojection.minimum_reprojection,
    "average_reprojection": average_reprojection.average_reprojection,
    "depth_hints": depth_hints.depth_hints,
    "predictive_mask": predictive_mask.predictive_mask,
    "smoothness": smoothness.smoothness,
}
# By loss and with the same options: the mask (b, 1, h, w) of the pixels that keep a reprojection at the finest scale.
AUTO_MASKS: dict[str, Callable[..., Tensor]] = {
    "minimum_reprojection": minimum_reprojection.kept,
    "average_reprojection": average_reprojection.kept,
    "depth_hints": depth_hints.kept,
}
