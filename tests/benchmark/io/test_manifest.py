"""Manifests: what is declared, and paths that may not leave their folder."""

from pathlib import Path

import pytest

from benchmark.errors import PredictionError
from benchmark.io.manifest import Manifest, read_manifest


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    inside = tmp_path / "my results"
    inside.mkdir()
    (inside / "disps.npy").write_bytes(b"")
    (inside / "frames.txt").write_text("")
    (tmp_path / "outside.txt").write_text("")
    return inside


def write(folder: Path, text: str) -> Path:
    (folder / "method.yaml").write_text(text)
    return folder / "method.yaml"


def refusal(path: Path) -> str:
    with pytest.raises(PredictionError) as caught:
        read_manifest(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_any_other_file_stands_for_itself(tmp_path: Path) -> None:
    assert read_manifest(tmp_path / "disps.npy") == Manifest(tmp_path / "disps.npy")


def test_everything_that_can_be_declared(folder: Path) -> None:
    path = write(
        folder,
        "predictions: disps.npy\nkind: depth\nmethod: MD2\nsplit: kitti_eigen/test\ntraining: kitti_eigen_zhou/train\n",
    )
    assert read_manifest(path) == Manifest(folder / "disps.npy", "depth", "MD2", "kitti_eigen/test", "kitti_eigen_zhou/train")


def test_a_list_beside_the_manifest(folder: Path) -> None:
    assert read_manifest(write(folder, "predictions: disps.npy\nsplit: frames.txt\n")).split == str(folder / "frames.txt")


@pytest.mark.parametrize("key", ["predictions", "split"])
@pytest.mark.parametrize("place", ["../outside.txt", "/etc/passwd", "link.txt", "sub/../../outside.txt"])
def test_paths_that_leave_the_folder(folder: Path, key: str, place: str) -> None:
    (folder / "link.txt").symlink_to(folder.parent / "outside.txt")
    other = "" if key == "predictions" else "predictions: disps.npy\n"
    message = refusal(write(folder, f"{other}{key}: {place}\n"))
    assert f"{key} {place!r} lies outside the manifest's folder; expected a path inside {folder}" in message


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("kind: depth", "missing key predictions"),
        ("predictions: disps.npy\nkinds: depth\nscale: 5", "unknown key kinds (did you mean kind?); unknown key scale"),
        ("predictions: [a, b]\nmethod: 5", "predictions is ['a', 'b'] (list); expected Path; method is 5 (int); expected str"),
        ("predictions: disps.npy\nmethod: no", "method is False (bool); expected str (YAML reads no, off and yes as booleans"),
        ("predictions: disps.npy\nkind: disp", "kind is 'disp'; known: disparity, inverse_depth, depth"),
        ("predictions: disps.npy\nsplit: kitti_eigen/tset", "split 'kitti_eigen/tset' is no known split and no file beside"),
        ('predictions: "a\\0b"', "predictions 'a\\x00b' is no path ("),  # Python says why in different words
        ("- predictions", "holds a list; expected keys and values"),
        ("predictions: &a x\nmethod: *a", "aliases are not allowed"),
    ],
)
def test_bad_manifests(folder: Path, text: str, said: str) -> None:
    assert said in refusal(write(folder, text))


def test_a_manifest_that_is_not_there(tmp_path: Path) -> None:
    assert "cannot be read as YAML" in refusal(tmp_path / "none.yaml")
