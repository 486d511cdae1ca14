"""Files with the names and ends of KITTI's, as small as they can be."""

from __future__ import annotations

import struct
from pathlib import Path

DATE = "2011_09_26"
PNG = b"\x89PNG\r\n\x1a\n" + b"\0\0\0\0IEND\xaeB`\x82"
SCAN = struct.pack("<8f", *(3.9, 0, -1.7, 0.5) * 2)  # at the lowest beam
OXTS = b"49.0 8.4\n"


def calibration_files() -> dict[str, bytes]:
    """The members of 2011_09_26_calib.zip."""
    return {f"{DATE}/calib_{name}.txt": b"calib_time: now\n" for name in ("cam_to_cam", "velo_to_cam", "imu_to_velo")}


def drive_files(drive: str, numbers: range) -> dict[str, bytes]:
    """The members of a drive's archive, both colour and one grey camera."""
    files = {f"{DATE}/{drive}/oxts/timestamps.txt": b"2011\n"}
    for number in numbers:
        for camera in ("image_00", "image_02", "image_03"):
            files[f"{DATE}/{drive}/{camera}/data/{number:010d}.png"] = PNG
        files[f"{DATE}/{drive}/velodyne_points/data/{number:010d}.bin"] = SCAN
        files[f"{DATE}/{drive}/oxts/data/{number:010d}.txt"] = OXTS
    return files


def write_files(root: Path, files: dict[str, bytes]) -> None:
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
