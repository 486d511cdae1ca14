"""The ground: asphalt with markings and patches, parking bays, kerb, slabs of the pavement, grass."""

from __future__ import annotations

import numpy as np

from benchmark.kernels import kernel
from datasets_prep.world.noise import cell, covered, fractal_noise
from datasets_prep.world.things import LABELS

ROAD_M, KERB_M, PAVEMENT_M = 3.5, 6.0, 8.0  # outer edges of road, parking bays and pavement from the centre line
KERB_WIDTH_M = 0.16
ROAD, SIDEWALK, PARKING, TERRAIN = (LABELS[name] for name in ("road", "sidewalk", "parking", "terrain"))


@kernel(allocates=False)
def lateral(waves, x, y):  # type: ignore[no-untyped-def]
    """Distance of a point from the centre line, positive to its left; exact to the curvature's first order."""
    line, slope = 0.0, 0.0
    for k in range(waves.shape[0]):
        angle = x / waves[k, 1] + waves[k, 2]
        line += waves[k, 0] * (np.sin(angle) - np.sin(waves[k, 2]))
        slope += waves[k, 0] / waves[k, 1] * np.cos(angle)
    return (y - line) / np.sqrt(1.0 + slope * slope)


@kernel(allocates=False)
def ground_label(d):  # type: ignore[no-untyped-def]
    """The label of the ground at a distance from the centre line."""
    d = abs(d)
    return ROAD if d < ROAD_M else PARKING if d < KERB_M else SIDEWALK if d < PAVEMENT_M else TERRAIN


@kernel(allocates=False)
def ground_reflectance(table, style, x, y, d, footprint):  # type: ignore[no-untyped-def]
    """(r, g, b) of the ground at (x, y), d metres from the centre line. `style` (4,): key, asphalt, slab and grass tone."""
    side, key = abs(d), style[0]
    w = footprint
    grain = fractal_noise(table, x + key, y + 2.0 * key, 6.0, 9, w)
    if side > PAVEMENT_M + 0.5 * w:
        leaf = fractal_noise(table, x * 1.7 + key, y * 1.7, 0.8, 5, w)
        light = max(1.0 + 0.7 * grain + 0.6 * leaf, 0.2) * style[3]
        dry = min(max(0.4 + 0.9 * grain, 0.0), 1.0)
        return (0.09 + 0.10 * dry) * light, (0.17 + 0.04 * dry) * light, 0.05 * light
    light = max(1.0 + 0.8 * grain, 0.2)
    if side > KERB_M:
        return _pavement(table, style, x, d, side, light, w)
    return _road(table, style, x, d, side, light, w)


@kernel(allocates=False)
def _pavement(table, style, x, d, side, light, w):  # type: ignore[no-untyped-def]
    if side < KERB_M + KERB_WIDTH_M:
        joint = covered((x + 0.5) % 1.0, 0.0, 0.03, w)
        tone = 0.40 * light * (1.0 - 0.6 * joint) * (1.0 - 0.55 * covered(side, -1.0, KERB_M + 0.05, w))
        return tone, 0.97 * tone, 0.92 * tone
    row = np.floor(side / 0.9)
    along = x / 1.2 + 0.5 * (row % 2.0)
    one = 1.0 + min(1.0, 0.6 / max(w, 1e-6)) * 0.55 * cell(table, np.floor(along) + style[0], row + (20.0 if d > 0 else 0.0))
    joint = 1.0 - covered(side % 0.9, 0.025, 0.9, w) * covered((along % 1.0) * 1.2, 0.025, 1.2, w)
    tone = style[2] * light * one * (1.0 - 0.55 * joint)
    return tone, 0.96 * tone, 0.90 * tone


@kernel(allocates=False)
def _road(table, style, x, d, side, light, w):  # type: ignore[no-untyped-def]
    key = style[0]
    tone = style[1] * light
    if side < ROAD_M:
        track = abs(side - 1.75)
        tone *= 1.0 - 0.12 * np.exp(-((track - 0.75) ** 2) / 0.08)
    else:
        tone *= 0.82
        bay = covered((x + key) % 5.6, 0.0, 0.12, w)
        tone += (0.40 * light - tone) * 0.75 * bay
    # Patches of another age, with a seam of tar: one in a third of the cells of 4 x 1.8 m.
    px, py = np.floor((x + 3 * key) / 4.0), np.floor((d + 9.0) / 1.8)
    chance = cell(table, px + 77.0, py + key)
    if chance > 0.17:
        fx, fy = (x + 3 * key) - 4.0 * px, (d + 9.0) - 1.8 * py
        ex, ey = 0.3 + 1.0 * (cell(table, px, py + 9.0) + 0.5), 0.2 + 0.4 * (cell(table, px + 9.0, py) + 0.5)
        inside = covered(fx, ex, 4.0 - ex, w) * covered(fy, ey, 1.8 - ey, w)
        core = covered(fx, ex + 0.05, 3.95 - ex, w) * covered(fy, ey + 0.05, 1.75 - ey, w)
        tone *= 1.0 + inside * (0.9 * (chance - 0.42))
        tone *= 1.0 - 0.6 * (inside - core)
    # Cracks, manhole covers, the gutter.
    crack = fractal_noise(table, x * 0.9 + key, d * 0.9, 3.0, 4, w)
    tone *= 1.0 - 0.45 * covered(abs(crack), -1.0, 0.012, 0.02 + 0.5 * w)
    mx, my = (x + 5 * key) % 23.0 - 11.0, d - 1.1
    r = np.sqrt(mx * mx + my * my)
    if r < 0.6 + w:
        ring = covered(r, -1.0, 0.34, w)
        tone *= 1.0 - 0.5 * ring * (0.5 + 0.5 * covered((mx * 9.0) % 1.0, 0.0, 0.5, 9 * w))
    tone *= 1.0 - 0.4 * covered(side, KERB_M - 0.12, KERB_M + 1.0, w)
    dash = covered(abs(d), -1.0, 0.06, w) * covered((x + key) % 9.0, 0.0, 3.0, w)
    white = max(dash, covered(side, 3.30, 3.42, w))
    if white <= 0.0:
        return tone, tone, 1.03 * tone
    white *= min(max(0.85 + 0.9 * fractal_noise(table, x + 31.0, d * 2.0 + key, 1.5, 5, w), 0.25), 1.0)
    return tone + (0.62 - tone) * white, tone + (0.62 - tone) * white, 1.03 * tone + (0.60 - 1.03 * tone) * white
