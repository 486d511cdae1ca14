"""A tiny case to try `depthbench evaluate` on: `python -m benchmark.tiny_case FOLDER`.

Made-up streets of 47x155 pixels under the names of the Eigen test split, with sparse ground truth, and disparities of
24x80 pixels with smooth errors. Nothing of it is KITTI, and its scores mean nothing.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmark.io.ground_truth import Header, sparsify
from benchmark.io.ground_truth_hdf5 import write_hdf5
from benchmark.splits import load_split

SIZE, PREDICTION_SIZE = (47, 155), (24, 80)
SHARE_OF_PIXELS = 0.06  # what a LiDAR sees of an image


def street(i: int, size: tuple[int, int]) -> NDArray[np.float64]:
    """Street i as a dense depth map (h, w) in metres: flat ground, walls at both sides, a rise that moves with i."""
    row = (np.arange(size[0])[:, None] + 0.5) / size[0]
    column = (np.arange(size[1]) + 0.5) / size[1]
    ground = 1.65 * 1.92 / np.maximum(row - 0.45, 0.02)
    walls = 3.5 / np.maximum(np.abs(column - 0.5), 0.05) * (1 + 0.2 * np.sin(9 * column + 0.1 * i))
    return np.clip(np.minimum(ground, walls), 2.0, 85.0)


def make(folder: Path) -> None:
    """Write gt.h5 and disps.npy."""
    folder.mkdir(parents=True, exist_ok=True)
    split = load_split("kitti_eigen/test")
    random = np.random.default_rng(0)
    maps = [
        np.where(random.random(SIZE) < SHARE_OF_PIXELS, street(i, SIZE), 0).astype(np.float32) for i in range(len(split.frames))
    ]
    header = Header("kitti_raw", split.name, split.sha256, "lidar_forward_x", split.frame_ids)
    write_hdf5(folder / "gt.h5", header, [sparsify(maps, np.full((3, 3), np.nan))])
    row, column = (np.arange(n) / n for n in PREDICTION_SIZE)
    error = [1 + 0.1 * np.sin(7 * row[:, None] + i) + 0.1 * np.sin(11 * column + 0.7 * i) for i in range(len(maps))]
    disparities = [5.4 * error[i] / street(i, PREDICTION_SIZE) for i in range(len(maps))]
    np.save(folder / "disps.npy", np.stack(disparities).astype(np.float32))


if __name__ == "__main__":
    make(Path(sys.argv[1]))
