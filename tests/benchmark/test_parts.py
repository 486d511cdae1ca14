"""Cameras, classes and ranges of depth: what lies in a part, what its numbers are, and what an empty one is."""

import csv
import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
from command import Run
from engine_settings import run_engine
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmark.errors import GroundTruthError, OptionError
from benchmark.evaluate_depth import NO_GROUND_TRUTH, ImageTable
from benchmark.io.ground_truth import Header, sparsify
from benchmark.io.ground_truth_hdf5 import write_hdf5
from benchmark.io.results import parts_csv, validate_record
from benchmark.measure import Depths, measure
from benchmark.parts import PartRow, camera_of, class_means, kinds, part_table, range_names, score_parts, summarize_parts
from benchmark.protocol import FOLDER, DepthProtocol, load_protocol
from benchmark.report import render
from benchmark.summarize import Inputs, Record, summarize
from leaderboard.tables import make_table

EIGEN = dataclasses.replace(load_protocol("kitti_eigen"), crop="none", scaling="none")
SELF = load_protocol("ddad_challenge_self")
INPUTS = Inputs(
    split="1" * 64, ground_truth="2" * 64, predictions="3" * 64, flipped=None, kind="depth", pred_split="six",
    surplus_predictions=0,
)  # fmt: skip


@settings(max_examples=40)
@given(seed=st.integers(0, 10_000), scaling=st.sampled_from(["median", "none", "lstsq_depth"]))
def test_ranges_are_a_partition_of_the_image(seed: int, scaling: str) -> None:
    random = np.random.default_rng(seed)
    truth = np.where(random.random((30, 40)) < 0.3, random.uniform(0.1, 260, (30, 40)), 0).astype(np.float32)
    protocol = dataclasses.replace(load_protocol("packnet_ddad"), scaling=scaling)
    table = run_engine([truth], [random.uniform(0.005, 2, (10, 16)).astype(np.float32)], protocol)
    parts = table.parts
    assert parts is not None
    of_range = np.array([kind == "range" for kind in parts.kind])
    n = parts.n_valid[of_range]
    assert n.sum() == table.n_valid[0]
    assert (parts.scale == table.scale[0]).all()
    for name, power in (("abs_rel", 1), ("a1", 1), ("rmse", 2), ("rmse_log", 2)):
        whole = (n * parts.values[name][of_range] ** power).sum() / n.sum()
        assert whole == pytest.approx(table.values[name][0] ** power, rel=1e-6)


def test_a_range_holds_its_lower_bound_and_not_its_upper_one() -> None:
    truth = np.zeros((4, 6), np.float32)
    truth[1, :5] = 5, 20, np.nextafter(np.float32(40), np.float32(0)), 40, 79
    parts = run_engine([truth], [np.ones((4, 6), np.float32)], EIGEN, by=["range"]).parts
    assert parts is not None
    assert list(zip(parts.part, parts.n_valid.tolist(), strict=True)) == [
        ("range_0_20", 1), ("range_20_40", 2), ("range_40_60", 1), ("range_60_80", 1),
    ]  # fmt: skip
    assert parts.values["abs_rel"][0] == pytest.approx(4 / 5)  # predicted 1 m


@pytest.mark.parametrize(
    ("name", "ranges"),
    [
        ("packnet_ddad", "0_20 20_40 40_60 60_80 80_100 100_200"),
        ("kitti_eigen", "0_20 20_40 40_60 60_80"),
        ("kitti_eigen_50m", "0_20 20_40 40_50"),
        ("kitti_eigen_benchmark", "0_20 20_40 40_60 60_80 80_100 100_200 200_up"),
    ],
)
def test_a_protocol_has_the_ranges_that_it_scores(name: str, ranges: str) -> None:
    assert range_names(load_protocol(name)) == tuple(f"range_{r}" for r in ranges.split())


