"""A drive of the world in the files of KITTI odometry: both colour cameras, calib.txt, times.txt and the poses.

Numbers have the digits of KITTI's own files: twelve in the calibration, six in times and poses, so that a pose is exact to
half a millimetre at 1 km. The streets wind more than those of the other layouts, so that a path is a shape.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from benchmark.splits import Frame
from datasets_prep import kitti_odometry
from datasets_prep.world.layout import FRAME_S, encode_image
from datasets_prep.world.record import Form, Record
from datasets_prep.world.render import take_picture
from datasets_prep.world.rig import CAMERA_X_M, T_RECT_LIDAR, Matrix, Rig, T_world_camera, rig_of
from datasets_prep.world.street import Street, build_street
from datasets_prep.world.tracing import Lens

CAMERAS = ("image_2", "image_3")
RIG_CAMERA = {camera: f"image_0{camera[-1]}" for camera in CAMERAS}  # as KITTI raw calls it


def calibration(rig: Rig) -> str:
    """calib.txt: the projections `P0` to `P3` of the rectified cameras, and `Tr` from the LiDAR to camera 0."""
    rows = {f"P{camera[-1]}": rig.P_rect(camera) for camera in CAMERA_X_M}
    return "".join(f"{key}: {_numbers(T.flat, 12)}\n" for key, T in {**rows, "Tr": T_RECT_LIDAR[:3]}.items())


def times(frames: int) -> str:
    """times.txt: seconds since the first frame, one a line."""
    return "".join(f"{_numbers([FRAME_S * i], 6)}\n" for i in range(frames))


def poses(street: Street, frames: int) -> str:
    """The lines of a file of poses: rows of `T_world_cam0` (3, 4), whose world is camera 0 of the first frame."""
    T = np.stack([T_world_camera(street.T_world_imu(i), "image_00") for i in range(frames)])
    T = np.linalg.inv(T[0]) @ T
    T[0] = np.eye(4)
    return "".join(f"{_numbers(one[:3].flat, 6)}\n" for one in T)


def _numbers(values: Iterable[float] | Matrix, digits: int) -> str:
    # + 0.0 turns a negative zero into zero, here also one that rounding would make.
    return " ".join(f"{round(float(value), 15) + 0.0:.{digits}e}" for value in values)


def build_sequence_street(seed: int, sequence: str) -> Street:
    """The street of a sequence."""
    return build_street(seed, int(sequence), winding=True)


def _texts(root: Path, record: Record) -> dict[Path, bytes]:
    found: dict[Path, str] = {}
    for sequence, frames in record.drives.items():
        folder = kitti_odometry.sequence_folder(root, sequence)
        found[folder / "calib.txt"] = calibration(rig_of(record.shape))
        found[folder / "times.txt"] = times(frames)
        found[kitti_odometry.poses_path(root, sequence)] = poses(build_sequence_street(record.seed, sequence), frames)
    return {path: text.encode("ascii") for path, text in found.items()}


def _paths(root: Path, record: Record, sequence: str, index: int) -> tuple[Path, ...]:
    frames = (Frame(sequence, camera, index) for camera in CAMERAS)
    return tuple(kitti_odometry.image_path(root, frame).with_suffix(".png") for frame in frames)


def _make(root: Path, record: Record, sequence: str, street: Street, index: int) -> dict[Path, bytes]:
    rig = rig_of(record.shape)
    lens = Lens(rig.K[0, 0], rig.K[0, 2], rig.K[1, 2], *record.shape)
    contents = {}
    for path, camera in zip(_paths(root, record, sequence, index), CAMERAS, strict=True):
        T = T_world_camera(street.T_street_imu(index), RIG_CAMERA[camera])
        contents[path] = encode_image(take_picture(street, index, lens, T, noise=(index, 1 + int(camera[-1]))).image)
    return contents


FORM = Form(
    folder="kitti_odometry", size=(192, 640), name=re.compile("[5-9][0-9]"), example="55", cameras=CAMERAS,
    place=lambda number: number, street=build_sequence_street, texts=_texts, paths=_paths, make=_make,
)  # fmt: skip
