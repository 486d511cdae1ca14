"""The whole road in Python, for the protocol whose list of frames comes with its data."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from benchmark.errors import GroundTruthError, PredictionError, SplitError
from benchmark.io.ground_truth import PNG_SCALE, Header, sparsify
from benchmark.io.ground_truth_hdf5 import write_hdf5
from benchmark.protocol import FOLDER
from benchmark.score import Request, score

SELECTION = "kitti_depth_selection/val"


def _write(folder: Path, count: int) -> Request:
    """`count` frames of 6x8 pixels, all at 4 m, predicted at 5 m with a hole that the devkit fills."""
    ids = tuple(f"2011_09_26_drive_0002_sync/image_02/{i:010d}" for i in range(count))
    depth = np.full((6, 8), 1024, np.uint16)
    header = Header("kitti_depth", SELECTION, "0" * 64, "annotated_png", ids, PNG_SCALE)
    write_hdf5(folder / "gt.h5", header, [sparsify([depth] * count, np.full((3, 3), np.nan))])
    predictions = np.full((count, 6, 8), 5.0, np.float32)
    predictions[:, 2, 3] = 0
    np.save(folder / "depth.npy", predictions)
    return Request(folder / "depth.npy", folder / "gt.h5", ("kitti_devkit",), kind="depth")


def test_the_devkit_takes_its_frames_from_the_ground_truth(tmp_path: Path) -> None:
    (result,) = score(_write(tmp_path, 1000))
    assert result.record["scaling"] == "none"
    assert (result.record["n_images"], result.record["n_pixels"]) == (1000, 48_000)
    means = {name: metric["mean"] for name, metric in result.record["metrics"].items()}
    assert means["mae"] == pytest.approx(1.0)
    assert means["sq_rel_unitless"] == pytest.approx(1 / 16)
    assert means["irmse"] == pytest.approx(1 / 4 - 1 / 5)
    assert means["silog"] == pytest.approx(0, abs=1e-3)  # float32 logarithms of one constant


def test_another_number_of_frames_is_another_benchmark(tmp_path: Path) -> None:
    with pytest.raises(SplitError, match=f"{SELECTION}: 999 frames, expected 1000"):
        score(_write(tmp_path, 999))


def test_a_file_without_names_cannot_bring_the_list(tmp_path: Path) -> None:
    request = _write(tmp_path, 1000)
    (tmp_path / "gt.npz").touch()
    with pytest.raises(GroundTruthError, match=r"gt\.npz: the frames of kitti_depth_selection/val are known from exported"):
        score(Request(request.pred, tmp_path / "gt.npz", ("kitti_devkit",)))


def test_a_disparity_is_no_metres(tmp_path: Path) -> None:
    request = _write(tmp_path, 1000)
    with pytest.raises(PredictionError, match="kitti_devkit scores metres, and a disparity has no scale; say `--kind depth`"):
        score(Request(request.pred, request.gt, request.protocols))


def test_the_devkits_own_file_names(tmp_path: Path) -> None:
    request = _write(tmp_path, 1000)
    folder = tmp_path / "depth"
    folder.mkdir()
    for i in range(1000):
        name = f"2011_09_26_drive_0002_sync_image_{i:010d}_image_02.png"
        assert cv2.imwrite(str(folder / name), np.full((6, 8), 5 * 256, np.uint16))
    (result,) = score(Request(folder, request.gt, request.protocols, kind="depth"))
    assert result.record["metrics"]["mae"]["mean"] == 1.0


def test_a_list_of_ones_own(tmp_path: Path) -> None:
    ids = [f"2011_09_26_drive_0002_sync/image_02/{i:010d}" for i in (4, 2, 9)]
    (tmp_path / "mine.txt").write_text("\n".join(ids) + "\n")
    text = (FOLDER / "kitti_eigen.yaml").read_text()
    own = text.replace("name: kitti_eigen", "name: mine").replace("kitti_eigen/test", str(tmp_path / "mine.txt"))
    (tmp_path / "mine.yaml").write_text(own)
    header = Header("kitti_raw", "mine", "0" * 64, "lidar_forward_x", tuple(sorted(ids)))
    depths = [np.full((40, 60), 10.0 + i, np.float32) for i in range(3)]
    write_hdf5(tmp_path / "gt.h5", header, [sparsify(depths, np.full((3, 3), np.nan))])
    np.save(tmp_path / "disps.npy", np.ones((3, 10, 15), np.float32))
    (result, _) = score(Request(tmp_path / "disps.npy", tmp_path / "gt.h5", (str(tmp_path / "mine.yaml"),)))
    assert result.table.frame_id == tuple(ids)
    assert result.table.scale.tolist() == [11.0, 10.0, 12.0]
