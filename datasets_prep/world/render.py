"""A camera image of a street with the exact truth behind each pixel.

A pixel's truth (depth, labels, flow) is that of the ray through its centre. Its colour is one sample where its neighbours see
the same face, since textures are filtered by the pixel's footprint, and four samples where they do not.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from benchmark.kernels import kernel
from datasets_prep.world.ground import ground_label, lateral
from datasets_prep.world.noise import noise_table
from datasets_prep.world.primitives import INSTANCE, LABEL
from datasets_prep.world.rig import Matrix, Rig, T_world_camera
from datasets_prep.world.shading import Surroundings, shade
from datasets_prep.world.street import Scene, Street
from datasets_prep.world.things import LABELS
from datasets_prep.world.tracing import GROUND, SKY, Lens, direction, make_tiles, trace

MAX_DEPTH_M = 250.0  # KITTI's 16-bit depth ends at 256 m
SENSOR_NOISE = 0.008
SKY_LABEL = LABELS["sky"]
TABLE = noise_table()


class View(NamedTuple):
    """One image and its truth, (H, W) each.

    `image` (H, W, 3) uint8 RGB; `depth` float32 metres along the optical axis, 0 for the sky and beyond 250 m; `semantic` and
    `instance` uint8 (Cityscapes ids; 0: no instance); `flow` (H, W, 2) float32 pixels to the same camera's next frame, NaN
    where that is behind it; `moving` bool.
    """

    image: npt.NDArray[np.uint8]
    depth: npt.NDArray[np.float32]
    semantic: npt.NDArray[np.uint8]
    instance: npt.NDArray[np.uint8]
    flow: npt.NDArray[np.float32]
    moving: npt.NDArray[np.bool_]


class Hits(NamedTuple):
    """What the ray through each pixel's centre meets, (H, W): solid or GROUND or SKY, its face, the depth."""

    solid: npt.NDArray[np.int32]
    face: npt.NDArray[np.int8]
    depth: npt.NDArray[np.float64]


class Picture(NamedTuple):
    """An image (H, W, 3) uint8 RGB and the `depth` (H, W) of a `View`; `hits` and `scene` are what they were made from."""

    image: npt.NDArray[np.uint8]
    depth: npt.NDArray[np.float32]
    hits: Hits
    scene: Scene


def render_view(street: Street, frame: int, rig: Rig, camera: str = "image_02") -> View:
    """What a camera of the car sees at a frame."""
    height, width = rig.shape
    lens = Lens(rig.K[0, 0], rig.K[0, 2], rig.K[1, 2], height, width)
    T, T_next = (T_world_camera(street.T_street_imu(at), camera) for at in (frame, frame + 1))
    image, depth, hits, scene = take_picture(street, frame, lens, T, noise=(frame, 1 + int(camera[-1])))
    semantic, instance = np.empty(rig.shape, np.uint8), np.empty(rig.shape, np.uint8)
    flow = np.empty((height, width, 2), np.float32)
    _label(scene.solids, street.route.waves, *_axes(T), lens, hits, semantic, instance)
    _follow(scene.motion, scene.still, _axes(T), _axes(T_next), lens, hits, flow)
    return View(image, depth, semantic, instance, flow, hits.solid >= scene.still)


def take_picture(street: Street, time: float, lens: Lens, T_street_camera: Matrix, *, noise: tuple[int, ...]) -> Picture:
    """What a camera at any pose (4, 4) in the street's frame sees at a time in frames, whole or not.

    `noise` are the numbers that, with those of the street, seed the sensor's noise; the last one is not 0.
    """
    R, C = _axes(T_street_camera)
    shape = lens.height, lens.width
    scene = street.scene(time)
    tiles = make_tiles(scene.solids, R, C, lens)
    hits = Hits(np.empty(shape, np.int32), np.empty(shape, np.int8), np.empty(shape))
    _cast(scene.solids, tiles, R, C, lens, hits)
    colour = np.empty((*shape, 3), np.float32)
    _paint(surroundings(street, scene), tiles, R, C, lens, hits, colour)
    grain = np.random.default_rng([*street.key, *noise]).standard_normal(colour.shape, np.float32)
    image = np.clip(255 * (colour + SENSOR_NOISE * grain) + 0.5, 0, 255).astype(np.uint8)
    seen = (hits.solid != SKY) & (hits.depth < MAX_DEPTH_M)
    return Picture(image, np.where(seen, hits.depth, 0).astype(np.float32), hits, scene)


def surroundings(street: Street, scene: Scene) -> Surroundings:
    """What the shading of a point needs to know."""
    sky = street.sky
    return Surroundings(
        TABLE, scene.solids, street.route.waves, street.style.ground, scene.light, scene.light_x,
        np.ascontiguousarray(np.stack([sky.sun, sky.sun_colour, sky.ambient, sky.zenith, sky.horizon])), sky.clouds, sky.haze,
        sky.key,
    )  # fmt: skip


