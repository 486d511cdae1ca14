"""What stands in a street: cars, houses, trees, posts, boxes, people. Each is a handful of solids around its own origin.

Sizes are those of real streets in metres; colours are linear reflectances. `placed` moves a thing to where it stands. Labels
are the ids of Cityscapes (Cordts et al. 2016), which KITTI's semantics benchmark shares.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from datasets_prep.world import primitives as p
from datasets_prep.world.materials import (
    BARK,
    BRICK,
    CLOTH,
    CRATE,
    GLASS,
    LEAVES,
    METAL,
    PAINT,
    PLASTER,
    ROOF,
    SIGN,
    SKIN,
    WHEEL,
)

Solids = npt.NDArray[np.float64]
Colour = tuple[float, float, float]
Random = np.random.Generator

LABELS = {
    "static": 4, "road": 7, "sidewalk": 8, "parking": 9, "building": 11, "pole": 17, "traffic sign": 20, "vegetation": 21,
    "terrain": 22, "sky": 23, "person": 24, "car": 26,
}  # fmt: skip
CAR_PAINTS: tuple[Colour, ...] = (
    (0.55, 0.55, 0.56), (0.30, 0.31, 0.33), (0.03, 0.03, 0.035), (0.75, 0.75, 0.73), (0.35, 0.03, 0.03), (0.03, 0.07, 0.28),
    (0.05, 0.14, 0.07), (0.42, 0.33, 0.18), (0.10, 0.22, 0.33), (0.62, 0.42, 0.05),
)  # fmt: skip
PLASTERS: tuple[Colour, ...] = (
    (0.62, 0.52, 0.36), (0.66, 0.60, 0.50), (0.52, 0.36, 0.26), (0.45, 0.48, 0.46), (0.70, 0.66, 0.60), (0.56, 0.44, 0.42),
    (0.40, 0.42, 0.36), (0.60, 0.45, 0.22),
)  # fmt: skip
BRICKS: tuple[Colour, ...] = ((0.30, 0.12, 0.08), (0.36, 0.18, 0.11), (0.40, 0.28, 0.18), (0.24, 0.15, 0.12))
ROOFS: tuple[Colour, ...] = ((0.30, 0.09, 0.05), (0.22, 0.10, 0.07), (0.10, 0.10, 0.11), (0.16, 0.13, 0.11))
GREENS: tuple[Colour, ...] = (
    (0.07, 0.16, 0.03),
    (0.11, 0.19, 0.04),
    (0.05, 0.12, 0.04),
    (0.17, 0.20, 0.05),
    (0.22, 0.15, 0.03),
)
CLOTHES: tuple[Colour, ...] = (
    (0.06, 0.08, 0.20),
    (0.35, 0.05, 0.05),
    (0.05, 0.05, 0.05),
    (0.50, 0.48, 0.42),
    (0.10, 0.25, 0.15),
)
BOXES: tuple[Colour, ...] = ((0.05, 0.20, 0.10), (0.30, 0.30, 0.31), (0.45, 0.30, 0.05), (0.07, 0.10, 0.30), (0.33, 0.08, 0.05))


def pick(random: Random, colours: Sequence[Colour]) -> Colour:
    """One of the colours, a little lighter or darker."""
    shade = random.uniform(0.85, 1.15)
    r, g, b = colours[int(random.integers(len(colours)))]
    return r * shade, g * shade, b * shade


def solid(
    kind: int, centre: Sequence[float], half: Sequence[float], *, material: int, colour: Colour, label: str, texture: float,
    second: Colour = (0.0, 0.0, 0.0), taper: tuple[float, float] = (0.0, 0.0), tall: bool = False, airy: bool = False,
) -> Solids:  # fmt: skip
    """One row of solids (COLUMNS,), unturned.

    Args:
        texture: a number of its own for each thing, so that no two look alike.
        tall: shades the things below it.
        airy: full of gaps, as a crown is.
    """
    row = np.zeros(p.COLUMNS)
    row[[p.KIND, p.X, p.Y, p.Z, p.HX, p.HY, p.HZ]] = kind, *centre, *half
    row[[p.COS, p.TAPER_X, p.TAPER_Y, p.MATERIAL, p.TEXTURE]] = 1.0, *taper, material, texture
    row[[p.R, p.G, p.B, p.R2, p.G2, p.B2]] = *colour, *second
    row[[p.LABEL, p.TALL, p.AIRY]] = LABELS[label], tall, airy
    return row


def placed(solids: Solids, x: float, y: float, yaw: float, *, instance: int = 0) -> Solids:
    """The solids (n, COLUMNS) of a thing turned by yaw and moved to (x, y)."""
    out = solids.copy()
    c, s = np.cos(yaw), np.sin(yaw)
    out[:, p.X] = x + c * solids[:, p.X] - s * solids[:, p.Y]
    out[:, p.Y] = y + s * solids[:, p.X] + c * solids[:, p.Y]
    out[:, p.COS] = c * solids[:, p.COS] - s * solids[:, p.SIN]
    out[:, p.SIN] = s * solids[:, p.COS] + c * solids[:, p.SIN]
    out[:, p.INSTANCE] = instance
    return out


def car(random: Random) -> Solids:
    """A car, estate or van that looks along x: body, cabin of glass with a roof, four wheels."""
    van = random.random() < 0.16
    length, width = (random.uniform(4.9, 5.6), 1.95) if van else (random.uniform(3.7, 4.7), random.uniform(1.68, 1.84))
    waist, roof = (1.15, random.uniform(1.95, 2.35)) if van else (random.uniform(0.82, 0.92), random.uniform(1.42, 1.58))
    paint, key = pick(random, CAR_PAINTS), random.uniform(0, 1000)
    common: dict[str, Any] = {"label": "car", "texture": key}
    bottom, hx, hy = 0.2, length / 2, width / 2
    cabin_hx = hx * (0.86 if van else random.uniform(0.56, 0.72))
    cabin_x = -hx + cabin_hx + (0.03 if van else random.uniform(0.05, 0.35))
    dark: Colour = (0.025, 0.03, 0.035)
    slope, lean = (0.35, 0.10) if van else (random.uniform(0.45, 0.62), 0.16)
    top = roof - waist
    parts = [
        solid(
            p.BOX, (0, 0, (bottom + waist) / 2), (hx, hy, (waist - bottom) / 2), material=PAINT, colour=paint,
            taper=(0.10, 0.03), **common,
        ),
        solid(
            p.BOX, (cabin_x, 0, waist + top / 2), (cabin_hx, hy - 0.06, top / 2), material=GLASS, colour=dark, second=paint,
            taper=(slope, lean), **common,
        ),
    ]  # fmt: skip
    radius = 0.36 if van else 0.315
    for wx in (-0.31 * length, 0.30 * length):
        for wy in (-(hy - 0.07), hy - 0.07):
            parts.append(solid(p.ELLIPSOID, (wx, wy, radius), (radius, 0.12, radius), material=WHEEL, colour=dark, **common))
    return np.array(parts)


def house(random: Random, length: float, depth: float, height: float, *, gabled: bool) -> Solids:
    """A building whose front looks along -y; a block with a flat roof, or a gabled one with its ridge along the street."""
    brick = random.random() < 0.35
    colour = pick(random, BRICKS if brick else PLASTERS)
    key = random.uniform(0, 1000)
    trim = pick(random, ((0.72, 0.70, 0.66), (0.30, 0.17, 0.09), (0.16, 0.17, 0.19)))
    wall = solid(
        p.BOX, (0, 0, height / 2), (length / 2, depth / 2, height / 2), material=BRICK if brick else PLASTER, colour=colour,
        second=trim, label="building", texture=key, tall=True,
    )  # fmt: skip
    rise, eaves = (random.uniform(0.38, 0.6) * depth / 2, 0.35) if gabled else (0.35, 0.12)
    roof = solid(
        p.BOX, (0, 0, height + rise / 2), (length / 2 + eaves, depth / 2 + eaves, rise / 2),
        material=ROOF if gabled else PLASTER, colour=pick(random, ROOFS) if gabled else trim, second=trim, label="building",
        texture=key + 7, taper=(0.0, depth / 2 + eaves - 0.05) if gabled else (0.0, 0.0), tall=True,
    )  # fmt: skip
    parts = [wall, roof]
    if gabled and random.random() < 0.7:
        x, y = random.uniform(-0.3, 0.3) * length, random.uniform(-0.2, 0.2) * depth
        centre = (x, y, height + 0.8 * rise)
        parts.append(
            solid(
                p.BOX, centre, (0.4, 0.4, 0.9), material=BRICK, colour=pick(random, BRICKS), label="building", texture=key + 3
            )
        )
    return np.array(parts)


def tree(random: Random, size: float) -> Solids:
    """A trunk and a crown of several ellipsoids; `size` is the crown's radius."""
    key, green = random.uniform(0, 1000), pick(random, GREENS)
    stem = random.uniform(1.9, 2.8)
    common: dict[str, Any] = {
        "label": "vegetation",
        "material": LEAVES,
        "second": pick(random, GREENS),
        "tall": True,
        "airy": True,
    }
    radius = 0.10 + 0.06 * size
    parts = [
        solid(
            p.CYLINDER, (0, 0, (stem + size) / 2), (radius, radius, (stem + size) / 2), material=BARK,
            colour=(0.11, 0.08, 0.05), label="vegetation", texture=key, tall=True,
        )
    ]  # fmt: skip
    parts.append(solid(p.ELLIPSOID, (0, 0, stem + size), (0.8 * size, 0.8 * size, size), colour=green, texture=key, **common))
    for k in range(int(random.integers(3, 6))):
        angle, out = random.uniform(0, 2 * np.pi), random.uniform(0.35, 0.6) * size
        r = random.uniform(0.42, 0.62) * size
        centre = (out * np.cos(angle), out * np.sin(angle), stem + size * random.uniform(0.55, 1.5))
        parts.append(
            solid(p.ELLIPSOID, centre, (r, r, 0.85 * r), colour=pick(random, (green,)), texture=key + 11 * k + 1, **common)
        )
    return np.array(parts)


