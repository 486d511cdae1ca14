"""The light that comes from a point of the street to a camera: Lambert under sun and sky, shadows, haze, and the sky itself."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from benchmark.kernels import kernel
from datasets_prep.world.ground import ground_reflectance, lateral
from datasets_prep.world.light import CONTACT, SUN, TALL_SUN, light_at
from datasets_prep.world.materials import LEAVES, reflectance
from datasets_prep.world.noise import fractal_noise
from datasets_prep.world.primitives import MATERIAL, TALL, surface
from datasets_prep.world.tracing import GROUND, SKY


class Surroundings(NamedTuple):
    """Noise table, solids, the centre line's waves, the ground's style, light maps from `light_x`
    on, `day` (5, 3): direction to the sun and the colours of sun, ambient, zenith, horizon; clouds 0..1, haze 1/m, key."""

    table: npt.NDArray[np.float32]
    solids: npt.NDArray[np.float64]
    waves: npt.NDArray[np.float64]
    style: npt.NDArray[np.float64]
    light: npt.NDArray[np.float32]
    light_x: float
    day: npt.NDArray[np.float64]
    clouds: float
    haze: float
    key: float


@kernel(allocates=False)
def shade(scene, hit, face, t, C, ray, pixel):  # type: ignore[no-untyped-def]
    """Linear (r, g, b) of what a ray met; `pixel` is the width of a pixel at depth 1."""
    dx, dy, dz = ray
    if hit == SKY:
        return _sky(scene, dx, dy, dz, pixel)
    length = np.sqrt(dx * dx + dy * dy + dz * dz)
    x, y, z = C[0] + t * dx, C[1] + t * dy, C[2] + t * dz
    if hit == GROUND:
        # The geometric mean of the footprint's two sides, one of which the grazing ray draws out.
        footprint = t * pixel / np.sqrt(max(-dz / length, 0.005))
        d = lateral(scene.waves, x, y)
        colour = ground_reflectance(scene.table, scene.style, x, y, d, footprint)
        lit = _ground_light(scene, x, y)
    else:
        solid = scene.solids[hit]
        u, v, nx, ny, nz = surface(solid, face, x, y, z)
        facing = -(nx * dx + ny * dy + nz * dz) / length
        footprint = t * pixel / np.sqrt(max(facing, 0.08))
        colour = reflectance(scene.table, solid, face, u, v, footprint)
        lit = _solid_light(scene, solid, x, y, z, nx, ny, nz)
    far = 1.0 - np.exp(-t * length * scene.haze)
    air = scene.day[4]
    r, g, b = colour[0] * lit[0], colour[1] * lit[1], colour[2] * lit[2]
    return r + (air[0] - r) * far, g + (air[1] - g) * far, b + (air[2] - b) * far


@kernel(allocates=False)
def _light(day, sun, sky):  # type: ignore[no-untyped-def]
    return (
        sun * day[1, 0] + sky * day[2, 0],
        sun * day[1, 1] + sky * day[2, 1],
        sun * day[1, 2] + sky * day[2, 2],
    )


@kernel(allocates=False)
def _ground_light(scene, x, y):  # type: ignore[no-untyped-def]
    day = scene.day
    sun = light_at(scene.light, scene.light_x, SUN, x, y)
    sky = light_at(scene.light, scene.light_x, CONTACT, x, y)
    return _light(day, sun * day[0, 2] * sky, sky)


@kernel(allocates=False)
def _solid_light(scene, solid, x, y, z, nx, ny, nz):  # type: ignore[no-untyped-def]
    day = scene.day
    sun = nx * day[0, 0] + ny * day[0, 1] + nz * day[0, 2]
    if solid[MATERIAL] == LEAVES:
        sun = 0.25 + 0.6 * sun  # light goes through leaves and around them
    sun = max(sun, 0.0)
    if sun > 0.0 and solid[TALL] == 0.0:
        # Where the sunbeam through this point meets the ground: in the shadow of something tall, so is the point.
        down = z / day[0, 2]
        sun *= light_at(scene.light, scene.light_x, TALL_SUN, x - down * day[0, 0], y - down * day[0, 1])
    sky = (0.62 + 0.38 * nz) * (1.0 - 0.35 * np.exp(-max(z, 0.0) / 0.35))
    return _light(day, sun, sky)


@kernel(allocates=False)
def _sky(scene, dx, dy, dz, pixel):  # type: ignore[no-untyped-def]
    day, up = scene.day, dz / np.sqrt(dx * dx + dy * dy + dz * dz)
    rise = 1.0 - (1.0 - max(up, 0.0)) ** 5
    u, v = dx / (max(dz, 0.0) + 0.12), dy / (max(dz, 0.0) + 0.12)
    bulk = fractal_noise(scene.table, u + scene.key, v, 2.6, 6, 3.0 * pixel / (max(up, 0.0) + 0.12))
    cloud = min(max((bulk + scene.clouds - 0.45) * 1.8, 0.0), 1.0) * (0.35 + 0.65 * min(max(up, 0.0) * 5.0, 1.0))
    grey = 0.86 - 0.22 * min(max(bulk, 0.0), 1.0)
    r = day[4, 0] + (day[3, 0] - day[4, 0]) * rise
    g = day[4, 1] + (day[3, 1] - day[4, 1]) * rise
    b = day[4, 2] + (day[3, 2] - day[4, 2]) * rise
    return r + (grey - r) * cloud, g + (grey - g) * cloud, b + (1.03 * grey - b) * cloud
