"""Camera motion and view synthesis: from depth and a pose to the target as seen through another image.

`align_corners=True` throughout: pixel centres lie at integers and a coordinate is normalised by (size - 1), so that -1 and 1
are the centres of the outer pixels. That was the only behaviour of PyTorch when the published models were trained; with False,
today's default of `grid_sample`, the same grid would sample a little beside the pixel that was meant.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import grid_sample

EPSILON = 1e-7


def rotation(axisangle: Tensor) -> Tensor:
    """Rotation matrices (b, 3, 3) from axis times angle (b, 3) in radians, by Rodrigues' formula.

    The axis is v / (|v| + 1e-7), as in monodepth2 layers.py at b676244. At v = 0, where that form has no slope, the derivative
    is the limit of the exact one, so that a pose network can start from nothing.
    """
    angle = torch.linalg.vector_norm(axisangle, dim=-1, keepdim=True)
    axis = axisangle / (angle + EPSILON)
    x, y, z = torch.where(angle == 0, axisangle, angle.sin() * axis).unbind(-1)
    zero = torch.zeros_like(x)
    skew = torch.stack([zero, -z, y, z, zero, -x, -y, x, zero], dim=-1).reshape(*x.shape, 3, 3)
    cosine = angle.cos()[..., None]
    outer = axis[..., :, None] * axis[..., None, :]
    R: Tensor = cosine * torch.eye(3, dtype=axis.dtype, device=axis.device) + skew + (1 - cosine) * outer
    return R


def pose_matrix(axisangle: Tensor, translation: Tensor, *, invert: bool) -> Tensor:
    """Rigid motions (b, 4, 4) from axis times angle (b, 3) and translation (b, 3): x -> R x + t, or its inverse R^T (x - t)."""
    R = rotation(axisangle)
    t = translation[..., None]
    if invert:
        R = R.transpose(-1, -2)
        t = -(R * translation[..., None, :]).sum(-1, keepdim=True)
    return _rigid(R, t)


def sample_grid(depth: Tensor, K: Tensor, T_source_target: Tensor) -> Tensor:
    """Where the target's pixels lie in the source image: (..., b, h, w, 2), x before y, -1 and 1 at the outer pixel centres.

    Args:
        depth: (b, 1, h, w) of the target, in the unit of the translation.
        K: (b, 3, 3) of both cameras, in pixels of this depth map.
        T_source_target: (..., b, 4, 4) from the target camera to the source camera.
    """
    *_, height, width = depth.shape
    # Under autocast, products of matrices would be rounded to bfloat16, and so would the pixels.
    with torch.autocast(depth.device.type, enabled=False):
        x, y, z = (K @ T_source_target[..., :3, :]).unbind(-2)
        P = torch.stack([x * (2 / (width - 1)), y * (2 / (height - 1)), z], dim=-2)
        M, offset = P[..., :3] @ torch.linalg.inv_ex(K).inverse, P[..., 3, None, None]
    column = torch.arange(width, dtype=K.dtype, device=K.device)
    row = torch.arange(height, dtype=K.dtype, device=K.device)[:, None]
    # K T (depth K^-1 [x, y, 1]) is depth times a function that is affine in x and in y.
    across, down, constant = (M[..., i, None, None] for i in range(3))
    x, y, z = (depth * (across * column + (down * row + constant)) + offset).unbind(-3)
    pixels: Tensor = torch.stack([x, y], dim=-1) / (z + EPSILON)[..., None]
    return pixels - 1


def warp(image: Tensor, grid: Tensor, *, align_corners: bool = True) -> Tensor:
    """The image (..., 3, h, w) at the points of the grid (..., h, w, 2): bilinear; beyond the image its border goes on.

    `align_corners`: as `baselines.views.synthesise` has it.
    """
    images, grids = image.flatten(0, -4), grid.flatten(0, -4)
    warped = grid_sample(images, grids, mode="bilinear", padding_mode="border", align_corners=align_corners)
    return warped.reshape(*image.shape[:-2], *warped.shape[-2:])


def _rigid(R: Tensor, t: Tensor) -> Tensor:
    """(..., 4, 4) from R (..., 3, 3) and t (..., 3, 1)."""
    last = torch.eye(4, dtype=R.dtype, device=R.device)[3:].expand(*R.shape[:-2], 1, 4)
    return torch.cat([torch.cat([R, t], dim=-1), last], dim=-2)
