"""The day's light: sun, sky and haze, and where their light does not reach the ground.

The shadows of what stands still are drawn once for each block into a map of the ground: the sun's share (soft by the map's
resolution) and the contact shade under cars and along walls. The map of tall things alone shades whatever stands below them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from benchmark.kernels import kernel
from datasets_prep.world.materials import LEAVES
from datasets_prep.world.primitives import BOX, COS, HX, HY, HZ, KIND, MATERIAL, SIN, TALL, X, Y, Z, meet

BLOCK_M = 40.0
SIDE_M = 36.0  # how far to both sides of a street the map goes
REACH_M = SIDE_M + 16.0  # and to both sides of the x axis, where a street winds a little
TEXEL_M = 0.25
SUN, TALL_SUN, CONTACT = range(3)


@dataclass(frozen=True)
class Sky:
    """`sun` (3,): unit vector towards it; colours (3,) linear: `sun_colour`, `ambient`, `zenith`, `horizon`; haze in 1/m."""

    sun: npt.NDArray[np.float64]
    sun_colour: npt.NDArray[np.float64]
    ambient: npt.NDArray[np.float64]
    zenith: npt.NDArray[np.float64]
    horizon: npt.NDArray[np.float64]
    clouds: float
    haze: float
    key: float


def random_sky(random: np.random.Generator) -> Sky:
    """The weather of a drive: from a clear morning to an overcast noon."""
    overcast = random.random() < 0.25
    elevation, azimuth = np.radians(random.uniform(32, 62)), random.uniform(-np.pi, np.pi)
    sun = np.array([np.cos(elevation) * np.cos(azimuth), np.cos(elevation) * np.sin(azimuth), np.sin(elevation)])
    warm = random.uniform(0, 1) * (1 - elevation / 1.2)
    strength = 0.12 if overcast else random.uniform(1.0, 1.45)
    sun_colour = strength * np.array([1.0, 0.93 - 0.08 * warm, 0.82 - 0.25 * warm])
    ambient = (0.95 if overcast else random.uniform(0.50, 0.66)) * np.array([0.94, 0.99, 1.08])
    zenith = np.array([0.55, 0.59, 0.64]) if overcast else np.array([0.11, 0.25, 0.58]) * random.uniform(0.9, 1.2)
    horizon = np.array([0.72, 0.74, 0.76]) if overcast else np.array([0.62, 0.72, 0.84])
    return Sky(
        sun, sun_colour, ambient, zenith, horizon, 0.9 if overcast else random.uniform(0.1, 0.7),
        1 / random.uniform(350, 1200), random.uniform(0, 100),
    )  # fmt: skip


def light_map(solids: npt.NDArray[np.float64], sky: Sky, x0: float, *, reach_m: float) -> npt.NDArray[np.float32]:
    """Light on the ground of the block from x0 on: (3, BLOCK / TEXEL, 2 reach / TEXEL) float32, shares of sun, sun past tall
    things, sky. Rows go along x, columns along y from -reach_m on (the same for all blocks of a street, so that they join)."""
    out = np.ones((3, round(BLOCK_M / TEXEL_M), round(2 * reach_m / TEXEL_M)), np.float32)
    draw_shadows(solids, sky.sun, x0, out)
    for layer in (SUN, TALL_SUN):
        out[layer] = _blurred(out[layer])
    return out


def _blurred(image: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    padded = np.pad(image, 1, mode="edge")
    across = (padded[:, :-2] + 2 * padded[:, 1:-1] + padded[:, 2:]) / 4
    return np.asarray((across[:-2] + 2 * across[1:-1] + across[2:]) / 4, np.float32)


@kernel(allocates=False)
def draw_shadows(solids, sun, x0, out):  # type: ignore[no-untyped-def]
    """Darken a map of the ground from x0 on by the shadows and the contact shade of solids."""
    rows, columns = out.shape[1], out.shape[2]
    y0 = -0.5 * columns * TEXEL_M
    for i in range(len(solids)):
        solid = solids[i]
        reach = np.sqrt(solid[HX] ** 2 + solid[HY] ** 2)
        low, high = solid[Z] - solid[HZ], solid[Z] + solid[HZ]
        ax, ay = -sun[0] / sun[2], -sun[1] / sun[2]  # the way of a shadow on the ground, for a metre of height
        r0, r1, c0, c1 = _window(solid, reach, ax, ay, low, high, x0, y0, rows, columns)
        strength = 0.75 if solid[MATERIAL] == LEAVES else 1.0
        for r in range(r0, r1):
            for c in range(c0, c1):
                x, y = x0 + (r + 0.5) * TEXEL_M, y0 + (c + 0.5) * TEXEL_M
                if out[SUN, r, c] > 1.0 - strength:
                    t, _ = meet(solids, i, x, y, 0.0, sun[0], sun[1], sun[2])
                    inside = low < 0.01 and _beside(solid, x, y) <= 0.0
                    if t < np.inf or inside:
                        out[SUN, r, c] = min(out[SUN, r, c], 1.0 - strength)
                        if solid[TALL] > 0.0:
                            out[TALL_SUN, r, c] = min(out[TALL_SUN, r, c], 1.0 - strength)
        if low > 0.5:
            continue
        wide = 2.5 if high > 2.5 else 0.9
        r0, r1, c0, c1 = _window(solid, reach + wide, 0.0, 0.0, 0.0, 0.0, x0, y0, rows, columns)
        for r in range(r0, r1):
            for c in range(c0, c1):
                away = max(_beside(solid, x0 + (r + 0.5) * TEXEL_M, y0 + (c + 0.5) * TEXEL_M), 0.0)
                shade = 1.0 - 0.72 * np.exp(-away / (0.3 * wide))
                out[CONTACT, r, c] = min(out[CONTACT, r, c], shade)


@kernel(allocates=False)
def _window(solid, reach, ax, ay, low, high, x0, y0, rows, columns):  # type: ignore[no-untyped-def]
    xa, xb = solid[X] + min(ax * low, ax * high) - reach, solid[X] + max(ax * low, ax * high) + reach
    ya, yb = solid[Y] + min(ay * low, ay * high) - reach, solid[Y] + max(ay * low, ay * high) + reach
    r0, r1 = max(int(np.floor((xa - x0) / TEXEL_M)), 0), min(int(np.ceil((xb - x0) / TEXEL_M)), rows)
    c0, c1 = max(int(np.floor((ya - y0) / TEXEL_M)), 0), min(int(np.ceil((yb - y0) / TEXEL_M)), columns)
    return r0, r1, c0, c1


@kernel(allocates=False)
def _beside(solid, x, y):  # type: ignore[no-untyped-def]
    """Distance of a ground point from the footprint of a solid, negative or 0 inside."""
    dx, dy = x - solid[X], y - solid[Y]
    dx, dy = solid[COS] * dx + solid[SIN] * dy, solid[COS] * dy - solid[SIN] * dx
    if solid[KIND] == BOX:
        qx, qy = abs(dx) - solid[HX], abs(dy) - solid[HY]
        if qx <= 0.0 and qy <= 0.0:
            return max(qx, qy)
        return np.sqrt(max(qx, 0.0) ** 2 + max(qy, 0.0) ** 2)
    return np.sqrt(dx * dx + dy * dy) - solid[HX]


@kernel(allocates=False)
def light_at(light, light_x, layer, x, y):  # type: ignore[no-untyped-def]
    """A layer of the joined light maps at a ground point, bilinear; 1 where there is no map."""
    rows, columns = light.shape[1], light.shape[2]
    r, c = (x - light_x) / TEXEL_M - 0.5, (y + 0.5 * columns * TEXEL_M) / TEXEL_M - 0.5
    i, j = int(np.floor(r)), int(np.floor(c))
    if i < 0 or j < 0 or i + 1 >= rows or j + 1 >= columns:
        return 1.0
    a, b = r - i, c - j
    near = light[layer, i, j] * (1 - b) + light[layer, i, j + 1] * b
    far = light[layer, i + 1, j] * (1 - b) + light[layer, i + 1, j + 1] * b
    return near * (1 - a) + far * a
