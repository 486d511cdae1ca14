"""Split + stereo sequences -> files of poses: `depthbench predict stereo_vo`."""

from __future__ import annotations

import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from baselines.stereo_vo import Image, Matrix, Stereo, trajectory
from benchmark.errors import DatasetError, OptionError
from benchmark.io.trajectories import write_kitti
from benchmark.splits import Frame, Split, resolve_split
from benchmark.trajectory import Trajectory
from datasets_prep import kitti_odometry
from datasets_prep.image_lists import other_camera, partner
from datasets_prep.images import read_image
from datasets_prep.progress import Progress
from datasets_prep.roots import data_root
from datasets_prep.sources import require_files

LEFT = ("image_0", "image_2")


class Summary(NamedTuple):
    """What was predicted, and in what time."""

    out: Path
    sequences: tuple[str, ...]
    poses: int
    guessed: int  # steps that could not be measured
    seconds: float

    def text(self) -> str:
        """One line for people, a second one where steps are guesses."""
        guesses = f"\n{self.guessed} of the steps could not be measured and repeat the one before" if self.guessed else ""
        return (
            f"{self.out}: stereo_vo on {self.poses} frames of {', '.join(self.sequences)}, T_world_cam0 in metres, "
            f"{self.seconds:.1f} s, {1000 * self.seconds / self.poses:.1f} ms a frame; `depthbench evaluate_pose` scores it"
            f"{guesses}"
        )


def predict_poses(split: str, data: Path | None, out: Path, *, quiet: bool = False) -> Summary:
    """Write the trajectory of camera 0 for every sequence of a split, by stereo visual odometry, as KITTI's twelve columns.

    Args:
        split: name or list file, of left cameras of KITTI odometry; a file that begins later has thirteen columns.
        data: folder that holds `kitti_odometry/`, or that folder itself; None is $DEPTHBENCH_DATA.
        out: a `.txt` for one sequence, else a folder of `<sequence>.txt`; each file appears only whole.
        quiet: no progress on stderr.

    Raises:
        OptionError: several sequences for one file.
        InputError: the data or the output is at fault.
    """
    started = time.perf_counter()
    frames, root = resolve_split(split), data_root("kitti_odometry", data)
    _check(frames)
    if len(frames.drives) > 1 and out.suffix == ".txt":
        raise OptionError(f"{out}: {frames.name} has {len(frames.drives)} sequences; choose a folder for their files as --out")
    find = partial(kitti_odometry.image_path, root)
    require_files(frames, find, what="image", root=root, dataset="kitti_odometry")
    require_files(frames, lambda frame: find(partner(frame)), what="second view", root=root, dataset="kitti_odometry")
    with Progress("stereo_vo", unit="frame", quiet=quiet) as report:
        done = guessed = 0
        for sequence in frames.drives:
            own = sorted(frame for frame in frames.frames if frame.drive == sequence)
            calibration = kitti_odometry.load_calibration(root, sequence)
            camera = own[0].camera
            stereo = Stereo(calibration.K(camera), calibration.baseline(camera, other_camera(camera)))
            numbers = _without_holes(frames.name, sequence, own)
            found = trajectory(_pairs(root, own, report, done, len(frames.frames)), stereo)
            if found.guessed == len(own) - 1:
                raise DatasetError(
                    f"{find(own[0])}: nothing could be tracked from here to the end of sequence {sequence}; expected stereo "
                    "images of a drive. Look at the images"
                )
            poses = _of_camera_0(found.poses, calibration, camera)
            path = out if out.suffix == ".txt" else out / f"{sequence}.txt"
            path.parent.mkdir(parents=True, exist_ok=True)
            write_kitti(path, Trajectory(poses, numbers, None, str(path), "kitti"))
            done, guessed = done + len(own), guessed + found.guessed
    return Summary(out, frames.drives, done, guessed, time.perf_counter() - started)


def _without_holes(name: str, sequence: str, frames: list[Frame]) -> NDArray[np.int64]:
    """The numbers of the frames of a sequence, in order, each the next of the one before."""
    numbers = np.array([frame.number for frame in frames], np.int64)
    holes = np.flatnonzero(np.diff(numbers) != 1)
    if len(holes):
        raise DatasetError(
            f"{name}: sequence {sequence} goes from frame {numbers[holes[0]]} to {numbers[holes[0] + 1]} ({len(holes)} such "
            "holes); expected every frame between the first and the last, because motion is found from one to the next: "
            "fill the list, or split it"
        )
    return numbers


def _check(split: Split) -> None:
    cameras = {frame.camera for frame in split.frames}
    if split.dataset != "kitti_odometry" or len(cameras) > 1 or not cameras <= set(LEFT):
        raise DatasetError(
            f"{split.name}: frames of {split.dataset}, {', '.join(sorted(cameras))}; stereo_vo expects one left camera of "
            "kitti_odometry (image_2 or image_0), such as kitti_odom_09/test: choose another --split"
        )


def _pairs(root: Path, frames: list[Frame], report: Progress, done: int, total: int) -> Iterator[tuple[Image, Image]]:
    import cv2

    for i, frame in enumerate(frames, 1):
        left, right = (read_image(kitti_odometry.image_path(root, one)) for one in (frame, partner(frame)))
        if left.shape != right.shape:
            raise DatasetError(
                f"{kitti_odometry.image_path(root, partner(frame))}: {right.shape[:2]} pixels, the left image has "
                f"{left.shape[:2]}; put the original files back"
            )
        grey = [np.asarray(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), np.uint8) for image in (left, right)]
        yield grey[0], grey[1]
        report(done + i, total)


def _of_camera_0(T: Matrix, calibration: kitti_odometry.Calibration, camera: str) -> Matrix:
    """The poses of camera 0, as KITTI's are, from those of a camera beside it."""
    T_0_camera = np.eye(4)
    P = calibration.P_rect[camera]
    T_0_camera[:3, 3] = -np.linalg.inv(P[:, :3]) @ P[:, 3]
    return T_0_camera @ T @ np.linalg.inv(T_0_camera)
