"""How the solids look: linear reflectances (r, g, b) of a point of a surface, every pattern box-filtered by the pixel.

Windows, doors, joints and seams are painted, the rest is fractal noise from metres down to 5 cm: a network that compares
patches finds something to compare everywhere, and the wider structure tells one place from the next.
"""

from __future__ import annotations

import numpy as np

from benchmark.kernels import kernel
from datasets_prep.world.noise import cell, covered, fractal_noise
from datasets_prep.world.primitives import B2, G2, HX, HY, HZ, INSIDE, MATERIAL, R2, TEXTURE, TOP, B, G, R

PLASTER, BRICK, ROOF, PAINT, GLASS, WHEEL, BARK, LEAVES, METAL, SIGN, CRATE, CLOTH, SKIN = range(13)
STOREY_M = 3.0


@kernel(allocates=False)
def reflectance(table, solid, face, u, v, footprint):  # type: ignore[no-untyped-def]  # noqa: PLR0911
    """(r, g, b) of a face of a solid at its texture coordinates."""
    material, key = solid[MATERIAL], solid[TEXTURE]
    su, sv = u + 3.7 * key, v + 1.3 * key
    if material <= BRICK:
        return _wall(table, solid, face, u, v, su, sv, footprint)
    if material == ROOF:
        return _roof(table, solid, face, u, v, su, sv, footprint)
    if material == PAINT:
        return _body(table, solid, face, u, v, su, sv, footprint)
    if material == GLASS:
        return _cabin(table, solid, face, u, v, su, sv, footprint)
    if material == LEAVES:
        return _leaves(table, solid, face, su, sv, footprint)
    if material == SIGN:
        return _sign(table, solid, face, u, v, su, sv, footprint)
    if material == CRATE:
        return _crate(table, solid, face, u, v, su, sv, footprint)
    if material == WHEEL:
        return _wheel(solid, u, v, footprint)
    tall = 2.5 if material == BARK else 1.0
    noise = fractal_noise(table, su * tall, sv, 0.6, 5, footprint)
    light = 1.0 + (0.9 if material == BARK else 0.5) * noise
    if material == CLOTH:
        light *= 0.8 + 0.4 * covered((sv * 3.0) % 1.0, 0.0, 0.5, 3.0 * footprint)
    light = max(light, 0.15)
    return solid[R] * light, solid[G] * light, solid[B] * light


@kernel(allocates=False)
def _mix(colour, other, share):  # type: ignore[no-untyped-def]
    return (
        colour[0] + (other[0] - colour[0]) * share,
        colour[1] + (other[1] - colour[1]) * share,
        colour[2] + (other[2] - colour[2]) * share,
    )


