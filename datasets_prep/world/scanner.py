"""The LiDAR on the roof: 64 beams of an HDL-64E, a full turn, from the highest beam to the lowest as KITTI lists them.

Velodyne HDL-64E manual: 32 upper beams a third of a degree apart from +2 degrees down, 32 lower ones half a degree apart. The
turn is instantaneous and starts straight ahead, to the left. Ranges have Gaussian noise; far, grazing and glassy ones get lost.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from benchmark.kernels import kernel
from datasets_prep.world.materials import GLASS
from datasets_prep.world.primitives import COS, HX, HY, MATERIAL, SIN, B, G, R, X, Y, meet, surface
from datasets_prep.world.rig import Matrix, T_world_lidar
from datasets_prep.world.street import Street

ELEVATIONS_DEG = np.concatenate([2.0 - np.arange(32) / 3.0, -8.83 - np.arange(32) / 2.0])
STEPS = 2117  # 0.17 degrees
BINS = 512
RANGE_NOISE_M = 0.015
GROUND_REFLECTANCE = 0.22


class Beams(NamedTuple):
    """A LiDAR that turns: elevation of each beam in radians, steps of a turn, the farthest return in metres."""

    elevations: Matrix
    steps: int
    range_m: float


HDL_64E = Beams(np.radians(ELEVATIONS_DEG), STEPS, 110.0)


def scan(street: Street, frame: int) -> npt.NDArray[np.float32]:
    """Points (n, 4) float32 in the LiDAR's frame: x forward, y left, z up in metres, reflectance 0..1."""
    return sweep(street, frame, T_world_lidar(street.T_street_imu(frame)), HDL_64E)


def sweep(street: Street, frame: int, T: Matrix, beams: Beams) -> npt.NDArray[np.float32]:
    """The points of `scan` of any LiDAR, which stands at a pose T (4, 4) in the street's frame."""
    scene = street.scene(frame)
    rotation, centre = np.ascontiguousarray(T[:3, :3]), np.ascontiguousarray(T[:3, 3])
    random = np.random.default_rng([*street.key, frame, 1])  # not 0: a trailing zero makes no new stream
    count = len(beams.elevations) * beams.steps
    noise, chance = random.standard_normal(count, np.float32), random.random(count, np.float32)
    first, which, near = _bins(scene.solids, rotation, centre)
    out = np.empty((count, 4), np.float32)
    n = _sweep(scene.solids, first, which, near, rotation, centre, beams, noise, chance, out)
    return out[:n].copy()


@kernel()
def _bins(solids, rotation, centre):  # type: ignore[no-untyped-def]
    """The solids of each sector of the turn, the nearest first: offsets (BINS + 1,), indices, nearest distances."""
    n = len(solids)
    near, low, width = np.empty(n), np.empty(n, np.int64), np.empty(n, np.int64)
    forward = np.arctan2(rotation[1, 0], rotation[0, 0])
    for i in range(n):
        dx, dy = solids[i, X] - centre[0], solids[i, Y] - centre[1]
        reach, away = np.sqrt(solids[i, HX] ** 2 + solids[i, HY] ** 2), np.sqrt(dx * dx + dy * dy)
        near[i] = max(away - reach, 0.0)
        if away <= 1.05 * reach + 0.1:
            near[i], low[i], width[i] = 0.0, 0, BINS
            continue
        least, most = 0.0, 0.0
        middle = np.arctan2(dy, dx)
        for k in range(4):
            px = solids[i, HX] * (1.0 if k & 1 else -1.0)
            py = solids[i, HY] * (1.0 if k & 2 else -1.0)
            x = dx + solids[i, COS] * px - solids[i, SIN] * py
            y = dy + solids[i, SIN] * px + solids[i, COS] * py
            turn = (np.arctan2(y, x) - middle + np.pi) % (2 * np.pi) - np.pi
            least, most = min(least, turn), max(most, turn)
        start = ((middle + least - forward) % (2 * np.pi)) / (2 * np.pi) * BINS
        # A bin of margin on both sides: the LiDAR is tilted a little, so sectors are not quite upright.
        low[i] = int(start) - 1
        width[i] = min(int((most - least) / (2 * np.pi) * BINS) + 4, BINS)
    order = np.argsort(near)
    first = np.zeros(BINS + 1, np.int64)
    for i in order:
        for k in range(width[i]):
            first[(low[i] + k) % BINS + 1] += 1
    first = np.cumsum(first)
    which, filled = np.empty(first[-1], np.int64), first[:-1].copy()
    for i in order:
        for k in range(width[i]):
            b = (low[i] + k) % BINS
            which[filled[b]] = i
            filled[b] += 1
    return first, which, near


@kernel(allocates=False)
def _sweep(solids, first, which, near, rotation, centre, rays, noise, chance, out):  # type: ignore[no-untyped-def]
    n = 0
    for beam in range(len(rays.elevations)):
        up, flat = np.sin(rays.elevations[beam]), np.cos(rays.elevations[beam])
        for step in range(rays.steps):
            angle = 2 * np.pi * step / rays.steps
            lx, ly = flat * np.cos(angle), flat * np.sin(angle)
            dx = rotation[0, 0] * lx + rotation[0, 1] * ly + rotation[0, 2] * up
            dy = rotation[1, 0] * lx + rotation[1, 1] * ly + rotation[1, 2] * up
            dz = rotation[2, 0] * lx + rotation[2, 1] * ly + rotation[2, 2] * up
            level = np.sqrt(dx * dx + dy * dy)
            t, hit, face = rays.range_m, -1, -1
            if dz < 0.0:
                t = min(t, -centre[2] / dz)
            b = step * BINS // rays.steps
            for k in range(first[b], first[b + 1]):
                i = which[k]
                if near[i] >= t * level:
                    break
                at, on = meet(solids, i, centre[0], centre[1], centre[2], dx, dy, dz)
                if at < t:
                    t, hit, face = at, i, on
            if t >= rays.range_m:
                continue
            ray = beam * rays.steps + step
            if hit < 0:
                bright, facing, kept = GROUND_REFLECTANCE, -dz, 1.0
            else:
                solid = solids[hit]
                _, _, nx, ny, nz = surface(solid, face, centre[0] + t * dx, centre[1] + t * dy, centre[2] + t * dz)
                facing = abs(nx * dx + ny * dy + nz * dz)
                bright = (solid[R] + solid[G] + solid[B]) / 3
                kept = 0.45 if solid[MATERIAL] == GLASS else 1.0
            kept *= min(1.0, 1.25 - t / rays.range_m) * min(1.0, 0.5 + 12.0 * facing)
            if chance[ray] > kept:
                continue
            t += RANGE_NOISE_M * noise[ray]
            out[n, 0], out[n, 1], out[n, 2] = lx * t, ly * t, up * t
            out[n, 3] = min(1.0, 0.15 + 0.85 * bright * (0.4 + 0.6 * facing))
            n += 1
    return n
