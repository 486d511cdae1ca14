"""Augmentation of whole batches, on any device: a colour jitter in Pillow's 8-bit arithmetic, and horizontal flips.

As Monodepth2 trains (datasets/mono_dataset.py at b676244): for each item two coins, one draw of four factors and one order,
shared by all images of the item. The networks see the jittered images, the losses the clean ones.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from baselines.recipe import Jitter

STEPS = 4  # brightness, contrast, saturation, hue
SECTOR = 512  # of the table of hues: more than differences of two colours have values
LUMA = (19595, 38470, 7471)  # ITU-R 601 in 1/65536: how Pillow makes an image grey


class Augmentation(NamedTuple):
    """What a recipe asks for: the probability of a flip, and how colours are jittered."""

    flip: float
    jitter: Jitter


class Draws(NamedTuple):
    """What was drawn for b items: `flip` (b,) and `jitter` (b,) bool; `order` (b, 4), which of brightness, contrast, saturation
    and hue (0 to 3) comes when; `factor` (b, 4) float32, those of the first three, and the turn of the hue."""

    flip: npt.NDArray[np.bool_]
    jitter: npt.NDArray[np.bool_]
    order: npt.NDArray[np.int64]
    factor: npt.NDArray[np.float64]

    def part(self, items: slice) -> Draws:
        """The draws of some of the items."""
        return Draws(self.flip[items], self.jitter[items], self.order[items], self.factor[items])


def draw(random: np.random.Generator, n: int, wanted: Augmentation) -> Draws:
    """Draws for n items: two coins, an order, and factors that are uniform in 1 +- their strength (the hue in 0 +- its own)."""
    jitter, coins = wanted.jitter, random.random((2, n))
    order = random.permuted(np.tile(np.arange(STEPS), (n, 1)), axis=1)
    strengths = np.array([jitter.brightness, jitter.contrast, jitter.saturation, jitter.hue])
    factor = np.array([1, 1, 1, 0]) + strengths * random.uniform(-1, 1, (n, STEPS))
    return Draws(coins[0] < wanted.flip, coins[1] < jitter.probability, order, factor)


def flip(image: Tensor, items: npt.NDArray[np.bool_]) -> Tensor:
    """The images (b, ..., w) with those of the marked items mirrored."""
    at = _positions(items, image.device)
    if not len(at):
        return image
    flipped = image.clone()
    flipped[at] = image[at].flip(-1)
    return flipped


def jitter(images: Tensor, draws: Draws) -> Tensor:
    """Images (b, s, 3, h, w) uint8, those of the jittered items changed: s images of an item share factors and order."""
    changed = images.clone()
    for step in range(STEPS):
        for kind, change in enumerate(CHANGES):
            chosen = draws.jitter & (draws.order[:, step] == kind)
            at = _positions(chosen, images.device)
            if len(at):
                factor = moved(draws.factor[chosen, kind], images.device)
                changed[at] = change(changed[at], factor.reshape(-1, 1, 1, 1, 1))
    return changed


def brightness(images: Tensor, factor: Tensor) -> Tensor:
    """Images (b, s, 3, h, w) uint8 times a factor (b, 1, 1, 1, 1): Pillow's `ImageEnhance.Brightness`."""
    return _blend(torch.zeros_like(images), images, factor)


def contrast(images: Tensor, factor: Tensor) -> Tensor:
    """Images (b, s, 3, h, w) uint8, stretched about their mean grey: Pillow's `ImageEnhance.Contrast`."""
    mean = grey(images).double().mean((-1, -2), keepdim=True).add(0.5).floor()
    return _blend(mean, images, factor)


def saturation(images: Tensor, factor: Tensor) -> Tensor:
    """Images (b, s, 3, h, w) uint8, pulled towards their grey or away from it: Pillow's `ImageEnhance.Color`."""
    return _blend(grey(images), images, factor)


def hue(images: Tensor, turn: Tensor) -> Tensor:
    """Images (b, s, 3, h, w) uint8 with the hue turned, through 8-bit HSV as torchvision turns that of a Pillow image."""
    shift = (turn * 255).to(torch.int32).squeeze(-3)  # towards zero
    h, s, v = _hsv(images)
    return _rgb((h + shift) & 255, s, v)