def test_no_depth_is_outside_the_ranges() -> None:
    truth = np.zeros((4, 6), np.float32)
    truth[1, :2] = 150, 250
    protocol = dataclasses.replace(load_protocol("kitti_eigen_benchmark"), ground_truth=EIGEN.ground_truth)
    parts = run_engine([truth], [np.ones((4, 6), np.float32)], protocol, by=["range"]).parts
    assert parts is not None
    assert parts.part == ("range_100_200", "range_200_up")


def test_parts_do_not_change_the_image() -> None:
    random = np.random.default_rng(1)
    truth = random.uniform(1, 79, (30, 40)).astype(np.float32)
    disparity = random.uniform(0.02, 2, (10, 16)).astype(np.float32)
    alone, beside = (run_engine([truth], [disparity], EIGEN, by=by) for by in ([], ["range", "camera"]))
    assert alone.parts is None
    assert {k: v.tolist() for k, v in alone.values.items()} == {k: v.tolist() for k, v in beside.values.items()}


def test_the_camera_is_in_the_frame_id() -> None:
    assert camera_of("2011_09_26_drive_0002_sync/image_02/0000000069") == "image_02"
    assert camera_of("000150/CAMERA_09/15616458249936530") == "CAMERA_09"


def test_what_a_protocol_tables() -> None:
    assert kinds(load_protocol("kitti_eigen"), []) == ()
    assert kinds(load_protocol("kitti_eigen"), ["range", "camera"]) == ("camera", "range")
    assert kinds(load_protocol("packnet_ddad_surround"), []) == ("camera", "range")
    assert kinds(SELF, ["camera"]) == ("camera", "class", "range")
    with pytest.raises(OptionError, match="--by class: kitti_eigen knows no classes"):
        kinds(load_protocol("kitti_eigen"), ["class"])


def test_classes_need_semantic_ids() -> None:
    with pytest.raises(GroundTruthError, match="holds no semantic ids; ddad_challenge_self scores classes one by one"):
        run_engine([np.ones((4, 6), np.float32)], [np.ones((4, 6), np.float32)], SELF)


def test_a_class_is_aligned_on_its_own_where_the_protocol_says_so() -> None:
    """Cars 4x too near, the road right: one median per class forgives it, one per image does not."""
    gt = np.array([10.0, 20, 30, 8, 8])
    pred = np.array([10.0, 20, 30, 2, 2])
    ids = np.array([21, 21, 21, 4, 4], np.uint8)
    found = Depths(gt, pred)
    rows = {row.part: row for row in score_parts(found, measure(found, SELF), SELF, wanted=["class"], ids=ids)}
    assert (rows["Car"].n_valid, rows["Car"].scale, rows["Car"].values[0]) == (2, 4.0, 0.0)
    assert rows["Car"].values[-1] == pytest.approx(0.75)  # the image's median is right
    assert (rows["Road"].scale, rows["Road"].values[0], rows["Road"].values[-1]) == (1.0, 0.0, 0.0)
    semi = load_protocol("ddad_challenge_semi")
    rows = {row.part: row for row in score_parts(found, measure(found, semi), semi, wanted=["class"], ids=ids)}
    assert rows["Car"].values[0] == pytest.approx(0.75)
    assert len(rows["Car"].values) == len(semi.metrics)


def test_ids_without_a_class_are_in_no_part() -> None:
    found = Depths(np.array([10.0, 20, 30]), np.array([10.0, 20, 30]))
    ids = np.array([26, 37, 200], np.uint8)  # sky, void, and no id of DDAD
    assert score_parts(found, measure(found, SELF), SELF, wanted=["class"], ids=ids) == ()


def rows_of(*parts: tuple[str, str, int, float]) -> list[tuple[str, PartRow]]:
    """(frame, class, pixels, abs_rel) as rows whose other metrics are 1, abs_rel under the image's scale the double."""
    return [(frame, PartRow("class", part, n, 1.0, (a, 1.0, 1.0, 1.0, 2 * a))) for frame, part, n, a in parts]


