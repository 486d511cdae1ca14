"""Which images of KITTI are there: each folder listed once, because looking for 40,000 files one by one takes minutes."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from benchmark.errors import DatasetError, first_of
from benchmark.splits import Frame
from datasets_prep import kitti_odometry, kitti_raw

SUFFIXES = (".png", ".jpg")  # the first one is read where both are there, as `kitti_raw.png_or_jpg` does
PAIRS = (("image_02", "image_03"), ("image_2", "image_3"), ("image_00", "image_01"), ("image_0", "image_1"))
PARTNERS = {one: other for left, right in PAIRS for one, other in ((left, right), (right, left))}


def other_camera(camera: str) -> str:
    """The other camera of a KITTI stereo pair, colour or grey; DatasetError where there is none."""
    if camera not in PARTNERS:
        raise DatasetError(f"unknown camera {camera!r} of a stereo pair; known: {', '.join(PARTNERS)}")
    return PARTNERS[camera]


def partner(frame: Frame) -> Frame:
    """The frame of the other camera of the stereo pair, at the same time."""
    return frame._replace(camera=other_camera(frame.camera))


def frame_names(frames: Sequence[Frame]) -> str:
    """`<drive>/<camera>/<number>` of the first ten frames, for a message, and how many more there are."""
    return first_of([f"{frame.drive}/{frame.camera}/{frame.number}" for frame in frames])


def image_folder(dataset: str, root: Path, drive: str, camera: str) -> Path:
    """Where the images of a camera lie; DatasetError where drive or camera are none of the data set's."""
    return FOLDERS[dataset](root, drive, camera)


def list_images(dataset: str, root: Path, folders: Iterable[tuple[str, str]]) -> dict[Frame, Path]:
    """The image file of every frame in these (drive, camera) folders; a folder that is not there holds none.

    Only names as the data set writes them count: ten digits in kitti_raw, six in kitti_odometry.
    """
    files: dict[Frame, Path] = {}
    for drive, camera in folders:
        folder = image_folder(dataset, root, drive, camera)
        names = _names(folder)
        for suffix in reversed(SUFFIXES):  # so that a PNG takes the place of a JPEG
            stems = (name[: -len(suffix)] for name in names if name.endswith(suffix))
            files.update(
                (Frame(drive, camera, int(stem)), folder / f"{stem}{suffix}")
                for stem in stems
                if len(stem) == DIGITS[dataset] and stem.isdecimal()
            )
    return files


def _names(folder: Path) -> list[str]:
    try:
        return sorted(os.listdir(folder))  # noqa: PTH208 - names alone, without a path object for each
    except FileNotFoundError:
        return []
    except OSError as error:
        raise DatasetError(f"{folder}: cannot be listed ({error.strerror or error}); correct its permissions") from error


def _raw(root: Path, drive: str, camera: str) -> Path:
    kitti_raw.check_camera(Frame(drive, camera, 0))
    return kitti_raw.drive_folder(root, drive) / camera / "data"


def _odometry(root: Path, drive: str, camera: str) -> Path:
    return kitti_odometry.image_path(root, Frame(drive, camera, 0)).parent


DIGITS = {"kitti_raw": 10, "kitti_odometry": 6}
FOLDERS: dict[str, Callable[[Path, str, str], Path]] = {"kitti_raw": _raw, "kitti_odometry": _odometry}
