"""Medians, factors and least squares, by hand and against numpy."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from benchmark.align import apply_alignment, find_alignment, median, parse_factor
from benchmark.errors import ProtocolError


@settings(max_examples=50)
@given(arrays(np.float32, st.integers(1, 40), elements=st.floats(0.125, 100, width=32)))
def test_medians(values) -> None:
    assert median(values, "mean_of_middle") == float(np.median(values))
    assert median(values, "lower") == np.sort(values)[(len(values) - 1) // 2]


def test_the_two_conventions_differ() -> None:
    six = np.arange(6.0)
    assert (median(six, "mean_of_middle"), median(six, "lower")) == (2.5, 2.0)


@pytest.mark.parametrize(("scaling", "factor"), [("stereo", 5.4), ("none", 1.0), ("factor=0.25", 0.25), ("median", None)])
def test_factors(scaling: str, factor: float | None) -> None:
    assert parse_factor(scaling) == factor


@pytest.mark.parametrize(
    "scaling", ["medain", "factor", "factor=", "factor=x", "factor=0", "factor=-1", "factor=inf", "factor=nan"]
)
def test_unknown_scalings_are_refused(scaling: str) -> None:
    with pytest.raises(ProtocolError, match=r"unknown scaling .* known: median, stereo"):
        parse_factor(scaling)


def test_least_squares_recover_a_line() -> None:
    random = np.random.default_rng(0)
    pred = random.uniform(1, 50, 300)
    depth = find_alignment(2.5 * pred + 3, pred, scaling="lstsq_depth", convention="lower")
    assert (depth.scale, depth.shift, depth.inverse) == (pytest.approx(2.5), pytest.approx(3), False)
    inverse = find_alignment(1 / (0.5 / pred + 0.01), pred, scaling="lstsq_disparity", convention="lower")
    assert (inverse.scale, inverse.shift, inverse.inverse) == (pytest.approx(0.5), pytest.approx(0.01), True)
    assert apply_alignment(pred, inverse) == pytest.approx(1 / (0.5 / pred + 0.01))


def test_least_squares_are_numpys() -> None:
    random = np.random.default_rng(1)
    gt, pred = random.uniform(1, 80, 500), random.uniform(1, 80, 500)
    found = find_alignment(gt, pred, scaling="lstsq_depth", convention="lower")
    assert (found.scale, found.shift) == pytest.approx(tuple(np.polyfit(pred, gt, 1)), rel=1e-8)


def test_a_singular_fit_gives_zero_and_an_inverse_depth_below_zero_too() -> None:
    flat = find_alignment(np.array([3.0, 4.0]), np.array([2.0, 2.0]), scaling="lstsq_depth", convention="lower")
    assert (flat.scale, flat.shift) == (0.0, 0.0)
    falling = find_alignment(
        np.array([1.0, 10.0, 100.0]), np.array([9.0, 2.0, 1.0]), scaling="lstsq_disparity", convention="lower"
    )
    aligned = apply_alignment(np.array([0.05]), falling)
    assert falling.scale < 0
    assert aligned[0] == 0.0
