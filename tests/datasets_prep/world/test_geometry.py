"""That the world's pictures, depth, scans, poses and flow belong together, seen through the files as a user sees them.

Pixel (0, 0) has its centre at (0, 0), as in KITTI's calibration. Warping and projecting share nothing with the renderer.
"""

from types import SimpleNamespace

import cv2
import numpy as np
import pytest

from benchmark.io.ground_truth_hdf5 import read_hdf5
from benchmark.splits import load_split
from datasets_prep import kitti_depth, kitti_raw
from datasets_prep.export_gt import export_gt
from datasets_prep.images import read_image
from datasets_prep.oxts import oxts_poses, read_oxts
from datasets_prep.world import street, things
from datasets_prep.world.labels import read_flow, read_instances
from datasets_prep.world.layout import frame_paths
from datasets_prep.world.light import BLOCK_M
from datasets_prep.world.make import render_world
from datasets_prep.world.render import render_view
from datasets_prep.world.rig import DATE, rig_of
from datasets_prep.world.street import build_street

SIZE = (192, 640)
TRAIN = load_split("world_small/train")
DRIVE, N = TRAIN.drives[0], len(TRAIN.frames)
GROUND = (7, 8, 9, 22)  # road, sidewalk, parking, terrain, as Cityscapes numbers them


@pytest.fixture(scope="module")
def drive(tmp_path_factory):
    """The twenty frames of drive 13, read back from their files."""
    data = tmp_path_factory.mktemp("world")
    render_world(data, [TRAIN], size=SIZE, quiet=True)
    files = [frame_paths(data, DRIVE, number, part="train") for number in range(N)]
    calibration = kitti_raw.load_calibration(data / "kitti_raw", DATE)
    flows = [read_flow(f.flow) for f in files]
    return SimpleNamespace(
        data=data,
        K=calibration.K("image_02"),
        fB=calibration.P_rect["image_02"][0, 3] - calibration.P_rect["image_03"][0, 3],
        left=[read_image(f.image_02) for f in files],
        right=[read_image(f.image_03) for f in files],
        depth=[kitti_depth.read_annotated(f.depth_02) / 256 for f in files],
        right_depth=[kitti_depth.read_annotated(f.depth_03) / 256 for f in files],
        scan=[kitti_raw.read_velodyne(f.velodyne) for f in files],
        flow=[flow for flow, _ in flows],
        valid=[valid for _, valid in flows],
        labels=[read_instances(f.instance) for f in files],
        T_cam_lidar=calibration.T_cam_lidar("image_02"),
        T_lidar_imu=kitti_raw.load_T_lidar_imu(data / "kitti_raw", DATE),
        T_w_imu=oxts_poses(np.stack([read_oxts(f.oxts) for f in files])),
    )


@pytest.fixture(scope="module")
def moving():
    """Where something moves, (H, W) by frame number; no file holds it."""
    one, rig = build_street(0, 13), rig_of(SIZE)
    return {number: render_view(one, number, rig).moving for number in (0, 6, 12, 18)}


def pixels():
    v, u = np.mgrid[: SIZE[0], : SIZE[1]].astype(np.float32)
    return u, v


def sample(image, u, v):
    """Bilinear samples of an image at pixels (H, W), NaN outside."""
    return cv2.remap(
        image.astype(np.float32), u.astype(np.float32), v.astype(np.float32), cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_CONSTANT, borderValue=(np.nan,) * 3,
    )  # fmt: skip


def difference(image, other, where):
    return float(np.nanmean(np.abs(image.astype(np.float32) - other)[where]))


def T_cam(drive, to, source):
    """The camera's pose between two frames, by the packets: points of `source` to `to`, (4, 4)."""
    T_cam_imu = drive.T_cam_lidar @ drive.T_lidar_imu
    return T_cam_imu @ np.linalg.inv(drive.T_w_imu[to]) @ drive.T_w_imu[source] @ np.linalg.inv(T_cam_imu)


