import json
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from pose_paths import KITTI_ODOM_EVAL, drive, noisy, trajectory, turn

from benchmark.align_poses import ALIGNMENTS, align, umeyama
from benchmark.errors import TrajectoryError
from benchmark.evaluate_pose import PoseRow, aligned_pred, evaluate_pose, mean_rows, segment_table
from benchmark.geometry import motions
from benchmark.io.trajectories import read_trajectory
from benchmark.metrics.pose import find_segments, step_motions
from benchmark.pose_pairs import Rules
from benchmark.trajectory import Trajectory


def by_alignment(gt: Trajectory, pred: Trajectory) -> dict[str, PoseRow]:
    return {row.alignment: row for row in evaluate_pose(gt, pred, sequence="00")}


def samples(real_data: Path, sequence: str) -> tuple[Trajectory, Trajectory]:
    folder = real_data / "kitti_odometry"
    return read_trajectory(folder / f"poses/{sequence}.txt"), read_trajectory(folder / f"results/example_1/{sequence}.txt")


@pytest.mark.golden
@pytest.mark.parametrize("sequence", ["09", "10"])
@pytest.mark.parametrize("alignment", list(ALIGNMENTS))
def test_kitti_odom_eval_is_met(real_data: Path, sequence: str, alignment: str) -> None:
    results = json.loads((real_data / "golden.json").read_text())["kitti_odometry"]["kitti_odom_eval"]["results"]
    golden = results[f"example_1/align={alignment.replace('none', 'None')}"][sequence]
    (row,) = evaluate_pose(*samples(real_data, sequence), alignments=[alignment])
    assert row.n_segments == golden["n_segments"]
    for name, key in KITTI_ODOM_EVAL.items():
        assert row.metrics[name] == pytest.approx(golden[key], rel=1e-6 if "rot" in name else 1e-9), name


@pytest.mark.golden
@pytest.mark.parametrize("sequence", ["09", "10"])
@pytest.mark.parametrize("alignment", ["none", "SE3", "Sim3"])
def test_evo_is_met(real_data: Path, sequence: str, alignment: str) -> None:
    """evo takes the poses as they are, not from the first one; the difference is the rounding of the file."""
    results = json.loads((real_data / "golden.json").read_text())["kitti_odometry"]["evo"]["results"]
    golden = results[f"example_1/{sequence}/align={alignment}"]
    gt, pred = (trajectory.poses for trajectory in samples(real_data, sequence))
    if alignment != "none":
        pred = align(pred, umeyama(gt[:, :3, 3], pred[:, :3, 3], with_scale=alignment == "Sim3"))
    distance = np.linalg.norm(gt[:, :3, 3] - pred[:, :3, 3], axis=1)
    assert np.sqrt((distance**2).mean()) == pytest.approx(golden["APE_translation_part"]["rmse"], rel=1e-9)
    steps = by_transpose(by_transpose(gt[:-1]) @ gt[1:]) @ (by_transpose(pred[:-1]) @ pred[1:])
    for E, tolerance in ((step_motions(gt, pred), EVO_STEP), (steps, 1e-9)):
        step = np.linalg.norm(E[:, :3, 3], axis=1)
        assert np.sqrt((step**2).mean()) == pytest.approx(golden["RPE_1frame_translation_part"]["rmse"], rel=tolerance)
    (row,) = evaluate_pose(*samples(real_data, sequence), alignments=["none"])
    assert row.metrics["rpe_rot_mean"] == pytest.approx(golden["RPE_1frame_rotation_angle_deg"]["mean"], rel=1e-6)
    assert row.metrics["rpe_rot_rmse"] == pytest.approx(golden["RPE_1frame_rotation_angle_deg"]["rmse"], rel=1e-6)


# evo inverts by the transpose of a rotation that the file has rounded, the suite (as kitti-odom-eval) by the matrix.
EVO_STEP = 1e-7


def by_transpose(T: np.ndarray) -> np.ndarray:
    R = np.swapaxes(T[:, :3, :3], 1, 2)
    return motions(R, -(R @ T[:, :3, 3:])[..., 0])


