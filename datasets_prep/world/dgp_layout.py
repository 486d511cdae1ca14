"""A drive of the world as a DGP scene, in the layout of DDAD: six cameras around the car and a LiDAR of longer range.

The rig is about that of DDAD's car: a narrow camera ahead, five wide ones that overlap. A sample is a frame of the drive; its
cameras look 9 ms before its scan, with poses of their own, as DDAD's do. File stems are microseconds. Our own car is not in
the picture, so there are no ego masks.
"""

from __future__ import annotations

import datetime
import hashlib
import io
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from benchmark.geometry import matrix_to_quaternion
from datasets_prep.world.layout import FRAME_S, START, encode_image
from datasets_prep.world.record import Form, Record
from datasets_prep.world.render import Picture, take_picture
from datasets_prep.world.rig import IMU_HEIGHT_M, T_LIDAR_IMU, Matrix, T_world_lidar, check_shape
from datasets_prep.world.scanner import Beams, sweep
from datasets_prep.world.street import AHEAD_M, Street, build_street
from datasets_prep.world.tracing import Lens

LIDAR = "LIDAR"
BEFORE_SCAN_S = 0.009
STEP_US = round(1e6 * FRAME_S)
START_US = round(START.replace(tzinfo=datetime.UTC).timestamp() * 1e6) - round(1e6 * BEFORE_SCAN_S)
# Upwards to the roofs, finer around the horizon; the ground is met up to where the street ends.
ELEVATIONS_DEG = np.concatenate([np.arange(15.0, 2.0, -1.0), np.arange(2.0, -8.0, -0.25), np.arange(-8.0, -26.0, -1.0)])
BEAMS = Beams(np.radians(ELEVATIONS_DEG), 1024, 245.0)
# The vehicle's frame: on the ground below the GPS/IMU, on the middle line of the car, x forward, y left, z up.
T_IMU_VEHICLE = np.array([[1.0, 0, 0, 0], [0, 1, 0, -T_LIDAR_IMU[1, 3]], [0, 0, 1, -IMU_HEIGHT_M], [0, 0, 0, 1]])


class Mount(NamedTuple):
    """A camera on the car: its yaw to the left in degrees, its place in the vehicle's frame in metres, its focal length as a
    share of the image's width."""

    yaw_deg: float
    place_m: tuple[float, float, float]
    focal: float


MOUNTS = {
    "CAMERA_01": Mount(0, (1.50, 0.0, 1.55), 1.10),
    "CAMERA_05": Mount(60, (1.50, 0.45, 1.55), 0.55),
    "CAMERA_06": Mount(-60, (1.50, -0.45, 1.55), 0.55),
    "CAMERA_07": Mount(120, (1.10, 0.45, 1.55), 0.55),
    "CAMERA_08": Mount(-120, (1.10, -0.45, 1.55), 0.55),
    "CAMERA_09": Mount(180, (0.15, 0.0, 1.55), 0.55),
}
SENSORS = (LIDAR, *MOUNTS)


def T_vehicle_sensor(sensor: str) -> Matrix:
    """Pose (4, 4) of a camera (right, down, forward) in the vehicle's frame; the LiDAR's points are in that frame itself."""
    T = np.eye(4)
    if sensor in MOUNTS:
        yaw = np.radians(MOUNTS[sensor].yaw_deg)
        T[:3, :3] = np.transpose([[np.sin(yaw), -np.cos(yaw), 0], [0, 0, -1], [np.cos(yaw), np.sin(yaw), 0]])
        T[:3, 3] = MOUNTS[sensor].place_m
    return T


def lens_of(camera: str, shape: tuple[int, int]) -> Lens:
    """The pinhole of a camera whose images have `shape` (H, W); its axis goes through the middle of the image."""
    height, width = check_shape(shape)
    return Lens(MOUNTS[camera].focal * width, (width - 1) / 2, (height - 1) / 2, height, width)


def time_of(sensor: str, index: int) -> float:
    """When a sensor records a sample, in frames."""
    return index - BEFORE_SCAN_S / FRAME_S * (sensor != LIDAR)


def stem_of(sensor: str, index: int) -> int:
    """The number that names a sensor's file of a sample: microseconds since 1970."""
    return START_US + STEP_US * index + round(1e6 * BEFORE_SCAN_S) * (sensor == LIDAR)


def look(street: Street, camera: str, index: int, shape: tuple[int, int]) -> Picture:
    """What a camera of the rig sees in a sample."""
    time = time_of(camera, index)
    T = street.T_street_imu(time) @ T_IMU_VEHICLE @ T_vehicle_sensor(camera)
    # KITTI's cameras have the numbers 1 to 4.
    return take_picture(street, time, lens_of(camera, shape), T, noise=(index, 10 + int(camera[-2:])))


def points(street: Street, index: int) -> Matrix:
    """The scan of a sample, (n, 4) float64: x, y, z in the vehicle's frame in metres, intensity 0..1."""
    T_street_imu = street.T_street_imu(time_of(LIDAR, index))
    scan = sweep(street, index, T_world_lidar(T_street_imu), BEAMS).astype(np.float64)
    T = np.linalg.inv(T_LIDAR_IMU @ T_IMU_VEHICLE)
    scan[:, :3] = scan[:, :3] @ T[:3, :3].T + T[:3, 3]
    return scan


def build_scene_street(seed: int, scene: str) -> Street:
    """The street of a scene, which goes on behind the car as far as ahead: cameras look there."""
    return build_street(seed, int(scene), behind_m=AHEAD_M)


