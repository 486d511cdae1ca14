"""The dense restatement on tiny cases worked out by hand, and against cv2's resize; needs no real samples."""

import math
from typing import Any

import cv2
import numpy as np
import pytest
from golden_predictions import prediction_map
from restatement import Setting, resize, score_dense, valid_mask
from restatement_metrics import interpolate_background
from synthetic_frames import DENSITIES, KITTI_SIZES, synthetic_frame, synthetic_frames


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("size", KITTI_SIZES)
def test_half_pixel_is_cv2_resize(size: tuple[int, int], dtype: str) -> None:
    """1.2e-7 in float32 and 2e-15 in float64 with Intel IPP; builds without it use float32 weights, 2.5e-5 off."""
    for low in ((192, 640), (60, 200), (320, 1024), (500, 1600)):
        values = prediction_map("P", low, 5).astype(dtype)
        theirs = cv2.resize(values, size[::-1])
        np.testing.assert_allclose(resize(values, size, "half_pixel"), theirs, rtol=3e-5)


@pytest.mark.parametrize("size", KITTI_SIZES)
def test_nearest_is_cv2s_but_where_the_source_is_a_whole_number(size: tuple[int, int]) -> None:
    """cv2 multiplies by a rounded reciprocal, so floor(i n/N) can fall one short where i n/N is whole."""
    for low in ((192, 640), (60, 200), (320, 1024), (500, 1600)):
        values = prediction_map("P", low, 5)
        theirs = cv2.resize(values, size[::-1], interpolation=cv2.INTER_NEAREST)
        clear = np.ix_(*(np.arange(n) * small % n != 0 for n, small in zip(size, low, strict=True)))
        np.testing.assert_array_equal(resize(values, size, "nearest")[clear], theirs[clear])


def test_align_corners_keeps_the_corners() -> None:
    values = np.array([[1.0, 2.0, 4.0], [3.0, 5.0, 9.0]])
    full = resize(values, (3, 5), "align_corners")
    assert full.tolist() == [[1, 1.5, 2, 3, 4], [2, 2.75, 3.5, 5, 6.5], [3, 4, 5, 7, 9]]


def test_seven_metrics_by_hand() -> None:
    gt, pred = np.array([[2.0, 0.0], [4.0, 100.0]]), np.array([[1.0, 9.0], [1 / 5, 9.0]])
    got = score_dense(gt, pred, Setting(scaling="none", dtype="float64"))
    assert got == pytest.approx(
        {
            "abs_rel": (1 / 2 + 1 / 4) / 2,
            "sq_rel": (1 / 2 + 1 / 4) / 2,
            "rmse": 1.0,
            "rmse_log": math.sqrt((math.log(2) ** 2 + math.log(0.8) ** 2) / 2),
            "a1": 0.0,  # 5/4 is not below 1.25
            "a2": 0.5,
            "a3": 0.5,
            "n_valid": 2,
            "scale": 1.0,
        }
    )


def test_the_two_medians_differ_on_an_even_count() -> None:
    gt, pred = np.array([[1.0, 2.0, 4.0, 8.0]]), np.ones((1, 4))
    assert score_dense(gt, pred, Setting())["scale"] == 3.0
    assert score_dense(gt, pred, Setting(median="lower"))["scale"] == 2.0


def test_least_squares_recovers_a_line() -> None:
    frame = synthetic_frame(3, size=(40, 60), pred_size=(40, 60), density="annotated")
    gt, seen = frame.ground_truth.astype(np.float64), frame.ground_truth > 0
    safe = np.where(seen, gt, 50.0)
    rules: dict[str, Any] = {"dtype": "float64", "max_depth": None, "clamp": None}
    depth = Setting(kind="depth", resized="depth", scaling="lstsq_depth", **rules)
    got = score_dense(gt, (safe - 2) / 3, depth)
    assert (got["scale"], got["shift"], got["rmse"]) == pytest.approx((3, 2, 0), abs=1e-9)
    got = score_dense(gt, (1 / safe + 0.01) / 4, Setting(scaling="lstsq_disparity", **rules))
    assert (got["scale"], got["shift"], got["rmse"]) == pytest.approx((4, -0.01, 0), abs=1e-9)


def test_an_empty_frame_is_nan_not_zero() -> None:
    got = score_dense(np.zeros((5, 7)), np.ones((3, 4)), Setting())
    assert got["n_valid"] == 0
    assert all(math.isnan(value) for name, value in got.items() if name != "n_valid")


def test_background_is_filled_as_the_devkit_fills_it() -> None:
    raw = np.array([[0, 0, 0, 0], [0, 512, 0, 256], [0, 0, 0, 0], [768, 0, 0, 0], [0, 0, 0, 0]], dtype=np.uint16)
    expected = [[2, 2, 1, 1], [2, 2, 1, 1], [-1] * 4, [3] * 4, [3] * 4]
    assert interpolate_background(raw).tolist() == expected


@pytest.mark.parametrize(
    ("size", "garg", "eigen"),
    [
        ((375, 1242), (153, 371, 44, 1197), (124, 342, 44, 1197)),
        ((370, 1224), (151, 366, 43, 1180), (122, 337, 43, 1180)),
        ((374, 1238), (152, 370, 44, 1193), (124, 341, 44, 1193)),
        ((370, 1226), (151, 366, 44, 1181), (122, 337, 44, 1181)),
        ((376, 1241), (153, 372, 44, 1196), (124, 343, 44, 1196)),
    ],
)
def test_crops_are_truncated(size: tuple[int, int], garg: tuple[int, ...], eigen: tuple[int, ...]) -> None:
    def bounds(crop: str) -> tuple[int, ...]:
        rows, columns = np.nonzero(valid_mask(np.full(size, 9.0), Setting(crop=crop)))
        return int(rows[0]), int(rows[-1]) + 1, int(columns.min()), int(columns.max()) + 1

    assert bounds("garg") == garg
    assert bounds("eigen") == bounds("eigen_md1") == eigen


def test_synthetic_frames_look_like_kittis() -> None:
    frames = synthetic_frames(10)
    assert {frame.ground_truth.shape for frame in frames} == set(KITTI_SIZES)
    assert {frame.density for frame in frames} == set(DENSITIES)
    assert {frame.prediction.dtype.name for frame in frames} == {"float32", "float64"}
    for frame in frames:
        seen = frame.ground_truth > 0
        values = frame.ground_truth[seen]
        assert seen.mean() == pytest.approx(0.039 if frame.density == "lidar" else 0.195, abs=0.002)
        assert values.min() >= 1
        assert (values > 80).any()
        assert (values > 100).any()
        assert frame.prediction.min() > 0
        assert frame.unflipped.shape == frame.prediction.shape
    again = synthetic_frames(2)
    assert all((a.ground_truth == b.ground_truth).all() for a, b in zip(frames[:2], again, strict=True))
