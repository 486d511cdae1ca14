from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from pose_paths import drive, noisy, trajectory
from snippet_files import snippet_array, write_snippets

from benchmark.errors import TrajectoryError
from benchmark.evaluate_pose import evaluate_pose, evaluate_snippets
from benchmark.geometry import inverse
from benchmark.io.snippet_poses import read_snippet_array, read_snippet_folder, snippet_files
from benchmark.io.trajectories import read_trajectory
from benchmark.pose_snippets import Snippets, cut_snippets, score_snippets

Array = np.ndarray


def predicted(poses: Array) -> Snippets:
    xyz = snippet_array(poses)[..., 3]
    return Snippets(np.arange(len(xyz)), xyz, 0.1 * np.arange(len(xyz))[:, None] + 0.1 * np.arange(5), "pred", "snippet_folder")


def sfmlearner(gt_s: Array, gt: Array, pred_s: Array, pred: Array) -> float:
    """The error of one snippet as pose_evaluation_utils.py describes it, times matched greedily, nearest first."""
    near = sorted((abs(a - b), i, j) for i, a in enumerate(gt_s) for j, b in enumerate(pred_s) if abs(a - b) < 0.01)
    taken: list[tuple[int, int]] = []
    for _, i, j in near:
        if all(i != k and j != m for k, m in taken):
            taken.append((i, j))
    pairs = sorted(taken)
    g, p = np.array([gt[i] for i, _ in pairs]), np.array([pred[j] for _, j in pairs])
    p = p + (g[0] - p[0])
    scale = (g * p).sum() / (p * p).sum()
    return float(np.sqrt(((scale * p - g) ** 2).sum()) / len(pairs))


def test_snippets_of_a_path_score_as_the_path_does() -> None:
    gt, pred = drive(200), noisy(drive(200))
    scores = score_snippets(trajectory(gt), predicted(pred[:60]))
    (row,) = evaluate_pose(trajectory(gt), trajectory(pred), alignments=["none"])
    assert row.errors is not None
    assert scores.sfmlearner == pytest.approx(row.errors.snippet_sfmlearner[:56])
    assert scores.rmse == pytest.approx(row.errors.snippet_rmse[:56])
    assert scores.first.tolist() == list(range(56))


def test_times_that_are_missing_are_left_out_as_in_sfmlearner() -> None:
    gt, pred = predicted(drive(30)), predicted(noisy(drive(30)))
    assert pred.time is not None
    assert gt.time is not None
    rng = np.random.default_rng(0)
    time = pred.time + rng.uniform(-0.004, 0.004, pred.time.shape)
    time[3, 4], time[5, 0], time[8, 1:3] = 9, -9, [0.84, 0.86]
    scores = score_snippets(gt, pred._replace(time=time))
    by_hand = [sfmlearner(*parts) for parts in zip(gt.time, gt.xyz, time, pred.xyz, strict=True)]
    assert scores.sfmlearner == pytest.approx(by_hand)
    frames = (scores.rmse / scores.sfmlearner) ** 2
    assert frames.round().astype(int).tolist() == [{3: 4, 5: 4, 8: 3}.get(k, 5) for k in range(26)]


def test_a_time_too_far_away_leaves_its_match_to_the_next() -> None:
    gt, pred = predicted(drive(5)), predicted(noisy(drive(5)))
    assert gt.time is not None
    time = gt.time.copy()
    time[0, 1:3] = time[0, 2] - 0.015, time[0, 2]  # the first of the two is nearest to the second's frame
    scores = score_snippets(gt, pred._replace(time=time))
    assert scores.sfmlearner == pytest.approx([sfmlearner(gt.time[0], gt.xyz[0], time[0], pred.xyz[0])])
    assert ((scores.rmse / scores.sfmlearner) ** 2).round().tolist() == [4]


def test_times_that_match_nothing_are_refused() -> None:
    gt, pred = predicted(drive(30)), predicted(drive(30))
    assert pred.time is not None
    time = pred.time.copy()
    time[7, 1:] += 100
    with pytest.raises(TrajectoryError, match=r"pred: snippet 000007.txt: 1 of its 5 times match .* expected at least 2"):
        score_snippets(gt, pred._replace(time=time))


def test_missing_snippets_are_counted_and_strange_ones_refused() -> None:
    gt, pred = trajectory(drive(30), source="gt.txt"), predicted(noisy(drive(30)))
    kept = np.array([k for k in range(26) if k not in {0, 7, 8}])
    some = Snippets(pred.first[kept], pred.xyz[kept], None, "pred", "snippet_npy")
    (row,) = evaluate_snippets(gt, some, sequence="09")
    assert (row.n_poses, row.n_missing) == (23, 3)
    assert row.about is not None
    assert row.about.missing.tolist() == [0, 7, 8]
    with pytest.raises(TrajectoryError, match=r"1 of 26 snippets have no ground truth in gt.txt, the first begins at frame 25"):
        score_snippets(trajectory(drive(29), source="gt.txt"), pred)
    with pytest.raises(TrajectoryError, match="expected 5 consecutive frames, which it lacks"):
        score_snippets(trajectory(drive(4), source="gt.txt"), pred)


