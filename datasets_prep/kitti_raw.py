"""KITTI raw recordings: paths, parsers, frames. Geiger et al., "Vision meets Robotics: The KITTI Dataset", IJRR 2013.

Conventions: `T_a_b` takes points of frame b to frame a; depth and translation in metres; sizes are (height, width).
The recordings are sparse in practice: frame numbers have holes, time stamps do not, so files are listed, never counted.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from benchmark.errors import DatasetError
from benchmark.io.ground_truth_files import DATE_SIZES
from benchmark.splits import Frame
from datasets_prep.scan_end import LOWEST, end_elevation

Matrix = npt.NDArray[np.float64]

CAMERAS = ("image_00", "image_01", "image_02", "image_03")
POINT_BYTES = 16  # x, y, z, reflectance as float32
MAX_SCAN_BYTES = 1 << 26  # an HDL-64 scan has 2 MB
DRIVE = re.compile(r"(?P<date>\d{4}_\d{2}_\d{2})_drive_\d{4}_[a-z]+")
AGAIN = "fetch its archive again (`depthbench datasets verify --data DIR --split SPLIT` names it)"


def date_of(drive: str) -> str:
    """The recording day of a drive: `2011_09_26` of `2011_09_26_drive_0002_sync`.

    Raises:
        DatasetError: not the name of a KITTI raw drive, such as an odometry sequence or a path.
    """
    match = DRIVE.fullmatch(drive)
    if match is None:
        raise DatasetError(
            f"{drive!r} is not a KITTI raw drive; expected a name like 2011_09_26_drive_0002_sync. Check that the "
            "split belongs to this data set"
        )
    return match["date"]


def check_camera(frame: Frame) -> str:
    """The camera of a frame; DatasetError when KITTI raw has no such camera (a path, an odometry `image_2`)."""
    if frame.camera not in CAMERAS:
        raise DatasetError(f"{frame.drive} frame {frame.number}: unknown camera {frame.camera!r}; known: {', '.join(CAMERAS)}")
    return frame.camera


def drive_folder(root: Path, drive: str) -> Path:
    """`<root>/<date>/<drive>`."""
    return root / date_of(drive) / drive


def image_path(root: Path, frame: Frame) -> Path:
    """The rectified image: `.png` as distributed, `.jpg` as the field converts it, or the `.png` name if neither is."""
    stem = drive_folder(root, frame.drive) / check_camera(frame) / "data" / f"{frame.number:010d}"
    return png_or_jpg(stem)


def png_or_jpg(stem: Path) -> Path:
    """`<stem>.png` as KITTI distributes it; `<stem>.jpg`, as the field converts it, where only that is there."""
    png, jpg = stem.with_suffix(".png"), stem.with_suffix(".jpg")
    return jpg if jpg.is_file() and not png.is_file() else png


def velodyne_path(root: Path, frame: Frame) -> Path:
    """The LiDAR scan taken with a frame; the same one for all cameras."""
    return drive_folder(root, frame.drive) / "velodyne_points" / "data" / f"{frame.number:010d}.bin"


def oxts_path(root: Path, frame: Frame) -> Path:
    """The GPS/IMU packet taken with a frame."""
    return drive_folder(root, frame.drive) / "oxts" / "data" / f"{frame.number:010d}.txt"


def timestamps_path(root: Path, drive: str, stream: str) -> Path:
    """Time stamps of a stream: `image_02`, `velodyne_points`, `oxts`, ..."""
    return drive_folder(root, drive) / stream / "timestamps.txt"


def calibration_path(root: Path, date: str, name: str) -> Path:
    """A calibration file of a day: `cam_to_cam`, `velo_to_cam` or `imu_to_velo`."""
    return root / date / f"calib_{name}.txt"


def frame_numbers(folder: Path) -> tuple[int, ...]:
    """The frame numbers that a `data` folder holds, ascending; recordings have holes (drive 2011_09_26_drive_0009)."""
    try:
        return tuple(sorted(int(p.stem) for p in folder.iterdir() if p.stem.isdecimal()))
    except OSError as error:
        raise DatasetError(f"{folder}: cannot be listed ({error}); {AGAIN}") from error


def read_text(path: Path) -> str:
    """The text (ASCII) of a calibration, packet or time stamp file."""
    try:
        return path.read_text(encoding="ascii")
    except (OSError, UnicodeDecodeError) as error:
        raise DatasetError(f"{path}: cannot be read as text ({error}); {AGAIN}") from error


def read_numbers(path: Path) -> Matrix:
    """Every number of a text file (n,) float64, in reading order; DatasetError names a word that is none."""
    try:
        return np.array([float(word) for word in read_text(path).split()])
    except ValueError as error:
        raise DatasetError(f"{path}: holds what is no number ({error}); {AGAIN}") from error


def read_calibration(path: Path) -> dict[str, Matrix]:
    """Every numeric line `key: v v v` of a calibration file, flat, float64.

    Only the first colon separates: `calib_time: 09-Jan-2012 13:57:47` holds three. Lines that are no numbers are left
    out; whoever needs a key asks `entry` for it, which names the file when it is not there.

    Raises:
        DatasetError: no text, or a key that comes twice.
    """
    values: dict[str, Matrix] = {}
    seen: set[str] = set()
    for line in read_text(path).splitlines():
        key, separator, text = line.partition(":")
        key = key.strip()
        if separator and key in seen:
            raise DatasetError(f"{path}: the calibration has the key {key[:40]!r} twice, expected each key once; {AGAIN}")
        seen.add(key)
        try:
            numbers = [float(word) for word in text.split()]
        except ValueError:
            continue
        if separator and numbers:
            values[key] = np.array(numbers)
    return values


def entry(calibration: dict[str, Matrix], key: str, shape: tuple[int, ...], *, path: Path) -> Matrix:
    """One key of a calibration, reshaped and checked.

    Raises:
        DatasetError: the key is missing, has another number of values, or one of them is not finite.
    """
    if key not in calibration:
        raise DatasetError(
            f"{path}: the calibration has no key {key!r}; found: {', '.join(calibration) or 'none'}. The file is "
            f"damaged or of another kind; {AGAIN}"
        )
    value = calibration[key]
    if value.size != np.prod(shape) or not np.isfinite(value).all():
        listed = " ".join(f"{number:g}" for number in value[:12])
        raise DatasetError(
            f"{path}: {key} holds {value.size} values ({listed}), expected {np.prod(shape)} finite ones; {AGAIN}"
        )
    return value.reshape(shape)


@dataclass(frozen=True)
class Calibration:
    """One recording day: size (height, width) of the rectified images, `P_rect` (3, 4) of each camera to pixels,
    `T_rect_lidar` (4, 4) from the LiDAR to the rectified frame of camera 0, and the `path` of calib_cam_to_cam.txt."""

    date: str
    shape: tuple[int, int]
    P_rect: dict[str, Matrix]
    T_rect_lidar: Matrix
    path: Path

    def projection(self, camera: str) -> Matrix:
        """P_rect (3, 4) of a camera."""
        if camera not in self.P_rect:
            raise DatasetError(
                f"{self.path}: the calibration has no key 'P_rect_{camera[-2:]}', expected twelve values for {camera}; found: "
                f"{', '.join(self.P_rect) or 'no camera'}. Choose another --camera, or {AGAIN}"
            )
        return self.P_rect[camera]

    def K(self, camera: str) -> Matrix:
        """Intrinsics (3, 3) of the rectified camera in pixels."""
        return self.projection(camera)[:, :3].copy()

    def M_image_lidar(self, camera: str) -> Matrix:
        """LiDAR to homogeneous pixels, (3, 4): P_rect_0c R_rect_00 T_velo_to_cam; R_rect_00 for every camera."""
        return self.projection(camera) @ self.T_rect_lidar

    def T_cam_lidar(self, camera: str) -> Matrix:
        """LiDAR to a rectified camera, (4, 4). As pykitti: the baseline along x only, P_rect[0, 3] / P_rect[0, 0]."""
        P = self.projection(camera)
        T_cam_rect = np.eye(4)
        T_cam_rect[0, 3] = P[0, 3] / P[0, 0]
        return T_cam_rect @ self.T_rect_lidar


def load_calibration(root: Path, date: str) -> Calibration:
    """The calibration of a recording day, from `calib_cam_to_cam.txt` and `calib_velo_to_cam.txt`.

    Raises:
        DatasetError: a file or key is missing, or the image size is not the one of a known day.
    """
    path = calibration_path(root, date, "cam_to_cam")
    cameras = read_calibration(path)
    R_rect = np.eye(4)
    R_rect[:3, :3] = entry(cameras, "R_rect_00", (3, 3), path=path)
    present = {c: f"P_rect_{c[-2:]}" for c in CAMERAS if f"P_rect_{c[-2:]}" in cameras}
    return Calibration(
        date=date,
        shape=_rectified_size(date, cameras, path),
        P_rect={camera: entry(cameras, key, (3, 4), path=path) for camera, key in present.items()},
        T_rect_lidar=R_rect @ read_rigid(calibration_path(root, date, "velo_to_cam")),
        path=path,
    )


def read_K(path: Path, camera: str) -> Matrix:
    """Intrinsics (3, 3) of a rectified camera in pixels from `calib_cam_to_cam.txt` alone."""
    return entry(read_calibration(path), f"P_rect_{camera[-2:]}", (3, 4), path=path)[:, :3].copy()


def load_T_lidar_imu(root: Path, date: str) -> Matrix:
    """IMU to LiDAR, (4, 4), from `calib_imu_to_velo.txt`."""
    return read_rigid(calibration_path(root, date, "imu_to_velo"))


def read_rigid(path: Path) -> Matrix:
    """[R | T; 0 0 0 1] (4, 4) of `calib_velo_to_cam.txt` (T_cam_lidar) or `calib_imu_to_velo.txt` (T_lidar_imu)."""
    calibration = read_calibration(path)
    T = np.eye(4)
    T[:3, :3] = entry(calibration, "R", (3, 3), path=path)
    T[:3, 3] = entry(calibration, "T", (3,), path=path)
    return T


def _rectified_size(date: str, cameras: dict[str, Matrix], path: Path) -> tuple[int, int]:
    # S_rect_02 for both colour cameras, as the reference export does; the five days give both the same size.
    width, height = entry(cameras, "S_rect_02", (2,), path=path)
    check_size(date, (int(height), int(width)), path=path)
    return int(height), int(width)


def check_size(date: str, shape: tuple[int, ...], *, path: Path) -> None:
    """Raise DatasetError when an image or map of a known day has another size than that day's."""
    expected = DATE_SIZES.get(date)
    if expected is not None and tuple(shape[:2]) != expected:
        raise DatasetError(
            f"{path}: {shape[0]}x{shape[1]} pixels (height x width), expected {expected[0]}x{expected[1]}, the size of "
            f"{date}. The file is of another day, resized or cropped: put the original back"
        )