@pytest.mark.golden
@pytest.mark.parametrize(
    ("sequence", "monodepth2", "std", "sfmlearner"),
    [("09", 0.014253, 0.007706, 0.014165), ("10", 0.012019, 0.008606, 0.011965)],
)
def test_published_snippet_errors_are_met(
    real_data: Path, *, sequence: str, monodepth2: float, std: float, sfmlearner: float
) -> None:
    gt, pred = samples(real_data, sequence)
    (row,) = evaluate_pose(gt, pred, alignments=["none"])
    assert row.metrics["snippet5_monodepth2"] == pytest.approx(monodepth2, abs=1e-6)
    assert row.metrics["snippet5_sfmlearner"] == pytest.approx(sfmlearner, abs=1e-6)
    assert row.metrics["snippet5_rmse"] == pytest.approx(row.metrics["snippet5_sfmlearner"] * np.sqrt(5))
    assert row.metrics["snippet5_monodepth2_std"] == pytest.approx(std, abs=1e-6)
    assert row.errors is not None
    assert (len(row.errors.snippet_monodepth2), len(row.errors.snippet_sfmlearner)) == (len(gt.poses) - 1, len(gt.poses) - 4)


@pytest.mark.golden
def test_gaps_after_a_late_start_do_not_shorten_the_segments(real_data: Path) -> None:
    """kitti-odom-eval gives 0.152 % on 163 segments here, because it moves only the ground truth of predicted frames."""
    gt, pred = samples(real_data, "10")
    kept = np.array([k for k in range(100, len(pred.poses)) if k % 37])
    (row,) = evaluate_pose(gt, replace(pred, poses=pred.poses[kept], frame=kept, form="kitti13"), alignments=["scale"])
    assert (row.n_segments, row.n_missing) == (367, len(gt.poses) - len(kept))
    assert row.metrics["t_err"] == pytest.approx(2.226, abs=5e-4)
    assert row.metrics["r_err"] == pytest.approx(0.388, abs=5e-4)


def test_short_snippets_count_at_the_end_of_the_sequence_alone() -> None:
    """Behind each gap they would be a third of all and the easiest ones; Monodepth2's evaluation knows no gaps."""
    gt, pred = trajectory(drive(300)), noisy(drive(300))

    def snippets(kept: np.ndarray) -> tuple[int, int]:
        (row,) = evaluate_pose(gt, trajectory(pred[kept], frame=kept), alignments=["none"])
        assert row.errors is not None
        return len(row.errors.snippet_monodepth2), len(row.errors.snippet_sfmlearner)

    every = np.arange(300)
    assert snippets(every) == (299, 296)
    assert snippets(every[every != 100]) == (96 + 195 + 3, 96 + 195)
    assert snippets(every[:250]) == (246, 246)
    assert snippets(every[every % 6 > 0]) == (50 + 3, 50)


def test_frames_that_the_ground_truth_lacks_are_a_gap_too() -> None:
    kept = np.array([k for k in range(300) if k not in {100, 200}])
    gt, pred = drive(300), noisy(drive(300))
    (row,) = evaluate_pose(trajectory(gt[kept], frame=kept), trajectory(pred[kept], frame=kept), alignments=["none"])
    (whole,) = evaluate_pose(trajectory(gt), trajectory(pred[kept], frame=kept), alignments=["none"])
    assert row.errors is not None
    assert whole.errors is not None
    assert (row.n_missing, whole.n_missing) == (0, 2)
    for name in ("step_t", "step_r", "snippet_monodepth2", "snippet_sfmlearner"):
        assert getattr(row.errors, name) == pytest.approx(getattr(whole.errors, name), abs=1e-12), name
    halved = np.arange(0, 300, 2)
    (row,) = evaluate_pose(trajectory(gt[halved], frame=halved), trajectory(pred[halved], frame=halved), alignments=["none"])
    assert np.isnan(row.metrics["rpe_trans_mean"])
    assert row.metrics["t_err"] > 0


def test_what_was_done_to_rotations_and_where_nothing_moves_is_noted() -> None:
    pred = noisy(drive(400))
    pred[100:230] = pred[100]
    gt = replace(trajectory(drive(400)), mended="rotations were off")
    (row,) = evaluate_pose(gt, trajectory(pred), alignments=["none"])
    assert row.about is not None
    assert row.about.notes[0] == "ground truth: rotations were off"
    assert row.about.notes[-1].startswith("the prediction stands still along 1 of 3 pieces of 100 m, first from 100 to 200 m")
    assert np.isnan(row.scale_drift)


