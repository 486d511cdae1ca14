"""Ego-motion without learning: visual odometry from the stereo pair, frame to frame. Images in, `T_world_cam` out.

Corners of the left image (Shi and Tomasi, CVPR 1994) are tracked to the right image, which makes them points in metres, and to
the next left image (Lucas and Kanade, IJCAI 1981, in pyramids); the pose that projects the points onto their tracks is the
motion (Nister, Naroditsky and Bergen, "Visual Odometry", CVPR 2004; Scaramuzza and Fraundorfer, "Visual Odometry: Part I",
IEEE RAM 2011). No bundle adjustment, no loop closure: errors add up, which is what the metrics of trajectories show.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from benchmark.geometry import inverse, motions
from benchmark.pose_directions import chain

Image = npt.NDArray[np.uint8]
Matrix = npt.NDArray[np.float64]
Pixels = npt.NDArray[np.float32]

# Chosen on a street of our world, in images of 96x320.
CORNERS, QUALITY, APART = 600, 0.01, 1 / 64  # of an image; the distance between two is this share of its height
WINDOW, LEVELS = 1 / 12, 4  # of the tracker; the window is this share of the height, 9 pixels at least
BACK_PX = 0.2  # a track that does not lead back to its corner is wrong
ROW_PX = 1.0  # both images are rectified: a corner stays in its row
NEAREST_M, BASELINES = 1.0, 120  # points from 1 m to so many baselines; beyond, depth is mostly noise
REPROJECTION_PX, TRIALS, CONFIDENCE = 0.4, 100, 0.9999
FEWEST = 8  # points of a motion


class Stereo(NamedTuple):
    """Intrinsics (3, 3) of both rectified cameras in pixels, metres from the left to the right one."""

    K: Matrix
    baseline_m: float


class Path(NamedTuple):
    """`T_world_cam` (n, 4, 4) of the left camera, the world being that of the first pair; how many steps are guesses."""

    poses: Matrix
    guessed: int


def trajectory(pairs: Iterable[tuple[Image, Image]], stereo: Stereo) -> Path:
    """The path of the left camera. Where too little can be tracked, the car is taken to go on as before: a guess.

    Args:
        pairs: left and right images (H, W), grey, in order of time.
        stereo: of all pairs.
    """
    found = list(steps(pairs, stereo))
    T_next_this = np.stack([T for T, _ in found]) if found else np.empty((0, 4, 4))
    return Path(chain(inverse(T_next_this)), sum(not measured for _, measured in found))


def steps(pairs: Iterable[tuple[Image, Image]], stereo: Stereo) -> Iterator[tuple[Matrix, bool]]:
    """`T_next_this` (4, 4) from each pair to the next, which takes points of one left camera to the next, and whether it was
    measured; a step that was not repeats the one before."""
    before: tuple[Image, Image] | None = None
    last = np.eye(4)
    for left, right in pairs:
        if before is not None:
            T = _step(before, left, stereo, last)
            last = last if T is None else T
            yield last, T is not None
        before = left, right


def _step(pair: tuple[Image, Image], after: Image, stereo: Stereo, last: Matrix) -> Matrix | None:
    """The motion from a pair to the next left image, None where too little is seen; `last`, the one before, is a guess."""
    import cv2

    left, right = pair
    found = cv2.goodFeaturesToTrack(left, CORNERS, QUALITY, max(APART * left.shape[0], 3.0))
    if found is None or len(found) < FEWEST:
        return None
    corners = np.asarray(found, np.float32).reshape(-1, 2)
    there, seen = _track(left, right, corners, corners)
    disparity = corners[:, 0] - there[:, 0]
    f = stereo.K[0, 0]
    far, near = f / BASELINES, f * stereo.baseline_m / NEAREST_M
    seen &= (np.abs(corners[:, 1] - there[:, 1]) < ROW_PX) & (disparity > far) & (disparity < near)
    corners, disparity = corners[seen], disparity[seen]
    depth = f * stereo.baseline_m / disparity
    points = np.column_stack([corners, np.ones(len(corners))]) @ np.linalg.inv(stereo.K).T * depth[:, None]
    guess = _project(points, stereo.K, last)
    tracks, seen = _track(left, after, corners, guess)
    if seen.sum() < FEWEST:
        return None
    return _solve(points[seen], tracks[seen], stereo.K, last)


def _track(image: Image, other: Image, corners: Pixels, guess: Pixels) -> tuple[Pixels, npt.NDArray[np.bool_]]:
    """Where corners (n, 2) are in another image, and which of them lead back to where they began."""
    import cv2

    if not len(corners):
        return corners, np.zeros(0, np.bool_)
    side = max(9, round(WINDOW * image.shape[0])) | 1
    stop = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, 30, 0.01)

    def follow(source: Image, target: Image, points: Pixels, guess: Pixels) -> tuple[Pixels, npt.NDArray[np.bool_]]:
        there, found, _ = cv2.calcOpticalFlowPyrLK(
            source, target, points, guess.copy(), winSize=(side, side), maxLevel=LEVELS, criteria=stop,
            flags=cv2.OPTFLOW_USE_INITIAL_FLOW,
        )  # fmt: skip
        return np.asarray(there, np.float32), np.asarray(found).ravel() == 1

    there, found = follow(image, other, corners, guess)
    back, found_back = follow(other, image, there, corners)
    inside = (there >= 0).all(1) & (there <= np.array(image.shape[::-1]) - 1).all(1)
    return there, found & found_back & inside & (np.abs(back - corners).max(1) < BACK_PX)


def _project(points: Matrix, K: Matrix, T: Matrix) -> Pixels:
    """Pixels (n, 2) of points (n, 3) after a motion; those that it puts behind the camera stay where they are far away."""
    moved = points @ T[:3, :3].T + T[:3, 3]
    moved = np.where(moved[:, 2:] > NEAREST_M / 2, moved, points)
    image = moved @ K.T
    return (image[:, :2] / image[:, 2:]).astype(np.float32)


def _solve(points: Matrix, tracks: Pixels, K: Matrix, last: Matrix) -> Matrix | None:
    """The motion that projects points (n, 3) onto pixels (n, 2): RANSAC, then all inliers together."""
    import cv2

    guess = cv2.Rodrigues(last[:3, :3])[0], last[:3, 3].reshape(3, 1).copy()
    found, rotation, translation, inliers = cv2.solvePnPRansac(
        points, tracks.astype(np.float64), K, None, *guess, useExtrinsicGuess=True, iterationsCount=TRIALS,
        reprojectionError=REPROJECTION_PX, confidence=CONFIDENCE,
    )  # fmt: skip
    if not found or inliers is None or len(inliers) < FEWEST:
        return None
    kept = inliers.ravel()
    rotation, translation = cv2.solvePnPRefineLM(points[kept], tracks[kept].astype(np.float64), K, None, rotation, translation)
    R, _ = cv2.Rodrigues(rotation)
    return motions(np.asarray(R, np.float64), np.asarray(translation, np.float64).ravel())
