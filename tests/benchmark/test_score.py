"""The whole road in Python, for the protocol whose list of frames comes with its data."""

from pathlib import Path

import numpy as np
import pytest

from benchmark.errors import GroundTruthError, SplitError
from benchmark.io.ground_truth import PNG_SCALE, Header, sparsify
from benchmark.io.ground_truth_hdf5 import write_hdf5
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
    with pytest.raises(GroundTruthError, match=r"gt\.npz: the frames of kitti_depth_selection/val are known from exported"):
        score(Request(request.pred, tmp_path / "gt.npz", ("kitti_devkit",)))
