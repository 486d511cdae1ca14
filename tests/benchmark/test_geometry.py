import numpy as np
import pytest
from pose_paths import drive, turn

from benchmark.geometry import (
    distance_from_so3,
    inverse,
    matrix_to_quaternion,
    nearest_rotations,
    path_lengths,
    quaternion_to_matrix,
    relative_motions,
    rotation_angle,
    rotation_angle_acos,
)


def test_motions_compose_and_invert() -> None:
    poses = drive(20)
    assert inverse(poses) @ poses == pytest.approx(np.broadcast_to(np.eye(4), poses.shape), abs=1e-12)
    assert poses[:-1] @ relative_motions(poses) == pytest.approx(poses[1:])


def test_equal_poses_have_no_motion_between_them() -> None:
    poses = drive(20)
    poses[7:10] = poses[7]
    assert (relative_motions(poses)[7:9] == np.eye(4)).all()
    assert (relative_motions(poses)[6] != np.eye(4)).any()


def test_path_lengths_add_up() -> None:
    poses = np.tile(np.eye(4), (3, 1, 1))
    poses[:, :3, 3] = [[0, 0, 0], [3, 4, 0], [3, 4, 2]]
    assert path_lengths(poses).tolist() == [0, 5, 7]


def test_angles_are_exact_where_the_arc_cosine_is_not() -> None:
    small = turn(np.array([1e-9, 1.0, np.pi]))
    assert rotation_angle(small) == pytest.approx([1e-9, 1.0, np.pi], rel=1e-12)
    assert rotation_angle_acos(small) == pytest.approx([0, 1.0, np.pi], abs=1e-8)
    assert rotation_angle_acos(small)[0] == 0


def test_distance_from_so3_knows_scale_and_reflection() -> None:
    assert distance_from_so3(np.stack([np.eye(3), 1.001 * np.eye(3), -np.eye(3)])) == pytest.approx([0, 0.002001, np.inf])


def test_the_nearest_rotation_takes_scale_and_shear_away() -> None:
    R = drive(50)[:, :3, :3]
    noise = 1e-3 * np.random.default_rng(0).normal(size=R.shape)
    symmetric = np.eye(3) + noise + np.swapaxes(noise, 1, 2)
    assert nearest_rotations(R @ symmetric) == pytest.approx(R, abs=1e-12)  # the factors of the polar decomposition
    assert nearest_rotations(1.0004 * R) == pytest.approx(R, abs=1e-12)
    assert distance_from_so3(nearest_rotations(R + noise)).max() < 1e-14


def test_quaternions_there_and_back() -> None:
    half = np.sqrt(0.5)
    quarter = quaternion_to_matrix(np.array([half, 0, half, 0]))
    assert quarter == pytest.approx(turn(np.array(np.pi / 2)))
    q = np.random.default_rng(0).normal(size=(200, 4))
    q *= np.sign(q[:, :1]) / np.linalg.norm(q, axis=1, keepdims=True)
    assert matrix_to_quaternion(quaternion_to_matrix(q)) == pytest.approx(q, abs=1e-9)
