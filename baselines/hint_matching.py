"""Depth Hints' matching: semi-global matchers, and the choice between them by photometric error. Arrays in, arrays out.

Watson et al., "Self-Supervised Monocular Depth Hints", ICCV 2019; constants as in depth-hints precompute_depth_hints.py:44-62
and :151 at aa2ecf7. Disparities are counted in sixteenths of a pixel, as OpenCV does, and are not above zero where a
matcher found nothing.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from baselines.conventions import BASELINE, C1, C2, FOCAL, SSIM_WEIGHT
from benchmark.kernels import kernel

Image = npt.NDArray[np.uint8]
Disparity = npt.NDArray[np.int16]

# The published grid has the block sizes 1, 2 and 3. OpenCV uses half of it, rounded down: 2 and 3 give the same bits, and of
# equal candidates the first wins, so the third block size changes nothing.
BLOCK_SIZES = (1, 2)
DISPARITIES = (64, 96, 128, 160)
P1, P2 = 4 * 3**2, 32 * 3**2  # of a window of 3, whatever the block size
PREFILTER_CAP, UNIQUENESS_PERCENT = 63, 10
SPECKLE_PIXELS, SPECKLE_STEP_PX = 100, 16
SUBPIXEL = 16


def hint(
    image: Image, other: Image, *, mirrored: bool = False, blocks: tuple[int, ...] = BLOCK_SIZES
) -> npt.NDArray[np.float32]:
    """Depth (h, w) of `image` in units of which the baseline is 0.1; 0 where the best candidate is no match.

    Args:
        image: (h, w, 3) RGB, the view whose depth is asked for.
        other: the other view of the rectified pair.
        mirrored: the other camera stands to the left.
        blocks: block sizes of the grid of matchers, the outer loop.
    """
    if mirrored:  # a right image in the mirror is a left one
        return np.ascontiguousarray(hint(image[:, ::-1], other[:, ::-1], blocks=blocks)[:, ::-1])
    chosen = fuse(planes(image), planes(other), candidates(image, other, blocks))
    return depth_of(chosen)


def candidates(left: Image, right: Image, blocks: tuple[int, ...] = BLOCK_SIZES) -> Disparity:
    """Disparities (n, h, w) of the left image, one map for each matcher of the grid."""
    import cv2

    pair = np.ascontiguousarray(left), np.ascontiguousarray(right)
    found = [
        cv2.StereoSGBM.create(
            minDisparity=0, numDisparities=count, blockSize=block, P1=P1, P2=P2, preFilterCap=PREFILTER_CAP,
            uniquenessRatio=UNIQUENESS_PERCENT, speckleWindowSize=SPECKLE_PIXELS, speckleRange=SPECKLE_STEP_PX,
        ).compute(*pair)
        for block in blocks
        for count in DISPARITIES
    ]  # fmt: skip
    return np.stack(found)


def depth_of(disparity: Disparity) -> npt.NDArray[np.float32]:
    """Depth of a disparity map in units of the baseline 0.1, for Monodepth2's focal length of that width; 0 for no match."""
    pixels = disparity.astype(np.float32) / np.float32(SUBPIXEL)
    focal = FOCAL * disparity.shape[-1]
    return np.where(disparity > 0, np.float32(focal * BASELINE) / (pixels + np.float32(1e-7)), np.float32(0))


def planes(image: Image) -> npt.NDArray[np.float64]:
    """An image (h, w, 3) uint8 as (3, h, w) in [0, 1]."""
    return np.ascontiguousarray(image.transpose(2, 0, 1)) / 255.0


@kernel()
def fuse(image, other, disparities):  # type: ignore[no-untyped-def]
    """Per pixel the candidate (n, h, w) of the lowest photometric error, the first of equal ones: (h, w) int16.

    `image` and `other` are (3, h, w). A candidate without a match takes part and can win: that pixel gets no hint.
    """
    _, height, width = image.shape
    best = np.full((height, width), np.inf)
    chosen = np.empty((height, width), np.int16)
    for disparity in disparities:
        error = photometric(image, warp(other, disparity))
        for y in range(height):
            for x in range(width):
                if error[y, x] < best[y, x]:
                    best[y, x] = error[y, x]
                    chosen[y, x] = disparity[y, x]
    return chosen


@kernel()
def warp(other, disparity):  # type: ignore[no-untyped-def]
    """The right image (3, h, w) seen from the left camera: linear between columns, the border repeated.

    A depth of zero puts the point into the left camera's centre, from where the right camera sees it infinitely far to the
    left and, the vertical axis being shared, in row 0: the published code samples the first pixel of the image there.
    """
    channels, height, width = other.shape
    warped = np.empty((channels, height, width))
    for y in range(height):
        for x in range(width):
            shift = disparity[y, x]
            place = max(SUBPIXEL * x - shift, 0) if shift > 0 else 0
            row = y if shift > 0 else 0
            column, part = place // SUBPIXEL, (place % SUBPIXEL) / SUBPIXEL
            beside = min(column + 1, width - 1)
            for c in range(channels):
                warped[c, y, x] = other[c, row, column] * (1 - part) + other[c, row, beside] * part
    return warped


@kernel()
def photometric(image, warped):  # type: ignore[no-untyped-def]
    """0.85 SSIM dissimilarity + 0.15 absolute difference of two (3, h, w), mean over channels: (h, w).

    What baselines/losses computes for tensors, in float64 and in one pass: 5 ms at 320x1024, where a matcher takes 60.
    """
    channels, height, width = image.shape
    error = np.zeros((height, width))
    # Sums over three rows of x, y, xx, yy, xy, with a column to the left and right: 3x3 windows reflect at the border.
    sums = np.empty((5, width + 2))
    for c in range(channels):
        for y in range(height):
            above, below = abs(y - 1), height - 1 - abs(height - 2 - y)
            for i in range(width):
                a, b, d = image[c, above, i], image[c, y, i], image[c, below, i]
                e, f, g = warped[c, above, i], warped[c, y, i], warped[c, below, i]
                sums[0, i + 1] = a + b + d
                sums[1, i + 1] = e + f + g
                sums[2, i + 1] = a * a + b * b + d * d
                sums[3, i + 1] = e * e + f * f + g * g
                sums[4, i + 1] = a * e + b * f + d * g
            sums[:, 0], sums[:, width + 1] = sums[:, 2], sums[:, width - 1]
            for x in range(width):
                mean = (sums[0, x] + sums[0, x + 1] + sums[0, x + 2]) / 9
                other_mean = (sums[1, x] + sums[1, x + 1] + sums[1, x + 2]) / 9
                variance = (sums[2, x] + sums[2, x + 1] + sums[2, x + 2]) / 9 - mean * mean
                other_variance = (sums[3, x] + sums[3, x + 1] + sums[3, x + 2]) / 9 - other_mean * other_mean
                covariance = (sums[4, x] + sums[4, x + 1] + sums[4, x + 2]) / 9 - mean * other_mean
                alike = (2 * mean * other_mean + C1) * (2 * covariance + C2)
                whole = (mean * mean + other_mean * other_mean + C1) * (variance + other_variance + C2)
                unlike = min(max((1 - alike / whole) / 2, 0.0), 1.0)
                gap = abs(image[c, y, x] - warped[c, y, x])
                error[y, x] += (SSIM_WEIGHT * unlike + (1 - SSIM_WEIGHT) * gap) / channels
    return error
