"""The target seen through every other image of a batch: what the losses compare."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, TypeAlias

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from baselines.batch import Batch, Source
from baselines.geometry import sample_grid, warp
from benchmark.errors import TrainingError

# T_source_target (b, 4, 4) by temporal source; or a function that makes them from a scale's inverse depth (b, 1, h, w), for
# pose networks whose translation is in units of the scene's depth.
Poses: TypeAlias = dict[int, Tensor] | Callable[[Tensor], dict[int, Tensor]]


class Frames(NamedTuple):
    """The un-jittered images of one resolution: the target (b, 3, h, w) and the n sources (n, b, 3, h, w)."""

    target: Tensor
    sources: Tensor


class View(NamedTuple):
    """What one scale of disparity makes of the sources.

    `level`: of `Views.frames` that it is compared with. `depth`: (b, 1, h, w), network's unit. `warped`: (n, b, 3, h, w), each
    source as the target camera would see it. `noise`: (n, b, 1, h, w) that breaks ties of the auto-mask; None without it.
    """

    level: int
    depth: Tensor
    warped: Tensor
    noise: Tensor | None


class Hint(NamedTuple):
    """Proxy depth (b, 1, h, w), 0 where there is none, and the other camera's image (b, 3, h, w) warped by it."""

    depth: Tensor
    warped: Tensor


class Views(NamedTuple):
    """One batch under its predictions.

    `sources`: names along dimension n. `frames`: by pyramid level, only 0 unless the scales are native. `scales`: by scale.
    `sigmoids`: (b, 1, h / 2^s, w / 2^s) and `pyramid`: the target (b, 3, h / 2^s, w / 2^s), by scale. `masks`: predictive mask
    (b, n, h / 2^s, w / 2^s) by scale; None without.
    """

    sources: list[Source]
    frames: dict[int, Frames]
    scales: dict[int, View]
    sigmoids: dict[int, Tensor]
    pyramid: dict[int, Tensor]
    hint: Hint | None
    masks: dict[int, Tensor] | None


def synthesise(
    batch: Batch,
    sigmoids: dict[int, Tensor],
    inverse_depth: Callable[[Tensor], Tensor],
    poses: Poses,
    *,
    masks: dict[int, Tensor] | None = None,
    native_scales: bool = False,
    noise: float = 1e-5,
    align_corners: bool = True,
) -> Views:
    """Warp every source to the target, once for each scale of disparity.

    Args:
        batch: images, K, the stereo transform and hints.
        sigmoids: output (b, 1, h / 2^s, w / 2^s) of the depth network, by scale.
        inverse_depth: from that output to 1 / depth.
        poses: of the temporal sources.
        masks: output (b, n, h / 2^s, w / 2^s) of a predictive mask, by scale.
        native_scales: compare each scale at its own resolution. False brings every disparity to full resolution first, by
            bilinear interpolation, before it becomes depth (Godard et al. 2019, section 3.2).
        noise: standard deviation of the auto-mask's tie-break noise, of torch's own generator; 0 draws nothing.
        align_corners: False for the recorded numbers alone of code that meant True and ran on a later PyTorch.
    """
    sources = batch.sources
    levels = {scale: scale if native_scales else 0 for scale in sigmoids}
    frames = {level: _frames(batch, level) for level in sorted(set(levels.values()))}
    scales = {}
    for scale, level in levels.items():
        target, others = frames[level]
        size = target.shape[-2:]
        inverse = inverse_depth(resize(sigmoids[scale].to(batch.K.dtype), size))
        of_scale = poses if isinstance(poses, dict) else poses(inverse)
        T = torch.stack([_transform(batch, of_scale, source) for source in sources]).to(batch.K.dtype)
        warped = _warp_finite(others, 1 / inverse, _intrinsics(batch, size), T, align_corners=align_corners)
        scales[scale] = View(level, 1 / inverse, warped, _draw(others[:, :, :1], noise))
    pyramid = {scale: batch.images[0][scale] for scale in sigmoids}
    return Views(sources, frames, scales, sigmoids, pyramid, _warp_hint(batch, align_corners=align_corners), masks)


def resize(maps: Tensor, size: tuple[int, ...]) -> Tensor:
    """Maps (b, c, h, w) at another size, bilinear; align_corners=False here, as the published models were trained."""
    if maps.shape[-2:] == size:
        return maps
    return interpolate(maps, size, mode="bilinear", align_corners=False)


def _frames(batch: Batch, level: int) -> Frames:
    return Frames(batch.images[0][level], torch.stack([batch.images[source][level] for source in batch.sources]))


def _warp_finite(images: Tensor, depth: Tensor, K: Tensor, T: Tensor, *, align_corners: bool) -> Tensor:
    """The images warped by depth and T; NaN throughout when either holds what is no finite number.

    grid_sample would sample somewhere for a NaN, so that the loss stays finite, and crash the process in its CPU gradient.
    """
    poison = 0 * (depth.sum() + T.sum()).detach()
    grid = sample_grid(depth.nan_to_num(1.0), K, T.nan_to_num())
    return warp(images, grid, align_corners=align_corners) + poison


def _transform(batch: Batch, poses: dict[int, Tensor], source: Source) -> Tensor:
    if source != "s":
        return poses[source]
    if batch.T_stereo_target is None:
        raise TrainingError("a batch holds the stereo image 's' without T_stereo_target; give both or neither")
    return batch.T_stereo_target


def _intrinsics(batch: Batch, size: torch.Size) -> Tensor:
    """K (b, 3, 3) for images of a size: rows scaled with the whole-numbered sides (monodepth2 mono_dataset.py at b676244)."""
    height, width = size
    full_height, full_width = batch.images[0][0].shape[-2:]
    if (height, width) == (full_height, full_width):
        return batch.K
    x, y, last = batch.K.unbind(-2)
    return torch.stack([x * (width / full_width), y * (height / full_height), last], dim=-2)


def _draw(like: Tensor, noise: float) -> Tensor | None:
    """Normal noise of standard deviation `noise` and of the shape of `like`, or None for 0."""
    return noise * torch.randn(like.shape, device=like.device, dtype=like.dtype) if noise else None


def _warp_hint(batch: Batch, *, align_corners: bool) -> Hint | None:
    if batch.hint is None:
        return None
    T = _transform(batch, {}, "s")
    grid = sample_grid(batch.hint, batch.K, T)
    return Hint(batch.hint, warp(batch.images["s"][0], grid, align_corners=align_corners))