def hedge(random: Random, length: float, height: float) -> Solids:
    """A clipped hedge along x."""
    return np.array([
        solid(
            p.BOX, (0, 0, height / 2), (length / 2, random.uniform(0.3, 0.45), height / 2), material=LEAVES,
            colour=pick(random, GREENS), second=pick(random, GREENS), label="vegetation", texture=random.uniform(0, 1000),
            taper=(0.08, 0.12),
        )
    ])  # fmt: skip


def bush(random: Random) -> Solids:
    """Two or three balls of leaves on the ground."""
    green, parts = pick(random, GREENS), []
    for k in range(int(random.integers(2, 4))):
        r = random.uniform(0.35, 0.7)
        centre = (random.uniform(-0.7, 0.7), random.uniform(-0.3, 0.3), 0.7 * r)
        parts.append(
            solid(
                p.ELLIPSOID, centre, (r, r, 0.9 * r), material=LEAVES, colour=pick(random, (green,)), second=green,
                label="vegetation", texture=random.uniform(0, 1000) + k,
            )
        )  # fmt: skip
    return np.array(parts)


def lamp_post(random: Random) -> Solids:
    """A lamp post with an arm along +y."""
    height, grey, key = (
        random.uniform(5.5, 7.5),
        pick(random, ((0.20, 0.22, 0.22), (0.10, 0.13, 0.11))),
        random.uniform(0, 1000),
    )
    common: dict[str, Any] = {"material": METAL, "colour": grey, "label": "pole", "texture": key}
    return np.array([
        solid(p.CYLINDER, (0, 0, height / 2), (0.075, 0.075, height / 2), **common),
        solid(p.CYLINDER, (0, 0, 0.5), (0.12, 0.12, 0.5), **common),
        solid(p.BOX, (0, 0.55, height), (0.05, 0.6, 0.04), **common),
        solid(p.BOX, (0, 1.1, height - 0.02), (0.12, 0.34, 0.07), **common),
    ])  # fmt: skip


