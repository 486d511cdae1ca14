import importlib.util
import json

import pytest

from benchmark.errors import ResultError
from benchmark.io.pose_results import pose_records_json
from benchmark.io.results import UNCHECKED, checked, records_json


def test_a_machine_without_jsonschema_says_so_in_its_records(monkeypatch):
    record = {"method": "a", "warnings": ["first"]}
    with pytest.raises(ResultError, match=r"a\.json: the record: "):
        checked(record, "a.json")
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    for to_json in (records_json, pose_records_json):
        assert json.loads(to_json([record])) == [{"method": "a", "warnings": ["first", UNCHECKED]}]
    assert record["warnings"] == ["first"]
