"""The table of semantic ids: complete, consistent, and honest about what was verified."""

from pathlib import Path

import ddad_challenge_files as files
import numpy as np
import pytest

from benchmark import semantic_classes
from benchmark.errors import ProtocolError
from benchmark.semantic_classes import FOLDER, NO_CLASS, load_classes

TABLE = load_classes("ddad_challenge")


def test_every_id_of_ddad_is_there() -> None:
    assert sorted(TABLE.ids) == list(range(38))
    assert len(TABLE.scored) == 16
    assert {c for c in TABLE.mapping.values() if c} == set(TABLE.scored)


def test_verified_ids_are_those_of_the_golden_files() -> None:
    run = {number for ids in files.IDS.values() for number in ids}
    assert {number for number, label in TABLE.ids.items() if label.verified} == run
    order = [TABLE.ids[number].counts_as for number in files.IDS["sixteen"]]
    assert order == [*TABLE.scored, None, None, None]  # sky, void and motorcycle are not scored


def test_ids_become_positions() -> None:
    index = TABLE.index(np.array([21, 4, 26, 255], np.uint8))
    assert index.tolist() == [TABLE.scored.index("Road"), TABLE.scored.index("Car"), NO_CLASS, NO_CLASS]


def test_only_what_was_not_verified_is_said() -> None:
    assert TABLE.unverified(np.array([21, 4, 26], np.uint8)) == ()
    (said,) = TABLE.unverified(np.array([21, 35, 35], np.uint8))
    assert said.startswith("2 of 3 ground-truth pixels")
    assert said.endswith("by id: 35 (Vertical Pole as Pole): 2")


def test_an_unknown_table() -> None:
    with pytest.raises(ProtocolError, match="unknown table of classes 'ddad'; known: ddad_challenge"):
        load_classes("ddad")


def test_a_table_that_contradicts_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = (FOLDER / "ddad_challenge.yaml").read_text("utf-8")
    (tmp_path / "own.yaml").write_text(text.replace("counts_as: Wall", "counts_as: Rampart"))
    monkeypatch.setattr(semantic_classes, "FOLDER", tmp_path)
    with pytest.raises(ProtocolError, match="not scored: Rampart"):
        load_classes("own")
    load_classes.cache_clear()