def sign(random: Random) -> Solids:
    """A traffic sign whose faces look along x, on its post."""
    height, key = random.uniform(2.1, 2.7), random.uniform(0, 1000)
    colour = pick(random, ((0.55, 0.03, 0.03), (0.03, 0.10, 0.45), (0.65, 0.45, 0.02), (0.70, 0.70, 0.68)))
    half = random.uniform(0.3, 0.42)
    return np.array([
        solid(p.CYLINDER, (0, 0, height / 2), (0.035, 0.035, height / 2), material=METAL, colour=(0.35, 0.36, 0.36),
              label="pole", texture=key),
        solid(p.BOX, (0.05, 0, height), (0.012, half, half), material=SIGN, colour=colour, second=(0.72, 0.72, 0.70),
              label="traffic sign", texture=key),
    ])  # fmt: skip


def box(random: Random) -> Solids:
    """What stands at a kerb: a bin, an electricity cabinet, a crate, a planter, two boxes piled up."""
    key, colour = random.uniform(0, 1000), pick(random, BOXES)
    hx, hy, hz = random.uniform(0.25, 0.65), random.uniform(0.22, 0.4), random.uniform(0.35, 0.75)
    common: dict[str, Any] = {"material": CRATE, "label": "static", "texture": key}
    parts = [solid(p.BOX, (0, 0, hz), (hx, hy, hz), colour=colour, second=pick(random, BOXES), taper=(0.02, 0.02), **common)]
    if random.random() < 0.4:
        top = random.uniform(0.15, 0.35)
        centre = (random.uniform(-0.1, 0.1), random.uniform(-0.08, 0.08), 2 * hz + top)
        parts.append(
            solid(p.BOX, centre, (0.7 * hx, 0.8 * hy, top), colour=pick(random, BOXES), second=pick(random, BOXES), **common)
        )
    return np.array(parts)


def person(random: Random) -> Solids:
    """Somebody who looks along x in mid-step: legs, arms, coat, head."""
    height, key = random.uniform(1.55, 1.88), random.uniform(0, 1000)
    coat, trousers = pick(random, CLOTHES), pick(random, CLOTHES)
    skin = pick(random, ((0.45, 0.27, 0.18), (0.20, 0.11, 0.07)))

    def part(x: float, y: float, z: float, half: tuple[float, float, float], colour: Colour, material: int = CLOTH) -> Solids:
        hx, hy, hz = half
        return solid(
            p.ELLIPSOID, (x, y, z * height), (hx, hy, hz * height), material=material, colour=colour, second=(0.06, 0.04, 0.03),
            label="person", texture=key,
        )  # fmt: skip

    rows = [part(0.0, 0.0, 0.67, (0.13, 0.19, 0.19), coat), part(0.0, 0.0, 0.93, (0.10, 0.08, 0.07), skin, SKIN)]
    for side in (-1.0, 1.0):
        rows.append(part(0.11 * side, 0.085 * side, 0.25, (0.09, 0.075, 0.26), trousers))
        rows.append(part(-0.08 * side, 0.225 * side, 0.64, (0.065, 0.055, 0.17), coat))
    return np.array(rows)