@kernel(allocates=False)
def _wall(table, solid, face, u, v, su, sv, w):  # type: ignore[no-untyped-def]
    key, height = solid[TEXTURE], 2 * solid[HZ]
    light = max(1.0 + 0.85 * fractal_noise(table, su, sv, 6.0, 8, w), 0.15)
    # Rain darkens the foot of a wall and streaks it from above.
    light *= 1.0 - 0.35 * np.exp(-max(v, 0.0) / 0.8) + 0.18 * fractal_noise(table, su * 4.0, sv * 0.2, 2.0, 2, 4 * w)
    colour = (solid[R] * light, solid[G] * light, solid[B] * light)
    trim = (solid[R2], solid[G2], solid[B2])
    if face >= TOP or height < 2.0:
        return colour
    if solid[MATERIAL] == BRICK:
        row = np.floor(sv / 0.16)
        along = su / 0.5 + 0.5 * (row % 2.0)
        one = 1.0 + min(1.0, 0.2 / max(w, 1e-6)) * 0.5 * cell(table, np.floor(along), row)
        joint = 1.0 - covered(sv % 0.16, 0.02, 0.16, w) * covered((along % 1.0) * 0.5, 0.025, 0.5, w)
        colour = _mix((colour[0] * one, colour[1] * one, colour[2] * one), (0.34, 0.31, 0.28), 0.6 * joint)
    # Storeys and windows; the ground floor has doors and shop windows. Sizes differ from house to house.
    pitch = 2.2 + 1.4 * (0.5 + cell(table, key, 3.0))
    half = (0.26 + 0.08 * cell(table, key, 9.0)) * pitch
    storey = np.floor(v / STOREY_M)
    inside = v - storey * STOREY_M
    column = np.floor(su / pitch)
    across = su - (column + 0.5) * pitch
    edge = (solid[HX] if face >= 2 else solid[HY]) - abs(u)
    if v > height - 0.5 or edge < 0.3:
        return _mix(colour, trim, 0.7 * max(covered(v, height - 0.35, height - 0.12, w), covered(edge, -1.0, 0.22, w)))
    chance = cell(table, column + 5.0 * key, storey + 31.0)
    low, high = (0.95, 2.35) if storey > 0 else ((0.05, 2.15) if chance < -0.25 else (0.8, 2.3))
    if chance > 0.42 or (storey + 1) * STOREY_M > height + 0.7:
        return _mix(colour, trim, 0.5 * covered(inside, 2.86, 3.0, w))
    frame = covered(across, -half, half, w) * covered(inside, low, high, w)
    pane = covered(across, -half + 0.09, half - 0.09, w) * covered(inside, low + 0.09, high - 0.09, w)
    bars = max(covered(across, -0.03, 0.03, w), covered(inside, 0.66 * high + 0.34 * low, 0.66 * high + 0.34 * low + 0.05, w))
    colour = _mix(colour, trim, 0.5 * covered(inside, 2.86, 3.0, w))
    colour = _mix(colour, trim, frame * (1.0 if solid[MATERIAL] == BRICK else 0.9))
    if pane <= 0.0:
        return colour
    return _mix(colour, _pane(table, solid, column, storey, across / half, inside, chance, w), pane * (1 - bars))


@kernel(allocates=False)
def _pane(table, solid, column, storey, across, inside, chance, w):  # type: ignore[no-untyped-def]
    # Behind a window: a dark room, curtains, a blind, a door, or the sky in the glass. No two are alike.
    key = solid[TEXTURE]
    style = cell(table, column * 3.0 + key, storey * 7.0 + 90.0)
    tone = 0.05 + 0.05 * fractal_noise(table, across + 9.1 * column, inside + 5.3 * storey, 1.1, 4, w) + 0.03 * inside
    if storey == 0.0 and chance < -0.25:
        wood = max(0.35 + 0.5 * fractal_noise(table, across * 6.0, inside + key, 1.5, 4, w), 0.1)
        return 0.45 * wood * (0.6 + chance + 0.5), 0.24 * wood, 0.12 * wood
    if style > 0.18:
        fold = 0.75 + 0.5 * fractal_noise(table, across * 5.0 + column, inside * 0.2, 1.0, 4, 4 * w)
        side = max(covered(abs(across), 0.45, 1.2, w), 0.0 if style < 0.3 else 1.0)
        tone = tone + (0.45 * fold - tone) * side
        return tone, 0.95 * tone, 0.85 * tone
    if style < -0.3:
        slats = 0.6 + 0.4 * covered((inside * 8.0) % 1.0, 0.2, 1.0, 8 * w)
        down = covered(inside, 2.3 + 1.6 * (style + 0.3) * 2.0, 3.0, w)
        tone = tone + (0.38 * slats - tone) * down
    return 0.85 * tone, 0.95 * tone, 1.15 * tone


@kernel(allocates=False)
def _roof(table, solid, face, u, v, su, sv, w):  # type: ignore[no-untyped-def]
    light = max(1.0 + 0.8 * fractal_noise(table, su, sv, 5.0, 7, w), 0.2)
    row = np.floor(sv / 0.34)
    one = 1.0 + min(1.0, 0.3 / max(w, 1e-6)) * 0.45 * cell(table, np.floor(su / 0.3 + 0.5 * (row % 2.0)), row)
    light *= one * (0.72 + 0.28 * covered(sv % 0.34, 0.07, 0.34, w))
    return solid[R] * light, solid[G] * light, solid[B] * light


