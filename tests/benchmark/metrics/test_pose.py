import numpy as np
import pytest
from pose_paths import drive, noisy, turn

from benchmark.metrics.pose import (
    POSE_METRICS,
    PoseErrors,
    find_segments,
    segment_errors,
    snippets_monodepth2,
    snippets_sfmlearner,
    step_motions,
)


def by_hand(gt: np.ndarray, step: int = 10) -> list[tuple[int, int, float]]:
    steps = np.linalg.norm(np.diff(gt[:, :3, 3], axis=0), axis=1)
    found = []
    for first in range(0, len(gt), step):
        for length in range(100, 900, 100):
            travelled = 0.0
            for last in range(first + 1, len(gt)):
                travelled += steps[last - 1]
                if travelled > length:
                    found.append((first, last, float(length)))
                    break
    return found


def test_segments_are_those_of_a_plain_loop() -> None:
    gt = drive(905, turn_rad=0.002)
    found = find_segments(gt)
    assert list(zip(*(part.tolist() for part in found), strict=True)) == by_hand(gt)


def test_segments_end_beyond_the_length_not_at_it() -> None:
    gt = np.tile(np.eye(4), (202, 1, 1))
    gt[:, 2, 3] = np.arange(202)
    found = find_segments(gt, lengths_m=(100,))
    assert found.first.tolist() == list(range(0, 110, 10))[:11]
    assert (found.last - found.first == 101).all()


def test_a_scaled_path_has_its_scale_as_translation_error() -> None:
    gt = np.tile(np.eye(4), (302, 1, 1))
    gt[:, 2, 3] = np.arange(302)
    pred = gt.copy()
    pred[:, 2, 3] *= 1.1
    t, r = segment_errors(gt, pred, find_segments(gt, lengths_m=(100, 200)))
    assert t.max() == pytest.approx(0.1 * 101 / 100)
    assert r.max() == 0


def test_a_constant_turn_has_its_rate_as_rotation_error() -> None:
    gt = np.tile(np.eye(4), (302, 1, 1))
    gt[:, 2, 3] = np.arange(302)
    pred = gt.copy()
    pred[:, :3, :3] = turn(0.001 * np.arange(302))
    r = segment_errors(gt, pred, find_segments(gt, lengths_m=(100,)))[1]
    assert r == pytest.approx(0.001 * 101 / 100)


def test_snippets_by_hand() -> None:
    gt = np.tile(np.eye(4), (5, 1, 1))
    gt[:, 2, 3] = [0, 1, 2, 3, 4]
    pred = gt.copy()
    pred[:, 0, 3] = [0, 0, 0, 0, 1]
    x = np.array([[0, 0], [0, 1], [0, 2], [0, 3], [1, 4.0]])
    g = x * [0, 1]
    residual = np.linalg.norm((g * x).sum() / (x * x).sum() * x - g)
    published, rmse = snippets_sfmlearner(gt, pred)
    assert published == pytest.approx([residual / 5])
    assert rmse == pytest.approx([residual / np.sqrt(5)])
    # Without rotations the chain of inverses is the mirrored path; the tails of 4, 3 and 2 frames are scored as well.
    errors = snippets_monodepth2(gt, pred)
    assert errors[0] == pytest.approx(residual / 5)
    assert errors[3] == pytest.approx(np.sqrt(0.5) / 2)
    assert len(errors) == 4
    assert snippets_monodepth2(gt, pred, tails=False) == pytest.approx(errors[:1])
    assert len(snippets_monodepth2(gt[:4], pred[:4], tails=False)) == 0


def test_snippets_do_not_see_scale_or_the_sign_of_translations() -> None:
    gt = drive(30)
    pred = noisy(gt)
    for factor in (7.0, -1.0):
        other = pred.copy()
        other[:, :3, 3] *= factor
        assert snippets_sfmlearner(gt, other)[0] == pytest.approx(snippets_sfmlearner(gt, pred)[0])


def test_standing_still_has_no_snippet_error_and_few_frames_have_no_snippet() -> None:
    assert np.isnan(snippets_sfmlearner(drive(5), np.tile(np.eye(4), (5, 1, 1)))[0]).all()
    assert len(snippets_sfmlearner(drive(4), drive(4))[0]) == 0
    assert len(snippets_monodepth2(drive(4), drive(4))) == 3


def test_step_motions_of_equal_paths_are_nothing() -> None:
    assert step_motions(drive(9), drive(9)) == pytest.approx(np.broadcast_to(np.eye(4), (8, 4, 4)), abs=1e-12)


def test_every_metric_by_hand() -> None:
    pair = np.array([0.03, 0.04])
    errors = PoseErrors(pair, pair, pair, pair, pair, pair, pair, pair, pair)
    mean, root, degrees = 0.035, np.sqrt(0.00125), 180 / np.pi
    expected = {
        "t_err": 3.5, "r_err": mean * degrees * 100, "ate_rmse": root, "rpe_trans_mean": mean, "rpe_trans_rmse": root,
        "rpe_rot_mean": mean * degrees, "rpe_rot_rmse": root * degrees, "rpe_rot_acos_mean": mean * degrees,
        "snippet5_monodepth2": mean, "snippet5_sfmlearner": mean, "snippet5_rmse": mean,
        "snippet5_monodepth2_std": 0.005, "snippet5_sfmlearner_std": 0.005, "snippet5_rmse_std": 0.005,
    }  # fmt: skip
    assert {name: metric.function(errors) for name, metric in POSE_METRICS.items()} == pytest.approx(expected)
    empty = PoseErrors(*[np.empty(0)] * 9)
    assert all(np.isnan(metric.function(empty)) for metric in POSE_METRICS.values())
