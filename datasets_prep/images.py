"""Reading PNG and JPEG whole or not at all: OpenCV fills what a cut file lacks, so the container is checked first."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmark.errors import DatasetError
from datasets_prep.kitti_raw import AGAIN

PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
JPEG_START, JPEG_END = b"\xff\xd8", b"\xff\xd9"
MAX_PIXELS = 2**26  # 67 million, far above any camera of the data sets; a header that declares more is hostile
GREY_16 = (16, 0)  # bit depth and colour type of a KITTI depth or disparity PNG


def read_image(path: Path) -> npt.NDArray[np.uint8]:
    """A colour image (H, W, 3) uint8 RGB from a `.png` or `.jpg` file.

    Raises:
        DatasetError: missing, truncated or damaged.
    """
    import cv2

    raw = _read(path)
    if raw.startswith(JPEG_START):
        if not raw.rstrip(b"\0").endswith(JPEG_END):
            raise _damaged(path, f"the JPEG ends after {len(raw)} bytes without its end marker; it is truncated")
    else:
        png_header(raw, path=path)
    return np.asarray(_decode(raw, cv2.IMREAD_COLOR, path)[..., ::-1], np.uint8)


def read_png16(path: Path) -> npt.NDArray[np.uint16]:
    """A single-channel 16-bit PNG (H, W) uint16, the values as stored.

    Raises:
        DatasetError: missing, truncated, damaged, or of another bit depth.
    """
    import cv2

    raw = _read(path)
    _, _, *kind = png_header(raw, path=path)
    if tuple(kind) != GREY_16:
        raise _damaged(path, f"a PNG with {kind[0]} bits and colour type {kind[1]}, expected 16-bit grey; it was converted")
    return np.asarray(_decode(raw, cv2.IMREAD_UNCHANGED, path), np.uint16)


def png_header(raw: bytes, *, path: Path) -> tuple[int, int, int, int]:
    """Height, width, bit depth and colour type of a PNG whose chunks are all there and intact (ISO 15948)."""
    if not raw.startswith(PNG_SIGNATURE):
        raise _damaged(path, f"not a PNG or JPEG: it starts with {raw[:8]!r}")
    if len(raw) > 16 and raw[8:16] != b"\0\0\0\x0dIHDR":
        raise _damaged(path, "the PNG does not begin with its header chunk")
    at, kind = len(PNG_SIGNATURE), b""
    while kind != b"IEND":
        if at + 12 > len(raw):
            raise _damaged(path, f"the PNG is truncated: {len(raw)} bytes and no end chunk")
        (length,) = struct.unpack_from(">I", raw, at)
        kind, end = raw[at + 4 : at + 8], at + 8 + length
        if end + 4 > len(raw):
            raise _damaged(path, f"the PNG is truncated: {len(raw)} bytes, its {kind!r} chunk ends at {end + 4}")
        if zlib.crc32(memoryview(raw)[at + 4 : end]) != struct.unpack_from(">I", raw, end)[0]:
            raise _damaged(path, f"the PNG is damaged: the check sum of its {kind!r} chunk does not fit")
        at = end + 4
    width, height, depth, colour = struct.unpack_from(">IIBB", raw, 16)
    if not 0 < width * height <= MAX_PIXELS:
        raise _damaged(path, f"the PNG declares {height}x{width} pixels, expected at most {MAX_PIXELS}")
    return height, width, depth, colour


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise DatasetError(f"{path}: the image cannot be read ({error}); {AGAIN}") from error


def _decode(raw: bytes, flags: int, path: Path) -> npt.NDArray[Any]:
    import cv2

    try:
        image = cv2.imdecode(np.frombuffer(raw, np.uint8), flags)
    except cv2.error as error:
        raise _damaged(path, f"OpenCV cannot decode it ({error.err})") from error
    if image is None:
        raise _damaged(path, "OpenCV cannot decode it")
    return np.asarray(image)


def _damaged(path: Path, what: str) -> DatasetError:
    return DatasetError(f"{path}: {what}; {AGAIN}")
