import os
import re
import sys
from pathlib import Path

import numpy as np
import pytest
from pose_paths import drive, noisy, trajectory, write_tum
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
    assert pair_files(pred / "10.txt", gt) == ([("10", gt / "10.txt", pred / "10.txt")], [])
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
    write_kitti(pred / "10.txt", trajectory(drive(150)))
    np.save(pred / "10.npy", relative_motions(drive(150)))
    with pytest.raises(TrajectoryError, match=r"holds both 10\.npy and 10\.txt"):
        rows(pred, gt)
    for given, truth in ((pred / "1O.txt", gt), (pred, gt / "poses")):
        missing = given if truth == gt else truth
        with pytest.raises(TrajectoryError, match=f"^{re.escape(str(missing))}: is not there; .* Check the spelling"):
            rows(given, truth)


def test_what_has_no_namesake_is_passed_over_and_named(pred: Path, gt: Path) -> None:
    write_kitti(pred / "09.TXT", trajectory(drive(200)))
    for name in ("README.txt", "result.txt", "result.npy"):  # kitti-odom-eval leaves a result.txt behind
        (pred / name).write_text("Translational error (%): 2.5")
    (pred / "plots.txt").mkdir()
    (gt / "LICENCE.txt").write_text("The poses of KITTI odometry, twelve numbers for each of the frames\n")
    scores = score_files(pred, gt, ("none",))
    assert [row.sequence for row in scores.rows] == ["09"]
    assert scores.passed_over == ["README.txt", "plots.txt", "result.npy", "result.txt"]
    assert scores.unpredicted == ["10"]


def test_a_folder_that_is_called_like_a_file_is_no_prediction(pred: Path, gt: Path) -> None:
    write_kitti(pred / "09.txt", trajectory(drive(200)))
    for name in ("10.txt", "10.npy"):
        (pred / name).mkdir()
        with pytest.raises(TrajectoryError, match=f"{name}: is a folder without snippets"):
            rows(pred, gt)
        (pred / name).rmdir()
    (pred / "10.txt").symlink_to(pred / "gone.txt")
    with pytest.raises(TrajectoryError, match=r"10\.txt: cannot be read \(No such file"):
        rows(pred, gt)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no named pipes in folders")
@pytest.mark.parametrize("name", ["09.txt", "000009.txt"])
def test_a_pipe_is_refused_before_anything_waits_for_it(pred: Path, gt: Path, name: str) -> None:
    """It can be read once, and a record needs the hash of what was scored."""
    write_kitti(gt / "000009.txt", trajectory(drive(200)))
    os.mkfifo(pred / name)
    for given in (pred, pred / name):
        with pytest.raises(TrajectoryError, match=f"{name}: is a pipe or a device; expected a file"):
            rows(given, gt)
    with pytest.raises(TrajectoryError, match=f"{name}: is a pipe or a device"):
        rows(gt / "09.txt", pred / name)


def kitti_layout(gt: Path, *, times: str) -> Path:
    """KITTI's poses/ and sequences/ beside each other; the folder of poses."""
    (gt.parent / "sequences/09").mkdir(parents=True)
    (gt.parent / "sequences/09/times.txt").write_text(times)
    return gt


def test_times_of_a_prediction_are_met_by_kittis_times(pred: Path, gt: Path) -> None:
    time, path = np.arange(200) * 0.1037, noisy(drive(200))
    kept = np.arange(3, 190)
    write_tum(pred / "09.txt", path[kept], time=time[kept] + 0.002)
    with pytest.raises(TrajectoryError, match=r"nor is there a .*sequences/09/times\.txt; expected KITTI's times\.txt there"):
        rows(pred, gt)
    kitti_layout(gt, times="".join(f"{t:e}\n" for t in time))
    row = rows(pred, gt)[1]
    write_kitti(pred / "09.txt", trajectory(path[kept], frame=kept))
    by_frame = rows(pred, gt)[1]
    assert row.metrics == pytest.approx(by_frame.metrics, rel=1e-6)
    assert (row.n_poses, row.n_missing) == (187, 13)
    assert row.about is not None
    assert row.about.gt_form == "KITTI, 12 columns, at the times of sequences/09/times.txt"
    assert by_frame.about is not None
    assert by_frame.about.gt_form == "KITTI, 12 columns"


@pytest.mark.parametrize(
    ("times", "said"),
    [
        ("0\n0.1\n", "holds 2 times for the 200 poses"),
        ("0\n" * 200, "finite second for each, ascending"),
        ("nan\n" * 200, "finite second for each, ascending"),
        ("noon\n" * 200, "cannot be read"),
    ],
)
def test_times_that_do_not_fit_the_poses_are_refused(pred: Path, gt: Path, times: str, said: str) -> None:
    write_tum(pred / "09.txt", drive(200), time=np.arange(200) * 0.1)
    with pytest.raises(TrajectoryError, match=f"times.txt: .*{said}"):
        rows(pred, kitti_layout(gt, times=times))


def test_what_is_wrong_is_said_as_it_is(pred: Path, gt: Path) -> None:
    write_tum(gt / "08.txt", drive(200), time=np.arange(200) * 0.1)
    write_kitti(pred / "08.txt", trajectory(drive(200)))
    with pytest.raises(TrajectoryError, match=r"Write the predicted poses with the time before each \(TUM, 8 columns\)"):
        rows(pred / "08.txt", gt)
    write_kitti(pred / "09.txt", trajectory(drive(200), frame=np.arange(1, 201)))
    with pytest.raises(TrajectoryError, match="Its numbers begin at 1 where 0 was expected: subtract 1 from each"):
        rows(pred / "09.txt", gt)
    write_kitti(gt / "04.txt", trajectory(drive(60)))
    with pytest.raises(
        TrajectoryError, match=r"whose path is 59\.\d m; no segment .* Copy the protocol under another name, with"
    ):
        rows(gt / "04.txt", gt)
    flat = drive(200)
    flat[7, :3, :3] = 0
    write_kitti(pred / "09.txt", trajectory(flat))
    with pytest.raises(TrajectoryError, match="line 8: its 3x3 part is singular"):
        rows(pred / "09.txt", gt)


def test_snippets_of_another_length_are_named(tmp_path: Path, gt: Path) -> None:
    write_snippets(tmp_path / "three/09", drive(200))
    for path in (tmp_path / "three/09").iterdir():
        path.write_text("".join(path.read_text().splitlines(keepends=True)[:3]))
    for given in (tmp_path / "three", tmp_path / "three/09"):
        with pytest.raises(TrajectoryError, match=r"000000\.txt: is named as a snippet and holds 3 lines; expected 5"):
            rows(given, gt / "09.txt" if given.name == "09" else gt)


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