def grey(images: Tensor) -> Tensor:
    """Luma (..., 1, h, w) uint8 of images (..., 3, h, w) uint8, as Pillow's mode L."""
    r, g, b = images.to(torch.int32).unbind(-3)
    return ((LUMA[0] * r + LUMA[1] * g + LUMA[2] * b + (1 << 15)) >> 16).to(torch.uint8).unsqueeze(-3)


def _blend(base: Tensor, images: Tensor, factor: Tensor) -> Tensor:
    # Pillow works in float32 and cuts the fraction off.
    low = base.float()
    return (low + factor.float() * (images.float() - low)).clamp_(0, 255).to(torch.uint8)


def _hsv(images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Hue, saturation, value (..., h, w) int32 in 0..255 of images (..., 3, h, w) uint8, cut off as Pillow does."""
    high = images.amax(-3).to(torch.int32)
    span = high - images.amin(-3)
    r, g, b = images.to(torch.int32).unbind(-3)
    # The hue stands between the two colours beside the strongest one; which that is, their difference and the span say it.
    place = torch.where(r == high, g - b, torch.where(g == high, b - r + SECTOR, r - g + 2 * SECTOR)) + 255
    h = _hues(images.device)[place * 256 + span]
    s = (span.float() / high.clamp_min(1) * 255).to(torch.int32)
    return h, s, high


@lru_cache(8)
def _hues(device: torch.device) -> Tensor:
    """The 8-bit hue of 256 * (difference + 255 + SECTOR * sector) + span, int32.

    In float32 and float64 by turns, as Pillow's C rounds: in float32 alone, 0.4 % of all colours come out one step away.
    """
    difference, span = np.meshgrid(np.arange(SECTOR) - 255, np.arange(256), indexing="ij")
    safe = np.maximum(span, 1).astype(np.float32)
    first = np.where(difference < 0, (span + difference) / safe, 1).astype(np.float32)
    second = np.where(difference < 0, 1, (span - difference) / safe).astype(np.float32)
    hue = [(base + first.astype(np.float64) - second).astype(np.float32) for base in (0, 2, 4)]
    turn = np.mod(np.stack(hue).astype(np.float64) / 6 + 1, 1).astype(np.float32)
    return torch.from_numpy((turn.astype(np.float64) * 255 * (span > 0)).astype(np.int32).ravel()).to(device)


def _rgb(h: Tensor, s: Tensor, v: Tensor) -> Tensor:
    """Images (..., 3, h, w) uint8 of 8-bit hue, saturation and value, rounded as Pillow does."""
    strength, value = s.float() / 255, v.float()
    loss = _losses(h.device)[:, h.to(torch.int64)]
    return torch.stack([value * (1 - strength * one) + 0.5 for one in loss.unbind()], -3).to(torch.uint8)


@lru_cache(8)
def _losses(device: torch.device) -> Tensor:
    """How much of the saturation red, green and blue lose at each 8-bit hue, (3, 256) float32 in 0..1."""
    angle = torch.arange(256.0) * 6 / 255
    part = angle - angle.floor()
    none, whole = torch.zeros(256), torch.ones(256)
    sixths = [[none, 1 - part, whole], [part, none, whole], [whole, none, 1 - part]]
    sixths += [[whole, part, none], [1 - part, whole, none], [none, whole, part]]
    by_sixth = torch.stack([torch.stack(one) for one in sixths])
    return by_sixth[angle.floor().to(torch.int64) % 6, :, torch.arange(256)].T.contiguous().to(device)


def _positions(items: npt.NDArray[np.bool_], device: torch.device) -> Tensor:
    return moved(np.flatnonzero(items), device)


def moved(values: npt.NDArray[Any], device: torch.device) -> Tensor:
    """An array on a device. From pinned memory a GPU takes it without our waiting for all that it was told before."""
    here = torch.from_numpy(values)
    return here.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else here.to(device)


CHANGES = (brightness, contrast, saturation, hue)