def some(snippets: Snippets, places: Array) -> Snippets:
    assert snippets.time is not None
    return snippets._replace(first=snippets.first[places], xyz=snippets.xyz[places], time=snippets.time[places])


def test_snippets_with_times_are_matched_by_time_where_the_ground_truth_has_times() -> None:
    kept = np.array([k for k in range(40) if k != 20])
    gt = replace(trajectory(drive(40)[kept], source="gt"), time=0.1 * kept, form="tum")
    perfect, pred = predicted(drive(40)), predicted(noisy(drive(40)))
    begin = np.delete(np.arange(36), 20)
    assert score_snippets(gt, some(perfect, begin)).sfmlearner == pytest.approx(np.zeros(35), abs=1e-12)
    scores = score_snippets(gt, some(pred, begin))
    frames = (scores.rmse / scores.sfmlearner) ** 2
    assert frames.round().astype(int).tolist() == [4 if 16 <= k < 20 else 5 for k in begin]
    assert scores.missing.tolist() == []
    renamed = score_snippets(gt, some(pred, begin)._replace(first=begin + 7))
    assert renamed.sfmlearner.tolist() == scores.sfmlearner.tolist()
    assert score_snippets(gt, some(pred, begin[3:9])).missing.tolist() == [0, 1, 2, *range(9, 35)]
    with pytest.raises(
        TrajectoryError, match=r"pred: 1 of 36 snippets begin at a time that gt lacks .* 000020.txt at 2; expected"
    ):
        score_snippets(gt, pred)
    assert pred.time is not None
    with pytest.raises(
        TrajectoryError, match=r"36 of 36 snippets begin .* 000000.txt at 1000; .* Check the unit and the clock"
    ):
        score_snippets(gt, pred._replace(time=pred.time + 1000))


@pytest.mark.parametrize("sign", [1, -1])
def test_the_direction_of_snippets_is_looked_at(tmp_path: Path, sign: int) -> None:
    gt = trajectory(drive(60))
    snippets = np.concatenate([snippet_array(noisy(drive(60), sigma=0.001)), np.zeros((56, 5, 1, 4))], axis=2)
    snippets[..., 3, 3] = 1
    np.save(tmp_path / "inverse.npy", inverse(snippets)[..., :3, :])
    snippets[..., :3, 3] *= sign
    np.save(tmp_path / "p.npy", snippets[..., :3, :])
    about = [evaluate_snippets(gt, read_snippet_array(tmp_path / name))[0].about for name in ("p.npy", "inverse.npy")]
    assert about[0] is not None
    assert about[1] is not None
    assert [note[:57] for note in about[0].notes[1:]] == ["56 of 56 snippets fit only with a negative scale: their t"][
        : sign < 0
    ]
    assert "if the file holds the inverse poses" in about[1].notes[1]


def test_gaps_of_the_ground_truth_hold_no_snippet() -> None:
    gt = trajectory(drive(20), frame=np.array([*range(2, 9), *range(20, 33)]))
    assert cut_snippets(gt).first.tolist() == [2, 3, 4, *range(20, 29)]


def test_a_perfect_snippet_counts_and_a_standing_one_is_named() -> None:
    gt, pred = trajectory(drive(30)), predicted(drive(30))
    assert score_snippets(gt, pred).sfmlearner == pytest.approx(np.zeros(26), abs=1e-12)
    pred.xyz[[4, 9]] = 0
    (row,) = evaluate_snippets(gt, pred, sequence="09")
    assert row.reason == "2 of 26 snippets stand still and have no scale, the first begins at frame 4"
    assert np.isnan(row.metrics["snippet5_sfmlearner"])
    assert np.isnan(row.metrics["snippet5_monodepth2"])


@pytest.mark.golden
@pytest.mark.parametrize(("sequence", "golden", "n"), [("09", 0.014165, 1587), ("10", 0.011965, 1197)])
def test_a_folder_of_real_snippets_meets_the_published_error(
    real_data: Path, tmp_path: Path, *, sequence: str, golden: float, n: int
) -> None:
    """Six decimals of the files move it by less than 1e-6 m."""
    folder = real_data / "kitti_odometry"
    gt = read_trajectory(folder / f"poses/{sequence}.txt")
    pred = read_trajectory(folder / f"results/example_1/{sequence}.txt").poses
    write_snippets(tmp_path / "pred", pred, scale=0.3)
    write_snippets(tmp_path / "gt", gt.poses)
    snippets, truth = (read_snippet_folder(part, snippet_files(part)) for part in (tmp_path / "pred", tmp_path / "gt"))
    for against in (gt, truth):
        (row,) = evaluate_snippets(against, snippets, sequence=sequence)
        assert row.n_poses == n
        assert row.metrics["snippet5_sfmlearner"] == pytest.approx(golden, abs=1e-6)
        assert row.metrics["snippet5_rmse_std"] == pytest.approx(row.metrics["snippet5_sfmlearner_std"] * np.sqrt(5))
    assert truth.time is not None
    assert snippets.time is not None
    scores = score_snippets(truth, snippets).sfmlearner
    by_hand = [sfmlearner(*parts) for parts in zip(truth.time, truth.xyz, snippets.time, snippets.xyz, strict=True)]
    assert scores == pytest.approx(by_hand, rel=1e-9)