@kernel(allocates=False)
def _body(table, solid, face, u, v, su, sv, w):  # type: ignore[no-untyped-def]
    height = 2 * solid[HZ]
    light = max(1.0 + 0.45 * fractal_noise(table, su, sv, 1.6, 6, w), 0.2)
    light *= 1.1 if face >= TOP else 0.62 + 0.55 * v / height
    colour = (solid[R] * light, solid[G] * light, solid[B] * light)
    dark = (0.02, 0.02, 0.022)
    if face >= TOP:
        return _mix(colour, dark, 0.5 * covered(abs(u), 0.30 * solid[HX], 0.30 * solid[HX] + 0.02, w))
    colour = _mix(colour, dark, 0.85 * covered(v, -1.0, 0.10, w))
    if face >= 2:
        for k in range(3):  # seams of the doors
            colour = _mix(
                colour, dark, 0.8 * covered(u, (0.5 - 0.45 * k) * solid[HX] - 0.012, (0.5 - 0.45 * k) * solid[HX] + 0.012, w)
            )
        for k in range(2):  # handles
            at = (0.18 - 0.47 * k) * solid[HX]
            colour = _mix(colour, dark, 0.7 * covered(u, at, at + 0.16, w) * covered(v, height - 0.20, height - 0.16, w))
        for k in range(2):  # arches over the wheels
            du, dv = u - (0.6 if k else -0.62) * solid[HX], v - 0.115
            colour = _mix(colour, dark, covered(np.sqrt(du * du + dv * dv), -1.0, 0.37, w))
        return _mix(colour, (0.25, 0.25, 0.25), 0.6 * covered(v, 0.42 * height, 0.42 * height + 0.05, w))
    # The ends: lamps (red behind), plate, bumper, grille.
    wide = solid[HY]
    lamp = covered(abs(u), wide - 0.42, wide - 0.06, w) * covered(v, 0.58 * height, 0.85 * height, w)
    colour = _mix(colour, (0.80, 0.78, 0.70) if face == 0 else (0.50, 0.02, 0.02), lamp)
    colour = _mix(colour, (0.05, 0.05, 0.055), 0.8 * covered(v, 0.05, 0.32 * height, w))
    if face == 0:
        grille = covered(abs(u), -1.0, 0.42, w) * covered(v, 0.5 * height, 0.75 * height, w)
        colour = _mix(colour, dark, grille * (0.6 + 0.4 * covered((v * 22.0) % 1.0, 0.0, 0.5, 22 * w)))
    plate = covered(u, -0.26, 0.26, w) * covered(v, 0.30 * height, 0.30 * height + 0.12, w)
    letters = covered((su * 14.0) % 1.0, 0.3, 0.8, 14 * w) * covered(v, 0.30 * height + 0.02, 0.30 * height + 0.10, w)
    return _mix(colour, (0.65 - 0.5 * letters, 0.65 - 0.5 * letters, 0.6 - 0.5 * letters), plate)


@kernel(allocates=False)
def _cabin(table, solid, face, u, v, su, sv, w):  # type: ignore[no-untyped-def]
    height = 2 * solid[HZ]
    paint = (solid[R2], solid[G2], solid[B2])
    light = max(1.0 + 0.25 * fractal_noise(table, su, sv, 1.6, 6, w), 0.2)
    paint = (paint[0] * light, paint[1] * light, paint[2] * light)
    if face >= TOP:
        return paint
    # Glass shows the sky above and the seats below; the pillars and the edge of the roof are painted.
    tone = max(0.03 + 0.12 * (v / height) ** 2 + 0.05 * fractal_noise(table, su, sv, 0.8, 5, w), 0.005)
    glass = (0.8 * tone, 0.95 * tone, 1.2 * tone)
    pillar = covered(v, height - 0.07, 9.0, w)
    if face >= 2:
        at = abs(u + 0.1)
        pillar = max(pillar, covered(at, -1.0, 0.045, w), covered(at, 0.78 * solid[HX], 0.82 * solid[HX], w))
        pillar = max(pillar, covered(abs(u), solid[HX] - 0.12 - 0.5 * v, 9.0, w))
    else:
        pillar = max(pillar, covered(abs(u), solid[HY] - 0.10 - 0.25 * v, 9.0, w))
    return _mix(glass, paint, pillar)


