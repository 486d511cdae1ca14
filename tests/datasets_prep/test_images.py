import struct
import zlib

import cv2
import numpy as np
import pytest

from benchmark.errors import DatasetError
from datasets_prep.images import read_image


def picture(shape=(20, 30, 3)):
    return np.random.default_rng(1).integers(0, 255, shape, np.uint8)


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


@pytest.mark.parametrize("suffix", [".png", ".jpg"])
@pytest.mark.parametrize("share", [0.0, 0.02, 0.3, 0.9, 0.999])
def test_truncated_files_are_never_filled_up(tmp_path, suffix, share):
    path = tmp_path / f"a{suffix}"
    cv2.imwrite(str(path), picture())
    raw = path.read_bytes()
    path.write_bytes(raw[: int(share * len(raw))])
    with pytest.raises(DatasetError, match=r"a\.(png|jpg): .*(cut short|neither a PNG nor a JPEG).*fetch its archive again"):
        read_image(path)


def test_flipped_byte_in_a_png(tmp_path):
    path = tmp_path / "a.png"
    cv2.imwrite(str(path), picture())
    raw = bytearray(path.read_bytes())
    raw[len(raw) // 2] ^= 1
    path.write_bytes(raw)
    with pytest.raises(DatasetError, match="b'IDAT' chunk does not fit"):
        read_image(path)


def test_a_png_that_declares_more_pixels_than_any_camera(tmp_path):
    content = cv2.imencode(".png", picture())[1].tobytes()
    header = b"IHDR" + struct.pack(">II", 20_000, 20_000) + content[24:29]
    (tmp_path / "a.png").write_bytes(content[:12] + header + struct.pack(">I", zlib.crc32(header)) + content[33:])
    with pytest.raises(DatasetError, match=r"declares 20000x20000 pixels; expected at most 67108864.*fetch its archive again"):
        read_image(tmp_path / "a.png")


def test_what_opencv_cannot_decode(tmp_path):
    (tmp_path / "a.jpg").write_bytes(b"\xff\xd8" + bytes(40) + b"\xff\xd9")
    with pytest.raises(DatasetError, match=r"a\.jpg: OpenCV cannot decode it"):
        read_image(tmp_path / "a.jpg")


def test_a_jpeg_padded_with_zeros_is_whole(tmp_path):
    path = tmp_path / "a.jpg"
    cv2.imwrite(str(path), picture())
    expected = read_image(path)
    path.write_bytes(path.read_bytes() + bytes(5))
    assert np.array_equal(read_image(path), expected)


def test_what_to_do_is_the_callers_to_say(tmp_path):
    (tmp_path / "a.bmp").write_bytes(b"BM123456789")
    with pytest.raises(DatasetError) as caught:
        read_image(tmp_path / "a.bmp", advice="try another")
    assert (
        str(caught.value) == f"{tmp_path}/a.bmp: neither a PNG nor a JPEG, it starts with b'BM123456' (11 bytes); try another"
    )


def test_missing_file(tmp_path):
    with pytest.raises(DatasetError, match="cannot be read"):
        read_image(tmp_path / "none.png")