def read_velodyne(path: Path, *, buffer: npt.NDArray[np.uint8] | None = None) -> npt.NDArray[np.float32]:
    """A LiDAR scan (n, 4) float32: x forward, y left, z up in metres, reflectance.

    Args:
        buffer: where it is large enough, the scan is read there and is a view of it; memory that is new for every scan
            costs more than the reading.

    Raises:
        DatasetError: missing, empty, truncated, far too large, or with values that are no numbers.
    """
    try:
        # Unlike np.fromfile, readinto releases the interpreter lock: scans are read by several threads.
        with path.open("rb", buffering=0) as file:
            size = os.fstat(file.fileno()).st_size
            if size > MAX_SCAN_BYTES:
                raise DatasetError(
                    f"{path}: {size} bytes are no LiDAR scan, expected about 2 MB and at most {MAX_SCAN_BYTES}; the file is "
                    f"of another kind: {AGAIN}"
                )
            raw = np.empty(size, np.uint8) if buffer is None or len(buffer) < size else buffer[:size]
            raw = raw[: file.readinto(raw.data)]
    except OSError as error:
        raise DatasetError(f"{path}: the LiDAR scan cannot be read ({error}); {AGAIN}") from error
    if not len(raw) or len(raw) % POINT_BYTES:
        kind = "truncated" if len(raw) else "empty"
        raise DatasetError(
            f"{path}: the LiDAR scan is {kind}: {len(raw)} bytes, expected a positive multiple of {POINT_BYTES} (four "
            f"float32 a point); {AGAIN}"
        )
    scan = raw.view("<f4").reshape(-1, 4)
    if not np.isfinite(scan).all():
        raise DatasetError(f"{path}: the LiDAR scan holds NaN or infinite values; the file is damaged: {AGAIN}")
    elevation = end_elevation(path, scan)
    if elevation is not None:
        raise DatasetError(
            f"{path}: the LiDAR scan is truncated: its {len(scan)} points end at an elevation of {elevation:.1f} degrees, "
            f"expected the lowest beam, below {LOWEST:.0f}; {AGAIN}"
        )
    return scan


def read_timestamps(path: Path) -> npt.NDArray[np.datetime64]:
    """Time stamps (n,) as datetime64[ns]; line i belongs to frame number i, also where files have holes (NaT: empty line)."""
    lines = read_text(path).rstrip().splitlines()
    try:
        return np.array([line.strip() for line in lines], "datetime64[ns]")
    except ValueError as error:
        raise DatasetError(f"{path}: not a list of time stamps ({error}); {AGAIN}") from error
