from dataclasses import replace

import numpy as np
import pytest
from pose_paths import drive, noisy, trajectory

from benchmark.errors import TrajectoryError
from benchmark.geometry import motions
from benchmark.pose_pairs import Rules, lay_on, match_frames, nearest, scale_along, scale_drift, standing_pieces
from benchmark.trajectory import Trajectory


def test_frames_must_belong_to_the_ground_truth() -> None:
    gt = trajectory(drive(20), source="09.txt")
    with pytest.raises(TrajectoryError, match=r"1 of them for frames that 09\.txt lacks, the first frame 20"):
        match_frames(gt, trajectory(drive(21)))
    with pytest.raises(TrajectoryError, match=r"has 19 poses without frame numbers, 09\.txt has 20"):
        match_frames(gt, trajectory(drive(19), form="kitti"))
    assert match_frames(gt, trajectory(drive(2), frame=np.array([3, 9]))).tolist() == [3, 9]


def test_times_are_matched_one_to_one() -> None:
    stamps = 0.1 * np.arange(20)
    gt = replace(trajectory(drive(20), source="gt"), time=stamps, form="tum")

    def pred(time_s: np.ndarray) -> Trajectory:
        return replace(trajectory(drive(len(time_s))), time=time_s, form="tum")

    assert match_frames(gt, pred(stamps[[0, 4, 19]] + 0.004)).tolist() == [0, 4, 19]
    with pytest.raises(TrajectoryError, match=r"20 of 20 times match none of gt within 0\.01 s, the first 1000"):
        match_frames(gt, pred(stamps + 1000))
    with pytest.raises(TrajectoryError, match="two poses match the time"):
        match_frames(gt, pred(np.array([0.3, 0.304])))
    with pytest.raises(TrajectoryError, match="expected times or frame numbers in both"):
        match_frames(gt, trajectory(drive(20)))


def straight(step_m: np.ndarray) -> np.ndarray:
    z = np.concatenate([[0.0], np.cumsum(step_m)])
    return motions(np.tile(np.eye(3), (len(z), 1, 1)), np.stack([0 * z, 0 * z, z], axis=-1))


def test_the_scale_along_a_path_is_that_of_each_100_m() -> None:
    gt, pred = straight(np.ones(350)), straight(np.repeat([0.5, 0.25, 1.0, 9.0], [100, 100, 100, 50]))
    pair = lay_on(trajectory(gt), trajectory(pred))
    distance, scale = scale_along(pair)
    assert distance.tolist() == [50, 150, 250]
    assert scale.tolist() == [2, 4, 1]
    assert scale_drift(pair) == pytest.approx(100 * np.std([2, 4, 1]) / np.mean([2, 4, 1]))


def test_a_common_scale_is_no_drift_and_gaps_do_not_matter() -> None:
    gt, pred = drive(400), noisy(drive(400))
    whole = scale_drift(lay_on(trajectory(gt), trajectory(pred)))
    pred[:, :3, 3] *= 7
    assert scale_drift(lay_on(trajectory(gt), trajectory(pred))) == pytest.approx(whole)
    kept = np.array([k for k in range(400) if not 110 < k < 130])
    gt[:, :3, 3] *= 7
    assert scale_drift(lay_on(trajectory(gt), trajectory(gt[kept], frame=kept))) == pytest.approx(0, abs=1e-9)


def test_a_piece_inside_a_gap_is_left_out_and_a_standing_one_has_no_scale() -> None:
    gt = straight(np.ones(500))
    kept = np.array([k for k in range(501) if not 150 < k < 420])
    assert scale_along(lay_on(trajectory(gt), trajectory(gt[kept], frame=kept)))[0].tolist() == [50, 150, 450]
    still = straight(np.repeat([1.0, 0.0, 1.0], [100, 101, 299]))
    pair = lay_on(trajectory(gt), trajectory(still))
    assert np.isnan(scale_along(pair)[1]).tolist() == [False, True, False, False, False]
    assert np.isnan(scale_drift(pair))
    assert standing_pieces(pair) == (
        "the prediction stands still along 1 of 5 pieces of 100 m, first from 100 to 200 m; "
        "the scale and its drift do not exist there"
    )
    assert standing_pieces(lay_on(trajectory(gt), trajectory(gt))) == ""


def test_the_nearest_of_two_is_the_first_where_both_are_as_near() -> None:
    wanted = np.array([-9, 0, 0.4, 0.5, 0.6, 1.9, 9])
    assert nearest(np.array([0.0, 1, 2]), wanted).tolist() == [0, 0, 0, 0, 1, 2, 2]
    assert nearest(np.array([3.0]), wanted).tolist() == [0] * 7


def test_a_path_below_two_pieces_has_no_drift() -> None:
    assert np.isnan(scale_drift(lay_on(trajectory(straight(np.ones(199))), trajectory(straight(np.ones(199))))))
    short = lay_on(trajectory(drive(30)), trajectory(drive(30)), rules=Rules(lengths_m=()))
    assert len(scale_along(short)[0]) == 0
