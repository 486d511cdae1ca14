"""A miniature KITTI tree with a day, a size and a camera of its own, and the projection restated point by point."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

import cv2
import numpy as np

DATE = "2031_01_02"
DRIVE = f"{DATE}_drive_0007_sync"
SHAPE = (24, 32)
P_RECT = {"02": "20 0 16 1.5 0 20 12 0.25 0 0 1 0.003", "03": "20 0 16 -9 0 20 12 0.5 0 0 1 0.003"}


def write_calibration(root: Path, date: str = DATE, *, shape: tuple[int, int] = SHAPE) -> None:
    folder = root / date
    folder.mkdir(parents=True, exist_ok=True)
    lines = ["calib_time: 09-Jan-2012 13:57:47", "corner_dist: 9.95e-02", "R_rect_00: 1 0 0 0 1 0 0 0 1"]
    lines += [f"S_rect_{c}: {shape[1]} {shape[0]}" for c in P_RECT] + [f"P_rect_{c}: {p}" for c, p in P_RECT.items()]
    (folder / "calib_cam_to_cam.txt").write_text("\n".join(lines) + "\n")
    # The LiDAR looks along x, the camera along z.
    (folder / "calib_velo_to_cam.txt").write_text("calib_time: now: here\nR: 0 -1 0 0 0 -1 1 0 0\nT: 0 -0.1 -0.3\n")
    (folder / "calib_imu_to_velo.txt").write_text("R: 1 0 0 0 1 0 0 0 1\nT: -0.8 0.3 -0.8\n")


def random_scan(seed: int, n: int = 600) -> np.ndarray:
    rng = np.random.default_rng(seed)
    points = rng.uniform([-2, -8, -6, 0], [15, 8, 6, 1], (n, 4))
    return points.astype("<f4")


def write_scans(root: Path, numbers: list[int], drive: str = DRIVE) -> dict[int, np.ndarray]:
    folder = root / drive[:10] / drive / "velodyne_points" / "data"
    folder.mkdir(parents=True, exist_ok=True)
    scans = {number: random_scan(number) for number in numbers}
    for number, scan in scans.items():
        scan.tofile(folder / f"{number:010d}.bin")
    return scans


def write_annotated(path: Path, seed: int, shape: tuple[int, int] = SHAPE) -> np.ndarray:
    rng = np.random.default_rng(seed)
    depth = np.where(rng.random(shape) < 0.2, rng.integers(256, 20000, shape), 0).astype(np.uint16)
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), depth)
    return depth


def write_list(path: Path, numbers: list[int], drive: str = DRIVE, side: str = "l") -> Path:
    path.write_text("".join(f"{drive[:10]}/{drive} {number} {side}\n" for number in numbers))
    return path


def restated_map(scan: np.ndarray, M: np.ndarray, shape: tuple[int, int], *, use_x: bool, collide: bool) -> np.ndarray:
    """The field's depth map, one point after the other; shares nothing with the kernel."""
    height, width = shape
    written = np.zeros(shape)
    groups = defaultdict(list)
    for x, y, z, _ in scan.astype(np.float64):
        if x < 0:
            continue
        u, v, w = (row[0] * x + row[1] * y + row[2] * z + row[3] for row in M)
        if w == 0:
            continue
        column, row = round(u / w) - 1, round(v / w) - 1  # Python rounds half to even, as NumPy does
        if 0 <= column < width and 0 <= row < height:
            depth = x if use_x else w
            written[row, column] = depth
            key = row * (width - 1) + column - 1 if collide else (row, column)
            groups[key].append((row, column, depth))
    for points in groups.values():
        if len(points) > 1:
            row, column, _ = points[0]
            written[row, column] = min(depth for _, _, depth in points)
    return np.where(written > 0, written, 0).astype(np.float32)
