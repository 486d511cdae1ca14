"""A LiDAR scan to the depth map the field evaluates against: pure maths, straight to the sparse form.

The map is the one of Eigen's evaluation as Monodepth2 exports it, rule by rule (protocols of the field, not ours):
points with x >= 0, products in float64, pixel = rint(u) - 1, the nearest of several points in a pixel, negatives
empty. Two quirks are kept because published numbers contain them, each under a documented name: the LiDAR's forward x
stored as depth (`lidar_forward_x`), and the index collision of the duplicate search (`collision="reference"`).
"""

from __future__ import annotations

import threading
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from benchmark.kernels import kernel

Points = npt.NDArray[np.float32]
Matrix = npt.NDArray[np.float64]

FORWARD_X = {"lidar_forward_x": True, "camera_z": False}
COLLISION = {"reference": True, "none": False}
_LOCAL = threading.local()


class SparseMap(NamedTuple):
    """A sparse depth map: points in each row (H,) int64, their columns (n,) uint16 and metres (n,) float32."""

    row_count: npt.NDArray[np.int64]
    indices: npt.NDArray[np.uint16]
    data: npt.NDArray[np.float32]


def project_scan(
    points: Points,
    M_image_lidar: Matrix,
    *,
    shape: tuple[int, int],
    depth: str = "lidar_forward_x",
    collision: str = "reference",
) -> SparseMap:
    """Sparse depth map of a scan (n, 4) float32 under the 3x4 projection to pixels. Monodepth2 `generate_depth_map`.

    Args:
        points: x forward, y left, z up in metres, and reflectance, which is not used.
        M_image_lidar: P_rect (3x4) @ R_rect (4x4) @ T_cam_lidar (4x4), float64.
        shape: height and width of the map in pixels; the width is at least 2 and at most 65,535.
        depth: `lidar_forward_x` stores the scan's x (what the Eigen numbers of the field are made with),
            `camera_z` the depth along the optical axis of the rectified camera.
        collision: `reference` copies the duplicate search of the reference, whose key row * (W - 1) + col - 1 makes
            the last pixel of a row and the first of the next one share a group: the pixel hit first then takes the
            minimum over both, the other one keeps its last point. It touches columns 0 and W - 1 only, which the
            Garg and Eigen crops cut away. `none` takes the nearest point of each pixel everywhere.
    """
    height, width = shape
    if not (height >= 1 and 2 <= width <= np.iinfo(np.uint16).max):
        raise ValueError(f"a map of {height}x{width} pixels: the height is at least 1, the width 2 to 65535")
    use_x, reference = FORWARD_X[depth], COLLISION[collision]
    grids = _empty_grids()
    # Taken out while it is in use: one that an interrupt left half written is never seen again.
    grid = grids.pop(shape, None)
    if grid is None:
        grid = np.full(shape, np.inf, np.float32)
    hits, top = _scatter(points, np.ascontiguousarray(M_image_lidar, np.float64), use_x, reference, grid)
    row_count = np.zeros(height, np.int64)
    indices, data = np.empty(hits, np.uint16), np.empty(hits, np.float32)
    kept = _gather(grid, top, row_count, indices, data)
    grids[shape] = grid
    return SparseMap(row_count, indices[:kept], data[:kept])


def _empty_grids() -> dict[tuple[int, int], npt.NDArray[np.float32]]:
    # One grid a thread and size, kept between scans: `_gather` leaves it empty (inf) again, so nothing is cleared twice.
    grids: dict[tuple[int, int], npt.NDArray[np.float32]] = _LOCAL.__dict__.setdefault("grids", {})
    return grids


@kernel()
def _scatter(points, M, use_x, reference, grid):  # type: ignore[no-untyped-def]
    """Write the depths into a grid of inf (H, W) float32; the number of points inside the image and the topmost row."""
    height, width = grid.shape
    m00, m01, m02, m03 = M[0, 0], M[0, 1], M[0, 2], M[0, 3]
    m10, m11, m12, m13 = M[1, 0], M[1, 1], M[1, 2], M[1, 3]
    m20, m21, m22, m23 = M[2, 0], M[2, 1], M[2, 2], M[2, 3]
    group_first = np.full(height + 1, -1, np.int64)
    group_count = np.zeros(height + 1, np.int64)
    group_min = np.full(height + 1, np.inf, np.float32)
    hits, top = 0, height
    for i in range(points.shape[0]):
        x = np.float64(points[i, 0])
        if not x >= 0.0:
            continue
        y, z = np.float64(points[i, 1]), np.float64(points[i, 2])
        w = m20 * x + m21 * y + m22 * z + m23
        uw = m00 * x + m01 * y + m02 * z + m03
        vw = m10 * x + m11 * y + m12 * z + m13
        if w > 0.0 and (uw < 0.0 or vw < 0.0 or uw > (width + 1.0) * w or vw > (height + 1.0) * w):
            continue  # far outside: saves the division for most points and decides nothing near the border
        c, r = np.rint(uw / w) - 1.0, np.rint(vw / w) - 1.0
        if not (c >= 0.0 and c < width and r >= 0.0 and r < height):
            continue
        hits += 1
        col, row = int(c), int(r)
        top = min(top, row)
        d = np.float32(x) if use_x else np.float32(w)
        if reference and (col == 0 or col == width - 1):
            group = row if col == 0 else row + 1
            if group_count[group] == 0:
                group_first[group] = row * width + col
            group_count[group] += 1
            group_min[group] = min(group_min[group], d)
            grid[row, col] = d
        elif d < grid[row, col]:
            grid[row, col] = d
    for group in range(height + 1):
        if group_count[group] > 1:
            first = group_first[group]
            grid[first // width, first % width] = group_min[group]
    return hits, top


@kernel()
def _gather(grid, top, row_count, indices, data):  # type: ignore[no-untyped-def]
    """Columns and depths of a grid in row-major order from row `top` on; how many. The grid is empty (inf) again."""
    height, width = grid.shape
    k = 0
    for row in range(top, height):
        first = k
        for col in range(width):
            d = grid[row, col]
            if d < np.inf:
                grid[row, col] = np.inf
                if d > 0.0:
                    indices[k] = col
                    data[k] = d
                    k += 1
        row_count[row] = k - first
    return k
