"""The linter inside `evaluate`, as a command, and in the docs."""

import dataclasses
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import lint_cases as cases
import numpy as np
import pytest
from command import Run
from lint_cases import found_in

from benchmark import check as linter
from benchmark.checks import contest, order, readings, samples, scale, second_file, values
from benchmark.checks.finding import OVERRULABLE, Finding
from benchmark.errors import PredictionError
from benchmark.io.results import validate_record
from benchmark.report import render, render_findings
from benchmark.score import Request, score
from benchmark.splits import load_split


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the ground truth of the 60 frames."""
    path = tmp_path_factory.mktemp("lint")
    cases.write_truth(path / "gt.h5")
    return path


def test_evaluate_refuses_and_says_what_to_do(folder: Path) -> None:
    with pytest.raises(PredictionError) as refused:
        score(cases.request(folder, cases.BAD["mirrored"]))
    message = str(refused.value)
    assert message.startswith(f"{folder / 'bad.npy'}: the maps are mirrored left to right: save array[:, :, ::-1]. Evidence: ")
    assert re.search(r"better on \d+, worse on 0 of 32 frames \(error 0\.\d\d, as it is 0\.\d\d\)", message)
    assert "`--despite mirrored`" in message
    assert "\n" not in message


def test_an_expert_may_know_better(folder: Path) -> None:
    asked = dataclasses.replace(cases.request(folder, cases.BAD["mirrored"]), despite=("mirrored",))
    results = score(asked)
    for result in results:
        (warning,) = result.record["warnings"]
        assert warning.startswith("scored despite `mirrored`: the maps are mirrored left to right")
        validate_record(result.record, "record")
    assert "warning: scored despite `mirrored`" in render([r.record for r in results])
    with pytest.raises(PredictionError, match="upside down"):
        score(dataclasses.replace(cases.request(folder, cases.BAD["upside_down"]), despite=("mirrored",)))


@pytest.mark.parametrize("defect", ["not_finite", "not_positive", "negated", "count", "form"])
def test_what_is_certain_cannot_be_overruled(folder: Path, defect: str) -> None:
    with pytest.raises(PredictionError, match=r"^\S*bad\.npy: "):
        score(dataclasses.replace(cases.request(folder, cases.BAD[defect]), despite=OVERRULABLE))


def test_a_flipped_file_that_was_not_mirrored_back(folder: Path) -> None:
    with pytest.raises(
        PredictionError, match=r"the predictions of the mirrored images were not mirrored back.*--despite flipped"
    ):
        score(cases.request(folder, cases.BAD["flipped"]))
    back = cases.BAD["flipped"]._replace(flipped=lambda x: x * np.float32(1.01))
    assert score(cases.request(folder, back))[0].record["warnings"] == []


def test_warnings_are_in_the_records_they_concern(folder: Path) -> None:
    median, none = score(cases.request(folder, cases.BAD["factor_missing"]))
    assert (median.record["scaling"], median.record["warnings"]) == ("median", [])
    assert ["factor 5.4 were missing" in w for w in none.record["warnings"]] == [True]
    for result in score(cases.request(folder, cases.BAD["prior"])):
        assert result.record["warnings"] == ["the predictions are the same for every frame: a prior"]


def test_a_drifting_scale_is_noted_once(folder: Path) -> None:
    median, _ = score(cases.request(folder, cases.BAD["scale_varies"]))
    assert [w.partition(" by ")[0] for w in median.record["warnings"]] == ["the scale varies"]


def test_predictions_with_ids_of_some_frames(folder: Path) -> None:
    ids = load_split(cases.SPLIT).frame_ids
    with h5py.File(folder / "some.h5", "w") as file:
        file["data"] = cases.good()[3:][::-1]
        file["frame_id"] = np.array(list(ids[3:])[::-1], "S")
    findings = {f.defect: f for f in linter.check(Request(folder / "some.h5", folder / "gt.h5", (cases.PROTOCOL,)))}
    assert found_in(findings) == {"count": "refuse"}
    assert findings["count"].message.startswith("3 of 60 frames have no prediction")
    assert findings["shifted"].evidence["wins"] == 0


def test_the_command_on_a_bad_and_on_a_good_file(folder: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    cases.request(folder, cases.BAD["kind"])
    asked = ("check", folder / "bad.npy", "--gt", folder / "gt.h5", "--protocol", cases.PROTOCOL)
    for columns in (60, 80, 120):
        monkeypatch.setenv("COLUMNS", str(columns))
        done = run(*asked)
        lines = done.out.splitlines()
        assert max(map(len, lines)) <= columns
        assert [line.split()[0] for line in lines[2:] if re.match(r"[a-z0-9_]+  ", line)] == list(linter.TITLES)
        assert re.search(r"^kind +REFUSE +declared disparity, the values", done.out, re.MULTILINE)
        assert lines[-1] == "1 refuse, 18 fine, 2 not judged"
        assert done.code == 1
        assert done.err == f"depthbench: {folder / 'bad.npy'}: refused (kind): a score would mean nothing; see the table\n"
    fine = run(*asked, "--kind", "depth")
    assert (fine.code, fine.err) == (0, "")
    warned = run(*asked, "--kind", "depth", "--scaling", "factor=256")
    assert warned.code == 0
    assert re.search(r"^times_256 +warn +with scaling factor=256.0", warned.out, re.MULTILINE)


def test_the_findings_as_json(folder: Path, run: Run) -> None:
    cases.request(folder, cases.BAD["mirrored"])
    done = run("check", folder / "bad.npy", "--gt", folder / "gt.h5", "--protocol", cases.PROTOCOL, "--json")
    found = {f["defect"]: f for f in json.loads(done.out)}
    assert done.code == 1
    assert (found["mirrored"]["verdict"], found["mirrored"]["evidence"]["wins"]) == ("refuse", 32)


def test_files_and_choices_that_do_not_exist(folder: Path, run: Run) -> None:
    done = run("check", folder / "none.npy", "--gt", folder / "gt.h5", "--protocol", cases.PROTOCOL)
    assert (done.code, done.out) == (1, "")
    assert "none.npy: no such file or folder" in done.err
    done = run("evaluate", folder / "bad.npy", "--gt", folder / "gt.h5", "--despite", "not_finite")
    assert done.code == 2


def test_the_table_is_wrapped() -> None:
    shown = render_findings([Finding("a", "fine", "one two three " * 9), Finding("bcd", "not judged", "")], 40)
    assert max(map(len, shown.splitlines())) <= 60
    assert shown.splitlines()[0] == "check  verdict     evidence"


PAGE = Path(__file__).parents[2] / "docs" / "checks.md"


def test_the_table_in_the_docs_is_what_the_linter_says(folder: Path) -> None:
    if not PAGE.is_file():
        pytest.skip("the docs are not installed")
    page = PAGE.read_text("utf-8")
    table = [line for line in page.splitlines() if line.startswith("| `")]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in table]
    expected = []
    for defect, case in cases.BAD.items():
        finding = cases.findings(folder, case)[defect]
        lift = " (`--despite`)" if defect in OVERRULABLE else ""
        expected.append([f"`{defect}`", linter.TITLES[defect], case.words, f"{finding.verdict}{lift}"])
    assert [row[:4] for row in rows] == expected
    assert all(len(row) == 5 and row[4] for row in rows)


def test_the_thresholds_in_the_docs_are_those_of_the_code() -> None:
    if not PAGE.is_file():
        pytest.skip("the docs are not installed")
    stated = dict(re.findall(r"^- `(\w+)` = ([\d.]+):", PAGE.read_text("utf-8"), re.MULTILINE))
    modules = (samples, contest, order, values, scale, readings, second_file)
    for name, number in stated.items():
        (value,) = {getattr(m, name) for m in modules if hasattr(m, name)}
        assert float(number) == value, name
    assert {"FRAMES", "POINTS", "MARGIN", "EXPLAINS", "SIGMAS", "AT_HOME", "STRAY", "SATURATED", "TOLERANCE"} <= stated.keys()


SECOND = {
    "upside down": (lambda x: x[:, ::-1], "is upside down"),
    "of the other kind": (lambda x: (1 / x).astype(np.float32), "holds depths where the first holds disparities"),
    "shuffled": (lambda x: np.random.default_rng(3).permutation(x), "is in another order"),
    "of another scale": (lambda x: x * np.float32(256), "differ by a factor of 25"),
}


@pytest.mark.parametrize("name", SECOND)
def test_the_second_file_is_held_to_the_first(folder: Path, name: str) -> None:
    spoil, words = SECOND[name]
    random = np.random.default_rng(5)
    case = cases.BAD["flipped"]._replace(flipped=lambda x: spoil(x * random.uniform(0.97, 1.03, x.shape).astype(np.float32)))
    found = cases.findings(folder, case)
    assert found_in(found) == {"flipped": "refuse"}
    assert words in found["flipped"].message
    with pytest.raises(PredictionError, match="--despite flipped"):
        score(cases.request(folder, case))


@pytest.mark.parametrize(
    ("spoil", "defect"),
    [(lambda x: x[:, :, ::-1], "mirrored"), (lambda x: x[:, ::-1], "upside_down"), (lambda x: x[:, ::-1, ::-1], "upside_down")],
)
@pytest.mark.parametrize("share", [0.25, 0.5])
def test_some_maps_in_another_orientation_are_warned_about(
    folder: Path, spoil: Callable[..., Any], defect: str, share: float
) -> None:
    def some(x: Any) -> Any:
        n = round(share * len(x))
        return np.concatenate([spoil(x[:n]), x[n:]])

    found = cases.findings(folder, cases.BAD["mirrored"]._replace(spoil=some))
    assert found[defect].verdict == "warn"
    assert "some of the maps may be" in found[defect].message


def test_all_maps_turned_by_180_degrees_are_refused(folder: Path) -> None:
    found = cases.findings(folder, cases.BAD["mirrored"]._replace(spoil=lambda x: x[:, ::-1, ::-1]))
    assert found["upside_down"].verdict == "refuse"
    assert "array[:, ::-1, ::-1]" in found["upside_down"].message


def test_numbers_that_could_not_be_had_are_null_in_json(folder: Path) -> None:
    case = cases.BAD["mirrored"]._replace(spoil=lambda x: x * 0)
    rows = json.loads(linter.findings_json(list(cases.findings(folder, case).values())))
    values_of = [value for row in rows for value in row["evidence"].values()]
    assert None in values_of
    assert {row["defect"] for row in rows if row["verdict"] == "refuse"} == {"not_positive"}
