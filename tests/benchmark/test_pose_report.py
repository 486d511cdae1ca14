import re
from pathlib import Path

import numpy as np
import pytest
from pose_paths import drive, noisy, trajectory
from snippet_files import snippet_array

from benchmark.align_poses import ALIGNMENTS
from benchmark.evaluate_pose import mean_rows
from benchmark.geometry import inverse, relative_motions
from benchmark.io.trajectories import write_kitti
from benchmark.metrics.pose import POSE_METRICS
from benchmark.pose_files import PoseScores, score_files
from benchmark.pose_report import COLUMNS, SNIPPETS, render_poses


@pytest.fixture
def gt(tmp_path: Path) -> Path:
    (tmp_path / "gt").mkdir()
    for sequence, n in (("04", 50), ("09", 220), ("10", 150)):
        write_kitti(tmp_path / f"gt/{sequence}.txt", trajectory(drive(n)))
    return tmp_path / "gt"


def report(pred: Path, gt: Path, *, direction: str | None = None, width: int = 120) -> str:
    scores = score_files(pred, gt, tuple(ALIGNMENTS), direction=direction)
    several = len({row.sequence for row in scores.rows}) > 1
    return render_poses(
        PoseScores([*scores.rows, *(mean_rows(scores.rows) if several else ())], scores.unpredicted), width=width
    )


def test_a_folder_has_a_table_for_each_sequence_and_the_means(tmp_path: Path, gt: Path) -> None:
    (tmp_path / "pred").mkdir()
    kept = np.array([k for k in range(220) if k not in {5, 6, 7, 30}])
    write_kitti(tmp_path / "pred/09.txt", trajectory(noisy(drive(220))[kept], frame=kept))
    write_kitti(tmp_path / "pred/10.txt", trajectory(noisy(drive(150))))
    lines = report(tmp_path / "pred", gt).splitlines()
    heads = [line for line in lines if "missing, " in line]
    titles = [head.split(":")[0] for head in heads]
    assert heads[0].startswith("09: 216 poses, 4 missing, 219.6 m, ")
    assert titles == ["09", "10", "mean over the sequences", "over all segments, frames and snippets"]
    assert "prediction: KITTI, 13 columns (frame number first); ground truth: KITTI, 12 columns" in lines
    assert "missing: 5-7, 30" in lines
    assert lines[-1] == "no prediction for 04"
    assert sum(line.startswith("scale_7dof ") for line in lines) == 4
    assert sum(line.startswith("5-frame errors") for line in lines) == 4
    assert max(map(len, lines)) <= 120


def test_every_metric_but_the_arc_cosine_is_printed() -> None:
    printed = {*COLUMNS, *SNIPPETS, *(f"{name}_std" for name in SNIPPETS)}
    assert set(POSE_METRICS) - printed == {"rpe_rot_acos_mean"}


def test_snippets_have_one_line(tmp_path: Path, gt: Path) -> None:
    np.save(tmp_path / "09.npy", snippet_array(noisy(drive(220))))
    head, forms, errors, note = report(tmp_path / "09.npy", gt).splitlines()
    assert head == "09: 216 snippets, 0 missing"
    assert forms == "prediction: 5-frame snippets (n, 5, 3, 4); ground truth: KITTI, 12 columns"
    assert errors.startswith("5-frame errors in m, each snippet scaled: SfMLearner 0.0")
    assert note.startswith("note: snippets are no path")


def test_the_direction_and_what_explains_a_score_are_said(tmp_path: Path, gt: Path) -> None:
    np.save(tmp_path / "09.npy", inverse(relative_motions(noisy(drive(220)))))
    found = report(tmp_path / "09.npy", gt)
    assert "prediction: relative 4x4 motions; ground truth: KITTI, 12 columns" in found
    assert "direction: next_from_this, detected: its translations agree with the ground truth to 1.00, the other's" in found
    stated = report(tmp_path / "09.npy", gt, direction="this_from_next")
    assert "direction: this_from_next\n" in stated
    assert "motions chained in the other direction (of a .npy: the other --direction); is that so?" in " ".join(stated.split())
    assert max(map(len, stated.splitlines())) <= 120


