"""Where the images of a split are, which frame is whose neighbour, and the intrinsics of their cameras, by data set.

No torch and no pixels here: folders are listed once, calibrations read once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from benchmark.errors import DatasetError
from benchmark.splits import Frame, Split
from datasets_prep import ddad, kitti_odometry, kitti_raw
from datasets_prep.image_lists import list_images, other_camera

Matrix = npt.NDArray[np.float64]


class ImageSource(NamedTuple):
    """What a data set holds of a split. `files`: the image file of every frame that is there, of others than the split's too.
    `neighbour`: the frame so many steps away, None where the recording has none. `K`: the calibrated intrinsics (3, 3) of a
    frame, in widths and heights of its image."""

    files: Mapping[Frame, Path]
    neighbour: Callable[[Frame, int], Frame | None]
    K: Callable[[Frame], Matrix]


def _kitti_raw(root: Path, split: Split, *, stereo: bool) -> ImageSource:
    rigs = cache(kitti_raw.load_calibration)

    def K(frame: Frame) -> Matrix:
        rig = rigs(root, kitti_raw.date_of(frame.drive))
        return _relative(rig.K(frame.camera), rig.shape)

    return ImageSource(_listed(root, split, stereo=stereo), _by_number, K)


def _kitti_odometry(root: Path, split: Split, *, stereo: bool) -> ImageSource:
    files = _listed(root, split, stereo=stereo)

    @cache
    def K_of(sequence: str, camera: str, shape: tuple[int, int]) -> Matrix:
        return _relative(kitti_odometry.load_calibration(root, sequence).K(camera), shape)

    # calib.txt does not say the size of the images, which is one in each sequence.
    size = cache(lambda sequence, camera: _size(next(p for f, p in files.items() if f[:2] == (sequence, camera))))
    return ImageSource(files, _by_number, lambda frame: K_of(*frame[:2], size(*frame[:2])))


def _ddad(root: Path, split: Split, *, stereo: bool) -> ImageSource:
    scenes = ddad.scene_files(root)
    listed = cache(lambda folder: set(folder.iterdir()) if folder.is_dir() else set())
    files: dict[Frame, Path] = {}
    for frame in (one for scene in split.drives if scene in scenes for one in ddad.recordings(scenes[scene])):
        path = ddad.recording(scenes, frame).image.path
        if path is not None and path in listed(path.parent):
            files[frame] = path
    known: dict[tuple[Path, str], Matrix] = {}

    def K(frame: Frame) -> Matrix:
        one = ddad.recording(scenes, frame)
        key = one.calibration, frame.camera
        if key not in known:
            known[key] = _relative(one.K(), one.image.shape or (0, 0))
        return known[key]

    return ImageSource(files, lambda frame, step: ddad.neighbours(scenes[frame.drive], frame, (step,))[0], K)


def _listed(root: Path, split: Split, *, stereo: bool) -> dict[Frame, Path]:
    """The images of all cameras that the split has, and of their partners."""
    own = dict.fromkeys((frame.drive, frame.camera) for frame in split.frames)
    others = [(drive, other_camera(camera)) for drive, camera in own] if stereo else []
    return list_images(split.dataset, root, dict.fromkeys([*own, *others]))


def _by_number(frame: Frame, step: int) -> Frame:
    return frame._replace(number=frame.number + step)


def _relative(K: Matrix, shape: tuple[int, int]) -> Matrix:
    """K in widths and heights of an image of `shape` (h, w)."""
    return np.asarray(K / np.array([shape[1], shape[0], 1.0])[:, None])


def _size(path: Path) -> tuple[int, int]:
    """Height and width of an image file, from its head."""
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(path) as image:
            return image.height, image.width
    except (OSError, UnidentifiedImageError) as error:
        raise DatasetError(f"{path}: the image cannot be read ({error}); {kitti_raw.AGAIN}") from error


IMAGE_SOURCES: dict[str, Callable[..., ImageSource]] = {
    "kitti_raw": _kitti_raw,
    "kitti_odometry": _kitti_odometry,
    "ddad": _ddad,
}
