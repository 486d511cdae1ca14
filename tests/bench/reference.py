"""What the field runs today, written from its published arithmetic: one process, dense maps, no threads.

`python reference.py score GT_DEPTHS.npz DISPS.npy` is Monodepth2's evaluation of an external disparity file on the Eigen
split with median scaling: `np.load` of the object array, `cv2.resize` of each float32 disparity, a boolean mask, two
medians, a clamp and seven float32 means. `python reference.py export DRIVE CALIB OUT.npz N` projects N LiDAR scans to
dense maps and saves them compressed.
"""

import sys
import time
from collections import defaultdict
from pathlib import Path

import numpy as np

GARG = (0.40810811, 0.99189189, 0.03594771, 0.96405229)


def score_arrays(maps, disparities) -> np.ndarray:
    """Means of the seven metrics over the frames."""
    import cv2

    cv2.setNumThreads(0)
    errors = [_score(gt, cv2.resize(disp, gt.shape[::-1])) for gt, disp in zip(maps, disparities, strict=True)]
    return np.array(errors).mean(0)


def _score(gt, disparity):
    height, width = gt.shape
    pred = 1 / disparity
    mask = np.logical_and(gt > 1e-3, gt < 80)
    top, bottom, left, right = GARG
    crop = np.zeros(mask.shape)
    crop[int(top * height) : int(bottom * height), int(left * width) : int(right * width)] = 1
    mask = np.logical_and(mask, crop)
    pred, gt = pred[mask], gt[mask]
    pred *= np.median(gt) / np.median(pred)
    pred[pred < 1e-3] = 1e-3
    pred[pred > 80] = 80
    ratio = np.maximum(gt / pred, pred / gt)
    return (
        np.mean(np.abs(gt - pred) / gt),
        np.mean((gt - pred) ** 2 / gt),
        np.sqrt(np.mean((gt - pred) ** 2)),
        np.sqrt(np.mean((np.log(gt) - np.log(pred)) ** 2)),
        *((ratio < 1.25**k).mean() for k in (1, 2, 3)),
    )


def score_files(gt: str, disps: str) -> None:
    """The whole command."""
    maps = np.load(gt, allow_pickle=True)["data"]
    print(*score_arrays(maps, np.load(disps)))


def depth_map(scan: str, M: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """One scan as a dense float32 map: float64 matrix product, last write, then the nearest of each pixel's points."""
    points = np.fromfile(scan, np.float32).reshape(-1, 4)
    points[:, 3] = 1
    points = points[points[:, 0] >= 0]
    image = np.dot(M, points.T).T
    image[:, :2] = image[:, :2] / image[:, 2:]
    image[:, 2] = points[:, 0]
    image[:, :2] = np.round(image[:, :2]) - 1
    height, width = shape
    inside = (image[:, 0] >= 0) & (image[:, 1] >= 0) & (image[:, 0] < width) & (image[:, 1] < height)
    image = image[inside]
    column, row, depth = image[:, 0].astype(int), image[:, 1].astype(int), image[:, 2]
    out = np.zeros(shape)
    out[row, column] = depth
    shared = defaultdict(list)
    for k, key in enumerate((row * (width - 1) + column - 1).tolist()):
        shared[key].append(k)
    for members in shared.values():
        if len(members) > 1:
            out[row[members[0]], column[members[0]]] = depth[members].min()
    return out.astype(np.float32)


def export(scans: list[str], M: np.ndarray, shape: tuple[int, int], out: str) -> None:
    """The whole export."""
    maps = np.empty(len(scans), object)
    for i, scan in enumerate(scans):
        maps[i] = depth_map(scan, M, shape)
    np.savez_compressed(out, data=maps)


if __name__ == "__main__":
    if sys.argv[1] == "score":
        score_files(*sys.argv[2:])
    else:
        scans, matrix, out = sys.argv[2:]
        start = time.perf_counter()
        export(Path(scans).read_text().splitlines(), np.load(matrix), (375, 1242), out)
        print(time.perf_counter() - start)
