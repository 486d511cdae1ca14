"""Records and tables on disk: full precision, sorted keys, the schema, nothing half written."""

import copy
import csv
import importlib.util
import io
import json
import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import small_world as world

from benchmark.errors import ResultError
from benchmark.evaluate_depth import NO_PREDICTION, ImageTable
from benchmark.io.results import SCHEMA, UNCHECKED, method_name, table_csv, to_json, validate_record, write_result
from benchmark.protocol import load_protocol
from benchmark.summarize import Inputs, summarize

TABLE = ImageTable(
    ("d1/image_02/0000000000", "d2/image_02/0000000001"),
    np.array([10, 20]),
    np.array([1 / 3, 0.1 + 0.2]),
    np.zeros(2),
    {name: np.array([1 / 3, 1e-17]) for name in load_protocol("kitti_eigen").metrics},
    ("", ""),
)
INPUTS = Inputs(
    split="1" * 64, ground_truth="2" * 64, predictions="3" * 64, flipped=None, kind="disparity", pred_split="kitti_eigen/test",
    surplus_predictions=3,
)  # fmt: skip
RECORD = summarize(TABLE, load_protocol("kitti_eigen"), method="monodepth2", inputs=INPUTS)


def test_the_files_hold_every_digit(tmp_path: Path) -> None:
    paths = write_result(tmp_path / "new" / "my results", RECORD, TABLE)
    stem = "monodepth2.kitti_eigen.median"
    assert paths == [tmp_path / "new" / "my results" / f"{stem}{suffix}" for suffix in (".csv", ".json")]
    text = paths[1].read_text("utf-8")
    assert json.loads(text) == RECORD
    assert text == to_json(RECORD)
    assert list(json.loads(text)) == sorted(RECORD)
    assert json.loads(text)["metrics"]["rmse"]["mean"] == (1 / 3 + 1e-17) / 2
    rows = list(csv.DictReader(io.StringIO(paths[0].read_text("utf-8"))))
    assert list(rows[0]) == ["frame_id", "drive", "n_valid", "scale", "shift", *load_protocol("kitti_eigen").metrics, "reason"]
    assert [row["drive"] for row in rows] == ["d1", "d2"]
    assert [float(row["scale"]) for row in rows] == [1 / 3, 0.1 + 0.2]
    assert [float(row["rmse"]) for row in rows] == [1 / 3, 1e-17]
    assert world.names_in(paths[0].parent) == [f"{stem}.csv", f"{stem}.json"]


def test_a_frame_without_a_score_is_a_row_of_nan() -> None:
    table = ImageTable(
        ("d/c/1",), np.array([0]), np.array([math.nan]), np.array([math.nan]), {"rmse": np.array([math.nan])}, (NO_PREDICTION,)
    )
    assert table_csv(table) == f"frame_id,drive,n_valid,scale,shift,rmse,reason\nd/c/1,d,0,nan,nan,nan,{NO_PREDICTION}\n"


def test_the_schema_is_closed_everywhere() -> None:
    """Every object lists its keys, so that a misspelt one is found."""

    def objects(node: Any) -> list[dict[str, Any]]:
        if isinstance(node, list):
            return [found for item in node for found in objects(item)]
        if not isinstance(node, dict):
            return []
        own = [node] if node.get("type") == "object" else []
        return own + [found for item in node.values() for found in objects(item)]

    schema = json.loads(SCHEMA.read_text("utf-8"))
    assert len(objects(schema)) >= 8
    assert all("additionalProperties" in found for found in objects(schema))
    assert set(schema["required"]) == set(schema["properties"]) - {"parts"}  # where parts of the split were tabled


def put(place: str, value: Any) -> Callable[[dict[str, Any]], None]:
    def change(record: dict[str, Any]) -> None:
        *way, last = place.split("/")
        for key in way:
            record = record[key]
        record[last] = value

    return change


