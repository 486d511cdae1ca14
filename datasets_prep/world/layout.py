"""A drive of the world in the files of KITTI raw and KITTI annotated depth: where each lies and what is in it.

The paths are those that the readers look for. Numbers have every digit of a float64, because these cameras and poses are
exact; KITTI's own files have seven.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from benchmark.splits import Frame
from datasets_prep import kitti_depth, kitti_raw
from datasets_prep.oxts import EARTH_RADIUS_M, OXTS_FIELDS, rotation_z
from datasets_prep.world.labels import encode_png
from datasets_prep.world.rig import CAMERA_X_M, DATE, T_LIDAR_IMU, T_RECT_LIDAR, Rig

Matrix = npt.NDArray[np.float64]

COLOUR_CAMERAS = ("image_02", "image_03")
PARTS = ("train", "val")  # of the annotated depth
FRAME_S = 0.1
START = datetime.datetime(2031, 5, 1, 12, 0, 0)
CALIBRATED = "01-May-2031 12:00:00"  # in words, because strftime names months in the language of the machine
DEPTH_SCALE = 256  # annotated depth: value / 256 metres
# Every drive begins here, so that a reader which starts at its first frame has the same Mercator scale.
LATITUDE_DEG, LONGITUDE_DEG, GROUND_ALTITUDE_M = 49.0, 8.4, 115.0
GRAVITY = np.array([0.0, 0.0, 9.81])  # what an accelerometer at rest measures
# pos_accuracy, vel_accuracy, navstat, numsats, posmode, velmode, orimode of a KITTI packet with good reception.
RECEPTION = (0.02, 0.01, 4.0, 11.0, 6.0, 6.0, 6.0)
BODY, LEVEL = ("front of the car", "left of the car", "top of the car"), ("forward", "leftward", "upward")
MEANINGS = (
    *("latitude (deg)", "longitude (deg)", "altitude (m)"),
    *("roll (rad), left side up", "pitch (rad), front down", "heading (rad), 0 = east, counter-clockwise"),
    *(f"velocity {way} (m/s), level" for way in ("northward", "eastward", *LEVEL)),
    *(f"acceleration to the {way} (m/s^2), gravity included" for way in BODY),
    *(f"acceleration {way} (m/s^2), level, gravity included" for way in LEVEL),
    *(f"angular rate around the axis to the {way} (rad/s)" for way in BODY),
    *(f"angular rate around the {way} axis (rad/s), level" for way in LEVEL),
    *("position accuracy (m)", "velocity accuracy (m/s)", "navigation status", "number of satellites"),
    *("position mode", "velocity mode", "orientation mode"),
)


class FramePaths(NamedTuple):
    """The files of one frame; `depth_*` are annotated PNGs, `flow` and `instance` what KITTI has in other benchmarks."""

    image_02: Path
    image_03: Path
    velodyne: Path
    oxts: Path
    depth_02: Path
    depth_03: Path
    flow: Path
    instance: Path


def frame_paths(data: Path, drive: str, number: int, *, part: str) -> FramePaths:
    """Where the files of a frame lie; the annotated depth has two parts, `train` and `val`."""
    raw, labels = data / "kitti_raw", data / "world_labels" / drive
    left, right = (Frame(drive, camera, number) for camera in COLOUR_CAMERAS)
    depth_02, depth_03 = (kitti_depth.candidates(data / "kitti_depth", frame)[PARTS.index(part)] for frame in (left, right))
    return FramePaths(
        image_02=kitti_raw.image_path(raw, left).with_suffix(".png"),
        image_03=kitti_raw.image_path(raw, right).with_suffix(".png"),
        velodyne=kitti_raw.velodyne_path(raw, left),
        oxts=kitti_raw.oxts_path(raw, left),
        depth_02=depth_02,
        depth_03=depth_03,
        flow=labels / "flow_occ" / "image_02" / depth_02.name,
        instance=labels / "instance" / "image_02" / depth_02.name,
    )


def drive_files(data: Path, drive: str, frames: int) -> dict[Path, bytes]:
    """The time stamps of every stream of a drive, ten a second, and the key to the packets' numbers."""
    raw, streams = data / "kitti_raw", (*COLOUR_CAMERAS, "oxts", "velodyne_points")
    texts = {kitti_raw.timestamps_path(raw, drive, stream): timestamps(frames) for stream in streams}
    scans = kitti_raw.timestamps_path(raw, drive, "velodyne_points")
    # The LiDAR turns once a frame and looks ahead in the middle of its turn.
    texts[scans.with_name("timestamps_start.txt")] = timestamps(frames, after_s=-FRAME_S / 2)
    texts[scans.with_name("timestamps_end.txt")] = timestamps(frames, after_s=FRAME_S / 2)
    key = "".join(f"{name}: {unit}\n" for name, unit in zip(OXTS_FIELDS, MEANINGS, strict=True))
    texts[kitti_raw.drive_folder(raw, drive) / "oxts" / "dataformat.txt"] = key
    return {path: text.encode("ascii") for path, text in texts.items()}


def timestamps(frames: int, *, after_s: float = 0.0) -> str:
    """One line a frame, `2031-05-01 12:00:00.100000000`, from START + `after_s` on."""
    times = (START + datetime.timedelta(seconds=after_s + FRAME_S * i) for i in range(frames))
    return "".join(f"{time:%Y-%m-%d %H:%M:%S.%f}000\n" for time in times)


