import numpy as np
import pytest
from pose_paths import drive, noisy, trajectory, turn

from benchmark.errors import OptionError, TrajectoryError
from benchmark.geometry import inverse, motions, relative_motions
from benchmark.pose_directions import DIRECTIONS, camera_steps, chain, detect_direction


@pytest.mark.parametrize("turn_rad", [0, 0.01])
@pytest.mark.parametrize("scale", [1, 0.03])
@pytest.mark.parametrize("name", list(DIRECTIONS))
def test_the_direction_is_found(name: str, turn_rad: float, scale: float) -> None:
    gt = drive(60, turn_rad=turn_rad)
    steps = relative_motions(noisy(gt, sigma=0.1))
    steps[:, :3, 3] *= scale
    found = detect_direction(inverse(steps) if name == "next_from_this" else steps, trajectory(gt), source="p.npy")
    assert (found.name, found.detected) == (name, True)
    assert found.agreement > 0.95
    assert found.other < -0.95


def test_chaining_undoes_taking_the_steps() -> None:
    poses = drive(40)
    assert chain(camera_steps(relative_motions(poses), "this_from_next")) == pytest.approx(poses, abs=1e-9)
    assert chain(camera_steps(inverse(relative_motions(poses)), "next_from_this")) == pytest.approx(poses, abs=1e-9)


def test_what_is_not_clear_is_refused_with_the_choices() -> None:
    gt = trajectory(drive(60), source="gt.txt")
    still = np.tile(np.eye(4), (59, 1, 1))
    sideways = motions(still[:, :3, :3], np.tile([1.0, 0, 0], (59, 1)))
    backward = motions(turn(np.full(59, -0.01)), np.tile([0, 0, 1.0], (59, 1)))  # goes on, but turns the other way
    for steps in (still, sideways, backward):
        with pytest.raises(OptionError, match=r"p\.npy: .* fit neither .* --direction: next_from_this maps .*; this_from_next"):
            detect_direction(steps, gt, source="p.npy")
    with pytest.raises(OptionError, match="neither direction"):
        detect_direction(relative_motions(drive(60)), trajectory(np.tile(np.eye(4), (60, 1, 1))), source="p.npy")


@pytest.mark.parametrize("name", list(DIRECTIONS))
def test_translations_of_the_opposite_sign_are_suspected(name: str) -> None:
    gt = drive(60)
    steps = camera_steps(relative_motions(gt), name)  # inverted or not
    steps = motions(steps[:, :3, :3], -steps[:, :3, 3])
    with pytest.raises(
        OptionError, match=f"Most likely these are motions of {name} whose translations have the opposite sign, or"
    ):
        detect_direction(steps, trajectory(gt), source="p.npy")


def test_one_motion_for_each_pair_is_expected() -> None:
    gt = trajectory(drive(60), source="gt.txt")
    with pytest.raises(TrajectoryError, match=r"p.npy: has 50 motions, gt.txt has 60 frames; expected 59, one for each"):
        detect_direction(relative_motions(drive(51)), gt, source="p.npy")
    with pytest.raises(TrajectoryError, match="is a pose, no motion"):
        detect_direction(drive(60), gt, source="p.npy")
