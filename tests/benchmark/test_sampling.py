"""The taps of every resize rule, against OpenCV, closed forms and hand-made maps."""

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmark.errors import PredictionError
from benchmark.masks import crop_box, open_bounds
from benchmark.sampling import RESIZE_RULES, sample, scored, taps, with_canvas

ALL = open_bounds(None, None, min_open=True, max_open=True)


def _dense(values, size, rule):
    """Every pixel of the full image is a ground-truth point of depth 1."""
    height, width = size
    grid = tuple(taps(values.shape[k], size[k], rule=rule, axis=k, dtype=values.dtype) for k in (0, 1))
    frame = (
        np.arange(height + 1, dtype=np.int64) * width,
        np.tile(np.arange(width, dtype=np.uint16), height),
        np.ones(height * width, np.float32),
    )
    return sample(frame, with_canvas(values, rule), grid, (0, height, 0, width), ALL).pred.reshape(size)


@settings(max_examples=30)
@given(
    st.tuples(st.integers(2, 40), st.integers(2, 40)),
    st.tuples(st.integers(2, 90), st.integers(2, 90)),
    st.integers(0, 99),
)
def test_half_pixel_is_opencvs_linear(small, large, seed) -> None:
    values = np.random.default_rng(seed).random(small)
    assert _dense(values, large, "half_pixel") == pytest.approx(cv2.resize(values, large[::-1]), abs=3e-5)


def test_align_corners_maps_corners_to_corners_and_is_linear() -> None:
    values = np.add.outer(10.0 * np.arange(5), np.arange(7))
    out = _dense(values, (9, 13), "align_corners")
    assert out == pytest.approx(np.add.outer(5.0 * np.arange(9), 0.5 * np.arange(13)))


def test_nearest_takes_the_pixel_to_the_upper_left() -> None:
    values = np.arange(12.0).reshape(3, 4)
    out = _dense(values, (5, 6), "nearest")
    assert np.array_equal(out, values[np.ix_([0, 0, 1, 1, 2], [0, 0, 1, 2, 2, 3])])


def test_nearest_depends_on_the_type_as_in_torch() -> None:
    """Measured with torch 2.13 on maps of 384 lines made 1216: float64 takes the exact floor, float32 misses it 18 times."""
    exact = np.arange(1216) * 384 // 1216
    double, single = (taps(384, 1216, rule="nearest", axis=0, dtype=np.dtype(name)).first for name in ("float64", "float32"))
    assert np.array_equal(double, exact)
    assert (single != exact).sum() == 18
    assert (single[single != exact] == exact[single != exact] - 1).all()


def test_top_center_pastes_at_the_bottom_in_the_middle_of_zeros() -> None:
    out = _dense(np.ones((2, 3)), (4, 6), "top_center")
    expected = np.zeros((4, 6))
    expected[2:, 1:4] = 1
    assert np.array_equal(out, expected)


@pytest.mark.parametrize("rule", RESIZE_RULES)
def test_the_same_size_is_left_alone(rule: str) -> None:
    values = np.random.default_rng(0).random((6, 9)).astype(np.float32)
    assert np.array_equal(_dense(values, (6, 9), rule), values)


@pytest.mark.parametrize(("rule", "sizes"), [("same_size", (5, 6)), ("top_center", (7, 6))])
def test_sizes_that_a_rule_cannot_serve_are_refused(rule: str, sizes: tuple[int, int]) -> None:
    with pytest.raises(PredictionError, match=f"{sizes[0]} pixels"):
        taps(*sizes, rule=rule, axis=0, dtype=np.dtype(np.float32))


# The bounds that the published code gives on each recording day.
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
def test_crops_truncate(size, garg, eigen) -> None:
    assert crop_box("garg", *size) == garg
    assert crop_box("eigen", *size) == eigen
    assert crop_box("none", *size) == (0, size[0], 0, size[1])


@settings(max_examples=30)
@given(seed=st.integers(0, 10_000), crop=st.sampled_from(["none", "garg", "eigen"]))
def test_the_points_that_are_scored(seed: int, crop: str) -> None:
    random = np.random.default_rng(seed)
    depth = np.where(random.random((20, 30)) < 0.4, random.uniform(0.5, 100, (20, 30)), 0).astype(np.float32)
    row, column = np.nonzero(depth)
    frame = (np.searchsorted(row, np.arange(21)), column.astype(np.uint16), depth[row, column])
    grid = tuple(taps(n, n, rule="same_size", axis=k, dtype=depth.dtype) for k, n in enumerate((20, 30)))
    box, bounds = crop_box(crop, 20, 30), open_bounds(1.0, 80.0, min_open=True, max_open=True)
    taken = sample(frame, depth, grid, box, bounds)
    assert np.array_equal(frame[2][scored(frame, box, bounds)], taken.gt)
