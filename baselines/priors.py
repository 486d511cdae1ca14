"""Depth without learning, the marks that every method has to beat. Pure maths: arrays in, an (h, w) float32 map of metres out.

Pixel i of an image has its centre at coordinate i, as in KITTI's calibration. A map of another size covers the same view
(the half-pixel rule): its pixel i lies at (i + 0.5) * H / h - 0.5 of an image of H pixels.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmark.inpaint import interpolate_background
from benchmark.io.ground_truth import GroundTruth

Map = npt.NDArray[np.float32]
Size = tuple[int, int]

# The constant with the lowest abs_rel on KITTI's LiDAR (9.8 m on four scans of drive 2011_09_26_drive_0001, whose median is
# 14 m: an error of abs_rel weighs more where the truth is near).
CONSTANT_M = 10.0
CAMERA_HEIGHT_M = 1.65  # Geiger et al., "Vision meets Robotics: The KITTI Dataset", IJRR 2013, figure 3
CLIP_M = 80.0  # the cap of the Eigen protocols
BAND_ROWS = 8  # rows of the median map that are made at a time: the memory for sorting is that of their points

# Semi-global matching, chosen on KITTI's drive 2011_09_26_drive_0001. Three-way paths on grey images are both faster and
# better there than the five paths of OpenCV's default (0.045 against 0.053 abs_rel) and than colour.
NEAREST_M = 2.0  # nothing nearer is searched for: what is, matches something else, and its row is filled from that
BLOCK = 5
P1, P2 = 8 * BLOCK**2, 32 * BLOCK**2  # penalties of a disparity step of one, of more; OpenCV's advice for one channel
LEFT_RIGHT_PX, UNIQUENESS_PERCENT = 1, 5
SPECKLE_PIXELS, SPECKLE_STEP_PX = 200, 2
PREFILTER_CAP = 63
SUBPIXEL = 16  # OpenCV counts disparities in sixteenths of a pixel

NOISE_RADIUS = 1 / 24  # of the height: 8 pixels of 192, about the size of the blobs in a network's errors


def constant(size: Size, *, depth_m: float = CONSTANT_M) -> Map:
    """The same depth everywhere."""
    return np.full(size, depth_m, np.float32)


def ground_plane(
    K: npt.NDArray[np.float64], shape: Size, size: Size, *, height_m: float = CAMERA_HEIGHT_M, clip_m: float = CLIP_M
) -> Map:
    """Depth of a level road: height * fy / (v - cy) below the horizon row cy, at most `clip_m`, and `clip_m` above it.

    Args:
        K: intrinsics (3, 3) of an image of `shape` (H, W) pixels whose axis is level.
        shape: the image's size.
        size: the map's size (h, w).
        height_m: of the camera above the road.
        clip_m: the largest depth.
    """
    rows = (np.arange(size[0]) + 0.5) * (shape[0] / size[0]) - 0.5
    below = rows - K[1, 2]
    with np.errstate(divide="ignore"):
        depth = np.where(below > 0, np.minimum(height_m * K[1, 1] / below, clip_m), clip_m)
    return np.repeat(depth.astype(np.float32)[:, None], size[1], axis=1)


def median_map(truth: GroundTruth, size: Size) -> Map:
    """Median over all frames of the inverse depth in each cell; holes as `fill_holes` fills them.

    A cell is a pixel of the map and takes the ground truth whose pixel centres fall into it, whatever the images' sizes.
    """
    height, width = size
    bands = []
    for first in range(0, height, BAND_ROWS):
        last = min(first + BAND_ROWS, height)
        points = [_points_in_band(truth, i, first, last, size) for i in range(len(truth))]
        cells, depth = (np.concatenate(parts) for parts in zip(*points, strict=True))
        bands.append(_inverse_medians(cells, depth, (last - first) * width).reshape(-1, width))
    return _depth_of(fill_holes(np.concatenate(bands)))


def _points_in_band(
    truth: GroundTruth, i: int, first: int, last: int, size: Size
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float32]]:
    """Cells (n,), counted from that of row `first` on, and metres (n,) of frame i's points in the rows `first` to `last`."""
    H, W = (int(side) for side in truth.shape[i])
    rows = _cells_of(np.arange(H), H, size[0])
    low, high = np.searchsorted(rows, [first, last])
    start = int(truth.row_start[i])
    indptr = truth.indptr[start + low : start + high + 1]
    cut = slice(indptr[0], indptr[-1])
    row = np.repeat(rows[low:high], np.diff(indptr)) - first
    depth = truth.data[cut].astype(np.float32) * np.float32(truth.header.data_scale or 1)
    return row * size[1] + _cells_of(truth.indices[cut].astype(np.int64), W, size[1]), depth


