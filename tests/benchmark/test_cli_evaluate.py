"""`depthbench evaluate` as people run it: what is printed, what is written, what is refused, and how it exits."""

import csv
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import h5py
import numpy as np
import pytest
import small_world as world
from command import Outcome, Run
from numpy.typing import NDArray

from benchmark import entry_point
from benchmark.io.predictions import NpyPredictions
from benchmark.io.results import validate_record
from benchmark.protocol import FOLDER, load_protocol
from benchmark.splits import load_split

EIGEN = load_split("kitti_eigen/test")
KEPT = load_split("kitti_eigen_benchmark/test")
ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ground truth of both Eigen splits and predictions of the larger, in a folder with a space in its name."""
    folder = tmp_path_factory.mktemp("my data")
    world.write_split_truth(folder / "gt.h5")
    world.write_split_truth(
        folder / "improved.h5", "kitti_eigen_benchmark/test", dataset="kitti_depth", depth_kind="annotated_png"
    )
    np.save(folder / "disps.npy", world.predictions(697))
    return folder


def refused(outcome: Outcome) -> str:
    """The one paragraph of an input at fault."""
    assert outcome.code == 1, outcome
    assert outcome.out == ""
    assert outcome.err.startswith("depthbench: ")
    assert outcome.err.count("\n") == 1
    return outcome.err.removeprefix("depthbench: ").rstrip("\n")


def records_of(outcome: Outcome) -> list[dict[str, Any]]:
    assert outcome.code == 0, outcome.err
    records: list[dict[str, Any]] = json.loads(outcome.out)
    for record in records:
        validate_record(record, "stdout")
    return records


def save_with(path: Path, change: Callable[[NDArray[Any]], None]) -> Path:
    array = world.predictions(697)
    change(array)
    np.save(path, array)
    return path


def test_the_table(data: Path, run: Run) -> None:
    done = run("evaluate", data / "disps.npy", "--gt", data / "gt.h5")
    assert (done.code, done.err) == (0, "")
    lines = done.out.splitlines()
    assert lines[0].split() == ["protocol", "scaling", "AbsRel", "SqRel", "RMSE", "RMSElog", "δ<1.25", "δ<1.25²", "δ<1.25³"]
    assert lines[1].split() == ["[m]", "[m]"]
    assert [line.split()[2] for line in lines[3:5]] == ["median", "none"]
    assert lines[6].split() == ["protocol", "scaling", "scale", "scale", "frames", "missing", "pixels"]
    assert [line.split()[-3:-1] for line in lines[9:11]] == [["697", "0"]] * 2
    assert max(map(len, lines)) <= 100
    assert "predictions   disps (disparity)" in done.out
    assert re.search(rf"split\s+kitti_eigen/test\s+sha256 {EIGEN.sha256[:16]}", done.out)
    assert load_protocol("kitti_eigen").sha256[:16] in done.out


def test_the_records_on_stdout(data: Path, run: Run) -> None:
    headline, none = records_of(run("evaluate", data / "disps.npy", "--gt", data / "gt.h5", "--json"))
    assert (headline["protocol"]["name"], headline["scaling"], none["scaling"]) == ("kitti_eigen", "median", "none")
    assert headline["protocol"]["sha256"] == load_protocol("kitti_eigen").sha256
    assert headline["method"] == "disps"
    assert (headline["n_images"], headline["n_missing"]) == (697, 0)
    assert headline["inputs"]["split"] == EIGEN.sha256
    assert (headline["inputs"]["surplus_predictions"], headline["inputs"]["pred_split"]) == (0, "kitti_eigen/test")
    assert none["protocol"] == headline["protocol"], "another scaling is no other protocol"
    assert none["scale"] == {"median": 1.0, "cv": 0.0}


def test_the_files_are_the_records(data: Path, run: Run, tmp_path: Path) -> None:
    out = tmp_path / "my results"
    done = run("evaluate", data / "disps.npy", "--gt", data / "gt.h5", "--method", "MD2_640x192", "--out", out, "--json")
    assert done.err == f"wrote 4 files to {out}\n"
    records = records_of(done)
    stems = [f"MD2_640x192.kitti_eigen.{scaling}" for scaling in ("median", "none")]
    assert world.names_in(out) == sorted(f"{stem}{suffix}" for stem in stems for suffix in (".csv", ".json"))
    for stem, record in zip(stems, records, strict=True):
        assert json.loads((out / f"{stem}.json").read_text("utf-8")) == record
        with (out / f"{stem}.csv").open(newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        assert [row["frame_id"] for row in rows] == list(EIGEN.frame_ids)
        assert sum(int(row["n_valid"]) for row in rows) == record["n_pixels"]
        for name, metric in record["metrics"].items():
            assert np.mean([float(row[name]) for row in rows]) == pytest.approx(metric["mean"], rel=1e-14)


@pytest.mark.parametrize("form", ["npz", "h5", "named h5", "folder", "manifest"])
def test_every_form_of_the_same_predictions_gives_the_same_numbers(data: Path, run: Run, tmp_path: Path, form: str) -> None:
    array = world.predictions(697)
    order = np.random.default_rng(0).permutation(697)
    path = tmp_path / {"npz": "a.npz", "folder": "maps", "manifest": "a.yaml"}.get(form, "a.h5")
    if form == "npz":
        np.savez_compressed(path, disp=array)
    elif form == "h5":
        with h5py.File(path, "w") as file:
            file["data"] = array
    elif form == "named h5":  # in another order, which the names undo
        with h5py.File(path, "w") as file:
            file["data"] = array[order]
            file["frame_id"] = np.array([EIGEN.frame_ids[i] for i in order], "S")
    elif form == "folder":
        path.mkdir()
        for name, values in zip(EIGEN.frame_ids, array, strict=True):
            np.save(path / f"{name.replace('/', '__')}.npy", values)
    else:
        np.save(tmp_path / "disps.npy", array)
        path.write_text("predictions: disps.npy\nkind: disparity\nmethod: declared\nsplit: kitti_eigen/test\n")
    expected = records_of(run("evaluate", data / "disps.npy", "--gt", data / "gt.h5", "--json"))
    found = records_of(run("evaluate", path, "--gt", data / "gt.h5", "--json"))
    assert [r["metrics"] for r in found] == [r["metrics"] for r in expected]
    assert found[0]["method"] == {"manifest": "declared"}.get(form, path.stem)


def test_kind_changes_what_the_values_mean(data: Path, run: Run, tmp_path: Path) -> None:
    np.save(tmp_path / "depth.npy", 1 / world.predictions(697))
    asked = ("--gt", data / "gt.h5", "--json", "--scaling", "median")
    disparity = records_of(run("evaluate", data / "disps.npy", *asked))[0]
    depth = records_of(run("evaluate", tmp_path / "depth.npy", *asked, "--kind", "depth"))[0]
    assert depth["inputs"]["kind"] == "depth"
    for name, metric in disparity["metrics"].items():
        assert depth["metrics"][name]["mean"] == pytest.approx(metric["mean"], rel=1e-5)


def test_several_protocols_and_scalings_in_one_pass(data: Path, run: Run) -> None:
    one_by_one = [
        records_of(run("evaluate", data / "disps.npy", "--gt", data / "gt.h5", "--protocol", p, "--scaling", s, "--json"))[0]
        for p in ("kitti_eigen", "kitti_eigen_50m")
        for s in ("stereo", "factor=2.5", "lstsq_disparity")
    ]
    both = ("--protocol", "kitti_eigen", "--protocol", "kitti_eigen_50m")
    scalings = ("--scaling", "stereo", "--scaling", "factor=2.5", "--scaling", "lstsq_disparity")
    together = records_of(run("evaluate", data / "disps.npy", "--gt", data / "gt.h5", *both, *scalings, "--json"))
    assert [(r["protocol"]["name"], r["scaling"]) for r in together] == [
        (p, s) for p in ("kitti_eigen", "kitti_eigen_50m") for s in ("stereo", "factor=2.5", "lstsq_disparity")
    ]
    assert [r["metrics"] for r in together] == [r["metrics"] for r in one_by_one]
    assert [r["scale"]["median"] for r in together][:2] == [5.4, 2.5]


def test_a_protocol_from_a_file(data: Path, run: Run, tmp_path: Path) -> None:
    text = (FOLDER / "kitti_eigen.yaml").read_text("utf-8")
    (tmp_path / "whole_image.yaml").write_text(text.replace("kitti_eigen\n", "whole_image\n", 1).replace("garg", "none"))
    asked = ("evaluate", data / "disps.npy", "--gt", data / "gt.h5", "--json")
    whole = records_of(run(*asked, "--protocol", tmp_path / "whole_image.yaml"))[0]
    assert whole["protocol"]["name"] == "whole_image"
    assert whole["n_pixels"] > records_of(run(*asked))[0]["n_pixels"]
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "whole_image.yaml").write_text(
        (tmp_path / "whole_image.yaml").read_text().replace("version: 1", "version: 2")
    )
    twice = run(*asked, "--protocol", tmp_path / "whole_image.yaml", "--protocol", tmp_path / "other" / "whole_image.yaml")
    assert "two different protocols are called whole_image; their results would overwrite each other" in refused(twice)


def test_flip_fusion(data: Path, run: Run, tmp_path: Path) -> None:
    wobble = np.random.default_rng(9).uniform(0.95, 1.05, (697, world.PRED_HEIGHT, world.PRED_WIDTH)).astype(np.float32)
    np.save(tmp_path / "flipped.npy", np.load(data / "disps.npy") * wobble)
    asked = ("evaluate", data / "disps.npy", "--gt", data / "gt.h5", "--scaling", "median", "--json")
    plain, fused = records_of(run(*asked))[0], records_of(run(*asked, "--flipped", tmp_path / "flipped.npy"))[0]
    itself = records_of(run(*asked, "--flipped", data / "disps.npy"))[0]
    assert plain["inputs"]["flipped"] is None
    assert itself["inputs"]["flipped"] == itself["inputs"]["predictions"]
    assert fused["metrics"]["abs_rel"]["mean"] != plain["metrics"]["abs_rel"]["mean"]
    assert itself["metrics"]["abs_rel"]["mean"] == pytest.approx(plain["metrics"]["abs_rel"]["mean"], rel=1e-6)


@pytest.mark.parametrize(
    ("array", "said"),
    [
        (world.predictions(652), "652 predictions of mirrored images for 697 predictions; expected the same frames"),
        (np.ones((697, 12, 40), np.float32), "mirrored is 12x40, the prediction itself 6x20; expected one size"),
        (-world.predictions(697), f"the prediction of {world.FIRST_FRAME} is -0."),
        (world.predictions(697).astype(np.float16), "holds float16; expected float32 or float64"),
    ],
)
def test_bad_mirrored_predictions(data: Path, run: Run, tmp_path: Path, array: NDArray[Any], said: str) -> None:
    np.save(tmp_path / "flipped.npy", array)
    message = refused(run("evaluate", data / "disps.npy", "--gt", data / "gt.h5", "--flipped", tmp_path / "flipped.npy"))
    assert message.startswith(str(tmp_path / "flipped.npy"))
    assert said in message


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 0.0, -0.25])
def test_values_that_make_a_number_meaningless(data: Path, run: Run, tmp_path: Path, value: float) -> None:
    def spoil(array: NDArray[Any]) -> None:
        array[5, 3, 7] = value
        array[5, 4, 0] = value

    path = save_with(tmp_path / "my disps.npy", spoil)
    assert refused(run("evaluate", path, "--gt", data / "gt.h5", "--method", "m", "--out", tmp_path / "out")) == (
        f"{path}: the prediction of {EIGEN.frame_ids[5]} is {value} at row 3, column 7 (2 such pixels in this frame); expected "
        "finite values above zero. A number made from it would mean nothing: mend the network's output (NaN and inf spread "
        "when an image is resized, a zero disparity is infinitely far, negated disparities cancel in median scaling)"
    )
    assert not (tmp_path / "out").exists()


def test_a_disparity_too_small_for_its_type(data: Path, run: Run, tmp_path: Path) -> None:
    """1/x overflows: every value is above zero and finite, and no score is."""
    path = save_with(tmp_path / "tiny.npy", lambda array: array.__setitem__(3, 1e-42))
    for json_too in ((), ("--json",)):
        message = refused(run("evaluate", path, "--gt", data / "gt.h5", *json_too))
        assert f"1 frames have no finite score, the first is {EIGEN.frame_ids[3]}" in message


@pytest.mark.parametrize(("count", "protocol"), [(652, "kitti_eigen"), (697, "kitti_eigen_benchmark")])
def test_652_for_697_and_the_reverse(data: Path, run: Run, tmp_path: Path, count: int, protocol: str) -> None:
    other = {652: "kitti_eigen_benchmark/test", 697: "kitti_eigen/test"}[count]
    gt = {652: "gt.h5", 697: "improved.h5"}[count]
    np.save(tmp_path / "a.npy", world.predictions(count))
    message = refused(run("evaluate", tmp_path / "a.npy", "--gt", data / gt, "--protocol", protocol))
    assert message.startswith(f"{tmp_path / 'a.npy'}: holds {count} predictions; {protocol}/test has {1349 - count} frames")
    assert f"{count} is the length of {other}: if that is what was predicted, add `--pred-split {other}`" in message


def test_697_predictions_under_the_652_frame_protocol(data: Path, run: Run, tmp_path: Path) -> None:
    asked = ("--gt", data / "improved.h5", "--protocol", "kitti_eigen_benchmark", "--json")
    whole = records_of(run("evaluate", data / "disps.npy", *asked, "--pred-split", "kitti_eigen/test"))[0]
    assert (whole["n_images"], whole["inputs"]["surplus_predictions"]) == (652, 45)
    assert (whole["inputs"]["pred_split"], whole["inputs"]["split"]) == ("kitti_eigen/test", KEPT.sha256)
    at = {name: i for i, name in enumerate(EIGEN.frame_ids)}
    np.save(tmp_path / "kept.npy", world.predictions(697)[[at[name] for name in KEPT.frame_ids]])
    assert records_of(run("evaluate", tmp_path / "kept.npy", *asked))[0]["metrics"] == whole["metrics"]
    table = run("evaluate", data / "disps.npy", *asked[:-1], "--pred-split", "kitti_eigen/test").out
    assert "disps (disparity, 45 not in this protocol)" in table
    assert re.search(rf"split\s+kitti_eigen_benchmark/test\s+sha256 {KEPT.sha256[:16]}", table)


def test_positions_in_a_folder_need_their_list_too(data: Path, run: Run, tmp_path: Path) -> None:
    folder = tmp_path / "maps"
    folder.mkdir()
    for i, values in enumerate(world.predictions(697)):
        np.save(folder / f"{i:010d}.npy", values)
    asked = ("--gt", data / "improved.h5", "--protocol", "kitti_eigen_benchmark", "--json")
    assert "holds 697 predictions; kitti_eigen_benchmark/test has 652 frames" in refused(run("evaluate", folder, *asked))
    found = records_of(run("evaluate", folder, *asked, "--pred-split", "kitti_eigen/test"))[0]
    expected = records_of(run("evaluate", data / "disps.npy", *asked, "--pred-split", "kitti_eigen/test"))[0]
    assert found["metrics"] == expected["metrics"]


def test_frames_without_a_prediction(data: Path, run: Run, tmp_path: Path) -> None:
    with h5py.File(tmp_path / "some.h5", "w") as file:
        file["data"] = world.predictions(697)[3:]
        file["frame_id"] = np.array(list(EIGEN.frame_ids[3:]), "S")
    asked = ("evaluate", tmp_path / "some.h5", "--gt", data / "gt.h5", "--scaling", "median", "--out", tmp_path / "out")
    message = refused(run(*asked))
    assert (
        f"kitti_eigen: 3 of 697 frames have no score (0 allowed); the first is {EIGEN.frame_ids[0]}: no prediction" in message
    )
    assert "--allow-missing 3" in message
    assert "(2 allowed)" in refused(run(*asked, "--allow-missing", 2))
    assert not (tmp_path / "out").exists()
    record = records_of(run(*asked, "--allow-missing", 3, "--json"))[0]
    assert (record["n_images"], record["n_missing"]) == (694, 3)
    rows = (tmp_path / "out" / "some.kitti_eigen.median.csv").read_text("utf-8").splitlines()
    assert len(rows) == 698
    assert rows[1] == f"{EIGEN.frame_ids[0]},2011_09_26_drive_0002_sync,0{',nan' * 9},no prediction"
    assert re.search(r"median .* %  +694  +3  ", run(*asked, "--allow-missing", 3).out)


def test_more_frames_than_the_protocol_asks_for(data: Path, run: Run, tmp_path: Path) -> None:
    with h5py.File(tmp_path / "more.h5", "w") as file:
        file["data"] = world.predictions(700)
        file["frame_id"] = np.array([*EIGEN.frame_ids, "a/b/1", "a/b/2", "a/b/3"], "S")
    record = records_of(run("evaluate", tmp_path / "more.h5", "--gt", data / "gt.h5", "--json"))[0]
    assert (record["n_images"], record["inputs"]["surplus_predictions"]) == (697, 3)


def test_predictions_of_something_else(data: Path, run: Run, tmp_path: Path) -> None:
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["data"] = world.predictions(3)
        file["frame_id"] = np.array(["a/b/1", "a/b/2", "a/b/3"], "S")
    message = refused(run("evaluate", tmp_path / "other.h5", "--gt", data / "gt.h5"))
    assert f"none of its 3 predictions is a frame of kitti_eigen/test, whose first frame is {world.FIRST_FRAME}" in message


def test_ground_truth_of_another_kind_or_split(data: Path, run: Run) -> None:
    asked = ("evaluate", data / "disps.npy", "--pred-split", "kitti_eigen/test", "--gt")
    message = refused(run(*asked, data / "improved.h5"))
    assert message.startswith(
        f"{data / 'improved.h5'}: the ground truth is annotated_png of kitti_depth; kitti_eigen is defined on"
    )
    message = refused(run(*asked, data / "gt.h5", "--protocol", "kitti_eigen_benchmark"))
    assert "the ground truth is lidar_forward_x of kitti_raw; kitti_eigen_benchmark is defined on annotated_png" in message
    both = run(*asked, data / "gt.h5", "--protocol", "kitti_eigen", "--protocol", "kitti_eigen_benchmark")
    assert "the protocols are on different splits (kitti_eigen/test, kitti_eigen_benchmark/test)" in refused(both)


def test_ground_truth_that_lacks_frames(data: Path, run: Run, tmp_path: Path) -> None:
    world.write_tiny_hdf5(tmp_path / "gt.h5")
    message = refused(run("evaluate", data / "disps.npy", "--gt", tmp_path / "gt.h5"))
    assert message.startswith(f"{tmp_path / 'gt.h5'}: the ground truth (custom/test, 3 frames) lacks 694 of the 697 frames")
    assert "export it with `depthbench export_gt --split kitti_eigen/test`" in message


@pytest.mark.parametrize(
    ("array", "said"),
    [
        (world.predictions(697)[:, None], "Drop the axis of length 1: np.squeeze(array, axis=1)"),
        (world.predictions(697)[..., None], "Drop the axis of length 1: np.squeeze(array, axis=3)"),
        (np.moveaxis(world.predictions(697), 0, -1), "if the frames lie along axis 2, save np.moveaxis(array, 2, 0)"),
        (
            np.swapaxes(world.predictions(697), 1, 2),
            "is 20x6, its image 20x60; one is upright, the other is not, so the axes are swapped",
        ),
        ((world.predictions(697) * 256).astype(np.uint16), "holds uint16; expected float32 or float64"),
        (world.predictions(697).astype(np.float16), "holds float16; expected float32 or float64"),
        (world.predictions(1)[0], "One image only: save (N, h, w)"),
    ],
)
def test_other_axes_and_types(data: Path, run: Run, tmp_path: Path, array: NDArray[Any], said: str) -> None:
    np.save(tmp_path / "a b.npy", np.ascontiguousarray(array))
    message = refused(run("evaluate", tmp_path / "a b.npy", "--gt", data / "gt.h5", "--method", "m"))
    assert message.startswith(f"{tmp_path / 'a b.npy'}: ")
    assert said in message


def test_a_folder_of_8_bit_png(data: Path, run: Run, tmp_path: Path) -> None:
    for name in EIGEN.frame_ids:
        cv2.imwrite(str(tmp_path / f"{name.replace('/', '__')}.png"), np.full((6, 20), 40, np.uint8))
    message = refused(run("evaluate", tmp_path, "--gt", data / "gt.h5", "--kind", "depth", "--method", "m"))
    assert "a PNG of 8 bits and colour type 0; expected a 16-bit image of one channel (metres * 256)" in message


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--protocol", "kitti_eigenn"), "unknown protocol 'kitti_eigenn' (did you mean kitti_eigen?)"),
        (("--scaling", "mean"), "unknown scaling 'mean'; known: median, stereo, none"),
        (("--scaling", "factor=-1"), "unknown scaling 'factor=-1'"),
        (("--pred-split", "kitti_eigen/tset"), "unknown split 'kitti_eigen/tset', and no file of that name; did you mean"),
        (("--method", "a/b"), "method name 'a/b': expected letters, digits"),
        (("--method", "../up"), "method name '../up'"),
    ],
)
def test_names_that_do_not_exist(data: Path, run: Run, arguments: tuple[str, str], said: str) -> None:
    assert said in refused(run("evaluate", data / "disps.npy", "--gt", data / "gt.h5", *arguments))


def test_files_that_do_not_exist(data: Path, run: Run, tmp_path: Path) -> None:
    assert "none.npy: no such file or folder" in refused(run("evaluate", tmp_path / "none.npy", "--gt", data / "gt.h5"))
    assert "none.h5: no such file or folder; make it with" in refused(
        run("evaluate", data / "disps.npy", "--gt", tmp_path / "none.h5")
    )
    long = "x" * 300
    assert "File name too long" in refused(run("evaluate", f"{long}.npy", "--gt", data / "gt.h5", "--method", "m"))


def test_results_that_cannot_be_written(data: Path, run: Run, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    message = refused(run("evaluate", data / "disps.npy", "--gt", data / "gt.h5", "--out", tmp_path / "file" / "out"))
    assert message.startswith(f"{tmp_path / 'file' / 'out'}: cannot write the results (")
    assert run("evaluate", data / "disps.npy", "--gt", data / "gt.h5", "--out", tmp_path / "file").code == 2


@pytest.mark.parametrize(
    "arguments",
    [
        ("evaluate",),
        ("evaluate", "disps.npy"),
        ("evaluate", "disps.npy", "--gt", "gt.h5", "--kind", "disp"),
        ("evaluate", "disps.npy", "--gt", "gt.h5", "--allow-missing", "-1"),
        ("evaluate", "disps.npy", "--gt", "gt.h5", "--no-such-option"),
        ("no-such-verb",),
    ],
)
def test_wrong_usage_exits_with_2(run: Run, arguments: tuple[str, ...]) -> None:
    done = run(*arguments)
    assert (done.code, done.out) == (2, "")
    assert "Usage: " in done.err


def test_debug_shows_where_it_failed(data: Path, tmp_path: Path) -> None:
    command = [
        sys.executable,
        "-m",
        "benchmark.cli",
        "--debug",
        "evaluate",
        str(tmp_path / "none.npy"),
        "--gt",
        str(data / "gt.h5"),
    ]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "Traceback" in done.stderr
    assert "no such file or folder" in done.stderr


def test_an_interrupt_inside_this_process(run: Run, data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(NpyPredictions, "load", interrupt)
    monkeypatch.setattr(entry_point, "_leave_at_once", sys.exit)  # which would end the tests
    assert run("evaluate", data / "disps.npy", "--gt", data / "gt.h5") == (130, "", "\ndepthbench: interrupted\n")


@pytest.mark.skipif(sys.platform == "win32", reason="Windows sends no SIGINT to one process")
def test_an_interrupt_from_the_keyboard(data: Path, tmp_path: Path) -> None:
    code = """
