"""GPS/IMU packets of KITTI raw to poses. Conventions of the raw data devkit (Geiger et al., IJRR 2013)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt

from benchmark.errors import DatasetError
from datasets_prep.kitti_raw import AGAIN, read_numbers

Matrix = npt.NDArray[np.float64]

OXTS_FIELDS = (
    *("lat", "lon", "alt", "roll", "pitch", "yaw", "vn", "ve", "vf", "vl", "vu", "ax", "ay", "az", "af", "al", "au"),
    *("wx", "wy", "wz", "wf", "wl", "wu", "pos_accuracy", "vel_accuracy"),
    *("navstat", "numsats", "posmode", "velmode", "orimode"),
)
EARTH_RADIUS_M = 6378137.0


def read_oxts(path: Path) -> Matrix:
    """One GPS/IMU packet: the 30 values of OXTS_FIELDS, degrees, metres, radians and metres per second, float64."""
    values = read_numbers(path)
    if len(values) != len(OXTS_FIELDS) or not np.isfinite(values).all():
        raise DatasetError(f"{path}: {len(values)} values, expected {len(OXTS_FIELDS)} finite ones; {AGAIN}")
    return values


def oxts_poses(packets: Matrix) -> Matrix:
    """T_w_imu (n, 4, 4) of packets (n, 30): Mercator with scale cos(lat0), z-y-x Euler angles, as the raw devkit.

    The origin is the first packet given and lat0 its latitude, so the same frame has other coordinates when the
    sequence starts elsewhere.
    """
    lat, lon, alt, roll, pitch, yaw = np.asarray(packets, np.float64)[:, :6].T
    scale = EARTH_RADIUS_M * np.cos(np.radians(lat[0]))
    east = scale * np.radians(lon)
    north = scale * np.log(np.tan(np.radians(90.0 + lat) / 2))
    T = np.zeros((len(lat), 4, 4))
    T[:, :3, :3] = rotation_z(yaw) @ rotation_y(pitch) @ rotation_x(roll)
    T[:, :3, 3] = np.stack([east - east[0], north - north[0], alt - alt[0]], axis=1)
    T[:, 3, 3] = 1.0
    return T


def rotation_x(angle: Matrix) -> Matrix:
    """Rotations (n, 3, 3) by angles (n,) in radians about x; roll of the IMU."""
    return _rotation(angle, 1, 2)


def rotation_y(angle: Matrix) -> Matrix:
    """Rotations (n, 3, 3) by angles (n,) in radians about y; pitch of the IMU."""
    return _rotation(angle, 2, 0)


def rotation_z(angle: Matrix) -> Matrix:
    """Rotations (n, 3, 3) by angles (n,) in radians about z; yaw of the IMU."""
    return _rotation(angle, 0, 1)


def _rotation(angle: Matrix, a: int, b: int) -> Matrix:
    R = np.tile(np.eye(3), (len(angle), 1, 1))
    R[:, a, a] = R[:, b, b] = np.cos(angle)
    R[:, b, a], R[:, a, b] = np.sin(angle), -np.sin(angle)
    return R