def scene_json(scene: str, record: Record) -> bytes:
    """The scene file, proto3 as JSON."""
    street, calibration = build_scene_street(record.seed, scene), calibration_key(record)
    indices = range(record.drives[scene])
    samples = [
        {
            "calibration_key": calibration,
            "datum_keys": [datum_key(scene, sensor, index) for sensor in SENSORS],
            "id": {"index": "0", "log": scene, "name": "", "timestamp": _timestamp(LIDAR, index)},
            "metadata": {},
        }
        for index in indices
    ]
    data = [_datum(scene, street, record, sensor, index) for index in indices for sensor in SENSORS]
    about = {"description": "depthbench's street world", "log": scene, "metadata": {}, "name": scene, "ontologies": {}}
    return _json({**about, "data": data, "samples": samples})


def _datum(scene: str, street: Street, record: Record, sensor: str, index: int) -> dict[str, Any]:
    T = street.T_world_imu(time_of(sensor, index)) @ T_IMU_VEHICLE @ T_vehicle_sensor(sensor)
    content: dict[str, Any] = {"annotations": {}, "filename": _filename(sensor, index), "metadata": {}, "pose": _pose(T)}
    if sensor == LIDAR:
        content |= {"point_fields": [], "point_format": ["X", "Y", "Z", "INTENSITY"]}
    else:
        content |= {"channels": 3, "height": record.height, "width": record.width}
    beside = {"prev_key": index - 1, "next_key": index + 1}
    links = {k: datum_key(scene, sensor, i) if 0 <= i < record.drives[scene] else "" for k, i in beside.items()}
    about = {"index": "0", "log": scene, "name": sensor, "timestamp": _timestamp(sensor, index)}
    datum = {"point_cloud" if sensor == LIDAR else "image": content}
    return {"datum": datum, "id": about, "key": datum_key(scene, sensor, index), **links}


def calibration_json(record: Record) -> bytes:
    """The calibration file: parallel lists of names, intrinsics and extrinsics; the LiDAR has no focal length."""
    lens = {name: lens_of(name, record.shape) for name in MOUNTS}
    intrinsics = [dict.fromkeys(("cx", "cy", "fx", "fy", "skew"), 0.0)]
    intrinsics += [{"cx": one.cx, "cy": one.cy, "fx": one.f, "fy": one.f, "skew": 0.0} for one in lens.values()]
    return _json({
        "extrinsics": [_pose(T_vehicle_sensor(sensor)) for sensor in SENSORS], "intrinsics": intrinsics, "names": list(SENSORS),
    })  # fmt: skip


def calibration_key(record: Record) -> str:
    """What names the calibration file."""
    return hashlib.sha1(calibration_json(record), usedforsecurity=False).hexdigest()


def datum_key(scene: str, sensor: str, index: int) -> str:
    """What names a recording of a sensor within its scene."""
    return hashlib.sha1(f"{scene}/{sensor}/{stem_of(sensor, index)}".encode(), usedforsecurity=False).hexdigest()


def _filename(sensor: str, index: int) -> str:
    stem = stem_of(sensor, index)
    return f"point_cloud/{LIDAR}/{stem}.npz" if sensor == LIDAR else f"rgb/{sensor}/{stem}.png"


def _timestamp(sensor: str, index: int) -> str:
    at = datetime.datetime.fromtimestamp(0, datetime.UTC) + datetime.timedelta(microseconds=stem_of(sensor, index))
    return f"{at:%Y-%m-%dT%H:%M:%S.%f}Z"


def _pose(T: Matrix) -> dict[str, dict[str, float]]:
    rotation = dict(zip(("qw", "qx", "qy", "qz"), matrix_to_quaternion(T[:3, :3]).tolist(), strict=True))
    return {"rotation": rotation, "translation": dict(zip("xyz", T[:3, 3].tolist(), strict=True))}


def _json(content: dict[str, Any]) -> bytes:
    return (json.dumps(content, indent=2, sort_keys=True) + "\n").encode("ascii")


def _texts(root: Path, record: Record) -> dict[Path, bytes]:
    calibration = calibration_json(record)
    found, filenames = {}, {}
    for scene in record.drives:
        content = scene_json(scene, record)
        filenames[scene] = f"{scene}/scene_{hashlib.sha1(content, usedforsecurity=False).hexdigest()}.json"
        found[root / filenames[scene]] = content
        found[root / scene / "calibration" / f"{calibration_key(record)}.json"] = calibration
    parts = {"0": record.train, "1": record.val}
    listed = {number: {"filenames": [filenames[scene] for scene in sorted(part)]} for number, part in parts.items() if part}
    about = {
        "available_annotation_types": [], "creation_date": f"{START:%Y-%m-%d}", "creator": "depthbench", "name": "world",
        "description": f"depthbench's street world: {record.identity}", "version": "1",
    }  # fmt: skip
    return {root / "ddad.json": _json({"metadata": about, "scene_splits": listed}), **found}


def _paths(root: Path, record: Record, scene: str, index: int) -> tuple[Path, ...]:
    return tuple(root / scene / _filename(sensor, index) for sensor in SENSORS)


def _make(root: Path, record: Record, scene: str, street: Street, index: int) -> dict[Path, bytes]:
    return dict(zip(_paths(root, record, scene, index), _contents(record, street, index), strict=True))


def _contents(record: Record, street: Street, index: int) -> Iterator[bytes]:
    out = io.BytesIO()
    np.savez(out, data=points(street, index))
    yield out.getvalue()
    for camera in MOUNTS:
        yield encode_image(look(street, camera, index, record.shape).image)


def _place(number: int) -> int | None:
    index, rest = divmod(number - START_US, STEP_US)
    return index if rest == 0 else None


FORM = Form(
    folder="ddad", size=(192, 320), name=re.compile("0009[0-9]{2}"), example="000901", cameras=tuple(MOUNTS), place=_place,
    street=build_scene_street, texts=_texts, paths=_paths, make=_make,
)  # fmt: skip
