"""`depthbench pack`: numbers by hand, the road there and back, and how it exits."""

import json
import os
from pathlib import Path

import cv2
import h5py
import numpy as np
import pytest
import small_world as world
from command import Outcome, Run
from numpy.typing import NDArray

from benchmark.cli_pack import FORMS
from benchmark.io.submissions import PACK_FORMATS, read_pack
from benchmark.pack import raw_depth, raw_monodepth2, resize
from benchmark.splits import load_split

KITTI = load_split("kitti_benchmark/test").frame_ids


def refused(outcome: Outcome) -> str:
    assert (outcome.code, outcome.out, outcome.err.count("\n")) == (1, "", 1), outcome
    return outcome.err.removeprefix("depthbench: ").rstrip("\n")


def disparities(seed: int = 0) -> NDArray[np.float32]:
    """(500, 4, 12) disparities: 0.5 in the first image, noise in the others."""
    values = np.random.default_rng(seed).uniform(0.05, 0.5, (500, 4, 12)).astype(np.float32)
    values[0] = 0.5
    return values


@pytest.fixture(scope="module")
def disps(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("my predictions") / "disps.npy"
    np.save(path, disparities())
    return path


def test_the_commands_choices_are_those_of_the_packs() -> None:
    assert tuple(PACK_FORMATS) == FORMS


def test_stored_numbers_by_hand() -> None:
    """10.8 m is 2764.8 / 256 m: ours rounds, Monodepth2 truncates."""
    depth = np.array([[10.8, 90.0, 0.001, 1000.0, 1.0]])
    raw = raw_depth(depth)
    assert (raw.tolist(), raw.dtype) == ([[2765, 23040, 1, 65533, 256]], np.uint16)
    raw = raw_monodepth2(depth)
    assert (raw.tolist(), raw.dtype) == ([[2764, 20480, 0, 20480, 256]], np.uint16)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_resize_by_hand_and_by_opencv(dtype: type) -> None:
    pair = np.array([[1.0, 3.0]], dtype)
    np.testing.assert_array_equal(resize(pair, (1, 4)), np.array([[1.0, 1.5, 2.5, 3.0]], dtype))
    values = np.random.default_rng(1).uniform(0.01, 1, (192, 640)).astype(dtype)
    ours = resize(values, (352, 1216))
    assert ours.dtype == dtype
    np.testing.assert_allclose(ours, cv2.resize(values, (1216, 352)), rtol=1e-4)


@pytest.mark.parametrize(
    ("options", "first"),
    [
        ([], 512),  # 1 / 0.5 = 2 m
        (["--scaling", "stereo"], 2765),
        (["--like", "monodepth2"], 2764),
        (["--kind", "inverse_depth"], 512),
        (["--kind", "depth"], 128),
    ],
)
def test_kitti_there_and_back(disps: Path, tmp_path: Path, run: Run, options: list[str], first: int) -> None:
    out = tmp_path / "my pack.zip"
    done = run("pack", "kitti_benchmark", disps, "--out", out, *options)
    assert (done.code, done.out) == (0, "")
    assert "500 images for the KITTI depth prediction benchmark" in done.err
    pack = read_pack(out)
    assert (pack.shape, pack.form) == ((500, 352, 1216), "kitti_benchmark")
    assert set(np.unique(pack.load_raw(0))) == {first}
    given = disparities()[499].astype(np.float64)
    x = cv2.resize(1 / given if "depth" in options else given, (1216, 352))
    expected = (1 if first in (512, 128) else 5.4) / x
    if "--like" in options:
        expected = np.minimum(expected, 80)
        assert "of the pixels lay nearer than 0 m and" in done.err
    error = pack.load(499) - expected
    assert np.abs(error).max() <= 1 / 256 + 1e-4 if "--like" in options else np.abs(error).max() <= 1 / 512 + 1e-4


@pytest.mark.parametrize(
    ("metres", "code", "said"),
    [
        (1 / 300, 1, "taken to hold depth, 100.0% of the pixels lay nearer than 0.00391 m and 0.0% farther than 255.99 m"),
        (400, 1, "0.0% of the pixels lay nearer than 0.00391 m and 100.0% farther than 255.99 m"),
        (0.5, 0, "warning: the median depth is 0.5 m, expected 1 to 128 m on streets: is --kind right"),
        (10, 0, "wrote "),
    ],
)
def test_depths_that_no_street_has(tmp_path: Path, run: Run, metres: float, code: int, said: str) -> None:
    np.save(tmp_path / "d.npy", np.full((2, 4, 8), metres, np.float32))
    done = run("pack", "ddad_challenge", tmp_path / "d.npy", "--kind", "depth", "--count", 2, "--out", tmp_path / "p.zip")
    assert (done.code, said in done.err, "warning" in done.err) == (code, True, metres == 0.5), done.err
    assert (tmp_path / "p.zip").exists() == (code == 0)


def test_half_a_pack_may_be_clipped(tmp_path: Path, run: Run) -> None:
    depth = np.full((2, 4, 8), 10.0, np.float32)
    depth[0] = 1000
    np.save(tmp_path / "d.npy", depth)
    done = run("pack", "ddad_challenge", tmp_path / "d.npy", "--kind", "depth", "--count", 2, "--out", tmp_path / "p.ZIP")
    assert (done.code, "50.0% farther than 255.99 m: clipped" in done.err) == (0, True)
    assert run("check", tmp_path / "p.ZIP", "--count", 2).code == 0


def test_the_names_of_the_challenges_own_frames(tmp_path: Path, run: Run) -> None:
    out = ("--kind", "depth", "--count", 3, "--out", tmp_path / "p.zip")
    for prefix in ("val/CAMERA_01", "000150/CAMERA_01"):
        with h5py.File(tmp_path / "p.h5", "w") as file:
            file["data"] = np.stack([np.full((4, 8), i + 1.0, np.float32) for i in (2, 0, 1)])
            file["frame_id"] = np.array([f"{prefix}/{i}" for i in (2, 0, 1)], "S")
        done = run("pack", "ddad_challenge", tmp_path / "p.h5", *out)
        if prefix == "val/CAMERA_01":
            assert done.code == 0, done.err
            pack = read_pack(tmp_path / "p.zip", count=3)
            assert [float(pack.load(i)[0, 0]) for i in range(3)] == [1.0, 2.0, 3.0]
    assert "the first is 000000 (the file names its predictions like '000150/CAMERA_01/2')" in refused(done)


def test_what_a_killed_pack_left_is_swept(disps: Path, tmp_path: Path, run: Run) -> None:
    left = tmp_path / f".p.zip.{16 * '0'}.tmp"
    left.touch()
    os.utime(left, (0, 0))
    assert run("pack", "kitti_benchmark", disps, "--out", tmp_path / "p.zip").code == 0
    assert world.names_in(tmp_path) == ["p.zip"]


def test_ddad_in_metres_at_their_own_size(tmp_path: Path, run: Run) -> None:
    depth = np.random.default_rng(0).uniform(1, 200, (5, 6, 10)).astype(np.float32)
    np.save(tmp_path / "d.npy", depth)
    done = run("pack", "ddad_challenge", tmp_path / "d.npy", "--kind", "depth", "--count", 5, "--out", tmp_path / "p.zip")
    assert done.code == 0, done.err
    pack = read_pack(tmp_path / "p.zip", count=5)
    for i in range(5):
        np.testing.assert_array_equal(pack.load_raw(i), np.rint(depth[i].astype(np.float64) * 256))
    assert done.err.endswith(f"next: depthbench check {tmp_path / 'p.zip'} --count 5\n")
    assert "5 images of 6x10 for the DDAD challenge" in run("check", tmp_path / "p.zip", "--count", 5).out
    again = run("pack", "ddad_challenge", tmp_path / "p.zip", "--count", 5, "--out", tmp_path / "q.zip")  # says its kind itself
    assert again.code == 0, again.err
    assert (tmp_path / "p.zip").read_bytes() == (tmp_path / "q.zip").read_bytes()


def test_ddad_from_a_folder_by_position(tmp_path: Path, run: Run) -> None:
    """Files of their own size; 0.25 / m is 4 m."""
    (tmp_path / "maps").mkdir()
    for i in range(3):
        np.save(tmp_path / "maps" / f"{i:06d}.npy", np.full((3 + i, 9), 0.25 / (i + 1), np.float32))
    words = ("pack", "ddad_challenge", tmp_path / "maps", "--count", 3, "--out", tmp_path / "p.zip")
    unsaid = run(*words)
    assert (unsaid.code, "nothing says what it holds, and the DDAD challenge has" in unsaid.err) == (2, True)
    done = run(*words, "--kind", "inverse_depth")
    assert done.code == 0, done.err
    pack = read_pack(tmp_path / "p.zip", count=3)
    assert [(m.shape, float(m[0, 0])) for m in map(pack.load, range(3))] == [((3, 9), 4.0), ((4, 9), 8.0), ((5, 9), 12.0)]


def test_predictions_with_ids_in_another_order(tmp_path: Path, run: Run) -> None:
    with h5py.File(tmp_path / "p.h5", "w") as file:
        file["data"] = disparities()[::-1]
        file["frame_id"] = np.array(KITTI[::-1], "S")
    done = run("pack", "kitti_benchmark", tmp_path / "p.h5", "--scaling", "stereo", "--out", tmp_path / "p.zip")
    assert done.code == 0, done.err
    assert set(np.unique(read_pack(tmp_path / "p.zip").load_raw(0))) == {2765}
    with h5py.File(tmp_path / "p.h5", "w") as file:
        file["data"] = disparities()[:499]
        file["frame_id"] = np.array(KITTI[1:], "S")
    message = refused(run("pack", "kitti_benchmark", tmp_path / "p.h5", "--out", tmp_path / "q.zip"))
    assert "1 of the 500 images of the KITTI depth prediction benchmark have no prediction, the first is " + KITTI[0] in message


def test_the_manifest_says_what_they_are(disps: Path, run: Run) -> None:
    manifest = disps.with_suffix(".yaml")
    manifest.write_text("predictions: disps.npy\nkind: depth\nsplit: kitti_benchmark/test\n")
    assert run("pack", "kitti_benchmark", manifest, "--out", disps.with_suffix(".zip")).code == 0
    assert set(np.unique(read_pack(disps.with_suffix(".zip")).load_raw(0))) == {128}
    manifest.write_text("predictions: disps.npy\nsplit: kitti_eigen/test\n")
    assert "expected 697, in order" in refused(run("pack", "kitti_benchmark", manifest, "--out", disps.with_suffix(".zip")))
    message = refused(run("pack", "ddad_challenge", manifest, "--count", 500, "--out", disps.with_suffix(".zip")))
    assert "predicted for kitti_eigen/test, frames of kitti_raw; expected the images of the DDAD challenge" in message


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (np.nan, "the prediction of image/image_02/0000000007 is nan at row 1, column 2; expected finite values above zero"),
        (np.inf, "is inf at row 1, column 2"),
        (0, "is 0.0 at row 1, column 2"),
        (-1, "is -1.0 at row 1, column 2"),
    ],
)
@pytest.mark.parametrize("options", [[], ["--like", "monodepth2"]])
def test_pixels_that_are_no_depth(tmp_path: Path, run: Run, value: float, said: str, options: list[str]) -> None:
    values = disparities()
    values[7, 1, 2] = value
    np.save(tmp_path / "d.npy", values)
    assert said in refused(run("pack", "kitti_benchmark", tmp_path / "d.npy", "--out", tmp_path / "p.zip", *options))
    assert world.names_in(tmp_path) == ["d.npy"]


