"""KITTI odometry: paths, parsers, frames. Geiger, Lenz, Urtasun, "Are we ready for Autonomous Driving?", CVPR 2012.

`sequences/NN/` holds the rectified images, calib.txt and times.txt, `poses/NN.txt` the ground truth of 00-10: `T_world_cam0`,
camera 0 of a frame in camera 0 of frame 0 (x right, y down, z forward), in metres.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from benchmark.errors import DatasetError
from benchmark.io.trajectories import read_trajectory
from benchmark.splits import Frame
from datasets_prep.kitti_raw import entry, frame_numbers, png_or_jpg, read_calibration, read_numbers

Matrix = npt.NDArray[np.float64]

CAMERAS = ("image_0", "image_1", "image_2", "image_3")
SEQUENCE = re.compile(r"[0-9]{2}")
# Frames of the sequences with published poses, as many as lines in their times.txt and poses.
FRAMES = dict(
    zip((f"{i:02d}" for i in range(11)), (4541, 1101, 4661, 801, 271, 2761, 1101, 1101, 4071, 1591, 1201), strict=True)
)
LAST = 21
WITHOUT_POSES = tuple(f"{i}" for i in range(11, LAST + 1))
PROJECTIONS = {camera: f"P{camera[-1]}" for camera in CAMERAS}


@dataclass(frozen=True)
class Calibration:
    """One sequence: `P_rect` (3, 4) of each camera to pixels, and `T_rect_lidar` (4, 4) from the LiDAR to the rectified
    frame of camera 0, None where calib.txt has no `Tr`."""

    path: Path
    P_rect: dict[str, Matrix]
    T_rect_lidar: Matrix | None

    def K(self, camera: str) -> Matrix:
        """Intrinsics (3, 3) of a rectified camera in pixels."""
        return self.P_rect[_known(camera)][:, :3].copy()

    def baseline(self, left: str = "image_2", right: str = "image_3") -> float:
        """Metres from the left to the right camera along x, from the offsets of the projections."""
        P_left, P_right = self.P_rect[_known(left)], self.P_rect[_known(right)]
        return float(P_left[0, 3] / P_left[0, 0] - P_right[0, 3] / P_right[0, 0])


def sequence_folder(root: Path, sequence: str) -> Path:
    """`<root>/sequences/<two digits>`; DatasetError when it is no sequence's name (a path, a drive of KITTI raw)."""
    return root / "sequences" / _sequence(sequence)


def image_path(root: Path, frame: Frame) -> Path:
    """The rectified image of a frame: `.png` as distributed, `.jpg` as the field converts it, or the `.png` name if
    neither is there."""
    stem = sequence_folder(root, frame.drive) / _known(frame.camera) / f"{frame.number:06d}"
    return png_or_jpg(stem)


def poses_path(root: Path, sequence: str) -> Path:
    """The ground-truth poses of a sequence, published for 00-10."""
    return root / "poses" / f"{_sequence(sequence)}.txt"


def sequences(root: Path) -> tuple[str, ...]:
    """The sequences that are there, ascending; one may have poses and no images, or the other way round."""
    folders = (path.name for path in root.glob("sequences/[0-9][0-9]") if path.is_dir())
    found = {*folders, *(path.stem for path in root.glob("poses/[0-9][0-9].txt"))}
    if not found:
        raise DatasetError(f"{root}: holds neither sequences/<two digits> nor poses/<two digits>.txt; pass another --data")
    return tuple(sorted(found))


def list_frames(root: Path, sequence: str, camera: str = "image_2") -> tuple[Frame, ...]:
    """The frames of a camera whose images are there, ascending."""
    folder = sequence_folder(root, sequence) / _known(camera)
    return tuple(Frame(sequence, camera, number) for number in frame_numbers(folder))


def load_calibration(root: Path, sequence: str) -> Calibration:
    """The calibration of a sequence, from its calib.txt.

    Raises:
        DatasetError: the file is missing or damaged, or a projection is missing or not finite.
    """
    path = sequence_folder(root, sequence) / "calib.txt"
    values = read_calibration(path)
    P_rect = {camera: entry(values, key, (3, 4), path=path) for camera, key in PROJECTIONS.items()}
    for camera, P in P_rect.items():
        if P[0, 0] <= 0 or P[1, 1] <= 0:
            raise DatasetError(f"{path}: {PROJECTIONS[camera]}: focal lengths {P[0, 0]:g}, {P[1, 1]:g}; expected positive ones")
    # Archives before 2013 had no Tr.
    T = np.vstack([entry(values, "Tr", (3, 4), path=path), [0, 0, 0, 1]]) if "Tr" in values else None
    return Calibration(path, P_rect, T)


def read_times(root: Path, sequence: str) -> Matrix:
    """Seconds since the first frame, (n,) float64.

    Raises:
        DatasetError: the file is missing or empty, or the times do not ascend.
    """
    path = sequence_folder(root, sequence) / "times.txt"
    times = read_numbers(path)
    bad = np.flatnonzero(~np.isfinite(times)) if not np.isfinite(times).all() else np.flatnonzero(np.diff(times) <= 0) + 1
    if not len(times) or len(bad):
        what = f"frame {bad[0]} has the time {times[bad[0]]:g}" if len(bad) else "it is empty"
        raise DatasetError(f"{path}: {what}; expected seconds that ascend, one a line. Unpack data_odometry_calib.zip again")
    return times


def read_poses(root: Path, sequence: str) -> Matrix:
    """Ground truth `T_world_cam0` (n, 4, 4) float64 in metres, one for each frame.

    Raises:
        DatasetError: the sequence has no published poses.
        TrajectoryError: the file is damaged or of another form.
    """
    path = poses_path(root, sequence)
    if not path.is_file():
        raise DatasetError(f"{path}: no such file; poses are published for 00-10, in data_odometry_poses.zip")
    return read_trajectory(path, form="kitti").poses


def _sequence(name: str) -> str:
    if not SEQUENCE.fullmatch(name):
        raise DatasetError(f"{name!r} is no sequence of KITTI odometry; expected two digits, such as 09")
    return name


def _known(camera: str) -> str:
    if camera not in CAMERAS:
        raise DatasetError(f"unknown camera {camera!r} of KITTI odometry; known: {', '.join(CAMERAS)}")
    return camera
