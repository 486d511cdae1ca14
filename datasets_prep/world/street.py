"""A street that is made in blocks as the car drives on: what stands where, who moves, and the weather of the day.

Every number comes from (seed, drive) and, for what stands still, the block, so that a frame looks the same whichever frames
were rendered before. About 200 things in the 200 m that are seen: that is what makes the per-pixel priors weak.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from datasets_prep.world import things
from datasets_prep.world.light import BLOCK_M, REACH_M, SIDE_M, Sky, draw_shadows, light_map, random_sky
from datasets_prep.world.rig import Matrix
from datasets_prep.world.route import LANE_M, Route, random_route

Solids = npt.NDArray[np.float64]
Random = np.random.Generator

BEHIND_M, AHEAD_M = 70.0, 210.0
PEOPLE_A_FRAME_M = 0.13
CARS_PER_BLOCK, INSTANCES = 16, 199  # the numbers from 200 on are those of what moves
SCENES_KEPT = 16  # of a street, at least as many as there are threads at work on it


@dataclass(frozen=True)
class Style:
    """What kind of street: shares of gabled houses, trees, parked cars; heights of buildings; `ground` (4,): see ground.py."""

    gabled: float
    storeys: tuple[int, int]
    setback: tuple[float, float]
    gaps: float
    tree_every_m: float
    parked: float
    hedges: float
    oncoming_every_m: float
    ground: npt.NDArray[np.float64]


@dataclass(frozen=True)
class Mover:
    """A thing that moves along the street: where it is (x, lateral, turned round) at a frame."""

    solids: Solids
    instance: int
    where: Callable[[float], tuple[float, float, bool]]


@dataclass(frozen=True)
class Scene:
    """What can be seen at one frame. `motion` (n, 5): x, y now, x, y and turn at the next frame, of solids from `still` on."""

    solids: Solids
    still: int
    motion: npt.NDArray[np.float64]
    light: npt.NDArray[np.float32]
    light_x: float


@dataclass(frozen=True)
class Street:
    """A street and a drive along it. `key` is (world seed, drive number); it is built up to `behind_m` behind the car,
    with shadows up to `reach_m` to both sides of the x axis."""

    key: tuple[int, int]
    route: Route
    style: Style
    sky: Sky
    movers: tuple[Mover, ...]
    behind_m: float = BEHIND_M
    reach_m: float = REACH_M
    _blocks: dict[int, Solids] = field(default_factory=dict, repr=False)
    _scenes: dict[float, Scene] = field(default_factory=dict, repr=False)
    _light: dict[int, npt.NDArray[np.float32]] = field(default_factory=dict, repr=False)
    _lock: threading.RLock = field(default_factory=threading.RLock, repr=False)

    def T_world_imu(self, frame: float) -> Matrix:
        """Pose (4, 4) of the IMU in the world; any frame number, whole or not."""
        return self.route.T_world_imu(frame)

    def T_street_imu(self, frame: float) -> Matrix:
        """Pose (4, 4) of the IMU in the street's own frame, in which it is rendered."""
        return self.route.T_street_imu(frame)

    def scene(self, frame: float) -> Scene:
        """Everything around the car at a frame, whole or not; the last few are kept, since all sensors ask for each."""
        with self._lock:
            if frame not in self._scenes:
                while len(self._scenes) >= SCENES_KEPT:
                    del self._scenes[next(iter(self._scenes))]
                self._scenes[frame] = self._make_scene(frame)
            return self._scenes[frame]

    def _make_scene(self, frame: float) -> Scene:
        here = self.route.ego_x(frame)
        first, last = int((here - self.behind_m) // BLOCK_M), int((here + AHEAD_M) // BLOCK_M)
        still = np.concatenate([self._block(k) for k in range(first, last + 1)])
        light = np.concatenate([self._block_light(k) for k in range(first, last + 1)], axis=1)
        moving, motion = [still[:0]], [np.zeros((0, 5))]
        for mover in self.movers:
            now, turned = self._pose(mover, frame)
            after, _ = self._pose(mover, frame + 1)
            if -self.behind_m < now[0] - here < AHEAD_M:
                moving.append(things.placed(mover.solids, now[0], now[1], now[2] + np.pi * turned, instance=mover.instance))
                step = [now[0], now[1], after[0], after[1], after[2] - now[2]]
                motion.append(np.tile(step, (len(mover.solids), 1)))
        draw_shadows(np.concatenate(moving), self.sky.sun, first * BLOCK_M, light)
        return Scene(np.concatenate([still, *moving]), len(still), np.concatenate(motion), light, first * BLOCK_M)

    def _pose(self, mover: Mover, frame: float) -> tuple[tuple[float, float, float], bool]:
        x, lateral, turned = mover.where(frame)
        return self.route.place(x, lateral), turned

    def _block(self, k: int) -> Solids:
        if k not in self._blocks:
            self._blocks[k] = make_block(self.key, k, self.route, self.style)
        return self._blocks[k]

    def _block_light(self, k: int) -> npt.NDArray[np.float32]:
        if k not in self._light:
            near = np.concatenate([self._block(j) for j in (k - 1, k, k + 1)])
            self._light[k] = light_map(near, self.sky, k * BLOCK_M, reach_m=self.reach_m)
        return self._light[k]


def build_street(seed: int, drive: int, *, behind_m: float = BEHIND_M, winding: bool = False) -> Street:
    """The street of a drive of a world; `behind_m` of it are there behind the car, `winding` bends it more."""
    random = np.random.default_rng([seed, drive])
    route, style = random_route(random, winding=winding), random_style(random)
    reach_m = max(REACH_M, SIDE_M + route.swing) if winding else REACH_M
    return Street(
        (seed, drive), route, style, random_sky(random), tuple(random_movers(random, route, style)), behind_m, reach_m
    )


def random_style(random: Random) -> Style:
    """A suburb, a town or something between."""
    town = random.random()
    ground = [random.uniform(0, 100), random.uniform(0.12, 0.20), random.uniform(0.26, 0.38), random.uniform(0.7, 1.2)]
    return Style(
        gabled=0.9 - 0.8 * town,
        storeys=(1 + round(town), 2 + round(3 * town)),
        setback=(8.3, 12.5 - 3.0 * town),
        gaps=0.24 - 0.14 * town,
        tree_every_m=random.uniform(9, 20),
        parked=random.uniform(0.35, 0.6),
        hedges=0.75 * (1 - town),
        oncoming_every_m=random.uniform(28, 70),
        ground=np.array(ground),
    )


def make_block(key: tuple[int, int], k: int, route: Route, style: Style) -> Solids:
    """What stands in block k, (n, COLUMNS)."""
    random = np.random.default_rng([*key, 1 + 2 * abs(k) + (k < 0)])
    rows: list[Solids] = []
    x0 = k * BLOCK_M

    def put(thing: Solids, x: float, lateral: float, turn: float = 0.0, instance: int = 0) -> None:
        px, py, yaw = route.place(x, lateral)
        rows.append(things.placed(thing, px, py, yaw + turn, instance=instance))

    for side in (-1.0, 1.0):
        _buildings(random, style, x0, side, put)
        _kerb(random, style, x0, side, put, k)
    return np.concatenate(rows)


Put = Callable[..., None]


def _buildings(random: Random, style: Style, x0: float, side: float, put: Put) -> None:
    at = x0
    turn = 0.0 if side > 0 else np.pi  # the front looks at the street
    while at < x0 + BLOCK_M - 4:
        length = min(random.uniform(8, 18), x0 + BLOCK_M - at)
        middle = at + length / 2
        at += length
        if random.random() < style.gaps:
            for _ in range(int(random.integers(1, 4))):
                put(things.tree(random, random.uniform(1.5, 2.6)), middle + random.uniform(-0.4, 0.4) * length,
                    side * random.uniform(10, 20))  # fmt: skip
            continue
        depth, front = random.uniform(8, 12), random.uniform(*style.setback)
        height = walls_height(random, style)
        gabled = random.random() < style.gabled
        wide = length - (random.uniform(1.5, 4.0) if gabled else random.uniform(0, 0.3))
        put(things.house(random, wide, depth, height, gabled=gabled), middle, side * (front + depth / 2), turn)
        if random.random() < style.hedges and front > 9.2:
            put(things.hedge(random, 0.75 * length, random.uniform(0.7, 1.5)), middle, side * 8.45)
        elif random.random() < 0.5:
            put(things.bush(random), middle + random.uniform(-0.3, 0.3) * length, side * random.uniform(8.2, front))
    for _ in range(2):  # a second row closes the horizon
        put(things.house(random, random.uniform(14, 24), 10.0, random.uniform(7, 16), gabled=False),
            x0 + random.uniform(0, BLOCK_M), side * random.uniform(31, 44), turn)  # fmt: skip


def walls_height(random: Random, style: Style) -> float:
    """Height of a building's walls in metres."""
    return 3.0 * int(random.integers(style.storeys[0], style.storeys[1] + 1)) + random.uniform(0.4, 1.2)


def _kerb(random: Random, style: Style, x0: float, side: float, put: Put, k: int) -> None:
    at, cars = x0 + random.uniform(0, 4), 0
    while at < x0 + BLOCK_M - 2.5:
        chance = random.random()
        if chance < style.parked and cars < CARS_PER_BLOCK // 2:
            number = (k * CARS_PER_BLOCK + 2 * cars + int(side > 0)) % INSTANCES + 1
            turn = random.normal(0, 0.02) + np.pi * ((side > 0) != (random.random() < 0.15))
            put(things.car(random), at + 2.5, side * random.uniform(4.85, 5.15), turn, number)
            cars += 1
        elif chance < style.parked + 0.25:
            put(things.box(random), at + random.uniform(0, 3), side * random.uniform(4.3, 6.6), random.normal(0, 0.2))
        at += random.uniform(5.4, 9.5)
    at = x0 + random.uniform(0, style.tree_every_m)
    while at < x0 + BLOCK_M:
        put(things.tree(random, random.uniform(1.0, 1.9)), at, side * random.uniform(6.6, 7.0))
        at += style.tree_every_m * random.uniform(0.7, 1.3)
    put(things.lamp_post(random), x0 + random.uniform(0, BLOCK_M), side * 6.35, np.pi if side > 0 else 0.0)
    for _ in range(int(random.integers(1, 4))):
        put(things.sign(random), x0 + random.uniform(0, BLOCK_M), side * random.uniform(6.3, 6.6),
            (0.0 if side > 0 else np.pi) + random.normal(0, 0.1))  # fmt: skip
    for _ in range(int(random.integers(1, 4))):
        put(things.box(random), x0 + random.uniform(0, BLOCK_M), side * random.uniform(6.5, 7.8), random.uniform(-0.3, 0.3))
    for _ in range(int(random.integers(0, 2))):
        number = (k * CARS_PER_BLOCK + 12 + int(side > 0)) % INSTANCES + 1
        put(
            things.person(random),
            x0 + random.uniform(0, BLOCK_M),
            side * random.uniform(6.4, 7.7),
            random.uniform(-3, 3),
            number,
        )


def random_movers(random: Random, route: Route, style: Style) -> list[Mover]:
    """Oncoming cars in a row, in a third of the drives a car ahead, people who walk. Rows go on for longer than a drive."""
    speed = random.uniform(0.6, 1.2)
    movers, x = [], random.uniform(18, 50)
    for k in range(40):
        movers.append(Mover(things.car(random), 200 + k, _oncoming(x, speed)))
        x += style.oncoming_every_m * random.uniform(0.6, 1.6)
    if random.random() < 1 / 3:
        movers.append(Mover(things.car(random), 251, _ahead(route, random.uniform(11, 24))))
    for k in range(12):
        side, pace = random.choice([-1.0, 1.0]), random.choice([-1.0, 1.0]) * PEOPLE_A_FRAME_M * random.uniform(0.8, 1.2)
        place = _walking(random.uniform(5, 45) + 25 * k, pace, side * random.uniform(6.5, 7.6))
        movers.append(Mover(things.person(random), 240 + k % 10, place))
    return movers


def _oncoming(x: float, speed: float) -> Callable[[float], tuple[float, float, bool]]:
    return lambda frame: (x - speed * frame, LANE_M, True)


def _ahead(route: Route, gap: float) -> Callable[[float], tuple[float, float, bool]]:
    return lambda frame: (route.ego_x(frame) + gap + 2.0 * float(np.sin(frame / 15.0)), -LANE_M, False)


def _walking(x: float, pace: float, lateral: float) -> Callable[[float], tuple[float, float, bool]]:
    return lambda frame: (x + pace * frame, lateral, pace < 0)
