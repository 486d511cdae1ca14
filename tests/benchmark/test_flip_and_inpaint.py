"""Flip fusion and the devkit's filling, by hand."""

import numpy as np
import pytest

from benchmark.flip import fuse
from benchmark.inpaint import interpolate_background


def test_each_border_takes_the_prediction_that_saw_it() -> None:
    fused = fuse(np.ones((2, 101), np.float32), np.full((2, 101), 2.0, np.float32), np.dtype(np.float64))
    # 5 % of the width on each side, ramps to 10 %, the mean between them
    assert fused[0, [0, 5, 50, 95, 100]].tolist() == [2.0, 2.0, 1.5, 1.0, 1.0]
    assert fused[1, 7] == pytest.approx(2 * 0.6 + 1.5 * 0.4)
    assert fused.dtype == np.float64


def test_fusing_a_map_with_itself_changes_nothing() -> None:
    disparity = np.random.default_rng(0).uniform(0.1, 1, (4, 30))
    assert fuse(disparity, disparity, disparity.dtype) == pytest.approx(disparity, rel=1e-15)


def test_gaps_take_the_nearer_neighbour_and_borders_repeat() -> None:
    depth = np.array(
        [
            [0, 0, 0, 0, 0],
            [0, 5, 0, 3, 0],
            [0, 0, 0, 0, 0],
            [7, 0, 0, 9, 0],
            [0, 0, 0, 0, 0],
        ],
        np.float32,
    )
    expected = [
        [5, 5, 3, 3, 3],
        [5, 5, 3, 3, 3],
        [-1, -1, -1, -1, -1],  # an empty row between two that are not stays invalid, as in the devkit
        [7, 7, 7, 9, 9],
        [7, 7, 7, 9, 9],
    ]
    assert interpolate_background(depth).tolist() == expected
    assert depth[0, 0] == 0  # the input is left alone


def test_an_empty_prediction_stays_invalid() -> None:
    assert (interpolate_background(np.zeros((3, 4), np.float32)) == -1).all()