def calibration_files(data: Path, rig: Rig) -> dict[Path, bytes]:
    """The three calibration files of the world's day, with KITTI's keys in KITTI's order."""
    lines: dict[str, list[str]] = {
        "cam_to_cam": [_line("corner_dist", 0.0)],
        "velo_to_cam": _rigid_lines(T_RECT_LIDAR) + [_line(key, 0.0, 0.0) for key in ("delta_f", "delta_c")],
        "imu_to_velo": _rigid_lines(T_LIDAR_IMU),
    }
    for camera, x in CAMERA_X_M.items():
        lines["cam_to_cam"] += _camera_lines(camera[-2:], rig, x=x, P_rect=rig.P_rect(camera))
    head = f"calib_time: {CALIBRATED}"
    raw = data / "kitti_raw"
    return {
        kitti_raw.calibration_path(raw, DATE, name): "".join(f"{line}\n" for line in [head, *own]).encode("ascii")
        for name, own in lines.items()
    }


def _camera_lines(number: str, rig: Rig, *, x: float, P_rect: Matrix) -> list[str]:
    """The eight lines of a camera: the raw images are the rectified ones, so nothing is distorted or turned."""
    size = _line("S", float(rig.shape[1]), float(rig.shape[0])).partition(" ")[2]
    upright = _line("R", *np.eye(3).flat).partition(" ")[2]
    return [
        f"S_{number}: {size}",
        _line(f"K_{number}", *rig.K.flat),
        _line(f"D_{number}", *[0.0] * 5),
        f"R_{number}: {upright}",
        _line(f"T_{number}", -x, 0.0, 0.0),
        f"S_rect_{number}: {size}",
        f"R_rect_{number}: {upright}",
        _line(f"P_rect_{number}", *P_rect.flat),
    ]


def _rigid_lines(T: Matrix) -> list[str]:
    return [_line("R", *T[:3, :3].flat), _line("T", *T[:3, 3])]


def _line(key: str, *numbers: float) -> str:
    # + 0.0 turns a negative zero into zero.
    return f"{key}: " + " ".join(f"{number + 0.0:.16e}" for number in numbers)


def annotated_depth(depth: npt.NDArray[np.float32]) -> npt.NDArray[np.uint16]:
    """KITTI's 16-bit form of depth (H, W) in metres: 1/256 m a unit; 0 for none and for 256 m and more."""
    steps = np.rint(depth.astype(np.float64) * DEPTH_SCALE)
    return np.where((steps >= 0) & (steps <= np.iinfo(np.uint16).max), steps, 0).astype(np.uint16)


def encode_image(image: npt.NDArray[np.uint8]) -> bytes:
    """A colour image (H, W, 3) uint8 RGB as PNG."""
    return encode_png(np.ascontiguousarray(image[..., ::-1]))


def encode_scan(points: npt.NDArray[np.float32]) -> bytes:
    """A LiDAR scan (n, 4), x forward, y left, z up in metres and reflectance, as little-endian float32."""
    return points.astype("<f4").tobytes()


def encode_packet(packet: Matrix) -> bytes:
    """A GPS/IMU packet (30,) as a line of text; the five modes at its end are whole numbers."""
    words = [repr(float(value)) for value in packet[:-5]] + [f"{value:.0f}" for value in packet[-5:]]
    return (" ".join(words) + "\n").encode("ascii")


def oxts_packet(T_world_imu: Callable[[int], Matrix], number: int) -> Matrix:
    """The 30 values of OXTS_FIELDS at a frame of an exact path of poses (4, 4): the inverse of `oxts.oxts_poses`.

    Velocity, acceleration and rates are differences of second order over neighbouring frames, after the first frame central.
    """
    middle = max(number, 1)
    poses = np.stack([T_world_imu(frame) for frame in (middle - 1, middle, middle + 1)])
    here = poses[number - middle + 1]
    weights = np.array([-1.5, 2.0, -0.5] if number == 0 else [-0.5, 0.0, 0.5]) / FRAME_S
    velocity, acceleration = weights @ poses[:, :3, 3], np.diff(poses[:, :3, 3], 2, axis=0)[0] / FRAME_S**2
    R = here[:3, :3]
    # The derivative of a rotation, R^T dR/dt, is the matrix of the cross product with the rates.
    spin = R.T @ np.tensordot(weights, poses[:, :3, :3], 1)
    rates = np.array([spin[2, 1] - spin[1, 2], spin[0, 2] - spin[2, 0], spin[1, 0] - spin[0, 1]]) / 2
    roll, pitch, yaw = _angles(R)
    to_level = rotation_z(np.array([yaw]))[0].T
    force = acceleration + GRAVITY
    motion = [velocity[1], velocity[0], *to_level @ velocity, *R.T @ force, *to_level @ force, *rates, *to_level @ R @ rates]
    place = _place(here[:3, 3] - T_world_imu(0)[:3, 3], altitude_m=GROUND_ALTITUDE_M + here[2, 3])
    return np.array([*place, roll, pitch, yaw, *motion, *RECEPTION])


def _angles(R: Matrix) -> tuple[float, float, float]:
    """Roll, pitch and yaw in radians of R = Rz(yaw) Ry(pitch) Rx(roll)."""
    pitch = np.arctan2(-R[2, 0], np.hypot(R[0, 0], R[1, 0]))
    return float(np.arctan2(R[2, 1], R[2, 2])), float(pitch), float(np.arctan2(R[1, 0], R[0, 0]))


def _place(east_north: Matrix, *, altitude_m: float) -> tuple[float, float, float]:
    """Latitude and longitude in degrees and the altitude, of metres east and north of a drive's first frame (Mercator)."""
    scale = EARTH_RADIUS_M * np.cos(np.radians(LATITUDE_DEG))
    north = np.log(np.tan(np.radians(90 + LATITUDE_DEG) / 2)) + east_north[1] / scale
    latitude = 2 * np.degrees(np.arctan(np.exp(north))) - 90
    return float(latitude), LONGITUDE_DEG + float(np.degrees(east_north[0] / scale)), altitude_m