def test_many_gaps_are_cut_short(tmp_path: Path, gt: Path) -> None:
    kept = np.array([k for k in range(220) if k % 3])
    write_kitti(tmp_path / "09.txt", trajectory(drive(220)[kept], frame=kept))
    (line,) = [line for line in report(tmp_path / "09.txt", gt).splitlines() if line.startswith("missing")]
    assert line.startswith("missing: 0, 3, 6, 9")
    assert line.endswith(" ...")


def test_a_negative_scale_and_an_alignment_that_does_not_exist_are_said(tmp_path: Path) -> None:
    line = np.tile(np.eye(4), (150, 1, 1))
    line[:, 2, 3] = np.arange(150)
    write_kitti(tmp_path / "gt.txt", trajectory(line))
    line[:, 2, 3] *= -1
    write_kitti(tmp_path / "pred.txt", trajectory(line))
    text = report(tmp_path / "pred.txt", tmp_path / "gt.txt")
    assert "scale: the scale is negative; are the translations inverted?" in text
    assert "7dof: the positions lie on a point or a line" in text
    assert "translations with the opposite sign" in " ".join(text.split())


def test_only_tables_are_wider_than_the_terminal(tmp_path: Path, gt: Path) -> None:
    (tmp_path / "pred").mkdir()
    kept = np.array([k for k in range(220) if k % 3])
    np.save(tmp_path / "pred/10.npy", inverse(relative_motions(noisy(drive(150)))))
    write_kitti(tmp_path / "pred/09.txt", trajectory(drive(220)[kept], frame=kept))
    for width in (60, 80, 100, 120, 300):
        lines = report(tmp_path / "pred", gt, width=width).splitlines()
        table = re.compile(r"(alignment|none|scale|scale_7dof|6dof|7dof|-+)  |   +(scale|drift)")
        assert max(len(line) for line in lines if not table.match(line)) <= min(width, 120)
        assert [line[-4:] for line in lines if line.startswith("missing: ")] == [" ..."]


def test_a_sequence_may_be_called_like_a_mean(tmp_path: Path, gt: Path) -> None:
    (tmp_path / "pred").mkdir()
    for name, n in (("all", 150), ("mean", 220)):
        for folder, poses in ((gt, drive(n)), (tmp_path / "pred", noisy(drive(n)))):
            write_kitti(folder / f"{name}.txt", trajectory(poses))
    heads = [line for line in report(tmp_path / "pred", gt).splitlines() if "missing, " in line]
    assert [head.split(" poses")[0] for head in heads] == [
        "all: 150",
        "mean: 220",
        "mean over the sequences: 370",
        "over all segments, frames and snippets: 370",
    ]


def test_means_that_are_not_over_all_sequences_say_so(tmp_path: Path, gt: Path) -> None:
    (tmp_path / "pred").mkdir()
    for name, n in (("09", 220), ("10", 150)):
        write_kitti(tmp_path / f"pred/{name}.txt", trajectory(noisy(drive(n))))
    scores = score_files(tmp_path / "pred", gt, ("none", "6dof", "7dof"))
    over = [row for row in scores.rows if row.alignment == "none" or row.sequence == "09"]
    left_out = {"6dof": "10", "7dof": "10", "scale": "09, 10"}
    text = render_poses(scores._replace(rows=[*scores.rows, *mean_rows(over)], left_out=left_out))
    for block in text.split("\n\n")[2:4]:
        lines = block.splitlines()
        assert lines[0].endswith(": 370 poses, 0 missing, 369.0 m, 19 segments")
        assert "6dof, 7dof: without 10, over 220 poses, 0 missing, 219.6 m, 14 segments" in lines
        assert "scale: without 09, 10, so that none is left" in lines
    assert text.count("without") == 4


def test_frames_apart_have_no_steps_and_the_report_says_so(tmp_path: Path, gt: Path) -> None:
    kept = np.arange(0, 220, 10)
    write_kitti(tmp_path / "09.txt", trajectory(drive(220)[kept], frame=kept))
    note = "note: no two consecutive frames are predicted, so that neither RPE nor the 5-frame errors exist"
    assert note in report(tmp_path / "09.txt", gt).splitlines()
    write_kitti(tmp_path / "09.txt", trajectory(drive(220)))
    assert note not in report(tmp_path / "09.txt", gt)
