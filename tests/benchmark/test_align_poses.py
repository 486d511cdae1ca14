import numpy as np
import pytest
from pose_paths import drive, turn

from benchmark.align_poses import ALIGNMENTS, align, best_scale, umeyama
from benchmark.cli_pose import ALIGNMENTS as OFFERED
from benchmark.errors import TrajectoryError


def test_umeyama_finds_a_known_similarity() -> None:
    pred, R = drive(50), turn(np.array(0.7))
    gt = 2.5 * pred[:, :3, 3] @ R.T + [1, 2, 3]
    found = umeyama(gt, pred[:, :3, 3], with_scale=True)
    assert np.allclose(found.R, R)
    assert found.t == pytest.approx([1, 2, 3])
    assert found.scale == pytest.approx(2.5)
    aligned = align(pred, found)
    assert aligned[:, :3, 3] == pytest.approx(gt)
    assert aligned[:, :3, :3] == pytest.approx(R @ pred[:, :3, :3])


def test_umeyama_gives_a_rotation_for_a_mirrored_path() -> None:
    pred = np.random.default_rng(0).normal(size=(40, 3))
    assert np.linalg.det(umeyama(pred * [1, 1, -1], pred, with_scale=True).R) == pytest.approx(1)


def test_umeyama_turns_the_triangle_of_the_paper_over() -> None:
    gt, pred = np.array([[0, 0, 0], [-1, 0, 0], [0, 2, 0.0]]), np.array([[0, 0, 0], [1, 0, 0], [0, 2, 0.0]])
    found = umeyama(gt, pred, with_scale=True)
    # In the plane the mirrored triangle does not fit (c = 0.721); in space it is turned over.
    assert found.scale == pytest.approx(1)
    assert np.allclose(found.R, np.diag([-1, 1, -1]))


@pytest.mark.parametrize("name", ["scale_7dof", "6dof", "7dof"])
def test_a_straight_line_has_no_rotation(name: str) -> None:
    line = np.arange(10.0)[:, None] * [0, 0, 1]
    with pytest.raises(TrajectoryError, match="point or a line"):
        ALIGNMENTS[name](line, line)


def test_a_path_too_small_for_its_squares_has_no_similarity() -> None:
    tiny = 1e-200 * drive(50)[:, :3, 3]
    with pytest.raises(TrajectoryError, match="point or a line"):
        umeyama(drive(50)[:, :3, 3], tiny, with_scale=True)


def test_scale_keeps_the_origin() -> None:
    assert best_scale(np.array([[0, 0, 2.0], [0, 0, 4]]), np.array([[0, 0, 1.0], [0, 0, 1]])) == 3
    with pytest.raises(TrajectoryError, match="same point"):
        best_scale(np.ones((3, 3)), np.zeros((3, 3)))


def test_alignment_leaves_its_input_alone() -> None:
    pred = drive(20)
    before = pred.copy()
    align(pred, ALIGNMENTS["7dof"](2 * pred[:, :3, 3], pred[:, :3, 3]))
    assert np.array_equal(pred, before)


def test_the_command_offers_all_alignments() -> None:
    assert tuple(ALIGNMENTS) == OFFERED
