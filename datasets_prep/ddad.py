"""DDAD: scenes, frames, and depth maps from one LiDAR scan. Guizilini et al., "3D Packing for Self-Supervised Monocular
Depth Estimation", CVPR 2020.

A scene is a folder with a DGP scene file; a frame is one image of one camera, `<scene>/<CAMERA>/<image stem>`. The scene lists
of `ddad/train` and `ddad/val` come with the data set, in `ddad.json` (or a `scene_dataset*.json`).
"""

from __future__ import annotations

import re
import struct
import threading
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from benchmark.errors import DatasetError
from benchmark.geometry import inverse
from benchmark.io.png import SIGNATURE, decode_grey
from benchmark.splits import Frame
from datasets_prep import dgp
from datasets_prep.images import JPEG_START, read_image

Matrix = npt.NDArray[np.float64]

DEPTH_RULES = ("last_point", "nearest_point")
CAMERA = re.compile(r"CAMERA_[0-9]{2}")
STEM = re.compile(r"[0-9]{1,18}")
# Those of a whole export (DDAD has 200, of 1 MB each): threads and shuffled lists come back to a scene at any time.
SCENES_IN_MEMORY = 256
_READING = threading.RLock()  # a scene that several threads want at once is parsed once
HEAD_BYTES = 1 << 16  # a JPEG's size stands there, unless profiles and previews come first
OBTAIN = "`depthbench datasets show ddad` says where the archive is"


class Recording(NamedTuple):
    """What the depth of a frame is made of: the datums of camera and LiDAR, the file of their calibration, and which sample
    of the scene they are, from 0."""

    image: dgp.Datum
    scan: dgp.Datum
    calibration: Path
    sample: int

    def K(self) -> Matrix:
        """Intrinsics (3, 3) in pixels, rounded to float32 as the package dgp does."""
        return dgp.read_calibration(self.calibration).K(self.image.sensor)

    def T_camera_lidar(self) -> Matrix:
        """LiDAR at the time of its scan to the camera at the time of its image, (4, 4), both poses rounded to float32."""
        return inverse(self.image.pose.matrix()) @ self.scan.pose.matrix()


def scene_list(root: Path) -> Path:
    """`ddad.json`, else the one `scene_dataset*.json` of the root."""
    if (root / "ddad.json").is_file():
        return root / "ddad.json"
    found = sorted(root.glob("scene_dataset*.json"))
    if len(found) != 1:
        listed = ", ".join(path.name for path in found) or "none"
        raise DatasetError(f"{root}: expected ddad.json, or one scene_dataset*.json; found {listed}. {OBTAIN}")
    return found[0]


def scene_files(root: Path, role: str | None = None) -> dict[str, Path]:
    """Scene files by the name of their folder, in the order of the lists; of one role (`train`, `val`), or of all."""
    path = scene_list(root)
    splits = dgp.read_splits(path)
    chosen = splits if role is None else {role: splits.get(role, ())}
    files: dict[str, Path] = {}
    for file in (file for listed in chosen.values() for file in listed):
        scene = file.parent.name
        if file.parent == path.parent or files.setdefault(scene, file) != file:
            raise DatasetError(
                f"{path}: {file}: expected <scene>/scene_<sha1>.json, each scene in a folder of its own. {OBTAIN}"
            )
    if not files:
        raise DatasetError(f"{path}: lists no scene of {role}; it has {', '.join(splits)}. Choose another --split")
    return files


def recordings(scene_file: Path) -> Mapping[Frame, Recording]:
    """The frames of a scene in order of time, then by camera, each with what its depth is made of. Kept in memory.

    Raises:
        DatasetError: the scene is damaged, a sample has no LiDAR, or an image is not named by its number.
    """
    with _READING:
        return _recordings(scene_file, _state(scene_file))[0]


def without_image(scene_file: Path) -> int:
    """How many samples of a scene have no image at all, and so no frame."""
    with _READING:
        return _recordings(scene_file, _state(scene_file))[1]


def recording(scenes: Mapping[str, Path], frame: Frame) -> Recording:
    """What the depth of a frame is made of, out of the scene files by scene.

    Raises:
        DatasetError: there is no such scene or frame.
    """
    path = scenes.get(frame.drive)
    found = recordings(path).get(frame) if path else None
    if found is None:
        where = f"{path} has no such image" if path else f"no scene {frame.drive!r} is in the data set's lists"
        raise DatasetError(f"{'/'.join(map(str, frame))}: {where}; choose a list of frames that the data set holds")
    return found


