"""16-bit PNGs: whole or refused, however they are damaged."""

import struct
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest
import small_world as world
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from benchmark.errors import PredictionError
from benchmark.io.png import read_png16

RAW = np.arange(60, dtype=np.uint16).reshape(6, 10) * 1000


def png_of(image: NDArray[np.uint16]) -> bytes:
    return cv2.imencode(".png", image)[1].tobytes()


def with_size(content: bytes, width: int, height: int) -> bytes:
    """The same PNG with another size in its header, check sum included."""
    header = struct.pack(">II", width, height) + content[24:29]
    return content[:16] + header + struct.pack(">I", zlib.crc32(b"IHDR" + header)) + content[33:]


def test_values_come_back(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(png_of(RAW))
    found = read_png16(tmp_path / "a.png", PredictionError)
    assert found.dtype == np.uint16
    np.testing.assert_array_equal(found, RAW)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "not a PNG, it starts with b''"),
        (b"GIF89a" + bytes(40), "not a PNG"),
        (png_of(RAW)[:60], "the PNG is cut short"),
        (png_of(RAW)[:-12], "the PNG is cut short"),
        (png_of(RAW)[:40] + b"\0" + png_of(RAW)[41:], "does not fit|is cut short"),
        (png_of(RAW.astype(np.uint8)), "a PNG of 8 bits and colour type 0; expected a 16-bit image of one channel"),
        (png_of(np.dstack([RAW] * 3)), "a PNG of 16 bits and colour type 2; expected a 16-bit image of one channel"),
        (with_size(png_of(RAW), 100_000, 100_000), "declares 100000x100000 pixels; expected at most 67108864"),
        (with_size(png_of(RAW), 2**31 - 1, 2**31 - 1), "declares 2147483647x2147483647 pixels"),
        (with_size(png_of(RAW), 0, 5), "declares 5x0 pixels"),
    ],
)
def test_bad_files_are_refused_by_name(tmp_path: Path, content: bytes, said: str) -> None:
    path = tmp_path / "a b.png"
    path.write_bytes(content)
    with pytest.raises(PredictionError, match=rf"a b\.png: .*({said})"):
        read_png16(path, PredictionError)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(PredictionError, match=r"none\.png: cannot be read \(No such file .*\); expected a 16-bit PNG"):
        read_png16(tmp_path / "none.png", PredictionError)


@given(data=st.data())
def test_damage_never_gives_other_values(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    content = bytearray(png_of(RAW))
    at = data.draw(st.integers(0, len(content) - 1))
    content[at] = data.draw(st.integers(0, 255))
    path = tmp_path_factory.getbasetemp() / "damaged.png"
    path.write_bytes(content[: data.draw(st.sampled_from([len(content), at]))])
    with world.only_refusals_of(path):
        np.testing.assert_array_equal(read_png16(path, PredictionError), RAW)