@pytest.mark.golden
def test_scaled_rotations_buy_no_rotation_error(real_data: Path, tmp_path: Path) -> None:
    """An arc cosine of a trace above 3 is 0: unmended, 1.0004 on every tenth frame makes 0.288 degrees for 100 m 0.032."""
    gt, pred = samples(real_data, "09")
    poses = pred.poses.copy()
    poses[:, :3, :3] *= 0.9996
    poses[::10, :3, :3] *= 1.0004 / 0.9996
    np.savetxt(tmp_path / "09.txt", poses[:, :3].reshape(-1, 12))
    (row,) = evaluate_pose(gt, read_trajectory(tmp_path / "09.txt"), alignments=["none"])
    assert row.metrics["r_err"] == pytest.approx(evaluate_pose(gt, pred, alignments=["none"])[0].metrics["r_err"], rel=1e-6)
    assert row.about is not None
    assert row.about.notes[0].startswith("prediction: rotations were off by up to 0.0008 (largest entry of |R^T R - I|, line ")


def test_where_the_world_lies_does_not_matter_with_gaps() -> None:
    gt, pred = drive(400), noisy(drive(400))
    kept = np.array([k for k in range(50, 400) if k % 7])
    moved = np.eye(4)
    moved[:3, :3], moved[:3, 3] = turn(np.array(1.0)), [100, 200, 300]
    here = by_alignment(trajectory(gt), trajectory(pred[kept], frame=kept))
    there = by_alignment(trajectory(moved @ gt), trajectory(moved @ pred[kept], frame=kept))
    for name, row in here.items():
        assert there[name].metrics == pytest.approx(row.metrics, rel=1e-6)
        assert there[name].n_segments == row.n_segments


def test_a_perfect_prediction_is_perfect_and_a_scaled_one_is_under_7dof() -> None:
    gt = trajectory(drive(400))
    for row in evaluate_pose(gt, gt):
        assert row.scale == pytest.approx(1)
        assert list(row.metrics.values()) == pytest.approx([0] * 14, abs=1e-4)
        assert row.scale_drift == pytest.approx(0, abs=1e-9)
        assert row.about is not None
        assert row.about.notes == ()
    pred = drive(400)
    pred[:, :3, 3] /= 20
    rows = by_alignment(gt, trajectory(pred))
    assert rows["none"].metrics["t_err"] > 80
    for name in ("scale", "scale_7dof", "7dof"):
        assert rows[name].scale == pytest.approx(20)
        assert rows[name].metrics["ate_rmse"] == pytest.approx(0, abs=1e-9)


def test_no_segment_is_an_error_and_not_a_perfect_score() -> None:
    gt = trajectory(drive(60), source="09.txt")
    with pytest.raises(TrajectoryError, match=r"pred.txt: has 60 poses .* no segment of 100 m"):
        evaluate_pose(gt, trajectory(drive(60)))
    assert evaluate_pose(gt, trajectory(drive(60)), alignments=["none"], rules=Rules(lengths_m=(10,)))[0].n_segments == 5
    (row,) = evaluate_pose(gt, trajectory(drive(60)), alignments=["none"], rules=Rules(lengths_m=()))
    assert (row.n_segments, row.metrics["ate_rmse"]) == (0, 0)
    assert np.isnan(row.metrics["t_err"])
    assert np.isnan(row.scale_drift)


def test_an_alignment_that_does_not_exist_is_a_row_with_a_reason() -> None:
    line = np.tile(np.eye(4), (150, 1, 1))
    line[:, 2, 3] = np.arange(150)
    rows = by_alignment(trajectory(line), trajectory(line))
    assert rows["none"].metrics["t_err"] == 0
    assert np.isnan(rows["7dof"].metrics["t_err"])
    assert "point or a line" in rows["7dof"].reason
    mean = {(row.sequence, row.alignment): row for row in mean_rows(list(rows.values()))}
    assert mean["all", "none"].metrics["t_err"] == 0
    assert np.isnan(mean["mean", "7dof"].metrics["t_err"])
    assert mean["mean", "7dof"].reason.startswith("00: ")