import sys, time
from benchmark import cli
from benchmark.io.predictions import NpyPredictions
load = NpyPredictions.load
def slow(self, i):
    sys.stdout.write("scoring\\n")
    sys.stdout.flush()
    time.sleep(0.05)
    return load(self, i)
NpyPredictions.load = slow
cli.entry_point()
"""
    arguments = ["evaluate", str(data / "disps.npy"), "--gt", str(data / "gt.h5"), "--out", str(tmp_path / "out")]
    with subprocess.Popen(
        [sys.executable, "-c", code, *arguments], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "scoring\n"
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=30)
    assert (process.returncode, err) == (130, "\ndepthbench: interrupted\n")
    assert not (tmp_path / "out").exists()


@pytest.mark.skipif(sys.platform == "win32", reason="a closed pipe is another error on Windows")
def test_a_reader_that_goes_away(data: Path) -> None:
    command = [
        sys.executable,
        "-m",
        "benchmark.cli",
        "evaluate",
        str(data / "disps.npy"),
        "--gt",
        str(data / "gt.h5"),
        "--json",
    ]
    read, write = os.pipe()
    os.close(read)
    try:
        done = subprocess.run(command, cwd=ROOT, stdout=write, stderr=subprocess.PIPE, text=True, check=False)
    finally:
        os.close(write)
    assert (done.returncode, done.stderr) == (1, "")


def test_files_that_hold_metres_are_not_taken_for_disparities(data: Path, run: Run, tmp_path: Path) -> None:
    folder = tmp_path / "metres"
    folder.mkdir()
    for name, values in zip(EIGEN.frame_ids, world.predictions(697), strict=True):
        assert cv2.imwrite(str(folder / f"{name.replace('/', '__')}.png"), (256 * 5 / values).astype(np.uint16))
    message = refused(run("evaluate", folder, "--gt", data / "gt.h5"))
    assert message == f"{folder}: files of this form hold depth, and they were said to hold disparity; add `--kind depth`"
    found = records_of(run("evaluate", folder, "--gt", data / "gt.h5", "--kind", "depth", "--json"))[0]
    assert found["inputs"]["kind"] == "depth"


def test_a_list_without_an_order_cannot_name_an_array(data: Path, run: Run, tmp_path: Path) -> None:
    message = refused(run("evaluate", data / "disps.npy", "--gt", data / "gt.h5", "--pred-split", "kitti_eigen_zhou/val"))
    assert "kitti_eigen_zhou/val is a set of frames without an order; save the predictions with frame ids" in message


def test_one_factor_in_two_spellings_is_one_setting(data: Path, run: Run) -> None:
    asked = ("--scaling", "factor=5", "--scaling", "factor=5.0", "--json")
    (record,) = records_of(run("evaluate", data / "disps.npy", "--gt", data / "gt.h5", *asked))
    assert record["scaling"] == "factor=5.0"


def test_frames_packed_into_one_chunk(data: Path, run: Run, tmp_path: Path) -> None:
    values = world.predictions(697)
    with h5py.File(tmp_path / "packed.h5", "w") as file:
        file.create_dataset("data", data=values, chunks=(100, *values.shape[1:]), compression="gzip")
    asked = ("--gt", data / "gt.h5", "--json")
    packed = records_of(run("evaluate", tmp_path / "packed.h5", *asked))[0]
    assert packed["metrics"] == records_of(run("evaluate", data / "disps.npy", *asked))[0]["metrics"]