@kernel(allocates=False)
def _wheel(solid, u, v, w):  # type: ignore[no-untyped-def]
    r = np.sqrt(u * u + v * v) / solid[HX]
    spokes = 0.6 + 0.4 * covered((np.arctan2(v, u) * 5 / (2 * np.pi)) % 1.0, 0.0, 0.62, w / solid[HX])
    return _mix((solid[R], solid[G], solid[B]), (0.42, 0.42, 0.44), covered(r, 0.12, 0.66, w / solid[HX]) * spokes)


@kernel(allocates=False)
def _leaves(table, solid, face, su, sv, w):  # type: ignore[no-untyped-def]
    coarse = fractal_noise(table, su, sv, 1.4, 3, w)
    fine = fractal_noise(table, su + 7.7, sv + 3.1, 0.35, 4, w)
    light = max(1.0 + 0.9 * coarse + 1.1 * fine, 0.12) * (0.5 if face == INSIDE else 1.0)
    mixed = _mix((solid[R], solid[G], solid[B]), (solid[R2], solid[G2], solid[B2]), min(max(0.5 + coarse, 0.0), 1.0))
    return mixed[0] * light, mixed[1] * light, mixed[2] * light


@kernel(allocates=False)
def _sign(table, solid, face, u, v, su, sv, w):  # type: ignore[no-untyped-def]
    if face > 1:
        return 0.3, 0.3, 0.3
    if face == 0:
        light = max(1.0 + 0.4 * fractal_noise(table, su, sv, 0.5, 4, w), 0.2)
        return 0.3 * light, 0.31 * light, 0.31 * light
    half = solid[HY]
    u, v = u / half, v / half - 1.0
    rim = max(abs(u), abs(v))
    inner = covered(rim, -1.0, 0.8, w / half)
    light = 1.0 + 0.2 * fractal_noise(table, su, sv, 0.4, 4, w)
    mark = covered(abs(u + 0.4 * v * cell(table, solid[TEXTURE], 5.0)), -1.0, 0.16, w / half) * covered(
        abs(v), -1.0, 0.5, w / half
    )
    colour = _mix((solid[R], solid[G], solid[B]), (solid[R2], solid[G2], solid[B2]), inner)
    colour = _mix(colour, (0.03, 0.03, 0.03), mark)
    return colour[0] * light, colour[1] * light, colour[2] * light


@kernel(allocates=False)
def _crate(table, solid, face, u, v, su, sv, w):  # type: ignore[no-untyped-def]
    light = max(1.0 + 0.9 * fractal_noise(table, su, sv, 1.0, 6, w), 0.15)
    colour = (solid[R] * light, solid[G] * light, solid[B] * light)
    other = (solid[R2] * light, solid[G2] * light, solid[B2] * light)
    edge = 1.0 - covered(abs(u), -1.0, (solid[HX] if face >= 2 else solid[HY]) - 0.06, w)
    band = covered((v + 0.1 * solid[TEXTURE]) % 0.45, 0.0, 0.09, w)
    colour = _mix(colour, (colour[0] * 0.5, colour[1] * 0.5, colour[2] * 0.5), edge)
    if face >= TOP:
        return _mix(colour, other, 0.5)
    label = covered(u, -0.15, 0.12, w) * covered(v, solid[HZ], 1.4 * solid[HZ], w)
    return _mix(_mix(colour, other, band), (0.7, 0.68, 0.6), 0.8 * label)
