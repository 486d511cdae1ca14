"""Panels: equal depths have equal colours, every pixel lies where it should, and sizes are whole numbers of pixels."""

import numpy as np
import pytest
from numpy.typing import NDArray

from benchmark.plots import NOTHING, draw, draw_cameras, nearest, overlay, png, ratio, size_px

H, W = 40, 160
FACTOR = 8  # 1280 / 160
LINE, GAP = 36, 18
ROW = H * FACTOR + 2 * LINE


def pixels(data: bytes) -> NDArray[np.uint8]:
    import cv2

    return np.asarray(cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)[..., ::-1], np.uint8)


def cell(picture: NDArray[np.uint8], row: int) -> NDArray[np.uint8]:
    """The middle of every picture pixel of one cell of a stacked panel, (H, W, 3)."""
    top, half = row * ROW + 2 * LINE, FACTOR // 2
    box = picture[top : top + H * FACTOR, GAP : GAP + W * FACTOR]
    return box[half::FACTOR, half::FACTOR]


@pytest.fixture(scope="module")
def truth() -> NDArray[np.float32]:
    depth = np.geomspace(2, 100, H * W).reshape(H, W).astype(np.float32)
    depth[:10, :50] = 0
    return depth


@pytest.fixture(scope="module")
def panel(truth: NDArray[np.float32]) -> NDArray[np.uint8]:
    image = np.random.default_rng(0).integers(0, 256, (H, W, 3), np.uint8)
    return pixels(png(draw(image, truth, {"some_method": np.where(truth > 0, truth, 7.0)})))


def test_the_size_of_a_panel(panel: NDArray[np.uint8]) -> None:
    assert panel.shape == (4 * ROW + 5 * LINE, W * FACTOR + 2 * GAP, 3)


def test_the_image_is_shown_to_the_pixel(panel: NDArray[np.uint8]) -> None:
    assert np.array_equal(cell(panel, 0), np.random.default_rng(0).integers(0, 256, (H, W, 3), np.uint8))


def test_equal_depths_have_equal_colours(panel: NDArray[np.uint8], truth: NDArray[np.float32]) -> None:
    there = truth > 0
    assert np.array_equal(cell(panel, 1)[there], cell(panel, 2)[there])
    assert len(np.unique(cell(panel, 1)[there], axis=0)) > 200


def test_nearer_is_brighter(panel: NDArray[np.uint8], truth: NDArray[np.float32]) -> None:
    brightness = cell(panel, 1).astype(float).sum(axis=-1)[truth > 0]
    assert np.all(np.diff(brightness) <= 3)  # one step of rounding in each channel
    assert brightness[0] > brightness[-1] + 500


def test_no_ground_truth_is_grey_in_truth_and_error(panel: NDArray[np.uint8], truth: NDArray[np.float32]) -> None:
    grey = np.array([int(NOTHING[i : i + 2], 16) for i in (1, 3, 5)])
    for row in (1, 3):
        assert np.all(np.all(cell(panel, row) == grey, axis=-1) == (truth == 0))


def test_a_perfect_prediction_has_the_middle_of_the_error_scale(panel: NDArray[np.uint8], truth: NDArray[np.float32]) -> None:
    errors = np.unique(cell(panel, 3)[truth > 0], axis=0)
    assert len(errors) == 1
    assert errors.min() > 240  # white


def test_too_near_is_red_and_too_far_is_blue(truth: NDArray[np.float32]) -> None:
    image = np.zeros((H, W, 3), np.uint8)
    half = np.where(np.arange(W) < 80, truth / 1.6, truth * 1.6)
    shown = cell(pixels(png(draw(image, truth, {"m": np.where(truth > 0, half, 1)}))), 3).astype(int)
    red, blue = shown[20, 10], shown[20, 150]
    assert red[0] > red[2] + 80
    assert blue[2] > blue[0] + 80


def test_two_columns_and_several_methods(truth: NDArray[np.float32]) -> None:
    image = np.zeros((H, W, 3), np.uint8)
    figure = draw(image, truth, {"one": np.full((H, W), 9.0), "other": np.full((7, 11), 9.0)}, columns=2)
    said = [text.get_text() for text in figure.texts]
    assert said == ["image", "ground truth (grey: none)", "one", "error of one", "other", "error of other"]
    again = draw(image, truth, {"one": np.full((H, W), 9.0), "other": np.full((7, 11), 9.0)}, columns=2)
    assert png(figure) == png(again)


def test_the_bars_say_their_units(truth: NDArray[np.float32]) -> None:
    figure = draw(np.zeros((H, W, 3), np.uint8), truth, {})
    assert [axes.get_xlabel() for axes in figure.axes if axes.get_xlabel()] == [
        "depth [m]",
        "too near  ·  prediction / truth  ·  too far",
    ]


def test_ratio_by_hand() -> None:
    assert np.array_equal(ratio(np.array([[2.0, 0.0, 4.0]]), np.array([[1.0, 5.0, 8.0]])), [[0.5, np.nan, 2.0]], equal_nan=True)


def test_nearest_takes_the_pixel_under_the_centre() -> None:
    values = np.arange(6).reshape(2, 3)
    assert np.array_equal(nearest(values, (2, 3)), values)
    assert np.array_equal(nearest(values, (4, 6)), np.kron(values, np.ones((2, 2), int)))
    assert np.array_equal(nearest(values, (1, 1)), [[4]])


def test_cameras_stand_side_by_side_with_the_points_in_colour() -> None:
    random = np.random.default_rng(0)
    images = {f"CAMERA_{k:02d}": random.integers(0, 256, (H, W, 3), np.uint8) for k in (7, 1, 8)}
    depths = {name: np.zeros((H, W), np.float32) for name in images}
    depths["CAMERA_01"][10, 20], depths["CAMERA_01"][11, 21] = 4.0, 60.0
    figure = draw_cameras(images, depths)
    picture = pixels(drawn := png(figure))
    assert size_px(drawn) == (picture.shape[1], picture.shape[0])
    assert picture.shape[1] > 3 * 2 * W  # each pixel at least twice as large
    marked = overlay(images["CAMERA_01"], depths["CAMERA_01"])
    near, far = (int(marked[row, column].astype(int).sum()) for row, column in ((10, 20), (11, 21)))
    assert near > 500  # near is bright, far is dark
    assert far < 150
    elsewhere = depths["CAMERA_01"] == 0
    saturation = [np.ptp(one.astype(int)[elsewhere], axis=-1).mean() for one in (images["CAMERA_01"], marked)]
    assert saturation[1] < 0.6 * saturation[0]
