"""Monodepth2's training step and loader as its repository runs them, for timing: fp32 and eager.

Written from a description of trainer.py, layers.py and datasets/mono_dataset.py at b676244; the networks are ours, which have
the same arithmetic. Nothing is saved that the original does not save: pixels are projected for each source and each scale,
the errors of the sources as they are are computed anew at each scale, and SSIM takes five means of windows every time.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import torch
from PIL import Image, ImageEnhance
from torch import Tensor
from torch.nn.functional import avg_pool2d, grid_sample, interpolate, pad

from baselines.augment import Augmentation, Draws, draw
from baselines.batch import Batch
from baselines.model import Model
from baselines.samples import FIXED_K

LEVELS = 4
SOURCES = (-1, 1)
Inputs: TypeAlias = dict[Any, Tensor]  # ("color", source, level), ("color_aug", source, level), "K" and "inv_K" (b, 4, 4)


def loss(model: Model, inputs: Inputs, *, noise: float = 1e-5) -> Tensor:
    """The loss () of one batch: networks, view synthesis, reprojection with auto-mask, smoothness."""
    sigmoids = model.depth_network(inputs["color_aug", 0, 0]).sigmoids
    assert model.pose_network is not None
    poses = model.pose_network({source: inputs["color_aug", source, 0] for source in (0, *SOURCES)})
    target = inputs["color", 0, 0]
    total = torch.zeros((), device=target.device)
    for level, sigmoid in sigmoids.items():
        full = interpolate(sigmoid, target.shape[-2:], mode="bilinear", align_corners=False)
        depth = 1 / (0.01 + (10 - 0.01) * full)
        warped = {}
        for source in SOURCES:
            pixels = project(back_project(depth, inputs["inv_K"]), inputs["K"], poses[source], target.shape)
            warped[source] = grid_sample(inputs["color", source, 0], pixels, padding_mode="border", align_corners=True)
        reprojection = torch.cat([photometric(warped[source], target) for source in SOURCES], 1)
        identity = torch.cat([photometric(inputs["color", source, 0], target) for source in SOURCES], 1)
        identity = identity + noise * torch.randn(identity.shape, device=identity.device)
        smallest = torch.cat([identity, reprojection], 1).min(dim=1).values
        normalised = sigmoid / (sigmoid.mean(2, True).mean(3, True) + 1e-7)
        total = total + smallest.mean() + 1e-3 * smoothness(normalised, inputs["color", 0, level]) / 2**level
    return total / len(sigmoids)


def step(model: Model, optimiser: torch.optim.Optimizer, inputs: Inputs) -> Tensor:
    """One step of training; the loss ()."""
    value = loss(model, inputs)
    optimiser.zero_grad()
    value.backward()  # type: ignore[no-untyped-call]
    optimiser.step()
    return value.detach()


def back_project(depth: Tensor, inv_K: Tensor) -> Tensor:
    """Homogeneous points (b, 4, h * w) of a depth map (b, 1, h, w)."""
    b, _, h, w = depth.shape
    rows, columns = torch.meshgrid(
        torch.arange(h, device=depth.device, dtype=depth.dtype), torch.arange(w, device=depth.device, dtype=depth.dtype),
        indexing="ij",
    )  # fmt: skip
    ones = torch.ones(b, 1, h * w, device=depth.device, dtype=depth.dtype)
    pixels = torch.stack([columns.flatten(), rows.flatten()])[None].expand(b, 2, h * w)
    rays = inv_K[:, :3, :3] @ torch.cat([pixels, ones], 1)
    return torch.cat([depth.view(b, 1, -1) * rays, ones], 1)


def project(points: Tensor, K: Tensor, T: Tensor, shape: torch.Size) -> Tensor:
    """Where points (b, 4, n) lie in the other image, (b, h, w, 2) in -1 to 1."""
    b, _, h, w = shape
    camera = (K @ T)[:, :3] @ points
    pixels = (camera[:, :2] / (camera[:, 2:] + 1e-7)).view(b, 2, h, w).permute(0, 2, 3, 1)
    size = torch.tensor([w - 1, h - 1], device=pixels.device, dtype=pixels.dtype)
    return (pixels / size - 0.5) * 2


def photometric(pred: Tensor, target: Tensor) -> Tensor:
    """0.85 SSIM + 0.15 L1, (b, 1, h, w)."""
    difference = (target - pred).abs().mean(1, True)
    return 0.85 * ssim(pred, target).mean(1, True) + 0.15 * difference


def ssim(x: Tensor, y: Tensor) -> Tensor:
    """(1 - SSIM) / 2 within [0, 1], (b, 3, h, w)."""
    x, y = (pad(image, (1, 1, 1, 1), mode="reflect") for image in (x, y))
    mean_x, mean_y = avg_pool2d(x, 3, 1), avg_pool2d(y, 3, 1)
    var_x = avg_pool2d(x**2, 3, 1) - mean_x**2
    var_y = avg_pool2d(y**2, 3, 1) - mean_y**2
    covariance = avg_pool2d(x * y, 3, 1) - mean_x * mean_y
    numerator = (2 * mean_x * mean_y + 0.01**2) * (2 * covariance + 0.03**2)
    denominator = (mean_x**2 + mean_y**2 + 0.01**2) * (var_x + var_y + 0.03**2)
    return ((1 - numerator / denominator) / 2).clamp(0, 1)


def smoothness(disparity: Tensor, image: Tensor) -> Tensor:
    """Edge-aware, first order, ()."""
    terms = []
    for dim in (3, 2):
        steps = disparity.diff(dim=dim).abs()
        edges = image.diff(dim=dim).abs().mean(1, True)
        terms.append((steps * (-edges).exp()).mean())
    return terms[0] + terms[1]


def inputs_of(batch: Batch) -> Inputs:
    """A batch of ours in the reference's form."""
    K = torch.eye(4, dtype=batch.K.dtype, device=batch.K.device).repeat(len(batch.K), 1, 1)
    K[:, :3, :3] = batch.K
    inputs: Inputs = {"K": K, "inv_K": torch.linalg.pinv(K)}
    for source, levels in batch.images.items():
        inputs["color_aug", source, 0] = batch.inputs[source]
        inputs |= {("color", source, level): image for level, image in enumerate(levels)}
    return inputs