@pytest.mark.parametrize(
    ("place", "value", "said"),
    [
        ("method", "a/b", "method: 'a/b' does not match"),
        ("method", "", "method: '' does not match"),
        ("extra", 1, "the record: Additional properties are not allowed ('extra' was unexpected)"),
        ("n_images", 0, "n_images: 0 is less than the minimum of 1"),
        ("n_images", 2.5, "n_images: 2.5 is not of type 'integer'"),
        ("n_missing", -1, "n_missing: -1 is less than the minimum of 0"),
        ("metrics/rmse/mean", "0.1", "metrics/rmse/mean: '0.1' is not of type 'number'"),
        ("metrics/rmse/better", "up", "metrics/rmse/better: 'up' is not one of"),
        ("metrics/rmse/ci95", [1, 2, 3], "metrics/rmse/ci95: "),
        ("metrics", {}, "metrics: {} "),
        ("inputs/split", "abc", "inputs/split: 'abc' does not match"),
        ("inputs/kind", "disp", "inputs/kind: 'disp' is not one of"),
        ("scaling", "mean", "scaling: 'mean' does not match"),
        ("status", "ok", "status: 'ok' is not one of"),
        ("created", "today", "created: 'today' does not match"),
        ("protocol/version", 0, "protocol/version: 0 is less than the minimum of 1"),
        ("claimed", {"abs_rel": 0.1}, "claimed: "),
        ("record_version", 2, "record_version: 1 was expected"),
    ],
)
def test_the_schema_names_the_place(place: str, value: Any, said: str) -> None:
    record = copy.deepcopy(RECORD)
    put(place, value)(record)
    with pytest.raises(ResultError) as caught:
        validate_record(record, "a.json")
    assert str(caught.value).startswith(f"a.json: {said}")


@pytest.mark.parametrize("key", sorted(RECORD))
def test_no_key_may_be_missing(key: str) -> None:
    record = {k: v for k, v in RECORD.items() if k != key}
    with pytest.raises(ResultError, match=f"a.json: the record: '{key}' is a required property"):
        validate_record(record, "a.json")


def test_what_the_schema_allows_beyond_our_own_records() -> None:
    record = copy.deepcopy(RECORD)
    put("metrics/rmse/ci95", [4.5, 5.5])(record)
    put("claimed", {"abs_rel": 0.115, "source": "arXiv:1806.01260 table 1"})(record)
    put("scaling", "factor=5.4")(record)
    put("inputs/flipped", "4" * 64)(record)
    validate_record(record, "a.json")


def test_an_unchecked_record_is_written_with_a_warning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    written = json.loads(write_result(tmp_path, RECORD, TABLE)[-1].read_text("utf-8"))
    assert written == RECORD | {"warnings": [*RECORD["warnings"], UNCHECKED]}


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_number_that_json_lacks_is_not_written(tmp_path: Path, value: float) -> None:
    record = copy.deepcopy(RECORD)
    put("metrics/rmse/mean", value)(record)
    with pytest.raises(
        ResultError, match=r"monodepth2\.kitti_eigen\.median: rmse is not a finite number; the record is not written"
    ):
        write_result(tmp_path, record, TABLE)
    assert world.names_in(tmp_path) == []
    with pytest.raises(ValueError, match="not JSON compliant"):
        to_json([record])


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(
        ResultError, match=rf"{re.escape(str(tmp_path / 'file' / 'out'))}: cannot write the results .*choose another --out"
    ):
        write_result(tmp_path / "file" / "out", RECORD, TABLE)


@pytest.mark.parametrize("name", ["monodepth2", "MD2_640x192-M+S.v1", "a", "9", "x" * 100])
def test_method_names_that_are_file_names(name: str) -> None:
    assert method_name(name) == name


@pytest.mark.parametrize("name", ["", ".hidden", "-x", "a/b", "a\\b", "..", "a b", "méthode", "a\n", "x" * 101, "a:b", "$(x)"])
def test_method_names_that_are_none(name: str) -> None:
    with pytest.raises(ResultError) as caught:
        method_name(name)
    assert str(caught.value) == (
        f"method name {name!r}: expected letters, digits and . _ + -, at most 100; choose one with --method"
    )