def summary_of(*parts: tuple[str, str, int, float]) -> dict[str, dict[str, dict[str, object]]]:
    return summarize_parts(part_table(rows_of(*parts), SELF, ("class",)), SELF)


def test_a_class_is_the_mean_over_its_images_and_the_mean_over_classes_follows() -> None:
    summary = summary_of(("0", "Car", 1, 0.1), ("1", "Car", 99, 0.3), ("1", "Road", 5, 0.4))
    assert summary["class"]["Car"]["n_images"] == 2
    assert summary["class"]["Car"]["n_pixels"] == 100
    assert summary["class"]["Car"]["metrics"]["abs_rel"] == pytest.approx(0.2)
    table = SELF.class_table
    assert table is not None
    means, notes = class_means(summary, table)
    assert means["car_abs_rel"] == pytest.approx(0.2)
    assert means["person_abs_rel"] is None
    assert means["m_abs_rel"] == pytest.approx(0.3)
    assert means["m_abs_rel_image_scale"] == pytest.approx(0.6)
    (note,) = notes
    assert note.startswith("no image has a scored pixel of 14 of the 16 classes (Sidewalk, Wall,")
    assert note.endswith("m_abs_rel is the mean over the other 2, and person_abs_rel is empty")


def test_no_class_at_all() -> None:
    table = SELF.class_table
    assert table is not None
    means, (note,) = class_means(summary_of(), table)
    assert set(means.values()) == {None}
    assert "of 16 of the 16 classes" in note


def record_of(protocol: DepthProtocol, *parts: tuple[str, str, int, float], empty: int = 0) -> Record:
    n = 2 + empty
    reasons = ("", "", *[NO_GROUND_TRUTH] * empty)
    values = np.where([not r for r in reasons], 0.25, np.nan)
    images = ImageTable(
        tuple(f"val/CAMERA_01/{i}" for i in range(n)), np.full(n, 10), np.ones(n), np.zeros(n),
        dict.fromkeys(protocol.metrics, values), reasons, part_table(rows_of(*parts), protocol, ("class", "range")),
    )  # fmt: skip
    record = summarize(images, protocol, method="m", inputs=INPUTS)
    validate_record(record, "record")
    return record


def test_an_empty_quantity_is_null_with_a_reason() -> None:
    record = record_of(SELF, ("0", "Car", 10, 0.1), empty=1)
    assert record["metrics"]["person_abs_rel"] == {"mean": None, "ci95": None, "unit": "1", "better": "lower"}
    assert record["metrics"]["car_abs_rel"]["mean"] == pytest.approx(0.1)
    assert record["parts"]["class"]["Person"] == {
        "n_images": 0,
        "n_pixels": 0,
        "metrics": record["parts"]["class"]["Bus"]["metrics"],
    }
    assert record["parts"]["range"]["range_80_100"]["metrics"] == dict.fromkeys(SELF.metrics)
    assert any("person_abs_rel is empty" in w for w in record["warnings"])
    assert record["n_images"] == 2
    text = render([record])
    line = next(line for line in text.splitlines() if line.startswith("Person"))
    assert line.split() == ["Person", "median", "0", "0"]
    assert max(map(len, text.splitlines())) <= 100


def test_a_board_shows_an_empty_quantity_as_a_blank() -> None:
    table = make_table([record_of(SELF, ("0", "Car", 10, 0.1))])
    cells = dict(
        zip(
            (c.name for c in table.columns),
            zip(table.groups[0].rows[0].cells, table.groups[0].rows[0].best, strict=True),
            strict=True,
        )
    )
    assert cells["person_abs_rel"] == ("", False)
    assert cells["car_abs_rel"] == ("0.100", True)
    titles = [c.title for c in table.columns]
    assert titles[-4:] == ["Car AbsRel", "Person AbsRel", "mAbsRel", "mAbsRel (image scale)"]


