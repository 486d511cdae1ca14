"""A sequence of the world as KITTI odometry's readers see it: form of the files, geometry of poses and pictures."""

import re

import cv2
import numpy as np
import pytest

from benchmark.io.trajectories import read_trajectory
from benchmark.splits import Frame, Split, load_split
from datasets_prep import kitti_odometry
from datasets_prep.images import read_image
from datasets_prep.roots import data_root
from datasets_prep.world.make import FORMS, render_world
from datasets_prep.world.odometry_layout import build_sequence_street
from datasets_prep.world.render import render_view
from datasets_prep.world.rig import BASELINE_M, rig_of

SIZE = (96, 320)
FRAMES = tuple(Frame("55", "image_2", number) for number in range(3))
NUMBER = r"-?\d\.\d{6}e[+-]\d\d"


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """Three frames of sequence 55."""
    data = tmp_path_factory.mktemp("world")
    split = Split("own/test", "kitti_odometry", "test", True, FRAMES, "0" * 64, "made up")
    assert render_world(data, [split], size=SIZE, quiet=True).made == 3
    return data_root("kitti_odometry", data)


def test_the_readers_find_everything(root):
    assert kitti_odometry.sequences(root) == ("55",)
    for camera in ("image_2", "image_3"):
        frames = kitti_odometry.list_frames(root, "55", camera)
        assert [frame.number for frame in frames] == [0, 1, 2]
        for frame in frames:
            assert read_image(kitti_odometry.image_path(root, frame)).shape == (*SIZE, 3)
    calibration = kitti_odometry.load_calibration(root, "55")
    assert np.abs(calibration.K("image_2") - rig_of(SIZE).K).max() < 1e-9
    assert calibration.baseline() == pytest.approx(BASELINE_M, abs=1e-9)
    assert calibration.T_rect_lidar is not None
    assert np.allclose(calibration.T_rect_lidar @ [10, 0, 0, 1], [0, -0.08, 9.73, 1])
    assert kitti_odometry.read_times(root, "55") == pytest.approx([0, 0.1, 0.2])


def test_the_digits_are_kittis(root):
    poses, times = (root / "poses" / "55.txt").read_text(), (root / "sequences" / "55" / "times.txt").read_text()
    assert poses.startswith("1.000000e+00 0.000000e+00 0.000000e+00 0.000000e+00 0.000000e+00 1.000000e+00 ")
    assert re.fullmatch(rf"(?:{NUMBER}(?: {NUMBER}){{11}}\n){{3}}", poses)
    assert times == "0.000000e+00\n1.000000e-01\n2.000000e-01\n"
    calibration = (root / "sequences" / "55" / "calib.txt").read_text()
    assert re.fullmatch(r"(?:(?:P[0-3]|Tr):(?: -?\d\.\d{12}e[+-]\d\d){12}\n){5}", calibration)


def test_poses_are_those_of_the_left_grey_camera(root):
    """By the street's own poses of the GPS/IMU; camera 0 is 0.0622 m to the right of camera 2, whose picture is written."""
    poses = read_trajectory(root / "poses" / "55.txt").poses
    assert (poses[0] == np.eye(4)).all()
    calibration, street = kitti_odometry.load_calibration(root, "55"), build_sequence_street(0, "55")
    # The GPS/IMU stands 0.81 m behind the LiDAR, 0.32 m to the left of it and 0.80 m below it.
    T_lidar_imu = np.array([[1.0, 0, 0, -0.81], [0, 1, 0, 0.32], [0, 0, 1, -0.8], [0, 0, 0, 1]])
    T_cam0_imu = calibration.T_rect_lidar @ T_lidar_imu
    T = [T_cam0_imu @ np.linalg.inv(street.T_world_imu(i)) for i in range(3)]
    assert np.abs(poses - np.stack([T[0] @ np.linalg.inv(one) for one in T])).max() < 1e-6
    assert 0.7 < poses[1, 2, 3] < 1.5  # forward is z


def test_the_next_picture_is_where_the_pose_says(root):
    """Each picture, warped by exact depth and the poses, is the one before it, several times better than unwarped."""
    rig, street, poses = rig_of(SIZE), build_sequence_street(0, "55"), read_trajectory(root / "poses" / "55.txt").poses
    v, u = np.mgrid[: SIZE[0], : SIZE[1]]
    rays = np.linalg.inv(rig.K) @ np.stack([u.ravel(), v.ravel(), np.ones(u.size)])
    right = np.array([-0.0622, 0, 0])[:, None]  # from camera 0 to camera 2
    images = [read_image(kitti_odometry.image_path(root, frame)).astype(np.float32) for frame in FRAMES]
    for i in (0, 1):
        view = render_view(street, i, rig)
        T = np.linalg.inv(poses[i + 1]) @ poses[i]
        points = T[:3, :3] @ (rays * view.depth.ravel() + right) + T[:3, 3:] - right
        there = (rig.K @ points / points[2]).astype(np.float32).reshape(3, *SIZE)
        warped = cv2.remap(images[i + 1], there[0], there[1], cv2.INTER_LINEAR, borderValue=(np.nan,) * 3)
        seen = (view.depth > 0) & ~view.moving & np.isfinite(warped).all(-1)
        assert (view.image == images[i]).all()
        assert np.abs(warped - images[i])[seen].mean() < np.abs(images[i + 1] - images[i])[seen].mean() / 2.5


def test_the_split_is_a_long_enough_path():
    split = load_split("world_odometry/test")
    assert [frame.number for frame in split.frames] == list(range(260))
    street = build_sequence_street(0, split.drives[0])
    place = np.stack([street.T_world_imu(i)[:3, 3] for i in range(260)])
    assert np.linalg.norm(np.diff(place, axis=0), axis=1).sum() > 300
    assert FORMS["kitti_odometry"].name.fullmatch("09") is None