def _axes(T: Matrix) -> tuple[Matrix, Matrix]:
    """Axes (3, 3), as rows, and centre (3,) of a camera at a pose (4, 4)."""
    return np.ascontiguousarray(T[:3, :3].T), np.ascontiguousarray(T[:3, 3])


@kernel(allocates=False)
def _cast(solids, tiles, R, C, lens, hits):  # type: ignore[no-untyped-def]
    for v in range(lens.height):
        for u in range(lens.width):
            ray = direction(R, lens, float(u), float(v))
            hits.solid[v, u], hits.face[v, u], hits.depth[v, u] = trace(solids, tiles, C, float(u), float(v), ray)


@kernel(allocates=False)
def _is_edge(hits, v, u, height, width):  # type: ignore[no-untyped-def]
    a, b = hits.solid[v, u], hits.face[v, u]
    return (
        (u > 0 and (hits.solid[v, u - 1] != a or hits.face[v, u - 1] != b))
        or (u + 1 < width and (hits.solid[v, u + 1] != a or hits.face[v, u + 1] != b))
        or (v > 0 and (hits.solid[v - 1, u] != a or hits.face[v - 1, u] != b))
        or (v + 1 < height and (hits.solid[v + 1, u] != a or hits.face[v + 1, u] != b))
    )


@kernel(allocates=False)
def _paint(scene, tiles, R, C, lens, hits, colour):  # type: ignore[no-untyped-def]
    pixel = 1 / lens.f
    for v in range(lens.height):
        for u in range(lens.width):
            if _is_edge(hits, v, u, lens.height, lens.width):
                r, g, b = _four_samples(scene, tiles, R, C, lens, u, v)
            else:
                ray = direction(R, lens, float(u), float(v))
                r, g, b = shade(scene, hits.solid[v, u], hits.face[v, u], hits.depth[v, u], C, ray, pixel)
            # A gamma of 2, near enough to that of cameras.
            colour[v, u, 0], colour[v, u, 1], colour[v, u, 2] = np.sqrt(r), np.sqrt(g), np.sqrt(b)


@kernel(allocates=False)
def _four_samples(scene, tiles, R, C, lens, u, v):  # type: ignore[no-untyped-def]
    """The mean colour of a pixel of two by two samples; samples on one face share its colour, which is filtered already."""
    r, g, b = 0.0, 0.0, 0.0
    last_solid, last_face, one = -9, -9, (0.0, 0.0, 0.0)
    for k in range(4):
        # Around the pixel in a circle, so that equal faces follow each other.
        su, sv = u + (-0.25 if k in (0, 3) else 0.25), v + (-0.25 if k < 2 else 0.25)
        ray = direction(R, lens, su, sv)
        solid, face, t = trace(scene.solids, tiles, C, su, sv, ray)
        if solid != last_solid or face != last_face:
            one = shade(scene, solid, face, t, C, ray, 1 / lens.f)
            last_solid, last_face = solid, face
        r, g, b = r + 0.25 * one[0], g + 0.25 * one[1], b + 0.25 * one[2]
    return r, g, b


@kernel(allocates=False)
def _label(solids, waves, R, C, lens, hits, semantic, instance):  # type: ignore[no-untyped-def]
    for v in range(lens.height):
        for u in range(lens.width):
            hit, t = hits.solid[v, u], hits.depth[v, u]
            instance[v, u] = 0
            if hit >= 0:
                semantic[v, u], instance[v, u] = int(solids[hit, LABEL]), int(solids[hit, INSTANCE])
            elif hit == GROUND:
                dx, dy, _ = direction(R, lens, float(u), float(v))
                semantic[v, u] = ground_label(lateral(waves, C[0] + t * dx, C[1] + t * dy))
            else:
                semantic[v, u] = SKY_LABEL


@kernel(allocates=False)
def _follow(motion, still, now, after, lens, hits, flow):  # type: ignore[no-untyped-def]
    R, C = now
    Rn, Cn = after
    for v in range(lens.height):
        for u in range(lens.width):
            dx, dy, dz = direction(R, lens, float(u), float(v))
            t, hit = hits.depth[v, u], hits.solid[v, u]
            x, y, z = C[0] + t * dx, C[1] + t * dy, C[2] + t * dz
            if hit >= still:
                m = motion[hit - still]
                c, s = np.cos(m[4]), np.sin(m[4])
                x, y = x - m[0], y - m[1]
                x, y = m[2] + c * x - s * y, m[3] + s * x + c * y
            if hit == SKY:
                x, y, z = dx, dy, dz
            else:
                x, y, z = x - Cn[0], y - Cn[1], z - Cn[2]
            w = Rn[2, 0] * x + Rn[2, 1] * y + Rn[2, 2] * z
            if w <= 0.0:
                flow[v, u, 0], flow[v, u, 1] = np.nan, np.nan
                continue
            flow[v, u, 0] = lens.f * (Rn[0, 0] * x + Rn[0, 1] * y + Rn[0, 2] * z) / w + lens.cx - u
            flow[v, u, 1] = lens.f * (Rn[1, 0] * x + Rn[1, 1] * y + Rn[1, 2] * z) / w + lens.cy - v