def flow_of(drive, depth, T):
    """Where every pixel's point is seen from elsewhere, (H, W, 2) pixels away; T (4, 4) takes points there. NaN behind it."""
    u, v = pixels()
    rays = np.stack([(u - drive.K[0, 2]) / drive.K[0, 0], (v - drive.K[1, 2]) / drive.K[1, 1], np.ones_like(u)], axis=-1)
    points = (rays * depth[..., None]) @ T[:3, :3].T + T[:3, 3]
    x, y, z = np.moveaxis(points, -1, 0)
    z = np.where(z > 0.1, z, np.nan)
    return np.stack([drive.K[0, 0] * x / z + drive.K[0, 2] - u, drive.K[1, 1] * y / z + drive.K[1, 2] - v], axis=-1)


def project(drive, points_cam):
    """Rows, columns and depths of the points (n, 3) that fall into the image."""
    points = points_cam[points_cam[:, 2] > 0.5]
    u, v, _ = drive.K @ (points / points[:, 2:]).T
    inside = (u >= 0) & (v >= 0) & (u <= SIZE[1] - 1) & (v <= SIZE[0] - 1)
    return np.rint(v[inside]).astype(int), np.rint(u[inside]).astype(int), points[inside, 2]


def lidar_in_camera(drive, number):
    xyz = drive.scan[number][:, :3].astype(np.float64)
    return xyz @ drive.T_cam_lidar[:3, :3].T + drive.T_cam_lidar[:3, 3]


@pytest.mark.parametrize("number", range(N))
def test_the_right_image_warped_by_exact_depth_is_the_left_one(drive, number):
    left, right, depth = drive.left[number], drive.right[number], drive.depth[number]
    u, v = pixels()
    disparity = drive.fB / np.where(depth > 0, depth, np.nan)
    shifts = (0, 1, -1, 2, -2, 4, -4)
    warped = {shift: sample(right, u - disparity + shift, v) for shift in shifts}
    seen = (depth > 0) & np.isfinite(np.stack([w.sum(-1) for w in warped.values()])).all(0)
    found = {shift: difference(left, warped[shift], seen) for shift in shifts}
    assert seen.mean() > 0.6
    assert found[0] <= difference(left, right, seen) / 3
    for shift in shifts[1:]:
        assert found[shift] > 1.15 * found[0], shift
    assert (found[4], found[-4]) > (found[2], found[-2])


def test_depth_is_the_same_from_both_cameras(drive):
    """A point that both see is at one depth: the cameras lie side by side."""
    u, v = pixels()
    for left, right in zip(drive.depth, drive.right_depth, strict=True):
        there = sample(right, u - drive.fB / np.where(left > 0, left, np.nan), v)
        error = np.abs(there / np.where(left > 0, left, np.nan) - 1)
        assert np.nanmedian(error) < 1e-3
        assert np.nanmean(error < 0.02) > 0.80  # the rest is hidden from one of them, or at an edge


def test_sgm_finds_the_depth_of_the_lidar(drive):
    """abs_rel below 0.10 over the LiDAR's pixels that matching answers, and it answers 60 % of them, that well or better."""
    matcher = cv2.StereoSGBM.create(0, 64, 5, P1=8 * 3 * 25, P2=32 * 3 * 25, uniquenessRatio=5, disp12MaxDiff=1, mode=2)
    shares, errors = [], []
    for number in range(0, N, 4):
        disparity = matcher.compute(drive.left[number], drive.right[number]).astype(np.float64) / 16
        rows, columns, z = project(drive, lidar_in_camera(drive, number))
        got = disparity[rows, columns]
        error = np.abs(drive.fB / np.where(got > 0, got, np.nan) / z - 1)
        errors.append(np.nanmean(error))
        shares.append(np.mean(error < 0.10))
        assert np.mean(got > 0) > 0.6
    assert np.mean(errors) < 0.10
    assert np.mean(shares) > 0.60


