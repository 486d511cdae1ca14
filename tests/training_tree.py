"""A miniature KITTI raw tree to train on: stereo pairs of noise with a hole, a day and a size of its own."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import cv2
import numpy as np
from kitti_tree import DATE, DRIVE, write_calibration

SHAPE = (24, 64)
NUMBERS = (0, 1, 2, 3, 4, 6, 7, 8)  # a recording with a hole at 5
CAMERAS = ("image_02", "image_03")


def pixels(number: int, camera: str, shape: tuple[int, int] = SHAPE) -> np.ndarray:
    """The RGB image of a frame: smooth enough to survive a JPEG."""
    random = np.random.default_rng([number, int(camera[-1])])
    coarse = random.integers(0, 256, (4, 8, 3), dtype=np.uint8)
    return cv2.resize(coarse, shape[::-1], interpolation=cv2.INTER_CUBIC)


def write_image(path: Path, image: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), image[..., ::-1])


def image_file(raw: Path, number: int, camera: str = "image_02", suffix: str = ".png") -> Path:
    return raw / DATE / DRIVE / camera / "data" / f"{number:010d}{suffix}"


def write_raw(raw: Path, numbers: Iterable[int] = NUMBERS) -> Path:
    """The tree below `<data>/kitti_raw`, with calibration and both colour cameras."""
    write_calibration(raw, shape=SHAPE)
    for number in numbers:
        for camera in CAMERAS:
            write_image(image_file(raw, number, camera), pixels(number, camera))
    return raw
