"""Colour images, PNG and JPEG, whole or not at all: OpenCV fills what a cut file lacks, so the container is checked first."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt

from benchmark.errors import DatasetError
from benchmark.io.png import SIGNATURE, check_png
from datasets_prep.kitti_raw import AGAIN

JPEG_START, JPEG_END = b"\xff\xd8", b"\xff\xd9"


def read_image(path: Path, *, advice: str = AGAIN) -> npt.NDArray[np.uint8]:
    """A colour image (H, W, 3) uint8 RGB from a `.png` or `.jpg` file; `advice` ends the message where that fails.

    Raises:
        DatasetError: missing, no such image, truncated or damaged.
    """
    try:
        return _decoded(path)
    except DatasetError as problem:
        raise DatasetError(f"{problem}; {advice}") from problem


def _decoded(path: Path) -> npt.NDArray[np.uint8]:
    import cv2

    try:
        raw = path.read_bytes()
    except OSError as error:
        raise DatasetError(f"{path}: the image cannot be read ({error})") from error
    if raw.startswith(JPEG_START):
        if not jpeg_ends(raw):
            raise DatasetError(f"{path}: the JPEG is cut short, it has no end marker ({len(raw)} bytes)")
    elif raw.startswith(SIGNATURE):
        check_png(raw, path, DatasetError)
    else:
        raise DatasetError(f"{path}: neither a PNG nor a JPEG, it starts with {raw[:8]!r} ({len(raw)} bytes)")
    try:
        # OpenCV refuses a JPEG that declares more than 2^30 pixels.
        image = cv2.imdecode(np.frombuffer(raw, np.uint8), cv2.IMREAD_COLOR)
    except cv2.error:
        image = None
    if image is None:
        raise DatasetError(f"{path}: OpenCV cannot decode it, the file is damaged")
    return np.asarray(image[..., ::-1], np.uint8)


def jpeg_ends(tail: bytes) -> bool:
    """Whether these last bytes of a file are the end of a JPEG; some writers pad it with zeros."""
    return tail.rstrip(b"\0").endswith(JPEG_END)
