import importlib.util

import pytest

from benchmark.errors import ResultError
from benchmark.io.results import validate_record


def test_a_machine_without_jsonschema_writes_its_records_unchecked(monkeypatch):
    with pytest.raises(ResultError, match=r"a\.json: the record: "):
        validate_record({}, "a.json")
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    validate_record({}, "a.json")