def test_axes_that_are_swapped_and_other_numbers(tmp_path: Path, run: Run) -> None:
    np.save(tmp_path / "d.npy", np.swapaxes(disparities(), 1, 2))
    out = ("--out", tmp_path / "p.zip")
    assert "is 12x4, upright, and no image of the KITTI depth prediction benchmark is" in refused(
        run("pack", "kitti_benchmark", tmp_path / "d.npy", *out)
    )
    np.save(tmp_path / "d.npy", disparities()[:9])
    assert "holds 9 predictions; expected 500" in refused(run("pack", "kitti_benchmark", tmp_path / "d.npy", *out))
    ddad = ("--kind", "depth", *out)
    assert "holds 9 predictions; expected 3080" in refused(run("pack", "ddad_challenge", tmp_path / "d.npy", *ddad))
    assert "no such file" in refused(run("pack", "ddad_challenge", tmp_path / "no.npy", *ddad))
    np.save(tmp_path / "d.npy", np.full((2, 12, 4), 5.0))
    message = refused(run("pack", "ddad_challenge", tmp_path / "d.npy", "--count", 2, *ddad))
    assert "is 12x4, upright, and no image of the DDAD challenge is" in message


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["kitti_benchmark"],
        ["kitti_benchmark", "d.npy"],
        ["kitti_eigen", "d.npy", "--out", "p.zip"],
        ["kitti_benchmark", "d.npy", "--out", "p.tar"],
        ["kitti_benchmark", "d.npy", "--out", "p.zip", "--count", "7"],
        ["kitti_benchmark", "d.npy", "--out", "p.zip", "--like", "monodepth2", "--kind", "depth"],
        ["ddad_challenge", "d.npy", "--out", "p.zip", "--scaling", "stereo"],
        ["ddad_challenge", "d.npy", "--out", "p.zip", "--like", "monodepth2"],
        ["ddad_challenge", "d.npy", "--out", "p.zip"],
    ],
)
def test_wrong_usage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, run: Run, arguments: list[str]) -> None:
    monkeypatch.chdir(tmp_path)
    np.save("d.npy", disparities())
    done = run("pack", *arguments)
    assert (done.code, done.out) == (2, "")
    assert done.err
    assert world.names_in(tmp_path) == ["d.npy"]


