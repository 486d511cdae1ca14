"""Where rays meet the three solids, by hand and against points on their surfaces."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from datasets_prep.world import primitives as p
from datasets_prep.world.materials import METAL
from datasets_prep.world.things import placed, solid


def one(kind, centre=(0, 0, 0), half=(1, 2, 3), **options):
    return np.array([solid(kind, centre, half, material=METAL, colour=(0.5, 0.5, 0.5), label="static", texture=1.0, **options)])


@pytest.mark.parametrize(
    ("kind", "origin", "direction", "distance", "face"),
    [
        (p.BOX, (5, 0, 0), (-1, 0, 0), 4.0, 0),
        (p.BOX, (-5, 0, 0), (2, 0, 0), 2.0, 1),  # in units of the direction
        (p.BOX, (0, 9, 1), (0, -1, 0), 7.0, 2),
        (p.BOX, (0, -9, 1), (0, 1, 0), 7.0, 3),
        (p.BOX, (0.5, 0.5, 9), (0, 0, -1), 6.0, p.TOP),
        (p.BOX, (0, 0, -4), (0, 0, 1), 1.0, 5),
        (p.BOX, (5, 2.1, 0), (-1, 0, 0), np.inf, -1),
        (p.BOX, (5, 0, 0), (1, 0, 0), np.inf, -1),  # it lies behind
        (p.BOX, (0.5, 0, 0), (1, 0, 0), np.inf, -1),  # from inside nothing is seen
        (p.CYLINDER, (5, 0, 2.9), (-1, 0, 0), 4.0, p.SIDE),
        (p.CYLINDER, (5, 0, 3.1), (-1, 0, 0), np.inf, -1),
        (p.CYLINDER, (0.5, 0.5, 9), (0, 0, -1), 6.0, p.TOP),
        (p.CYLINDER, (0.5, 0.5, -9), (0, 0, 1), np.inf, -1),  # nobody looks at it from below
        (p.CYLINDER, (0.9, 0, 4), (0.01, 0, -1), 1.0, p.TOP),
        (p.ELLIPSOID, (0, 9, 0), (0, -1, 0), 7.0, p.SIDE),
        (p.ELLIPSOID, (0, 0, 9), (0, 0, -1), 6.0, p.SIDE),
        (p.ELLIPSOID, (0, 9, 0), (0, 1, 0), np.inf, -1),
    ],
)
def test_rays_along_the_axes(kind, origin, direction, distance, face) -> None:
    half = (1, 1, 3) if kind == p.CYLINDER else (1, 2, 3)
    found = p.meet(one(kind, half=half), 0, *map(float, origin), *map(float, direction))
    assert found == (pytest.approx(distance), face)


def test_a_taper_leans_the_sides_in() -> None:
    roof = one(p.BOX, half=(1, 1, 1), taper=(0.5, 0.0))
    for z, x in ((-1 + 1e-9, 1.0), (0.0, 0.75), (1 - 1e-9, 0.5)):
        distance, face = p.meet(roof, 0, 5.0, 0.0, z, -1.0, 0.0, 0.0)
        assert (distance, face) == (pytest.approx(5 - x), 0)
    _, _, nx, ny, nz = p.surface(roof[0], 0, 0.75, 0.0, 0.0)
    assert (nx, ny, nz) == pytest.approx((4 / np.sqrt(17), 0, 1 / np.sqrt(17)))


def test_a_turned_box_is_met_where_it_was_turned_to() -> None:
    turned = placed(one(p.BOX, half=(3, 1, 1)), 10.0, 5.0, np.pi / 2, instance=7)
    assert p.meet(turned, 0, 0.0, 5.0, 0.0, 1.0, 0.0, 0.0) == (pytest.approx(9.0), 2)
    assert p.surface(turned[0], 2, 9.0, 5.0, 0.0)[2:] == pytest.approx((-1, 0, 0))
    assert turned[0, p.INSTANCE] == 7


@given(
    kind=st.sampled_from([p.BOX, p.CYLINDER, p.ELLIPSOID]), yaw=st.floats(-3, 3), seed=st.integers(0, 10_000),
    taper=st.floats(0, 0.8),
)  # fmt: skip
def test_what_is_met_lies_on_the_surface_and_faces_the_ray(kind, yaw, seed, taper) -> None:
    random = np.random.default_rng(seed)
    half = random.uniform(0.9, 2, 3)
    half[1] = half[0] if kind == p.CYLINDER else half[1]
    things = placed(one(kind, (0, 0, 1.0), half, taper=(taper, taper)), 1.0, -2.0, yaw)
    origin, direction = random.uniform(-6, 6, 3), random.normal(size=3)
    t, face = p.meet(things, 0, *origin, *direction)
    if t == np.inf:
        return
    x, y, z = origin + t * direction
    _, _, nx, ny, nz = p.surface(things[0], face, x, y, z)
    assert np.linalg.norm((nx, ny, nz)) == pytest.approx(1)
    assert np.dot((nx, ny, nz), direction) < 1e-9
    # A ray from just outside along the inward normal meets the same point at once.
    back, _ = p.meet(things, 0, x + 1e-6 * nx, y + 1e-6 * ny, z + 1e-6 * nz, -nx, -ny, -nz)
    assert back == pytest.approx(1e-6, abs=1e-5)


def test_a_crown_has_gaps_and_both_sides_of_its_shell() -> None:
    crown = one(p.ELLIPSOID, half=(1, 1, 1), airy=True)
    random = np.random.default_rng(0)
    rays = [(random.uniform(-0.8, 0.8), random.uniform(-0.5, 0.5)) for _ in range(2000)]
    met = [p.meet(crown, 0, 5.0, y, z, -1.0, 0.0, 0.0) for y, z in rays]
    shares = [np.mean([face == which for _, face in met]) for which in (p.SIDE, p.INSIDE, -1)]
    assert 0.6 < shares[0] < 0.9
    assert 0.08 < shares[1] < 0.3
    assert 0.01 < shares[2] < 0.15
    far = [p.meet(crown, 0, 90.0, y, z, -1.0, 0.0, 0.0)[1] for y, z in rays]
    assert set(far) == {p.SIDE}