def test_a_blank_where_a_metric_is_not_of_that_kind_of_part() -> None:
    rows = [*rows_of(("0", "Car", 10, 0.1)), ("0", PartRow("range", "range_0_20", 10, 2.0, (0.5, 1.0, 1.0, 1.0)))]
    first, second = list(csv.DictReader(parts_csv(part_table(rows, SELF, ("class", "range"))).splitlines()))
    assert (first["kind"], first["part"], first["abs_rel_image_scale"]) == ("class", "Car", "0.2")
    assert (second["kind"], second["scale"], second["abs_rel"], second["abs_rel_image_scale"]) == ("range", "2.0", "0.5", "")


def write_streets(folder: Path) -> tuple[Path, Path, Path]:
    """Predictions, ground truth and a protocol of KITTI's form: four frames of two cameras, at 10, 30, 50 and 70 m."""
    ids = tuple(f"2011_09_26_drive_0002_sync/image_0{2 + i % 2}/{i:010d}" for i in range(4))
    (folder / "mine.txt").write_text("\n".join(ids) + "\n")
    text = (FOLDER / "kitti_eigen.yaml").read_text().replace("name: kitti_eigen", "name: mine")
    (folder / "mine.yaml").write_text(text.replace("kitti_eigen/test", str(folder / "mine.txt")))
    depths = [np.full((40, 60), 10.0 + 20 * i, np.float32) for i in range(4)]
    depths[0][30, :30] = 25
    header = Header("kitti_raw", "mine", "0" * 64, "lidar_forward_x", ids)
    write_hdf5(folder / "gt.h5", header, [sparsify(depths, np.full((3, 3), np.nan))])
    np.save(folder / "disps.npy", np.ones((4, 10, 15), np.float32))
    return folder / "disps.npy", folder / "gt.h5", folder / "mine.yaml"


def test_any_protocol_by_camera_and_range(tmp_path: Path, run: Run) -> None:
    pred, gt, protocol = write_streets(tmp_path)
    common = ("evaluate", pred, "--gt", gt, "--protocol", protocol, "--scaling", "median", "--out", tmp_path / "out")
    done = run(*common, "--by", "range", "--by", "camera")
    assert done.code == 0, done.err
    assert "wrote 3 files" in done.err
    lines = done.out.splitlines()
    at = lines.index("mine v1 by range of true depth (bounds of our own)")
    assert lines.index("mine v1 by camera") < at
    assert [line.split()[:3] for line in lines[at + 5 : at + 9]] == [
        ["0-20", "median", "1"], ["20-40", "median", "2"], ["40-60", "median", "1"], ["60-80", "median", "1"],
    ]  # fmt: skip
    with (tmp_path / "out" / "disps.mine.median.parts.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["part"] for row in rows if row["kind"] == "camera"] == ["image_02", "image_03", "image_02", "image_03"]
    assert [row["part"] for row in rows if row["kind"] == "range"] == [
        f"range_{r}" for r in ("0_20", "20_40", "20_40", "40_60", "60_80")
    ]
    record = json.loads((tmp_path / "out" / "disps.mine.median.json").read_text())
    assert record["parts"]["camera"]["image_03"]["n_images"] == 2
    assert "class" not in record["parts"]


def test_without_being_asked_nothing_is_tabled(tmp_path: Path, run: Run) -> None:
    pred, gt, protocol = write_streets(tmp_path)
    done = run("evaluate", pred, "--gt", gt, "--protocol", protocol, "--scaling", "median", "--out", tmp_path / "out")
    assert "wrote 2 files" in done.err
    assert "v1 by " not in done.out
    assert "parts" not in json.loads((tmp_path / "out" / "disps.mine.median.json").read_text())


def test_classes_of_a_protocol_without_any_are_wrong_usage(tmp_path: Path, run: Run) -> None:
    pred, gt, protocol = write_streets(tmp_path)
    done = run("evaluate", pred, "--gt", gt, "--protocol", protocol, "--by", "class")
    assert done.code == 2
    assert "--by class: mine knows no classes" in done.err