def neighbours(scene_file: Path, frame: Frame, offsets: Sequence[int] = (-1, 1)) -> tuple[Frame | None, ...]:
    """The images of the same camera so many samples before (-1) or after (1) a frame of the scene, in the order of `offsets`.

    None where the scene has begun or ended, or that sample lacks the camera: the next but one is never taken in its place.

    Raises:
        DatasetError: the scene is damaged or has no such frame.
    """
    sample = recording({frame.drive: scene_file}, frame).sample
    by_sample = _by_sample(scene_file, _state(scene_file))
    return tuple(by_sample.get((frame.camera, sample + offset)) for offset in offsets)


def _state(path: Path) -> tuple[int, int]:
    try:
        stat = path.stat()
    except OSError as error:
        raise DatasetError(f"{path}: cannot be read ({error.strerror or error}); {OBTAIN}") from error
    return stat.st_mtime_ns, stat.st_size


@lru_cache(SCENES_IN_MEMORY)
def _by_sample(path: Path, _state: tuple[int, int]) -> Mapping[tuple[str, int], Frame]:
    return {(frame.camera, one.sample): frame for frame, one in recordings(path).items()}


@lru_cache(SCENES_IN_MEMORY)
def _recordings(path: Path, _state: tuple[int, int]) -> tuple[Mapping[Frame, Recording], int]:
    found: dict[Frame, Recording] = {}
    samples = dgp.read_scene(path).samples
    for i, sample in enumerate(samples):
        where = f"{path}: samples[{i}]"
        images = sample.of_kind("image")
        scan = _lidar(sample, where) if images else None
        for image in images:
            frame = _frame(path.parent.name, image, where)
            if frame in found:
                raise DatasetError(f"{where}: the image {image.path} is in an earlier sample as well; fetch the scene again")
            assert scan is not None
            found[frame] = Recording(image, scan, sample.calibration, i)
    return found, len(samples) - len({one.sample for one in found.values()})


def _lidar(sample: dgp.Sample, where: str) -> dgp.Datum:
    scans = sample.of_kind("point_cloud")
    named = [scan for scan in scans if scan.sensor.upper() == "LIDAR"] or scans
    if len(named) != 1:
        listed = ", ".join(sample.datums) or "nothing"
        raise DatasetError(f"{where}: holds {listed}; expected one point cloud, called LIDAR. Fetch the scene again")
    return named[0]


def _frame(scene: str, image: dgp.Datum, where: str) -> Frame:
    camera, stem = image.sensor.upper(), image.path.stem if image.path else ""
    if not CAMERA.fullmatch(camera) or not STEM.fullmatch(stem):
        raise DatasetError(
            f"{where}: {image.sensor}, {image.path}: expected a camera such as CAMERA_01 and an image named by a number of at "
            "most 18 digits; this is another data set than DDAD"
        )
    return Frame(scene, camera, int(stem))


def project_points(
    points: Matrix, T_camera_lidar: Matrix, K: Matrix, *, shape: tuple[int, int], rule: str = "last_point"
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float32]]:
    """Depth map of points (n, 3) in metres as flat pixel numbers (row * W + column), ascending, and depths along the axis.

    Written out instead of matrix products, whose last bits depend on the processor. Points that are not finite or behind the
    camera leave no depth.

    Args:
        points: in the LiDAR's frame, in file order.
        T_camera_lidar: (4, 4), from the poses of both sensors.
        K: (3, 3) intrinsics in pixels.
        shape: height and width of the map.
        rule: `last_point` is the reference (`generate_depth_map` of dgp): pixel int(u), int(v), truncated toward zero, so that
            u in (-1, 0) falls into column 0, and of several points in a pixel the last one of the file stays.
            `nearest_point`: pixel floor(u), floor(v), and the nearest point stays.
    """
    if rule not in DEPTH_RULES:
        raise DatasetError(f"unknown depth rule {rule!r}; known: {', '.join(DEPTH_RULES)}")
    height, width = shape
    with np.errstate(all="ignore"):  # z = 0, and points that are not finite: the comparisons drop them
        x, y, z = (r[0] * points[:, 0] + r[1] * points[:, 1] + r[2] * points[:, 2] + r[3] for r in T_camera_lidar[:3])
        u = (K[0, 0] * x + K[0, 1] * y) / z + K[0, 2]
        v = K[1, 1] * y / z + K[1, 2]
        depth = z.astype(np.float32)
        inside = (depth > 0) & (depth < np.inf) & (u < width) & (v < height)
        inside &= (u > -1) & (v > -1) if rule == "last_point" else (u >= 0) & (v >= 0)
    pixel = v[inside].astype(np.int64) * width + u[inside].astype(np.int64)
    depth = depth[inside]
    order = np.arange(len(pixel))[::-1] if rule == "last_point" else np.argsort(depth, kind="stable")
    pixels, first = np.unique(pixel[order], return_index=True)
    return pixels, depth[order[first]]