def test_exported_lidar_is_the_exact_depth(drive, tmp_path):
    export_gt("kitti_raw", drive.data, TRAIN.name, tmp_path / "lidar.h5", depth="camera_z", quiet=True)
    truth = read_hdf5(tmp_path / "lidar.h5")
    found = {0: [], 1: []}
    for i in range(N):
        for shift, errors in found.items():
            # The field's export puts a point at rint(u) - 1, rint(v) - 1; see the card of kitti_raw.
            lidar, depth = truth.dense(i)[: SIZE[0] - shift, : SIZE[1] - shift], drive.depth[i][shift:, shift:]
            both = (lidar > 0) & (depth > 0)
            assert both.mean() > 0.05
            errors.append(np.abs(lidar[both] / depth[both] - 1))
    assert np.median(np.concatenate(found[0])) < 0.01
    assert max(np.median(errors) for errors in found[1]) < 0.003


@pytest.mark.parametrize("number", [1, 2, 3, 4])
def test_scans_carried_by_the_packets_fit_better(drive, number):
    """Points of frame 0 against the exact depth of a later frame, where they stand and where the car has gone."""
    points, depth = lidar_in_camera(drive, 0), drive.depth[number]
    errors = {}
    inverse = np.linalg.inv(T_cam(drive, number, 0))
    for name, T in {"carried": T_cam(drive, number, 0), "as they are": np.eye(4), "backwards": inverse}.items():
        rows, columns, z = project(drive, points @ T[:3, :3].T + T[:3, 3])
        there, z = depth[rows, columns][depth[rows, columns] > 0], z[depth[rows, columns] > 0]
        errors[name] = np.median(np.abs(z / there - 1))
    assert errors["carried"] < 0.01
    assert errors["carried"] < errors["as they are"] / 2
    assert errors["as they are"] < errors["backwards"]


def test_flow_is_reprojection_where_nothing_moves(drive, moving):
    for number, mover in moving.items():
        depth, T = drive.depth[number], T_cam(drive, number + 1, number)
        expected = flow_of(drive, depth, T)
        # A file holds the flow to half a 64th of a pixel and the depth to half a 256th of a metre.
        coarse = np.abs(flow_of(drive, depth + 1 / 512, T) - expected)
        still = drive.valid[number] & ~mover & np.isfinite(coarse).all(-1)
        assert still.mean() > 0.6
        assert (np.abs(drive.flow[number] - expected) <= 1 / 128 + 1.05 * coarse + 1e-3)[still].all()
        assert np.median(np.abs(expected[still])) > 1


def test_flow_follows_what_moves(drive, moving):
    """A moving car's own flow leads to its picture in the next frame, better than the flow of a still scene would."""
    u, v = pixels()
    by_flow, by_still, n_pixels = [], [], 0
    for number, mover in moving.items():
        flow, after = drive.flow[number], drive.left[number + 1]
        still = flow_of(drive, drive.depth[number], T_cam(drive, number + 1, number))
        there, elsewhere = (sample(after, u + way[..., 0], v + way[..., 1]) for way in (flow, still))
        seen = mover & drive.valid[number] & np.isfinite(there).all(-1) & np.isfinite(elsewhere).all(-1)
        if seen.sum() > 100:
            by_flow.append(difference(drive.left[number], there, seen))
            by_still.append(difference(drive.left[number], elsewhere, seen))
            n_pixels += int(seen.sum())
    assert n_pixels > 1000
    assert np.mean(by_flow) < 0.6 * np.mean(by_still)


def test_flow_leads_to_the_next_picture(drive):
    u, v = pixels()
    for number in range(N - 1):
        flow, valid = drive.flow[number], drive.valid[number]
        there = sample(drive.left[number + 1], u + flow[..., 0], v + flow[..., 1])
        seen = valid & np.isfinite(there).all(-1)
        unmoved = difference(drive.left[number], drive.left[number + 1], seen)
        assert difference(drive.left[number], there, seen) < unmoved / 2