def truth_map(row: npt.NDArray[Any], column: npt.NDArray[Any], depth_m: Map, shape: Size, size: Size) -> Map:
    """The points (n,) of one image of `shape` as a complete map: median inverse depth of each cell, then `fill_holes`."""
    cells = _cells_of(row.astype(np.int64), shape[0], size[0]) * size[1] + _cells_of(column.astype(np.int64), shape[1], size[1])
    return _depth_of(fill_holes(_inverse_medians(cells, depth_m, size[0] * size[1]).reshape(size)))


def _cells_of(pixels: npt.NDArray[np.int64], n_pixels: int, n_cells: int) -> npt.NDArray[np.int64]:
    """Which of `n_cells` along an axis holds the centre of each pixel: floor((i + 0.5) * n_cells / n_pixels), in integers."""
    return (2 * pixels + 1) * n_cells // (2 * n_pixels)


def _inverse_medians(cells: npt.NDArray[np.int64], depth_m: Map, n_cells: int) -> Map:
    """Median of 1 / depth in each cell (n_cells,), the mean of the middle two of an even number; NaN where no point is."""
    # Floats above zero sort as their bits do, so one sort of integers orders the points by cell and inverse depth.
    keys = cells.astype(np.uint64) << np.uint64(32) | (np.float32(1) / depth_m).view(np.uint32)
    keys.sort()
    inverse = keys.astype(np.uint32).view(np.float32)
    count = np.bincount(cells, minlength=n_cells)
    seen = count > 0
    first, count = (np.cumsum(count) - count)[seen], count[seen]
    medians = np.full(n_cells, np.nan, np.float32)
    medians[seen] = (inverse[first + (count - 1) // 2] + inverse[first + count // 2]) / 2
    return medians


def fill_holes(inverse: Map) -> Map:
    """Inverse depth (h, w) with NaN for holes, filled down each column: linear between seen cells, as planes look.

    The top (sky, or above the LiDAR's highest beam) repeats the column's topmost seen cell, the bottom the lowest one;
    columns in which nothing was seen are filled along the rows in the same way.

    Raises:
        ValueError: nothing was seen.
    """
    seen = np.isfinite(inverse)
    columns = np.flatnonzero(seen.any(axis=0))
    if not len(columns):
        raise ValueError("there is no depth")
    filled = inverse.copy()
    height, width = inverse.shape
    for c in np.flatnonzero(seen.any(axis=0) & ~seen.all(axis=0)):
        rows = np.flatnonzero(seen[:, c])
        filled[:, c] = np.interp(np.arange(height), rows, inverse[rows, c])
    if len(columns) < width:
        for row in filled:
            row[:] = np.interp(np.arange(width), columns, row[columns])
    return filled


def stereo_sgm(
    image: npt.NDArray[np.uint8], other: npt.NDArray[np.uint8], *, focal_px: float, baseline_m: float, size: Size
) -> Map:
    """Depth f * B / d of the first of two rectified images (H, W, 3) RGB by OpenCV's semi-global matching, without gaps.

    Matched at the images' own size, and resized to `size` as inverse depth. Where matching fails (occluded, outside the
    other image, no texture), a pixel takes the farther neighbour of its row: KITTI's stereo devkit, and `fill_holes` for
    rows in which everything fails.

    Args:
        image: the view whose depth is asked for.
        other: the other view.
        focal_px: of both images.
        baseline_m: how far the other camera stands to the right; negative where it stands to the left.
        size: the map's size (h, w).

    Raises:
        ValueError: no pixel finds a match.
    """
    import cv2

    if baseline_m < 0:  # mirrored, a right image is a left one
        return stereo_sgm(image[:, ::-1], other[:, ::-1], focal_px=focal_px, baseline_m=-baseline_m, size=size)[:, ::-1]
    disparity = interpolate_background(_disparity(image, other, focal_px * baseline_m / NEAREST_M))
    if not (disparity > 0).any():
        raise ValueError("there is no match for any pixel")
    inverse = fill_holes(np.where(disparity > 0, disparity, np.float32(np.nan))) / np.float32(focal_px * baseline_m)
    h, w = size
    if inverse.shape != size:
        shrinks = h <= inverse.shape[0] and w <= inverse.shape[1]
        rule = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
        inverse = np.asarray(cv2.resize(inverse, (w, h), interpolation=rule), np.float32)
    return _depth_of(inverse)


def _disparity(left: npt.NDArray[np.uint8], right: npt.NDArray[np.uint8], largest: float) -> Map:
    """Disparity (H, W) in pixels up to about `largest`, not above zero where there is no match."""
    import cv2

    width = left.shape[1]
    # OpenCV asks for a multiple of sixteen. More than the image is wide can match nothing.
    count = 16 * min(math.ceil(largest / 16), math.ceil(width / 16))
    # It leaves out the columns that `count` could take out of the right image, an eighth of KITTI's width: padded, they are
    # matched as well, and what then matches the padding is taken out.
    padded = [
        cv2.copyMakeBorder(cv2.cvtColor(np.ascontiguousarray(i), cv2.COLOR_RGB2GRAY), 0, 0, count, 0, cv2.BORDER_REPLICATE)
        for i in (left, right)
    ]
    matcher = cv2.StereoSGBM.create(
        minDisparity=0, numDisparities=count, blockSize=BLOCK, P1=P1, P2=P2, disp12MaxDiff=LEFT_RIGHT_PX,
        preFilterCap=PREFILTER_CAP, uniquenessRatio=UNIQUENESS_PERCENT, speckleWindowSize=SPECKLE_PIXELS,
        speckleRange=SPECKLE_STEP_PX, mode=cv2.STEREO_SGBM_MODE_SGBM_3WAY,
    )  # fmt: skip
    disparity = matcher.compute(*padded)[:, count:].astype(np.float32) / SUBPIXEL
    return np.where(disparity <= np.arange(width), disparity, np.float32(-1))


def log_normal_noise(depth_m: Map, *, sigma: float, rng: np.random.Generator) -> Map:
    """The map times exp(sigma * g): g is a field of unit variance, normal at each pixel and smooth over NOISE_RADIUS."""
    h, w = depth_m.shape
    # A Gaussian blur of white noise, as a product of its spectrum; the borders wrap around. Divided by the root mean square
    # of the blur's spectrum the variance is one again.
    blur = [np.exp(-2 * (np.pi * NOISE_RADIUS * h * np.fft.fftfreq(n)) ** 2) for n in (h, w)]
    power = math.prod(float(np.mean(b**2)) for b in blur)
    spectrum = np.fft.rfft2(rng.standard_normal((h, w))) * blur[0][:, None] * blur[1][: w // 2 + 1]
    field = np.fft.irfft2(spectrum, s=(h, w)) / math.sqrt(power)
    return (depth_m * np.exp(sigma * field)).astype(np.float32)


def _depth_of(inverse: Map) -> Map:
    return np.asarray(np.float32(1) / inverse, np.float32)
