"""Where a data set is found and where a download of it goes."""

from pathlib import Path

import pytest

from benchmark.errors import DatasetError
from datasets_prep.roots import data_root, new_data_root


def folder(path: Path) -> Path:
    path.mkdir(parents=True)
    return path


def test_under_its_name_or_itself(tmp_path: Path) -> None:
    folder(tmp_path / "data/kitti_raw/2011_09_26")
    folder(tmp_path / "elsewhere/2011_10_03")
    assert data_root("kitti_raw", tmp_path / "data") == tmp_path / "data/kitti_raw"
    assert data_root("kitti_raw", tmp_path / "data/kitti_raw") == tmp_path / "data/kitti_raw"
    assert data_root("kitti_raw", tmp_path / "elsewhere") == tmp_path / "elsewhere"


@pytest.mark.parametrize(
    ("inside", "root"),
    [
        ("kitti_depth/train", "kitti_depth"),
        ("val/2011_09_26_drive_0002_sync/proj_depth", "."),
        ("2011_09_26_drive_0002_sync/proj_depth", "."),
        ("2011_09_26/2011_09_26_drive_0002_sync/proj_depth", "."),
        ("depth_benchmark/2011_09_26", "."),
        ("kitti_raw/2011_09_26/2011_09_26_drive_0002_sync/proj_depth", "kitti_raw"),
    ],
)
def test_annotated_depth_in_the_layouts_of_the_field(tmp_path: Path, inside: str, root: str) -> None:
    folder(tmp_path / inside)
    assert data_root("kitti_depth", tmp_path) == tmp_path / root


def test_variable_is_the_default(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder(tmp_path / "kitti_odometry")
    monkeypatch.setenv("DEPTHBENCH_DATA", str(tmp_path))
    assert data_root("kitti_odometry", None) == tmp_path / "kitti_odometry"
    monkeypatch.delenv("DEPTHBENCH_DATA")
    with pytest.raises(DatasetError, match="pass --data DIR or set the environment variable DEPTHBENCH_DATA"):
        data_root("kitti_odometry", None)


def test_what_is_not_there_names_what_was_tried(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="gone is not a folder"):
        data_root("kitti_raw", tmp_path / "gone")
    with pytest.raises(DatasetError, match=r"there is no folder .*kitti_raw, and nothing in .* looks like kitti_raw"):
        data_root("kitti_raw", tmp_path)
    with pytest.raises(DatasetError, match="Unknown data set 'kitty'; known: kitti_raw"):
        data_root("kitty", tmp_path)


def test_a_download_never_goes_to_the_folder_of_another_data_set(tmp_path: Path) -> None:
    folder(tmp_path / "data/kitti_raw/2011_09_26/2011_09_26_drive_0002_sync/proj_depth")
    assert new_data_root("kitti_depth", tmp_path / "data") == tmp_path / "data/kitti_depth"
    assert new_data_root("kitti_depth", tmp_path / "data/kitti_raw") == tmp_path / "data/kitti_raw/kitti_depth"
    assert new_data_root("kitti_raw", tmp_path / "data") == tmp_path / "data/kitti_raw"
    assert new_data_root("kitti_raw", tmp_path / "data/kitti_raw") == tmp_path / "data/kitti_raw"
    assert new_data_root("kitti_raw", tmp_path / "none/yet") == tmp_path / "none/yet/kitti_raw"
    (tmp_path / "file").touch()
    with pytest.raises(DatasetError, match="is a file"):
        new_data_root("kitti_raw", tmp_path / "file")