def test_the_car_is_where_the_rig_says(drive):
    """The ground just ahead: 1.65 m below the camera, 1.73 m below the LiDAR, to the car's nodding."""
    _, v = pixels()
    heights = []
    for depth, (classes, _) in zip(drive.depth, drive.labels, strict=True):
        near = (classes == 7) & (depth > 0) & (depth < 8)
        heights.append(np.median(((v - drive.K[1, 2]) / drive.K[1, 1] * depth)[near]))
    assert np.mean(heights) == pytest.approx(1.65, abs=0.05)
    for scan in drive.scan[::5]:
        x, y, z = scan[:, :3].T
        ahead = (x > 4) & (x < 10) & (np.abs(y) < 1) & (z < -1)
        assert np.median(z[ahead]) == pytest.approx(-1.73, abs=0.08)


def test_the_scan_is_an_hdl_64s(drive):
    for scan in drive.scan[::5]:
        distance = np.linalg.norm(scan[:, :3], axis=1)
        elevation = np.degrees(np.arcsin(scan[:, 2] / distance))
        azimuth = np.degrees(np.arctan2(scan[:, 1], scan[:, 0]))
        assert 60_000 < len(scan) < 140_000
        assert (elevation.min(), elevation.max()) == (pytest.approx(-24.33, abs=0.6), pytest.approx(2, abs=0.5))
        assert np.histogram(azimuth, 36, (-180, 180))[0].min() > 500  # a full turn
        assert np.median(elevation[-1000:]) < -16  # from the highest beam to the lowest
        assert np.median(elevation[:500]) > 0


def views(seed=0, drives=range(1, 13), size=(96, 320)):
    rig = rig_of(size)
    return [render_view(build_street(seed, drive), 2, rig) for drive in drives]


def test_drives_and_seeds_differ_and_repeat():
    first, again, other = views(drives=[1, 2]), views(drives=[1, 2]), views(seed=1, drives=[1, 2])
    for one, two in zip(first, again, strict=True):
        assert all((a == b).all() for a, b in zip(one[:4], two[:4], strict=True))
    for one, two in ((first[0], first[1]), (first[0], other[0]), (first[1], other[1]), (first[1], other[0])):
        assert np.abs(one.image.astype(int) - two.image).mean() > 15
        assert np.median(np.abs(one.depth - two.depth)) > 0.05


def test_the_content_that_learning_needs():
    """Of the worlds on which photometric learning was seen to work: little ground, near irregular things, contrast."""
    seen = views()
    ground = [np.isin(view.semantic, GROUND).mean() for view in seen]
    assert np.mean(ground) <= 0.35
    assert max(ground) <= 0.45
    sky = [(view.semantic == 23).mean() for view in seen]
    assert 0.03 < np.mean(sky) < 0.2
    cars = [(view.semantic == 26).mean() for view in seen]
    assert 0.05 < np.mean(cars) < 0.25
    depth = np.concatenate([view.depth[view.depth > 0] for view in seen])
    percentiles = np.percentile(depth, [5, 25, 50, 75, 95])
    assert percentiles == pytest.approx([5.5, 8.2, 12.8, 19.5, 44], rel=0.45)
    grey = np.stack([view.image.mean(-1) / 255 for view in seen])
    assert 0.14 < grey.std() < 0.3
    assert np.abs(np.diff(grey, axis=2)).mean() > 0.02
    assert sum(view.moving.any() for view in seen) >= 6


@pytest.mark.parametrize("drive", [1, 6, 13])
def test_about_two_hundred_things_in_200_m(drive, monkeypatch):
    placed, count = things.placed, []
    monkeypatch.setattr(things, "placed", lambda *args, **options: count.append(args) or placed(*args, **options))
    one = build_street(0, drive)
    count.clear()  # of what moves
    for block in range(5):
        street.make_block(one.key, block, one.route, one.style)
    assert 5 * BLOCK_M == 200
    assert 150 < len(count) < 270
