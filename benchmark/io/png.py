"""PNG, whole or not at all: OpenCV fills what a cut file lacks, so the container is checked first."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmark.errors import InputError

SIGNATURE = b"\x89PNG\r\n\x1a\n"
MAX_PIXELS = 2**26  # 67 million, far above any camera of the data sets
GREY_16 = (16, 0)  # bit depth and colour type


def read_png16(path: Path, error: type[InputError]) -> NDArray[np.uint16]:
    """A single-channel 16-bit PNG (H, W), raw.

    Raises:
        error: missing, damaged, of another depth or with more channels, or declaring more pixels than any camera has.
    """
    try:
        raw = path.read_bytes()
    except OSError as problem:
        raise error(f"{path}: cannot be read ({problem.strerror or problem}); expected a 16-bit PNG") from problem
    return decode_png16(raw, path, error)


def decode_png16(raw: bytes, path: Path | str, error: type[InputError]) -> NDArray[np.uint16]:
    """The bytes of a single-channel 16-bit PNG as (H, W), raw; `path` is where they lie, for the message.

    Raises:
        error: damaged, of another depth or with more channels, or declaring more pixels than any camera has.
    """
    return decode_grey(raw, path, error, depths=(16,), what="metres * 256")


def decode_grey(raw: bytes, path: Path | str, error: type[InputError], *, depths: tuple[int, ...], what: str) -> NDArray[Any]:
    """The bytes of a single-channel PNG as (H, W) uint8 or uint16, raw; `depths` are the bits it may have, `what` it holds.

    Raises:
        error: damaged, of another depth or with more channels, or declaring more pixels than any camera has.
    """
    import cv2

    check_png(raw, path, error)
    width, height, depth, colour = struct.unpack_from(">IIBB", raw, 16)
    if colour != GREY_16[1] or depth not in depths:
        bits = ("an " if depths[0] == 8 else "a ") + " or ".join(f"{d}-bit" for d in depths)
        raise error(f"{path}: a PNG of {depth} bits and colour type {colour}; expected {bits} image of one channel ({what})")
    try:
        image = cv2.imdecode(np.frombuffer(raw, np.uint8), cv2.IMREAD_UNCHANGED)
    except cv2.error:
        image = None
    if image is None or image.shape != (height, width) or image.dtype != np.dtype(f"uint{depth}"):
        raise error(f"{path}: cannot be decoded as PNG; the file is damaged: copy or export it again")
    return np.asarray(image)


def check_png(raw: bytes, path: Path | str, error: type[InputError]) -> None:
    """Hold the bytes of any PNG to their container, before a decoder sees them.

    Raises:
        error: not a PNG, cut short, damaged, or declaring more pixels than any camera has.
    """
    problem = _container_problem(raw)
    if problem:
        raise error(f"{path}: {problem} ({len(raw)} bytes); expected a whole PNG: copy or export it again")
    width, height = struct.unpack_from(">II", raw, 16)
    if not 0 < width * height <= MAX_PIXELS:
        raise error(f"{path}: declares {height}x{width} pixels; expected at most {MAX_PIXELS}: copy or export it again")


def _container_problem(raw: bytes) -> str:
    """What is wrong with the chunks of a PNG (ISO 15948), nothing where all are there and intact."""
    if not raw.startswith(SIGNATURE):
        return f"not a PNG, it starts with {raw[:8]!r}"
    if raw[8:16] != b"\0\0\0\x0dIHDR":
        return "the PNG does not begin with its header"
    at, kind = len(SIGNATURE), b""
    while kind != b"IEND":
        if at + 12 > len(raw):
            return "the PNG is cut short"
        (length,) = struct.unpack_from(">I", raw, at)
        kind, end = raw[at + 4 : at + 8], at + 8 + length
        if end + 4 > len(raw):
            return "the PNG is cut short"
        if zlib.crc32(memoryview(raw)[at + 4 : end]) != struct.unpack_from(">I", raw, end)[0]:
            return f"the check sum of the PNG's {kind!r} chunk does not fit"
        at = end + 4
    return ""
