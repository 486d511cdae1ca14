from pathlib import Path

import numpy as np
import pytest
from pose_paths import drive, noisy, trajectory
from snippet_files import snippet_array, write_snippets

from benchmark.errors import OptionError, TrajectoryError
from benchmark.evaluate_pose import PoseRow
from benchmark.geometry import inverse, relative_motions
from benchmark.io.trajectories import write_kitti
from benchmark.pose_files import pair_files, score_files

LENGTHS = {"09": 200, "10": 150}


@pytest.fixture
def gt(tmp_path: Path) -> Path:
    (tmp_path / "gt").mkdir()
    for sequence, n in LENGTHS.items():
        write_kitti(tmp_path / "gt" / f"{sequence}.txt", trajectory(drive(n)))
    return tmp_path / "gt"


@pytest.fixture
def pred(tmp_path: Path) -> Path:
    (tmp_path / "pred").mkdir()
    return tmp_path / "pred"


def rows(pred: Path, gt: Path, *, direction: str | None = None) -> list[PoseRow]:
    return score_files(pred, gt, ("none", "7dof"), direction=direction).rows


def test_every_file_of_a_folder_meets_its_namesake(pred: Path, gt: Path) -> None:
    write_kitti(pred / "09.txt", trajectory(noisy(drive(200))))
    np.save(pred / "10.npy", relative_motions(noisy(drive(150))))
    (pred / "notes.md").write_text("x")
    (pred / ".10.txt").write_text("x")
    write_kitti(gt / "04.txt", trajectory(drive(5)))
    scores = score_files(pred, gt, ("none", "7dof"))
    assert [(row.sequence, row.alignment) for row in scores.rows] == [(s, a) for s in LENGTHS for a in ("none", "7dof")]
    assert scores.unpredicted == ["04"]
    forms = [row.about.pred_form for row in scores.rows if row.about]
    assert forms[::2] == ["KITTI, 12 columns", "relative 4x4 motions"]


def test_one_pair_is_named_after_its_ground_truth(pred: Path, gt: Path) -> None:
    np.save(pred / "poses.npy", relative_motions(drive(200)))
    assert [row.sequence for row in rows(pred / "poses.npy", gt / "09.txt")] == ["09", "09"]
    write_kitti(pred / "10.txt", trajectory(drive(150)))
    (paths,) = pair_files(pred / "10.txt", gt)
    assert paths == ("10", gt / "10.txt", pred / "10.txt")
    assert score_files(pred / "10.txt", gt, ("none",)).unpredicted == []


def test_files_without_their_ground_truth_are_named(pred: Path, gt: Path) -> None:
    with pytest.raises(TrajectoryError, match=r"holds no \.txt, \.npy or folder of snippets"):
        rows(pred, gt)
    write_kitti(pred / "11.txt", trajectory(drive(150)))
    for given in (pred, pred / "11.txt"):
        with pytest.raises(TrajectoryError, match=r"11\.txt: has no ground truth: .* holds 09\.txt, 10\.txt; expected"):
            rows(given, gt)
    with pytest.raises(OptionError, match="is no folder"):
        rows(pred, gt / "09.txt")
    np.save(pred / "11.npy", relative_motions(drive(150)))
    with pytest.raises(TrajectoryError, match=r"holds both 11\.npy and 11\.txt"):
        rows(pred, gt)


@pytest.mark.parametrize("name", ["next_from_this", "this_from_next"])
def test_the_direction_of_motions_is_detected_and_said(pred: Path, gt: Path, name: str) -> None:
    steps = relative_motions(noisy(drive(200)))
    np.save(pred / "09.npy", (inverse(steps) if name == "next_from_this" else steps).astype(np.float32))
    found, stated = rows(pred / "09.npy", gt), rows(pred / "09.npy", gt, direction=name)
    assert found[1].metrics == stated[1].metrics
    assert found[0].about is not None
    assert found[0].about.direction is not None
    assert found[0].about.direction[:2] == (name, True)
    assert stated[0].about is not None
    assert stated[0].about.direction is not None
    assert stated[0].about.direction[:2] == (name, False)
    other = "this_from_next" if name == "next_from_this" else "next_from_this"
    backwards = rows(pred / "09.npy", gt, direction=other)[0]
    assert backwards.about is not None
    assert "the other --direction" in backwards.about.notes[0]


def test_a_direction_is_for_motions_alone(pred: Path, gt: Path) -> None:
    write_kitti(pred / "09.txt", trajectory(drive(200)))
    with pytest.raises(OptionError, match="is for relative motions"):
        rows(pred / "09.txt", gt, direction="next_from_this")
    np.save(pred / "10.npy", snippet_array(drive(150)))
    with pytest.raises(OptionError, match="is for relative motions"):
        rows(pred / "10.npy", gt, direction="next_from_this")


def test_an_array_of_neither_kind_is_refused_with_the_choices(pred: Path, gt: Path) -> None:
    np.save(pred / "09.npy", drive(200)[:, :3].reshape(-1, 12))
    with pytest.raises(TrajectoryError, match=r"holds \(200, 12\); expected relative motions .* or snippets"):
        rows(pred / "09.npy", gt)
    np.save(pred / "09.npy", drive(200)[:, :3])
    with pytest.raises(TrajectoryError, match=r"holds \(200, 3, 4\) float64; expected \(n, 4, 4\)"):
        rows(pred / "09.npy", gt)


def test_snippets_are_scored_in_every_form_they_come_in(tmp_path: Path, pred: Path, gt: Path) -> None:
    path = noisy(drive(200))
    np.save(pred / "09.npy", snippet_array(path, scale=0.1))
    write_snippets(tmp_path / "sfm/09", path)
    write_snippets(tmp_path / "truth/09", drive(200))
    for given in (pred / "09.npy", tmp_path / "sfm/09"):
        for truth in (gt / "09.txt", gt, tmp_path / "truth/09", tmp_path / "truth"):
            (row,) = rows(given, truth)
            assert (row.sequence, row.alignment, row.n_poses, row.n_missing) == ("09", "none", 196, 0)
            assert row.metrics["snippet5_sfmlearner"] == pytest.approx(0.0085, abs=1e-4)
    write_snippets(tmp_path / "sfm/10", noisy(drive(150)))
    assert [row.sequence for row in rows(tmp_path / "sfm", gt)] == ["09", "10"]
    assert score_files(tmp_path / "sfm/10", tmp_path / "truth/09", ("none",)).rows[0].sequence == "10"


def test_snippets_and_paths_do_not_mix(tmp_path: Path, pred: Path, gt: Path) -> None:
    write_kitti(pred / "09.txt", trajectory(drive(200)))
    np.save(pred / "10.npy", snippet_array(drive(150)))
    with pytest.raises(TrajectoryError, match="10 is snippets and 09 a trajectory"):
        rows(pred, gt)
    with pytest.raises(OptionError, match=r"--align 7dof: .* each with a scale of its own"):
        score_files(pred / "10.npy", gt, ("7dof",))
    write_snippets(tmp_path / "truth", drive(200))
    with pytest.raises(TrajectoryError, match=r"holds snippets, but .* a whole trajectory"):
        rows(pred / "09.txt", tmp_path / "truth")
    np.save(pred / "09.npy", relative_motions(drive(200)))
    with pytest.raises(TrajectoryError, match="need the poses of the whole sequence"):
        rows(pred / "09.npy", tmp_path / "truth")
