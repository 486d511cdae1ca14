"""Which solid a ray meets first: rays of an image try only the solids of their tile, the nearest first.

A ray's direction has length 1 along the optical axis, so that distances are depths.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from benchmark.kernels import kernel
from datasets_prep.world.primitives import COS, HX, HY, HZ, SIN, X, Y, Z, meet

TILE = 16
GROUND, SKY = -1, -2
NEAR_M = 0.2


class Tiles(NamedTuple):
    """`first` (tiles + 1,) into `which`: solids of each tile, by ascending `near` depth; `box` (n, 4): the pixels u0, u1, v0,
    v1 that a solid can cover; `across`: tiles in a row."""

    first: npt.NDArray[np.int64]
    which: npt.NDArray[np.int64]
    near: npt.NDArray[np.float64]
    box: npt.NDArray[np.float64]
    across: int


class Lens(NamedTuple):
    """A pinhole: focal length and principal point in pixels, image size."""

    f: float
    cx: float
    cy: float
    height: int
    width: int


@kernel()
def make_tiles(solids, R, C, lens):  # type: ignore[no-untyped-def]
    """Tiles of a camera with axes R (3, 3) (rows: right, down, forward) and centre C (3,)."""
    n = len(solids)
    near, box, boxes, corner = np.empty(n), np.empty((n, 4)), np.empty((n, 4), np.int64), np.empty((8, 3))
    across, down = (lens.width + TILE - 1) // TILE, (lens.height + TILE - 1) // TILE
    for i in range(n):
        near[i] = _image_box(solids[i], R, C, lens, box[i], boxes[i], corner)
    order = np.argsort(near)
    first = np.zeros(across * down + 1, np.int64)
    for i in order:
        for r in range(boxes[i, 0], boxes[i, 1]):
            for c in range(boxes[i, 2], boxes[i, 3]):
                first[r * across + c + 1] += 1
    first = np.cumsum(first)
    which, filled = np.empty(first[-1], np.int64), first[:-1].copy()
    for i in order:
        for r in range(boxes[i, 0], boxes[i, 1]):
            for c in range(boxes[i, 2], boxes[i, 3]):
                which[filled[r * across + c]] = i
                filled[r * across + c] += 1
    return Tiles(first, which, near, box, across)


@kernel(allocates=False)
def _image_box(solid, R, C, lens, box, covers, corner):  # type: ignore[no-untyped-def]
    """Pixels and tiles [rows, columns) that a solid's bounding box covers; its least depth."""
    near = np.inf
    for k in range(8):
        x = solid[HX] * (1.0 if k & 1 else -1.0)
        y = solid[HY] * (1.0 if k & 2 else -1.0)
        z = solid[HZ] * (1.0 if k & 4 else -1.0)
        px = solid[X] + solid[COS] * x - solid[SIN] * y - C[0]
        py = solid[Y] + solid[SIN] * x + solid[COS] * y - C[1]
        pz = solid[Z] + z - C[2]
        for axis in range(3):
            corner[k, axis] = R[axis, 0] * px + R[axis, 1] * py + R[axis, 2] * pz
        near = min(near, corner[k, 2])
    box[0], box[1], box[2], box[3] = np.inf, -np.inf, np.inf, -np.inf
    for k in range(8):
        if corner[k, 2] >= NEAR_M:
            _include(corner[k, 0], corner[k, 1], corner[k, 2], lens, box)
        for bit in (1, 2, 4):
            # An edge that starts before the camera and ends behind it is cut where the camera begins to see.
            other = k ^ bit
            if corner[k, 2] >= NEAR_M > corner[other, 2]:
                share = (NEAR_M - corner[k, 2]) / (corner[other, 2] - corner[k, 2])
                x = corner[k, 0] + share * (corner[other, 0] - corner[k, 0])
                y = corner[k, 1] + share * (corner[other, 1] - corner[k, 1])
                _include(x, y, NEAR_M, lens, box)
    covers[0], covers[1] = _tiles(box[2], box[3], lens.height)
    covers[2], covers[3] = _tiles(box[0], box[1], lens.width)
    return near


@kernel(allocates=False)
def _include(x, y, depth, lens, box):  # type: ignore[no-untyped-def]
    u, v = lens.f * x / depth + lens.cx, lens.f * y / depth + lens.cy
    box[0], box[1], box[2], box[3] = min(box[0], u), max(box[1], u), min(box[2], v), max(box[3], v)


@kernel(allocates=False)
def _tiles(low, high, size):  # type: ignore[no-untyped-def]
    # One pixel of margin: a supersampled ray starts half a pixel beside its centre.
    a, b = max(low - 1.0, 0.0), min(high + 1.0, size - 1.0)
    return (int(a) // TILE, int(b) // TILE + 1) if a <= b else (0, 0)


@kernel(allocates=False)
def direction(R, lens, u, v):  # type: ignore[no-untyped-def]
    """The ray through (u, v) in pixels, in the street's axes, of length 1 along the optical axis."""
    x, y = (u - lens.cx) / lens.f, (v - lens.cy) / lens.f
    return R[0, 0] * x + R[1, 0] * y + R[2, 0], R[0, 1] * x + R[1, 1] * y + R[2, 1], R[0, 2] * x + R[1, 2] * y + R[2, 2]


@kernel(allocates=False)
def trace(solids, tiles, C, u, v, ray):  # type: ignore[no-untyped-def]
    """What the ray from C through pixel (u, v) meets first: solid (or GROUND, SKY), face, depth."""
    t, hit, face = np.inf, SKY, -1
    if ray[2] < 0.0:
        t, hit = -C[2] / ray[2], GROUND
    tile = (int(v + 0.5) >> 4) * tiles.across + (int(u + 0.5) >> 4)
    for k in range(tiles.first[tile], tiles.first[tile + 1]):
        i = tiles.which[k]
        if tiles.near[i] >= t:
            break
        if u < tiles.box[i, 0] or u > tiles.box[i, 1] or v < tiles.box[i, 2] or v > tiles.box[i, 3]:
            continue
        at, on = meet(solids, i, C[0], C[1], C[2], ray[0], ray[1], ray[2])
        if at < t:
            t, hit, face = at, i, on
    return hit, face, t