def test_a_pack_is_scored_and_checked(tmp_path: Path, run: Run) -> None:
    """Depths on whole 1/256 m score alike as an array and as a pack."""
    depth = (np.rint(256 / world.predictions(697)) / 256).astype(np.float32)
    np.save(tmp_path / "d.npy", depth)
    world.write_split_truth(tmp_path / "gt.h5")
    count = ("--kind", "depth", "--count", 697)
    assert run("pack", "ddad_challenge", tmp_path / "d.npy", *count, "--out", tmp_path / "d.zip").code == 0
    scored = [
        json.loads(run("evaluate", tmp_path / name, "--gt", tmp_path / "gt.h5", "--kind", "depth", "--json").out)[0]
        for name in ("d.npy", "d.zip")
    ]
    assert scored[0]["metrics"] == scored[1]["metrics"]
    note = "the pack for the DDAD challenge names no frames: it was taken to be in the order of kitti_eigen/test"
    assert [note in record["warnings"] for record in scored] == [False, True]
    found = run("check", tmp_path / "d.zip", "--gt", tmp_path / "gt.h5", "--kind", "depth", "--json")
    assert {f["defect"]: f["verdict"] for f in json.loads(found.out)}["form"] == "fine"
    message = refused(run("evaluate", tmp_path / "d.zip", "--gt", tmp_path / "gt.h5"))
    assert "files of this form hold depth" in message
