"""From the per-image table to the record: what is averaged, what is refused, what is said."""

import dataclasses
import math
from typing import Any

import numpy as np
import pytest

from benchmark.errors import ResultError
from benchmark.evaluate_depth import NO_GROUND_TRUTH, NO_PREDICTION, ImageTable
from benchmark.io.results import validate_record
from benchmark.protocol import DepthProtocol, load_protocol
from benchmark.summarize import Inputs, Record, summarize

PROTOCOL = dataclasses.replace(load_protocol("kitti_eigen"), metrics={"abs_rel": "1", "rmse": "m", "a1": "1"})
INPUTS = Inputs(
    split="1" * 64, ground_truth="2" * 64, predictions="3" * 64, flipped=None, kind="disparity", pred_split="kitti_eigen/test",
    surplus_predictions=0,
)  # fmt: skip
NAN = math.nan


def table(*rows: tuple[int, float, float, float, float, str]) -> ImageTable:
    """Rows of n_valid, scale, abs_rel, rmse, a1 and reason."""
    n, scale, abs_rel, rmse, a1, reason = zip(*rows, strict=True)
    return ImageTable(
        tuple(f"drive/image_02/{i:010d}" for i in range(len(rows))),
        np.array(n),
        np.array(scale),
        np.zeros(len(rows)),
        {"abs_rel": np.array(abs_rel), "rmse": np.array(rmse), "a1": np.array(a1)},
        tuple(reason),
    )


def record_of(images: ImageTable, protocol: DepthProtocol = PROTOCOL, **options: Any) -> Record:
    record = summarize(images, protocol, method="m", inputs=INPUTS, **options)
    validate_record(record, "record")
    return record


ONE, TWO = (100, 5.0, 0.1, 4.0, 0.9, ""), (300, 7.0, 0.3, 6.0, 0.7, "")
MISSING = (0, NAN, NAN, NAN, NAN, NO_PREDICTION)
EMPTY = (0, NAN, NAN, NAN, NAN, NO_GROUND_TRUTH)


def test_means_are_over_images_not_pixels() -> None:
    record = record_of(table(ONE, TWO))
    assert record["metrics"]["abs_rel"] == {"mean": pytest.approx(0.2), "ci95": None, "unit": "1", "better": "lower"}
    assert record["metrics"]["rmse"] == {"mean": 5.0, "ci95": None, "unit": "m", "better": "lower"}
    assert record["metrics"]["a1"] == {"mean": pytest.approx(0.8), "ci95": None, "unit": "1", "better": "higher"}
    assert (record["n_images"], record["n_missing"], record["n_pixels"]) == (2, 0, 400)
    assert record["scale"] == {"median": 6.0, "cv": pytest.approx(1 / 6)}
    assert record["warnings"] == []
    assert record["inputs"]["ground_truth"] == "2" * 64
    assert record["protocol"] == {"name": "kitti_eigen", "version": PROTOCOL.version, "sha256": PROTOCOL.sha256}


def test_missing_frames_are_refused_then_counted() -> None:
    images = table(ONE, MISSING, TWO, MISSING)
    with pytest.raises(ResultError) as caught:
        record_of(images, allow_missing=1)
    assert str(caught.value) == (
        "kitti_eigen: 2 of 4 frames have no score (1 allowed); the first is drive/image_02/0000000001: no prediction. A mean "
        "over the others is another benchmark: predict the missing frames, or say `--allow-missing 2` and the record says so "
        "too"
    )
    record = record_of(images, allow_missing=2)
    assert (record["n_images"], record["n_missing"]) == (2, 2)
    assert record["metrics"]["rmse"]["mean"] == 5.0


def test_an_image_without_ground_truth_follows_the_protocol() -> None:
    with pytest.raises(ResultError, match="the first is drive/image_02/0000000001: no ground truth inside the crop"):
        record_of(table(ONE, EMPTY))
    dropped = record_of(table(ONE, EMPTY, TWO), dataclasses.replace(PROTOCOL, empty_image="drop"))
    assert (dropped["n_images"], dropped["n_missing"], dropped["metrics"]["rmse"]["mean"]) == (2, 0, 5.0)
    assert dropped["warnings"] == ["1 images without scored pixels are left out, as this protocol's evaluator does"]
    zero = table(ONE, (0, NAN, 0.0, 0.0, 0.0, NO_GROUND_TRUTH), TWO)
    counted = record_of(zero, dataclasses.replace(PROTOCOL, empty_image="zero"))
    assert (counted["n_images"], counted["n_missing"]) == (3, 0)
    assert counted["metrics"]["rmse"]["mean"] == pytest.approx(10 / 3)


def test_a_missing_prediction_is_never_a_zero() -> None:
    with pytest.raises(ResultError, match="1 of 3 frames have no score"):
        record_of(table(ONE, MISSING, TWO), dataclasses.replace(PROTOCOL, empty_image="zero"))


def test_nothing_scored_at_all() -> None:
    with pytest.raises(ResultError, match="no image has a scored pixel; there is nothing to average"):
        record_of(table(EMPTY, EMPTY), dataclasses.replace(PROTOCOL, empty_image="drop"))
    with pytest.raises(ResultError, match="2 of 2 frames have no score"):
        record_of(table(MISSING, MISSING), allow_missing=2)


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ((50, 5.0, NAN, 1.0, 0.5, ""), "abs_rel nan"),
        ((50, 5.0, 0.1, math.inf, 0.5, ""), "rmse inf"),
        ((50, NAN, 0.1, 1.0, 0.5, ""), "scale nan"),
        ((50, math.inf, NAN, 1.0, 0.5, ""), "scale inf, abs_rel nan"),
    ],
)
def test_a_score_that_is_no_number_names_its_frame(row: tuple[Any, ...], said: str) -> None:
    with pytest.raises(ResultError) as caught:
        record_of(table(ONE, row), allow_missing=2)
    assert (
        f"kitti_eigen, scaling median: 1 frames have no finite score, the first is drive/image_02/0000000001 ({said})"
        in str(caught.value)
    )


def test_a_wide_spread_of_scales_is_said() -> None:
    record = record_of(table((9, 1.0, 0.1, 1.0, 1.0, ""), (9, 10.0, 0.1, 1.0, 1.0, "")), warnings=["first"])
    assert record["warnings"][0] == "first"
    assert record["warnings"][1].startswith("the scale varies by 82% of its median between images")
    assert record["scale"]["cv"] == pytest.approx(np.std([1 / 5.5, 10 / 5.5]))
