"""A street is the same whichever of its frames is asked for first; what moves moves as it says; the LiDAR is an HDL-64."""

import numpy as np
import pytest

from datasets_prep.world import primitives as p
from datasets_prep.world.ground import lateral
from datasets_prep.world.rig import IMU_HEIGHT_M, LIDAR_HEIGHT_M
from datasets_prep.world.route import LANE_M
from datasets_prep.world.scanner import ELEVATIONS_DEG, STEPS, scan
from datasets_prep.world.street import build_street, make_block


def test_frames_do_not_depend_on_those_asked_for_before() -> None:
    forward, back = build_street(3, 1), build_street(3, 1)
    late = back.scene(60)
    first = forward.scene(0)
    np.testing.assert_array_equal(back.scene(0).solids, first.solids)
    np.testing.assert_array_equal(forward.scene(60).solids, late.solids)
    np.testing.assert_array_equal(forward.scene(60).light, late.light)


def test_seeds_and_drives_differ() -> None:
    streets = [build_street(*key).scene(0).solids for key in ((0, 1), (0, 2), (1, 1))]
    counts = {len(solids) for solids in streets}
    positions = {float(solids[0, p.X]) for solids in streets}
    assert len(counts) > 1
    assert len(positions) == 3


@pytest.mark.parametrize("drive", range(1, 14))
def test_nothing_stands_in_the_cars_way(drive: int) -> None:
    street = build_street(0, drive)
    solids = np.concatenate([make_block(street.key, k, street.route, street.style) for k in range(-2, 7)])
    low = solids[solids[:, p.Z] - solids[:, p.HZ] < 2.0]
    away = np.array([abs(lateral(street.route.waves, x, y)) for x, y in low[:, [p.X, p.Y]]])
    assert (away - np.minimum(low[:, p.HX], low[:, p.HY])).min() > 3.0
    for frame in range(0, 40, 5):
        scene = street.scene(frame)
        T = street.T_street_imu(frame)
        gap = np.hypot(scene.solids[:, p.X] - T[0, 3], scene.solids[:, p.Y] - T[1, 3])
        body = np.hypot(scene.solids[:, p.HX], scene.solids[:, p.HY])
        cars = np.arange(len(gap)) >= scene.still
        assert (gap - body)[cars].min(initial=9.0) > 0.2


def test_the_car_keeps_its_lane_and_its_height() -> None:
    street = build_street(0, 4)
    poses = np.array([street.T_street_imu(frame) for frame in range(50)])
    sides = [lateral(street.route.waves, *pose[:2, 3]) for pose in poses]
    np.testing.assert_allclose(sides, -LANE_M, atol=0.16)
    np.testing.assert_allclose(poses[:, 2, 3], IMU_HEIGHT_M, atol=0.02)
    steps = np.linalg.norm(np.diff(poses[:, :2, 3], axis=0), axis=1)
    assert 0.6 < steps.min() < steps.max() < 1.4
    np.testing.assert_allclose(
        poses[:, :3, :3] @ poses[:, :3, :3].transpose(0, 2, 1), np.tile(np.eye(3), (50, 1, 1)), atol=1e-12
    )


def test_movers_are_at_the_next_frame_where_their_motion_says() -> None:
    street = build_street(0, 9)
    now, after = street.scene(3), street.scene(4)
    moving = now.solids[now.still :]
    c, s = np.cos(now.motion[:, 4]), np.sin(now.motion[:, 4])
    dx, dy = moving[:, p.X] - now.motion[:, 0], moving[:, p.Y] - now.motion[:, 1]
    there = np.stack([now.motion[:, 2] + c * dx - s * dy, now.motion[:, 3] + s * dx + c * dy], 1)
    later = after.solids[after.still :]
    assert len(moving) > 20
    for position, thing in zip(there, moving, strict=True):
        same = later[later[:, p.TEXTURE] == thing[p.TEXTURE]]
        if len(same):
            assert np.hypot(*(same[:, [p.X, p.Y]] - position).T).min() < 1e-9


def test_a_scan_is_ordered_as_kittis_and_lies_on_the_beams() -> None:
    points = scan(build_street(0, 2), 1).astype(np.float64)
    assert points.shape[1] == 4
    assert 80_000 < len(points) < len(ELEVATIONS_DEG) * STEPS
    x, y, z, reflectance = points.T
    elevation = np.degrees(np.arctan2(z, np.hypot(x, y)))
    beam = np.abs(elevation[:, None] - ELEVATIONS_DEG).argmin(1)
    np.testing.assert_allclose(elevation, ELEVATIONS_DEG[beam], atol=1e-3)
    assert (np.diff(beam) >= 0).all()
    assert reflectance.min() >= 0
    assert reflectance.max() <= 1
    ground = np.hypot(x, y)[beam == 63]
    assert np.median(ground) == pytest.approx(LIDAR_HEIGHT_M / np.tan(np.radians(-ELEVATIONS_DEG[63])), rel=0.03)
    assert abs(np.degrees(np.arctan2(y, x))).max() > 175  # a full turn