def ego_mask_path(folder: Path, camera: str) -> Path:
    """The ego mask of a camera: `CAMERA_01.png` or, as published, `01.png`; DatasetError where neither is there."""
    full, short = folder / f"{camera}.png", folder / f"{camera[-2:]}.png"
    if not full.is_file() and not short.is_file():
        raise DatasetError(
            f"{folder}: no ego mask of {camera}; expected {full.name} or {short.name}: put it there, or leave --ego-masks out"
        )
    return full if full.is_file() else short


def read_ego_mask(path: Path, shape: tuple[int, int]) -> npt.NDArray[np.bool_]:
    """Where a camera sees the scene and not its own car (H, W): the pixels of a grey PNG above 0 (published: 255).

    Raises:
        DatasetError: damaged, no grey image of 8 or 16 bits, 0 everywhere, or of another size than the images.
    """
    mask = _ego_mask(path, _state(path))
    if mask.shape != shape:
        size, expected = ("x".join(map(str, one)) for one in (mask.shape, shape))
        raise DatasetError(
            f"{path}: the ego mask has {size} pixels, the images {expected}; expected the same size: take the masks of these "
            "images, as they are published"
        )
    return mask


@lru_cache(16)
def _ego_mask(path: Path, _state: tuple[int, int]) -> npt.NDArray[np.bool_]:
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise DatasetError(f"{path}: cannot be read ({error.strerror or error}); expected the ego mask of a camera") from error
    mask = decode_grey(raw, path, DatasetError, depths=(8, 16), what="0 is the car") > 0
    if not mask.any():
        raise DatasetError(
            f"{path}: 0 everywhere, as if the camera saw nothing but its own car; expected 0 on the car and 255 elsewhere"
        )
    return np.asarray(mask)


def load_image(image: dgp.Datum) -> npt.NDArray[np.uint8]:
    """The image (H, W, 3) uint8 RGB of a datum, held to the size that its scene says."""
    assert image.path is not None
    pixels = read_image(image.path)
    _hold_size(image, pixels.shape[:2])
    return pixels


def check_image(image: dgp.Datum) -> None:
    """Hold the head of an image file to the size that its scene says; depth needs no image, so it may be absent.

    Raises:
        DatasetError: it cannot be read, has another size, or is neither PNG nor JPEG.
    """
    assert image.path is not None
    try:
        if not image.path.is_file():
            return
        with image.path.open("rb") as file:
            head = file.read(HEAD_BYTES)
            size = _size_in(head) or _size_in(head + file.read())
    except OSError as error:
        raise DatasetError(
            f"{image.path}: is there, but cannot be read ({error.strerror or error}); correct its permissions, or unpack the "
            "scene again"
        ) from error
    _hold_size(image, size)


def _hold_size(image: dgp.Datum, found: Iterable[int] | None) -> None:
    if found is None or tuple(found) != image.shape:
        size = "no PNG or JPEG" if found is None else "x".join(map(str, found)) + " pixels"
        expected = "x".join(map(str, image.shape or ()))
        raise DatasetError(f"{image.path}: {size}, but its scene says {expected} (height x width); unpack the scene again")


def _size_in(head: bytes) -> tuple[int, int] | None:
    """Height and width in the first bytes of a PNG (ISO 15948) or a JPEG (ITU T.81, B.2.2); None where they say none."""
    if head.startswith(SIGNATURE) and len(head) >= 24:
        width, height = struct.unpack_from(">II", head, 16)
        return height, width
    at = 2 if head.startswith(JPEG_START) else len(head)
    while at + 9 <= len(head) and head[at] == 0xFF:
        marker, (length,) = head[at + 1], struct.unpack_from(">H", head, at + 2)
        if 0xC0 <= marker <= 0xCF and marker not in {0xC4, 0xC8, 0xCC}:
            height, width = struct.unpack_from(">HH", head, at + 5)
            return height, width
        at += 2 + length
    return None
