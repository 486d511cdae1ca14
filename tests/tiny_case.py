"""Make a tiny case to try `depthbench evaluate` on: `python tests/tiny_case.py FOLDER`.

Made-up streets of 47x155 pixels under the names of the Eigen test split, with sparse ground truth, and disparities of
24x80 pixels with smooth errors. Nothing of it is KITTI, and its scores mean nothing.
"""

import sys
from pathlib import Path

import numpy as np
from synthetic_frames import synthetic_frame

from benchmark.io.ground_truth import Header, sparsify
from benchmark.io.ground_truth_hdf5 import write_hdf5
from benchmark.splits import load_split

SIZE, PREDICTION_SIZE = (47, 155), (24, 80)


def make(folder: Path) -> None:
    """Write gt.h5 and disps.npy."""
    folder.mkdir(parents=True, exist_ok=True)
    split = load_split("kitti_eigen/test")
    frames = [synthetic_frame(i, size=SIZE, pred_size=PREDICTION_SIZE) for i in range(len(split.frames))]
    header = Header("kitti_raw", split.name, split.sha256, "lidar_forward_x", split.frame_ids)
    write_hdf5(folder / "gt.h5", header, [sparsify([f.ground_truth for f in frames], np.full((3, 3), np.nan))])
    np.save(folder / "disps.npy", np.stack([f.prediction for f in frames]))


if __name__ == "__main__":
    make(Path(sys.argv[1]))
