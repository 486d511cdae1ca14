"""Our command meets the numbers of the DDAD challenge's evaluator, from files to tables."""

import csv
import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import ddad_challenge_files as files
import numpy as np
import pytest
from command import Run

Case = dict[str, Any]
RTOL = 5e-6
RETURNED = {"AbsRel": "abs_rel", "RMSE": "rmse", "SILog": "silog", "a1": "a1"}
OVER_CLASSES = {"Car_AbsRel": "car_abs_rel", "Person_AbsRel": "person_abs_rel", "mAbsRel": "m_abs_rel"}
CASES = files.golden()["cases"]


def _phase(case: Case) -> str:
    return "semi" if "phase semi" in case["setting"] else "self"


def _classes(case: Case) -> str:
    return "five" if "five_classes" in case["setting"] else "sixteen"


def _near(name: str, expected: float, n: int) -> Any:
    return pytest.approx(expected, abs=2 / n) if name == "a1" else pytest.approx(expected, rel=RTOL)


@pytest.mark.golden
@pytest.mark.parametrize("case", [c for c in CASES if "prediction_check" in c], ids=lambda c: str(c["id"]))
def test_the_files_are_those_that_the_evaluator_was_run_on(case: Case) -> None:
    for i, expected in case["prediction_check"].items():
        found = (
            files.true_raw(int(i)),
            files.predicted_raw(int(i), tuple(case["pred_size"])),
            files.semantic_ids(int(i), _classes(case)),
        )
        hashes = [hashlib.sha256(np.ascontiguousarray(image).tobytes()).hexdigest() for image in found]
        assert hashes == [expected["gt_sha256"], expected["pred_sha256"], expected["sem_sha256_uint8"]]


@pytest.mark.golden
@pytest.mark.parametrize("form", ["folder", "pack.zip", "metres.npy"])
@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("case", CASES, ids=lambda c: str(c["id"]))
def test_meets_the_evaluator(case: Case, bits: int, form: str, tmp_path: Path, run: Run) -> None:
    gt = files.write_ground_truth(tmp_path / "gt", _classes(case), bits=bits)
    pred = files.write_predictions(tmp_path / form, tuple(case["pred_size"]))
    protocol = files.own_protocol(tmp_path, _phase(case))
    done = run(
        "evaluate", pred, "--gt", gt, "--protocol", protocol, "--kind", "depth", "--method", "m", "--out", tmp_path / "out",
        "--json",
    )  # fmt: skip
    assert done.code == 0, done.err
    record = json.loads(done.out)[0]
    n = min(one["n_valid"] for one in case["per_class_per_image"]["All"].values())
    for theirs, ours in (RETURNED | OVER_CLASSES).items():
        assert record["metrics"][ours]["mean"] == _near(ours, case["returned"][theirs], n), ours
    stem = f"m.{record['protocol']['name']}.{record['scaling']}"
    _meets_classes(case, record["parts"]["class"], list(_rows(tmp_path / "out" / f"{stem}.parts.csv")))
    for i, row in enumerate(_rows(tmp_path / "out" / f"{stem}.csv")):
        _meets(case["per_class_per_image"]["All"][str(i)], row)


def _meets_classes(case: Case, classes: dict[str, Any], rows: list[dict[str, str]]) -> None:
    for name, found in classes.items():
        expected = case["per_class_mean"].get(name)
        if expected is None:
            assert (found["n_images"], found["n_pixels"]) == (0, 0)
            assert set(found["metrics"].values()) == {None}
            continue
        for metric in RETURNED.values():
            assert found["metrics"][metric] == _near(metric, expected[metric], found["n_pixels"] / found["n_images"])
    of_class = {(row["part"], row["frame_id"].rpartition("/")[2]): row for row in rows if row["kind"] == "class"}
    for name, images in case["per_class_per_image"].items():
        for i, expected in images.items() if name != "All" else ():
            if expected is None:
                assert (name, i) not in of_class
            else:
                _meets(expected, of_class[name, i])


def _meets(expected: dict[str, float], row: dict[str, str]) -> None:
    assert int(row["n_valid"]) == expected["n_valid"]
    for metric in RETURNED.values():
        assert float(row[metric]) == _near(metric, expected[metric], expected["n_valid"]), metric


def _rows(path: Path) -> Iterator[dict[str, str]]:
    with path.open(newline="") as file:
        yield from csv.DictReader(file)


@pytest.mark.golden
def test_the_scale_of_the_image_is_the_metric_beside_it(tmp_path: Path, run: Run) -> None:
    """The reference aligns every class by its own median; under one scale per image its errors are others."""
    gt = files.write_ground_truth(tmp_path / "gt", "five")
    pred = files.write_predictions(tmp_path / "pred", (30, 50))
    done = run("evaluate", pred, "--gt", gt, "--protocol", files.own_protocol(tmp_path, "self"), "--kind", "depth", "--json")
    median, none = json.loads(done.out)
    expected = []
    for i in range(files.IMAGES):
        truth, ids = files.true_raw(i) / 256, files.semantic_ids(i, "five")
        rows, columns = (np.arange(n) * m // n for n, m in zip(files.SIZE, (30, 50), strict=True))
        depth = files.predicted_raw(i, (30, 50))[np.ix_(rows, columns)] / 256
        seen = (truth > 0) & (truth < 200)
        g, p = np.sort(truth[seen]), np.sort(depth[seen])
        depth = np.clip(depth * (g[(len(g) - 1) // 2] / p[(len(p) - 1) // 2]), 0, 200)
        error = np.abs(truth - depth) / np.where(truth > 0, truth, 1)
        expected.append([error[seen & (ids == k)].mean() if (seen & (ids == k)).any() else np.nan for k in files.IDS["five"]])
    names = ("Road", "Building", "Person", "Car", "Vegetation")
    means = np.nanmean(expected, axis=0)
    for name, mean in zip(names, means, strict=True):
        assert median["parts"]["class"][name]["metrics"]["abs_rel_image_scale"] == pytest.approx(mean, rel=1e-12)
    assert median["metrics"]["m_abs_rel_image_scale"]["mean"] == pytest.approx(means.mean(), rel=1e-12)
    # Without a scale both are the same.
    assert none["metrics"]["m_abs_rel_image_scale"]["mean"] == none["metrics"]["m_abs_rel"]["mean"]