def test_the_mean_of_sequences_is_not_that_of_all_segments() -> None:
    rows = evaluate_pose(trajectory(drive(400)), trajectory(noisy(drive(400))), sequence="a", alignments=["none"])
    rows += evaluate_pose(trajectory(drive(200)), trajectory(noisy(drive(200), sigma=0.05)), sequence="b", alignments=["none"])
    mean, pooled = mean_rows(rows)
    a, b = (row.metrics["t_err"] for row in rows)
    n, m = (row.n_segments for row in rows)
    assert mean.metrics["t_err"] == pytest.approx((a + b) / 2)
    assert pooled.metrics["t_err"] == pytest.approx((n * a + m * b) / (n + m))
    assert pooled.n_segments == n + m


def test_the_segments_of_a_row_have_frames_speed_and_errors() -> None:
    gt, pred, frame = drive(240), noisy(drive(240)), np.arange(10, 250)
    (row,) = evaluate_pose(trajectory(gt, frame=frame), trajectory(pred, frame=frame), alignments=["7dof"])
    table, found = segment_table(row), find_segments(gt)
    assert table.first_frame.tolist() == (found.first + 10).tolist()
    assert table.last_frame.tolist() == (found.last + 10).tolist()
    # KITTI's devkit: evaluate_odometry.cpp counts both ends of a segment, at 10 Hz.
    assert table.speed_mps == pytest.approx(found.length_m / (0.1 * (found.last - found.first + 1)))
    assert table.t_err_percent.mean() == pytest.approx(row.metrics["t_err"])
    assert table.r_err_deg_per_100m.mean() == pytest.approx(row.metrics["r_err"])
    distance = np.linalg.norm(aligned_pred(row)[:, :3, 3] - row.pair.gt[:, :3, 3], axis=1) if row.pair else np.empty(0)
    assert np.sqrt((distance**2).mean()) == pytest.approx(row.metrics["ate_rmse"])


def test_speed_is_from_the_times_where_there_are_any() -> None:
    time_s = 5 + 0.5 * np.arange(150)
    gt = replace(trajectory(drive(150)), time=time_s, form="tum")
    table = segment_table(evaluate_pose(gt, gt, alignments=["none"])[0])
    assert table.speed_mps == pytest.approx(table.length_m / (0.5 * (table.last_frame - table.first_frame)))
    mean = mean_rows(evaluate_pose(gt, gt, alignments=["none"]))[0]
    assert len(segment_table(mean).speed_mps) == len(aligned_pred(mean)) == 0


def test_a_prediction_that_stands_for_five_frames_is_named() -> None:
    pred = noisy(drive(200))
    pred[60:66] = pred[60]
    kept = np.array([k for k in range(200) if k not in {20, 21, 24}])
    (row,) = evaluate_pose(trajectory(drive(200)), trajectory(pred[kept], frame=kept), alignments=["none"])
    assert np.isnan(row.metrics["snippet5_sfmlearner"])
    assert row.metrics["t_err"] > 0
    assert row.about is not None
    still = "2 of 187 snippets stand still and have no scale, the first begins at frame 60"
    assert row.about.notes == (f"{still}; the 5-frame errors do not exist",)


def test_a_row_says_what_was_compared() -> None:
    kept = np.array([k for k in range(200) if k not in {3, 4, 9}])
    (row,) = evaluate_pose(trajectory(drive(200), form="kitti"), trajectory(drive(200)[kept], frame=kept), alignments=["none"])
    assert row.about is not None
    assert (row.about.pred_form, row.about.gt_form) == ("KITTI, 13 columns (frame number first)", "KITTI, 12 columns")
    assert row.about.missing.tolist() == [3, 4, 9]


@pytest.mark.golden
def test_all_sequences_are_scored_in_seconds(real_data: Path) -> None:
    truth = [read_trajectory(path) for path in sorted((real_data / "kitti_odometry/poses").glob("*.txt"))]
    walks = [replace(gt, poses=noisy(gt.poses)) for gt in truth]
    begin = time.process_time()
    rows = [row for gt, pred in zip(truth, walks, strict=True) for row in evaluate_pose(gt, pred)]
    assert sum(row.n_poses for row in rows) == 5 * 23201
    assert time.process_time() - begin < 3
