"""The engine on inputs whose answer is known by hand, and what must hold for any input."""

import dataclasses

import numpy as np
import pytest
from engine_settings import run_engine
from hypothesis import given, settings
from hypothesis import strategies as st
from synthetic_frames import synthetic_frame

from benchmark.errors import GroundTruthError, PredictionError
from benchmark.evaluate_depth import NO_GROUND_TRUTH, NO_PREDICTION, evaluate_settings
from benchmark.io.ground_truth import Header, assemble, sparsify
from benchmark.io.predictions import ArrayPredictions
from benchmark.matching import Match
from benchmark.protocol import DepthRange, load_protocol
from benchmark.splits import Split

PROTOCOL = load_protocol("kitti_eigen")
UNCROPPED = dataclasses.replace(PROTOCOL, crop="none")
ERRORS = ("abs_rel", "sq_rel", "rmse", "rmse_log")


def _random_case(seed: int, n: int = 200):
    random = np.random.default_rng(seed)
    truth = np.where(random.random((30, 40)) < 0.3, random.uniform(1, 79, (30, 40)), 0).astype(np.float32)
    return truth, random.uniform(0.02, 2, (10, 16)).astype(np.float32)


def test_two_pixels_by_hand() -> None:
    truth = np.zeros((4, 6), np.float32)
    truth[1, 2], truth[3, 5] = 2.0, 4.0
    disparity = np.ones((4, 6), np.float32)
    disparity[3, 5] = 0.2
    protocol = dataclasses.replace(UNCROPPED, scaling="none")
    table = run_engine([truth], [disparity], protocol)
    # predictions are 1 and 5 metres
    assert table.n_valid[0] == 2
    assert table.values["abs_rel"][0] == pytest.approx((1 / 2 + 1 / 4) / 2)
    assert table.values["sq_rel"][0] == pytest.approx((1 / 2 + 1 / 4) / 2)
    assert table.values["rmse"][0] == pytest.approx(1.0)
    assert table.values["a1"][0] == 0.0  # 5/4 is not below 1.25
    assert table.values["a2"][0] == 0.5


@settings(max_examples=30)
@given(seed=st.integers(0, 10_000), factor=st.floats(0.01, 100))
def test_median_scaling_ignores_the_scale_of_the_prediction(seed: int, factor: float) -> None:
    truth, disparity = _random_case(seed)
    one = run_engine([truth], [disparity], UNCROPPED)
    other = run_engine([truth], [disparity * np.float32(factor)], UNCROPPED)
    for name in ERRORS:
        assert other.values[name][0] == pytest.approx(one.values[name][0], rel=1e-5)
    for name in ("a1", "a2", "a3"):
        assert other.values[name][0] == pytest.approx(one.values[name][0], abs=2 / one.n_valid[0])
    assert other.scale[0] == pytest.approx(one.scale[0] * np.float32(factor), rel=1e-5)


@settings(max_examples=20)
@given(seed=st.integers(0, 10_000))
def test_the_order_of_pixels_does_not_matter(seed: int) -> None:
    random = np.random.default_rng(seed)
    truth, _ = _random_case(seed)
    disparity = random.uniform(0.02, 2, truth.shape).astype(np.float32)
    order = random.permutation(truth.size)
    protocol = dataclasses.replace(UNCROPPED, resize=dataclasses.replace(UNCROPPED.resize, rule="same_size"))
    one = run_engine([truth], [disparity], protocol)
    other = run_engine([truth.ravel()[order].reshape(truth.shape)], [disparity.ravel()[order].reshape(truth.shape)], protocol)
    for name, values in one.values.items():
        assert other.values[name][0] == pytest.approx(values[0], rel=1e-6)


@settings(max_examples=20)
@given(seed=st.integers(0, 10_000), scaling=st.sampled_from(["median", "none", "lstsq_depth", "lstsq_disparity"]))
def test_a_perfect_prediction_has_no_error(seed: int, scaling: str) -> None:
    depth = np.random.default_rng(seed).uniform(1, 79, (20, 30)).astype(np.float32)
    protocol = dataclasses.replace(UNCROPPED, scaling=scaling, resize=dataclasses.replace(UNCROPPED.resize, quantity="depth"))
    table = run_engine([depth], [depth], protocol, kind="depth")
    for name in ERRORS:
        # The least-squares fits solve their equations in float64 and apply them in float32.
        assert table.values[name][0] == pytest.approx(0, abs=2e-4 if "lstsq" in scaling else 1e-6)
    assert [table.values[name][0] for name in ("a1", "a2", "a3")] == [1, 1, 1]


