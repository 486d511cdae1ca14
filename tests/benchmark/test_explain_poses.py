from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from pose_paths import drive, noisy, trajectory, turn

from benchmark.evaluate_pose import evaluate_pose
from benchmark.explain_poses import NED, OPENGL, TURNED, VEHICLE, explain, explain_snippets
from benchmark.geometry import inverse, matrix_to_quaternion, motions, quaternion_to_matrix, relative_motions
from benchmark.io.trajectories import read_trajectory
from benchmark.pose_directions import chain

Array = np.ndarray


def moved(poses: Array) -> Array:
    """The same path in another world frame."""
    T = np.eye(4)
    T[:3, :3], T[:3, 3] = turn(np.array(1.0)) @ [[1, 0, 0], [0, 0.6, -0.8], [0, 0.8, 0.6]], [5, 6, 7]
    return T @ poses


WRONG: dict[str, Callable[[Array], Array]] = {
    "inverse poses": inverse,
    "other direction": lambda poses: chain(inverse(relative_motions(poses))),
    "opposite sign": lambda poses: motions(poses[:, :3, :3], -poses[:, :3, 3]),
    "transposed": lambda poses: motions(np.swapaxes(poses[:, :3, :3], 1, 2), poses[:, :3, 3]),
    "OpenGL": lambda poses: poses @ OPENGL,
    "vehicle's": lambda poses: poses @ VEHICLE,
    "north-east-down": lambda poses: poses @ NED,
    "looks back": lambda poses: poses @ TURNED,
}
# Of a path that begins at the identity; on a bend in a plane, whose motions commute, it would matter little.
WRONG_SIDE: dict[str, Callable[[Array], Array]] = {
    "multiplied from the left": lambda poses: inverse(chain(inverse(relative_motions(poses)))),
    "motions taken from the left": lambda poses: chain(poses[1:] @ inverse(poses[:-1])),
}


def winding(n: int = 600) -> Array:
    steps = np.tile([0.0, 0.01, 1.0], (n - 1, 1))
    return chain(motions(turn(0.03 * np.sin(np.arange(n - 1) / 60)), steps))


@pytest.mark.parametrize("name", WRONG_SIDE)
def test_motions_on_the_wrong_side_are_explained(name: str) -> None:
    gt = winding()
    (note,) = explain(gt, trajectory(WRONG_SIDE[name](noisy(gt))))
    assert name in note


@pytest.mark.parametrize("name", WRONG)
@pytest.mark.parametrize("scale", [1, 0.03])
def test_a_path_in_another_convention_is_explained(name: str, scale: float) -> None:
    gt = drive(600, turn_rad=0.004)
    pred = moved(noisy(gt))
    pred[:, :3, 3] *= scale
    (note,) = explain(gt, trajectory(WRONG[name](pred)))
    assert name in note
    assert note.endswith("is that so?")
    assert explain(gt, trajectory(pred), unscaled=False) == ()


def test_quaternions_with_w_first_are_explained_in_tum_files() -> None:
    gt, pred = drive(600, turn_rad=0.004), moved(noisy(drive(600, turn_rad=0.004)))
    q = matrix_to_quaternion(pred[:, :3, :3])
    wrong = replace(trajectory(motions(quaternion_to_matrix(q[:, [3, 0, 1, 2]]), pred[:, :3, 3])), form="tum")
    (note,) = explain(gt, wrong)
    assert "w first" in note
    assert all("w first" not in note for note in explain(gt, replace(wrong, form="kitti")))


@pytest.mark.golden
@pytest.mark.parametrize("sequence", ["09", "10"])
def test_a_published_path_needs_no_explanation_until_it_is_turned_round(real_data: Path, sequence: str) -> None:
    folder = real_data / "kitti_odometry"
    gt, pred = read_trajectory(folder / f"poses/{sequence}.txt"), read_trajectory(folder / f"results/example_1/{sequence}.txt")
    assert explain(gt.poses, pred) == ()
    for name, wrong in (WRONG | WRONG_SIDE).items():
        (note,) = explain(gt.poses, replace(pred, poses=wrong(pred.poses)))
        assert name in note


@pytest.mark.golden
@pytest.mark.parametrize("sigma", [0.01, 0.1, 0.3, 1])
def test_a_random_walk_is_only_bad(real_data: Path, sigma: float) -> None:
    for path in sorted((real_data / "kitti_odometry/poses").glob("*.txt")):
        gt = read_trajectory(path)
        for seed in range(3):
            walk = replace(gt, poses=noisy(gt.poses, sigma=sigma, seed=seed), form="tum" if seed else "kitti")
            assert explain(gt.poses, walk) == (), path


@pytest.mark.golden
def test_the_path_of_another_sequence_is_only_bad(real_data: Path) -> None:
    paths = [read_trajectory(path) for path in sorted((real_data / "kitti_odometry/poses").glob("*.txt"))]
    for gt in paths:
        for pred in paths:
            n = min(len(gt.poses), len(pred.poses))
            assert explain(gt.poses[:n], replace(pred, poses=pred.poses[:n])) == () or gt is pred


def test_a_path_up_to_scale_is_said_where_the_scale_is_kept() -> None:
    gt, pred = drive(400), noisy(drive(400))
    pred[:, :3, 3] *= 0.03
    (note,) = explain(gt, trajectory(pred))
    assert "times 33." in note
    rows = evaluate_pose(trajectory(gt), trajectory(pred), alignments=["7dof"])
    assert [row.about.notes for row in rows if row.about] == [()]
    assert explain(gt, trajectory(noisy(gt))) == ()


def test_on_a_straight_road_the_same_readings_are_all_named() -> None:
    gt = drive(300, turn_rad=0)
    (note,) = explain(gt, trajectory(inverse(gt)))
    assert "the inverse poses, T_cam_world" in note
    assert "or translations with the opposite sign" in note


def test_what_leaves_a_bad_error_explains_nothing() -> None:
    """Backward along the same road: two readings halve an error of 119 % and leave 48 %."""
    assert explain(winding(), trajectory(noisy(winding())[::-1])) == ()


def test_snippets_that_point_backward_are_noted() -> None:
    negative, error = np.array([-1, -2, -1, 3.0]), np.full(4, 0.04)
    assert explain_snippets(-negative, error, error / 9) == ()
    assert explain_snippets(np.array([-1.0, 1, np.nan, -1]), error, error / 9) == ()  # half of them are not most
    (note,) = explain_snippets(negative, error, error / 4)
    assert note.startswith("3 of 4 snippets fit only with a negative scale, and the error falls from 0.04 to 0.01 if the file")
    for inverse_error in (None, error):
        (note,) = explain_snippets(negative, error, inverse_error)
        assert "with the opposite sign or of inverse poses; no 5-frame error sees that" in note


def test_a_short_or_standing_path_has_no_note() -> None:
    assert explain(drive(50), trajectory(inverse(drive(50)))) == ()
    assert explain(drive(300), trajectory(np.tile(np.eye(4), (300, 1, 1)))) == ()