class Items(torch.utils.data.Dataset):  # type: ignore[type-arg]
    """What the reference's loader makes of the files of a target and its neighbours: anew each time, one by one in Pillow."""

    def __init__(self, files: list[tuple[Path, ...]], size: tuple[int, int], augmentation: Augmentation | None) -> None:
        """`files`: of source 0, -1, 1 for each item. `size`: (h, w)."""
        self.files, self.size, self.augmentation = files, size, augmentation

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, i: int) -> Inputs:
        K = np.eye(4, dtype=np.float32)
        K[:3, :3] = np.array([self.size[1], self.size[0], 1])[:, None] * FIXED_K
        item: Inputs = {"K": torch.from_numpy(K), "inv_K": torch.from_numpy(np.linalg.pinv(K))}
        draws = None if self.augmentation is None else draw(np.random.default_rng(), 1, self.augmentation)
        for source, path in zip((0, *SOURCES), self.files[i], strict=True):
            with path.open("rb") as file, Image.open(file) as opened:
                image = opened.convert("RGB")
            if draws is not None and draws.flip[0]:
                image = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
            for level in range(LEVELS):
                h, w = self.size[0] >> level, self.size[1] >> level
                image = image.resize((w, h), Image.Resampling.LANCZOS)
                item["color", source, level] = _tensor(image)
                changed = jitter(image, draws) if draws is not None and draws.jitter[0] else image
                item["color_aug", source, level] = _tensor(changed)
        return item


def jitter(image: Image.Image, draws: Draws) -> Image.Image:
    """torchvision's colour jitter of a Pillow image, by the draws of one item."""
    kinds = (ImageEnhance.Brightness, ImageEnhance.Contrast, ImageEnhance.Color)
    for kind in draws.order[0]:
        factor = float(draws.factor[0, kind])
        image = kinds[kind](image).enhance(factor) if kind < len(kinds) else _hue(image, factor)
    return image


def _hue(image: Image.Image, turn: float) -> Image.Image:
    h, s, v = image.convert("HSV").split()
    shifted = np.asarray(h) + np.array(int(turn * 255)).astype(np.uint8)
    return Image.merge("HSV", (Image.fromarray(shifted), s, v)).convert("RGB")


def _tensor(image: Image.Image) -> Tensor:
    return torch.from_numpy(np.array(image)).permute(2, 0, 1).contiguous().float().div(255)


def loader(items: Items, batch: int, workers: int) -> Any:
    """Batches without end."""
    made: Any = torch.utils.data.DataLoader(
        items, batch, shuffle=True, num_workers=workers, pin_memory=torch.cuda.is_available(), drop_last=True
    )
    while True:
        yield from made
