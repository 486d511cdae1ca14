"""Every depth metric by hand, under the transformations that must and must not move it, and against numpy."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmark.metrics.depth import DEPTH_METRICS, UNIT_FACTORS
from benchmark.metrics.pixel_sums import pixel_sums

# Two pixels: gt 2 and 4 m, predicted 1 and 5 m.
BY_HAND = {
    "abs_rel": (1 / 2 + 1 / 4) / 2,
    "sq_rel": (1 / 2 + 1 / 4) / 2,
    "sq_rel_unitless": (1 / 4 + 1 / 16) / 2,
    "mae": 1.0,
    "rmse": 1.0,
    "log_mae": (math.log(2) + math.log(5 / 4)) / 2,
    "rmse_log": math.sqrt((math.log(2) ** 2 + math.log(5 / 4) ** 2) / 2),
    "log10": (math.log10(2) + math.log10(5 / 4)) / 2,
    "silog": (math.log(5 / 4) + math.log(2)) / 2,
    "imae": (1 / 2 + 1 / 20) / 2,
    "irmse": math.sqrt((1 / 4 + 1 / 400) / 2),
    "a1": 0.0,  # 2 and 1.25, which is not below 1.25
    "a2": 0.5,
    "a3": 0.5,
}


def _value(name: str, gt, pred) -> float:
    return DEPTH_METRICS[name].function(pixel_sums(gt, pred))


def _pair(seed: int, n: int = 500):
    random = np.random.default_rng(seed)
    gt = random.uniform(1, 80, n)
    return gt, gt * random.lognormal(0, 0.3, n)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", DEPTH_METRICS)
def test_two_pixels_by_hand(name: str, dtype: type) -> None:
    value = _value(name, np.array([2.0, 4.0], dtype), np.array([1.0, 5.0], dtype))
    assert value == pytest.approx(BY_HAND[name], rel=1e-6 if dtype == np.float32 else 1e-12)


@pytest.mark.parametrize("name", DEPTH_METRICS)
def test_a_perfect_prediction(name: str) -> None:
    gt, _ = _pair(0)
    assert _value(name, gt, gt) == (1 if DEPTH_METRICS[name].better == "higher" else 0)


@settings(max_examples=25)
@given(seed=st.integers(0, 1000))
def test_the_order_of_pixels_does_not_matter(seed: int) -> None:
    gt, pred = _pair(seed)
    order = np.random.default_rng(seed + 1).permutation(len(gt))
    for name in DEPTH_METRICS:
        assert _value(name, gt[order], pred[order]) == pytest.approx(_value(name, gt, pred), rel=1e-12)


# Power of the unit of length: doubling every length multiplies the metric by 2 to that power.
POWERS = {"m": 1, "1": 0, "1/m": -1}


@pytest.mark.parametrize("name", DEPTH_METRICS)
def test_units(name: str) -> None:
    gt, pred = _pair(3)
    factor = 2.0 ** POWERS[DEPTH_METRICS[name].unit]
    assert _value(name, 2 * gt, 2 * pred) == pytest.approx(factor * _value(name, gt, pred), rel=1e-10)


def test_silog_ignores_the_scale_of_the_prediction() -> None:
    gt, pred = _pair(4)
    assert _value("silog", gt, 3.7 * pred) == pytest.approx(_value("silog", gt, pred), rel=1e-9)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_against_numpy(dtype: type) -> None:
    gt, pred = (values.astype(dtype) for values in _pair(5, 17_000))
    error, log = gt - pred, np.log(pred) - np.log(gt)
    expected = {
        "abs_rel": np.mean(np.abs(error) / gt, dtype=np.float64),
        "sq_rel": np.mean(error**2 / gt, dtype=np.float64),
        "rmse": np.sqrt(np.mean(error**2, dtype=np.float64)),
        "rmse_log": np.sqrt(np.mean(log**2, dtype=np.float64)),
        "silog": np.std(log, dtype=np.float64),
        "irmse": np.sqrt(np.mean((1 / gt - 1 / pred) ** 2, dtype=np.float64)),
        **{f"a{k}": np.mean(np.maximum(gt / pred, pred / gt) < 1.25**k) for k in (1, 2, 3)},
    }
    for name, value in expected.items():
        assert _value(name, gt, pred) == pytest.approx(value, rel=1e-6), name


def test_a_zero_prediction_is_not_repaired() -> None:
    with np.errstate(divide="ignore"):
        sums = pixel_sums(np.array([2.0, 4.0]), np.array([0.0, 4.0]))
    values = {name: metric.function(sums) for name, metric in DEPTH_METRICS.items()}
    assert values["abs_rel"] == 0.5
    assert values["rmse_log"] == math.inf
    assert values["irmse"] == math.inf
    assert values["a1"] == 0.5


def test_every_unit_has_a_factor() -> None:
    assert {(metric.unit, metric.unit) for metric in DEPTH_METRICS.values()} <= set(UNIT_FACTORS)
