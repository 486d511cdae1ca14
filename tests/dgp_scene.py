"""A miniature DGP data set as DDAD lays it out: three samples, two cameras and a LiDAR that drive forward."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np

SHAPE = (24, 40)
CAMERAS = ("CAMERA_01", "CAMERA_05")
CALIBRATION = "ca11b"
STEM = 15616458249936530  # of the first sample; those of the LiDAR differ, as in real scenes
AHEAD = (0.5, -0.5, 0.5, -0.5)  # camera axes (right, down, forward) in the vehicle's (forward, left, up)
TO_THE_LEFT = (0.6408563820557885, -0.6408563820557885, 0.2988362387301199, -0.2988362387301199)
TURNS = {"LIDAR": (1.0, 0.0, 0.0, 0.0), "CAMERA_01": AHEAD, "CAMERA_05": TO_THE_LEFT}


def pose(sensor: str, metres: float) -> dict[str, Any]:
    """A pose that far along the road; the world's origin is kilometres away, as in real scenes."""
    rotation = dict(zip(("qw", "qx", "qy", "qz"), TURNS.get(sensor, AHEAD), strict=True))
    height = 0.0 if sensor == "LIDAR" else 1.5
    return {"rotation": rotation, "translation": {"x": 1111.123456789 + metres, "y": -2261.384240744, "z": height}}


def datum(sensor: str, i: int) -> dict[str, Any]:
    """Datum `<sensor>-<i>`; the camera looks 5 cm before the LiDAR's scan."""
    late = sensor == "LIDAR"
    stem, at = STEM + 1000000 * i + 91370 * late, 1.25 * i + 0.05 * late
    content: dict[str, Any] = {"annotations": {"1": f"bounding_box_3d/{sensor}/{stem}.json"}, "pose": pose(sensor, at)}
    if late:
        content |= {"filename": f"point_cloud/LIDAR/{stem}.npz", "point_format": ["X", "Y", "Z", "INTENSITY"]}
    else:
        content |= {"filename": f"rgb/{sensor}/{stem}.png", "height": SHAPE[0], "width": SHAPE[1], "channels": 3}
    return {
        "key": f"{sensor}-{i}", "id": {"name": sensor, "timestamp": f"2464-11-12T01:04:1{i}Z", "index": "0"},
        "prev_key": "outside the excerpt", "datum": {"point_cloud" if late else "image": content},
    }  # fmt: skip


def scene(cameras: Sequence[str] = CAMERAS, samples: int = 3) -> dict[str, Any]:
    """The scene file; its datums are listed backwards, because only keys say what belongs together."""
    sensors = ("LIDAR", *cameras)
    data = [datum(sensor, i) for i in range(samples) for sensor in sensors]
    listed = [
        {"id": {"index": "0"}, "datum_keys": [f"{sensor}-{i}" for sensor in sensors], "calibration_key": CALIBRATION}
        for i in range(samples)
    ]
    return {"name": "mini", "samples": listed, "data": data[::-1], "metadata": {}}


def calibration(cameras: Sequence[str] = CAMERAS) -> dict[str, Any]:
    """The calibration file; names in lower case, in an order of their own, the LiDAR without a focal length."""
    names = [*(name.lower() for name in reversed(cameras)), "LIDAR"]
    lens = {name: {"fx": 30.123456789, "fy": 30.2, "cx": 19.7, "cy": 11.9, "skew": 0.0} for name in names}
    lens["LIDAR"] = dict.fromkeys(lens["LIDAR"], 0.0)
    mounts = [pose(name.upper(), 0.0) for name in names]
    return {"names": names, "intrinsics": [lens[name] for name in names], "extrinsics": mounts}


def points(i: int, n: int = 4000) -> np.ndarray:
    """A scan (n, 4) float64 in the vehicle's frame, some of it behind."""
    rng = np.random.default_rng(i)
    return rng.uniform((-10, -30, -1, 0), (60, 30, 12, 1), (n, 4))


def write_json(path: Path, value: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value))
    return path


def write_image(path: Path, shape: tuple[int, int] = SHAPE) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), np.full((*shape, 3), 99, np.uint8))


def write_scan(path: Path, **arrays: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(path, **arrays)


def write_scene(folder: Path, cameras: Sequence[str] = CAMERAS, samples: int = 3) -> Path:
    """Write a scene with scans, images and calibration into its folder; the path of its file."""
    for i in range(samples):
        for sensor in ("LIDAR", *cameras):
            body = datum(sensor, i)["datum"]
            if sensor == "LIDAR":
                write_scan(folder / body["point_cloud"]["filename"], data=points(i))
            else:
                write_image(folder / body["image"]["filename"])
    write_json(folder / "calibration" / f"{CALIBRATION}.json", calibration(cameras))
    return write_json(folder / f"scene_{'0' * 40}.json", scene(cameras, samples))


def write_dataset(root: Path) -> Path:
    """Validation scenes 000150 (both cameras) and 000151 (one camera, one sample), training scene 000000; the root."""
    files = {
        name: write_scene(root / name, *about).relative_to(root).as_posix()
        for name, about in {"000150": (CAMERAS, 3), "000151": (CAMERAS[:1], 1), "000000": (CAMERAS, 1)}.items()
    }
    splits = {"0": {"filenames": [files["000000"]]}, "1": {"filenames": [files["000150"], files["000151"]]}}
    write_json(root / "ddad.json", {"metadata": {}, "scene_splits": splits})
    return root
