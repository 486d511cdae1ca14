import struct
import zlib

import cv2
import numpy as np
import pytest

from benchmark.errors import DatasetError
from datasets_prep.images import png_header, read_image, read_png16


def picture(shape=(20, 30, 3), dtype=np.uint8):
    return np.random.default_rng(1).integers(0, np.iinfo(dtype).max, shape, dtype)


@pytest.mark.parametrize("suffix", [".png", ".jpg"])
def test_colour_images_are_rgb(tmp_path, suffix):
    path = tmp_path / f"a{suffix}"
    red = np.zeros((20, 30, 3), np.uint8)
    red[..., 2] = 250  # OpenCV writes BGR
    cv2.imwrite(str(path), red)
    found = read_image(path)
    assert found.shape == (20, 30, 3)
    assert found.dtype == np.uint8
    assert np.abs(found.astype(int) - [250, 0, 0]).max() <= 3


def test_png16_is_exact(tmp_path):
    depth = picture((20, 30), np.uint16)
    cv2.imwrite(str(tmp_path / "a.png"), depth)
    found = read_png16(tmp_path / "a.png")
    assert found.dtype == np.uint16
    assert np.array_equal(found, depth)


@pytest.mark.parametrize("suffix", [".png", ".jpg"])
@pytest.mark.parametrize("share", [0.0, 0.02, 0.3, 0.9, 0.999])
def test_truncated_files_are_never_filled_up(tmp_path, suffix, share):
    path = tmp_path / f"a{suffix}"
    cv2.imwrite(str(path), picture())
    raw = path.read_bytes()
    path.write_bytes(raw[: int(share * len(raw))])
    with pytest.raises(DatasetError, match=r"a\.(png|jpg): .*(truncated|not a PNG or JPEG)"):
        read_image(path)


def test_flipped_byte_in_a_png(tmp_path):
    path = tmp_path / "a.png"
    cv2.imwrite(str(path), picture((20, 30), np.uint16))
    raw = bytearray(path.read_bytes())
    raw[len(raw) // 2] ^= 1
    path.write_bytes(raw)
    with pytest.raises(DatasetError, match="check sum of its b'IDAT' chunk"):
        read_png16(path)


def test_eight_bits_are_no_depth(tmp_path):
    path = tmp_path / "a.png"
    cv2.imwrite(str(path), picture((20, 30)))
    with pytest.raises(DatasetError, match="8 bits and colour type 0, expected 16-bit grey"):
        read_png16(path)


def test_header_that_declares_too_much(tmp_path):
    def chunk(kind, body):
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    raw = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", 60000, 60000, 16, 0, 0, 0, 0))
    raw += chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")
    with pytest.raises(DatasetError, match="declares 60000x60000 pixels"):
        png_header(raw, path=tmp_path / "a.png")


def test_png_without_its_header_chunk(tmp_path):
    raw = b"\x89PNG\r\n\x1a\n" + b"\0\0\0\0IEND\xaeB`\x82"
    with pytest.raises(DatasetError, match="header"):
        png_header(raw, path=tmp_path / "a.png")


def test_missing_file(tmp_path):
    with pytest.raises(DatasetError, match="cannot be read"):
        read_image(tmp_path / "none.png")