@pytest.mark.parametrize("scaling", ["median", "stereo", "none", "lstsq_depth", "lstsq_disparity"])
def test_a_single_pixel_is_scored(scaling: str) -> None:
    truth = np.zeros((30, 40), np.float32)
    truth[15, 20] = 10.0
    table = run_engine([truth], [np.full((10, 16), 0.5, np.float32)], dataclasses.replace(PROTOCOL, scaling=scaling))
    assert table.n_valid[0] == 1
    # One pixel: the median fits exactly, a line has no unique fit and gives 0, clamped to 1 mm.
    expected = {"median": 0.0, "stereo": 0.08, "none": 0.8, "lstsq_depth": 0.9999, "lstsq_disparity": 0.9999}
    assert table.values["abs_rel"][0] == pytest.approx(expected[scaling], rel=1e-5, abs=1e-7)


@pytest.mark.parametrize(("rule", "value"), [("refuse", np.nan), ("drop", np.nan), ("zero", 0.0)])
def test_an_empty_image_is_a_row_with_a_reason(rule: str, value: float) -> None:
    truth = np.zeros((30, 40), np.float32)
    truth[0, 0] = 10.0  # outside the crop
    table = run_engine([truth], [np.ones((10, 16), np.float32)], dataclasses.replace(PROTOCOL, empty_image=rule))
    assert table.n_valid[0] == 0
    assert table.reason == (NO_GROUND_TRUTH,)
    assert np.array_equal(table.values["abs_rel"], [value], equal_nan=True)


@pytest.mark.parametrize(
    ("low_open", "high_open", "expected"), [(True, True, 1), (False, True, 2), (True, False, 2), (False, False, 3)]
)
def test_open_and_closed_bounds(low_open: bool, high_open: bool, expected: int) -> None:
    truth = np.zeros((4, 6), np.float32)
    truth[1, 1:4] = 1.0, 5.0, 10.0
    protocol = dataclasses.replace(UNCROPPED, depth_range=DepthRange(1.0, 10.0, low_open, high_open))
    assert run_engine([truth], [np.ones((4, 6), np.float32)], protocol).n_valid[0] == expected


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 0.0, -0.5])
def test_a_meaningless_value_is_refused_with_its_place(value: float) -> None:
    frame = synthetic_frame(3)
    bad = frame.prediction.copy()
    bad[7, 11] = value
    with pytest.raises(PredictionError, match=rf"prediction of 1 is {value} at row 7, column 11 \(1 such pixels"):
        run_engine([frame.ground_truth] * 2, [frame.prediction, bad], PROTOCOL)


def test_ground_truth_of_another_kind_is_refused() -> None:
    frame = synthetic_frame(3)
    with pytest.raises(
        GroundTruthError, match="lidar_forward_x of kitti_raw; packnet_kitti_improved is defined on annotated_png"
    ):
        _many([frame], [PROTOCOL, load_protocol("packnet_kitti_improved")])


def test_a_frame_without_a_prediction_is_a_row_with_a_reason() -> None:
    frame = synthetic_frame(3)
    (table,) = _many([frame, frame], [PROTOCOL], prediction=(0, None))
    assert table.reason == ("", NO_PREDICTION)
    assert np.isnan(table.values["abs_rel"][1])
    assert table.values["abs_rel"][0] > 0


def test_settings_that_share_a_pass_give_what_they_give_alone() -> None:
    frames = [synthetic_frame(seed) for seed in range(3)]
    names = ("kitti_eigen", "kitti_eigen_50m", "kitti_eigen_depth", "kitti_eigen_scsfm")
    chosen = [dataclasses.replace(load_protocol(n), scaling=s) for s in ("median", "none", "stereo") for n in names]
    for together, protocol in zip(_many(frames, chosen), chosen, strict=True):
        (alone,) = _many(frames, [protocol])
        for name, values in together.values.items():
            assert values.tolist() == alone.values[name].tolist(), (protocol.name, protocol.scaling, name)


def test_the_result_does_not_depend_on_the_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    frames = [synthetic_frame(seed, size=(60, 200), pred_size=(24, 80)) for seed in range(40)]
    (many,) = _many(frames, [PROTOCOL])
    monkeypatch.setattr("benchmark.evaluate_depth.cpu_count", lambda: 1)
    (one,) = _many(frames, [PROTOCOL])
    assert {k: v.tolist() for k, v in many.values.items()} == {k: v.tolist() for k, v in one.values.items()}


def _many(frames, protocols, *, prediction=None):
    ids = tuple(str(i) for i in range(len(frames)))
    header = Header("kitti_raw", "custom", "", "lidar_forward_x", ids)
    truth = assemble(header, [sparsify([f.ground_truth for f in frames], np.eye(3))])
    positions = tuple(range(len(frames)))
    match = Match(Split("custom", "kitti_raw", "custom", True, (), "", ""), ids, positions, prediction or positions, 0)
    return evaluate_settings(truth, ArrayPredictions(np.stack([f.prediction for f in frames])), protocols, match=match)
