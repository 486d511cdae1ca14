"""Ground-truth maps of the real KITTI samples, projected here in plain numpy from the published description.

Maps are named as in tests/golden/evaluator_golden.json: `velo_x`, `velo_z`, `annotated`, `velo_x_top_left_HxW`; and
`devkit`, the part of `annotated` that the devkit cases score. All are float32 metres with 0 where there is no value.
"""

from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

Depth = NDArray[np.float32]

DATE = "2011_09_26"
DRIVE = "2011_09_26_drive_0001_sync"


@lru_cache(maxsize=64)
def ground_truth_map(root: Path, name: str, frame: int) -> Depth:
    """The named map of a frame of drive 0001, camera 2, (H,W) float32 metres, read-only."""
    depth = _build(root, name, frame)
    depth.setflags(write=False)
    return depth


def _build(root: Path, name: str, frame: int) -> Depth:
    if name.startswith("velo_x_top_left_"):
        rows, columns = (int(n) for n in name.removeprefix("velo_x_top_left_").split("x"))
        return top_left(velodyne_map(root, frame, lidar_x=True), rows, columns)
    if name in ("velo_x", "velo_z"):
        return velodyne_map(root, frame, lidar_x=name == "velo_x")
    annotated = annotated_map(root, frame)
    if name == "annotated":
        return annotated
    if name == "devkit":
        return np.ascontiguousarray(annotated[23:375, 13:1229])
    raise ValueError(f"unknown ground truth {name!r}")


def annotated_map(root: Path, frame: int, *, camera: int = 2) -> Depth:
    """Accumulated LiDAR depth of the depth benchmark, (H,W) float32 metres. PNG value / 256, 0 = none."""
    path = root / f"kitti_depth/train/{DRIVE}/proj_depth/groundtruth/image_0{camera}/{frame:010d}.png"
    raw = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    if raw is None or raw.dtype != np.uint16:
        raise ValueError(f"{path} is not a 16-bit PNG")
    return np.asarray(raw.astype(np.float32) / np.float32(256), dtype=np.float32)


def top_left(depth: Depth, rows: int, columns: int) -> Depth:
    """The upper left part of a map in another KITTI size, rows below it empty. Only to exercise crops."""
    out = np.zeros((rows, columns), dtype=np.float32)
    part = depth[:rows, :columns]
    out[: part.shape[0], : part.shape[1]] = part
    return out


def read_calibration(path: Path) -> dict[str, NDArray[np.float64]]:
    """The numeric lines of a KITTI raw calibration file as float64; `calib_time` holds a date and is left out."""
    values = {}
    for line in path.read_text().splitlines():
        key, _, text = line.partition(":")
        if text.strip() and key != "calib_time":
            values[key] = np.array([float(word) for word in text.split()])
    return values


def velodyne_map(root: Path, frame: int, *, lidar_x: bool, camera: int = 2, collide: bool = True) -> Depth:
    """One LiDAR scan on the image of a rectified camera, (H,W) float32 metres. Protocol facts, section 1.1.

    `lidar_x` stores the LiDAR's forward distance (what the field's Eigen ground truth holds) instead of the camera's z.
    `collide` keeps the field's pixel code v*(W-1)+u-1, which takes (v,W-1) and (v+1,0) for the same pixel.
    """
    date = root / "kitti_raw" / DATE
    cameras = read_calibration(date / "calib_cam_to_cam.txt")
    lidar = read_calibration(date / "calib_velo_to_cam.txt")
    columns, rows = (int(n) for n in cameras["S_rect_02"])

    scan = np.fromfile(date / DRIVE / f"velodyne_points/data/{frame:010d}.bin", dtype="<f4").reshape(-1, 4)
    points = np.concatenate([scan[:, :3].astype(np.float64), np.ones((len(scan), 1))], axis=1)
    points = points[points[:, 0] >= 0]

    T_cam_lidar, R_rect = np.eye(4), np.eye(4)
    T_cam_lidar[:3, :3] = lidar["R"].reshape(3, 3)
    T_cam_lidar[:3, 3] = lidar["T"]
    R_rect[:3, :3] = cameras["R_rect_00"].reshape(3, 3)
    projected = points @ (cameras[f"P_rect_0{camera}"].reshape(3, 4) @ R_rect @ T_cam_lidar).T

    u = np.rint(projected[:, 0] / projected[:, 2]) - 1
    v = np.rint(projected[:, 1] / projected[:, 2]) - 1
    inside = (u >= 0) & (u < columns) & (v >= 0) & (v < rows)
    value = points[:, 0] if lidar_x else projected[:, 2]
    code_width = columns - 1 if collide else columns
    return _splat(u[inside].astype(int), v[inside].astype(int), value[inside], (rows, columns), code_width)


def _splat(
    u: NDArray[np.int64], v: NDArray[np.int64], value: NDArray[np.float64], size: tuple[int, int], code_width: int
) -> Depth:
    """Values on a map: the last point wins, then every group of equal code puts its minimum at its first point."""
    depth = np.zeros(size)
    for column, row, metres in zip(u, v, value, strict=True):
        depth[row, column] = metres
    groups: dict[int, list[int]] = {}
    for index, code in enumerate(v * code_width + u - 1):
        groups.setdefault(int(code), []).append(index)
    for members in groups.values():
        if len(members) > 1:
            depth[v[members[0]], u[members[0]]] = value[members].min()
    depth[depth < 0] = 0
    return depth.astype(np.float32)
