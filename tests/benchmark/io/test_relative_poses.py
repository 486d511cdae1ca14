from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from pose_paths import drive, noisy, trajectory

from benchmark.cli import main
from benchmark.cli_pose import DIRECTIONS as OFFERED
from benchmark.errors import OptionError, TrajectoryError
from benchmark.evaluate_pose import evaluate_pose
from benchmark.geometry import distance_from_so3, inverse, relative_motions
from benchmark.io.relative_poses import read_relative
from benchmark.io.trajectories import write_kitti
from benchmark.pose_directions import DIRECTIONS


def test_both_directions_give_the_same_path(tmp_path: Path) -> None:
    path, poses = tmp_path / "poses.npy", drive(50)
    np.save(path, np.linalg.inv(relative_motions(poses)).astype(np.float32))
    assert read_relative(path, "next_from_this").poses == pytest.approx(poses, abs=1e-4)
    np.save(path, relative_motions(poses))
    assert read_relative(path, "this_from_next").poses == pytest.approx(poses, abs=1e-9)
    assert tuple(DIRECTIONS) == OFFERED


def test_the_direction_must_be_said(tmp_path: Path) -> None:
    with pytest.raises(OptionError, match=r"say which with --direction: next_from_this maps .*; this_from_next maps"):
        read_relative(tmp_path / "poses.npy", None)


def test_a_missing_pair_is_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "p.npy", relative_motions(drive(19)))
    with pytest.raises(TrajectoryError, match=r"has 19 poses without frame numbers"):
        evaluate_pose(trajectory(drive(20)), read_relative(tmp_path / "p.npy", "this_from_next"))


def far_away(metres: float) -> np.ndarray:
    T = np.eye(4)
    T[0, 3] = metres
    return T


def test_rotations_that_are_off_do_not_add_up(tmp_path: Path) -> None:
    """1.0004 times each of 300 rotations would make lengths of 1.13 metres of a metre."""
    poses = drive(301)
    steps = relative_motions(poses)
    steps[:, :3, :3] *= 1.0004
    np.save(tmp_path / "p.npy", steps)
    read = read_relative(tmp_path / "p.npy", "this_from_next")
    assert read.poses == pytest.approx(poses, abs=1e-9)
    assert read.mended.startswith("rotations were off by up to 0.0008 (largest entry of |R^T R - I|, matrix ")
    np.save(tmp_path / "p.npy", inverse(steps))
    assert read_relative(tmp_path / "p.npy", "next_from_this").poses == pytest.approx(poses, abs=0.2)
    np.save(tmp_path / "p.npy", relative_motions(poses).astype(np.float32))
    rounded = read_relative(tmp_path / "p.npy", "this_from_next")
    assert distance_from_so3(rounded.poses[:, :3, :3]).max() < 1e-13
    assert rounded.mended == ""


def test_standing_still_stays_exactly_there(tmp_path: Path) -> None:
    poses = drive(30)
    poses[10:20] = poses[10]
    np.save(tmp_path / "p.npy", relative_motions(poses))
    read = read_relative(tmp_path / "p.npy", "this_from_next").poses
    assert (read[10:20] == read[10]).all()


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.zeros((3, 3, 4)), "expected \\(n, 4, 4\\)"),
        (np.zeros((0, 4, 4)), "expected \\(n, 4, 4\\)"),
        (np.full((2, 4, 4), np.nan), "matrix 0 is not finite"),
        (np.stack([np.eye(4), 1.1 * np.eye(4)]), "matrix 1 is off a rigid motion by 0.21"),
        (np.stack([np.eye(4)] * 2).astype(np.float16), "float16, whose three digits make no rotations; expected float32"),
        (np.stack([np.eye(4), far_away(1e10)]), r"matrix 1 holds a number beyond 1e\+09"),
        (np.stack([np.eye(4), far_away(1e200)]), r"matrix 1 holds a number beyond 1e\+09"),
    ],
)
def test_what_is_no_motion_is_refused(tmp_path: Path, array: np.ndarray, message: str) -> None:
    np.save(tmp_path / "p.npy", array)
    with pytest.raises(TrajectoryError, match=message):
        read_relative(tmp_path / "p.npy", "this_from_next")
    with pytest.raises(TrajectoryError, match="is not there"):
        read_relative(tmp_path / "q.npy", "this_from_next")


def test_the_command_takes_relative_motions(tmp_path: Path) -> None:
    write_kitti(tmp_path / "gt.txt", trajectory(drive(200)))
    np.save(tmp_path / "p.npy", relative_motions(noisy(drive(200))))
    words = ["evaluate_pose", str(tmp_path / "p.npy"), "--gt", str(tmp_path / "gt.txt"), "--direction", "this_from_next"]
    done = CliRunner().invoke(main, words)
    assert done.exit_code == 0
    assert "200 poses, 0 missing" in done.stdout
    words[1] = words[3]
    assert isinstance(CliRunner().invoke(main, words).exception, OptionError)
