"""PNG to JPEG: what is converted, with what quality, where it goes, and that nothing is lost on the way."""

import hashlib
import os
import struct
from pathlib import Path

import cv2
import numpy as np
import pytest
from command import Run
from kitti_tree import DATE, DRIVE, write_list
from PIL import Image
from training_tree import NUMBERS, image_file, pixels, write_image, write_raw

from benchmark.errors import DatasetError, OptionError
from benchmark.splits import Frame, Split, load_split, read_list
from datasets_prep import jpg
from datasets_prep.image_lists import list_images, other_camera
from datasets_prep.images import read_image
from datasets_prep.kitti_raw import load_calibration


@pytest.fixture
def data(tmp_path: Path) -> Path:
    write_raw(tmp_path / "data" / "kitti_raw")
    write_list(tmp_path / "data" / "list.txt", [2, 6])
    return tmp_path / "data"


def convert(data: Path, out: Path, *names: str, **options) -> jpg.Converted:
    splits = [read_list(data / name) for name in names or ("list.txt",)]
    return jpg.convert("kitti_raw", splits, data, out, quiet=True, **options)


def hashes(folder: Path) -> dict[str, str]:
    files = [path for path in folder.rglob("*") if path.is_file()]
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def jpgs(folder: Path) -> list[str]:
    return sorted(f"{path.parent.parent.name}/{int(path.stem)}" for path in folder.rglob("*.jpg"))


def segments(content: bytes) -> dict[int, bytes]:
    """Marker to payload of a JPEG's head (ITU-T T.81, B.2); of tables the last."""
    found, at = {}, 2
    while content[at] == 0xFF and content[at + 1] != 0xDA:
        (length,) = struct.unpack_from(">H", content, at + 2)
        found[content[at + 1]] = content[at + 4 : at + 2 + length]
        at += 2 + length
    return found


def test_the_frames_of_a_split_with_neighbours_and_pairs(data, tmp_path):
    before = hashes(data)
    made = convert(data, tmp_path / "out")
    # 5 is a hole.
    assert jpgs(tmp_path / "out") == [f"{camera}/{n}" for camera in ("image_02", "image_03") for n in (1, 2, 3, 6, 7)]
    assert (made.made, made.found, made.beside) == (10, 0, False)
    assert hashes(data) == before
    root = tmp_path / "out" / "kitti_raw"
    assert np.array_equal(load_calibration(root, DATE).K("image_02"), load_calibration(data / "kitti_raw", DATE).K("image_02"))
    assert made.bytes_before == sum(image_file(data / "kitti_raw", n, c).stat().st_size for n in (1, 2, 3, 6, 7)
                                    for c in ("image_02", "image_03"))  # fmt: skip
    assert made.bytes_after == sum(path.stat().st_size for path in root.rglob("*.jpg"))
    assert made.summary().endswith(f"Pass --data {tmp_path / 'out'} to train on them")


def test_quality_92_and_colour_at_half_resolution(data, tmp_path):
    convert(data, tmp_path / "out")
    path = image_file(tmp_path / "out" / "kitti_raw", 2, suffix=".jpg")
    found = segments(path.read_bytes())
    # B.2.2: after precision, height, width and the number of components come id, sampling factors and table of each.
    assert [tuple(found[0xC0][6 + 3 * i : 9 + 3 * i]) for i in range(3)] == [(1, 0x22, 0), (2, 0x11, 1), (3, 0x11, 1)]
    # Annex K's luminance table starts 16 11 10 16; at quality 92 each is scaled by (200 - 2 * 92) % and rounded.
    with Image.open(path) as image:
        assert image.quantization[0][:4] == [(value * 16 + 50) // 100 for value in (16, 11, 10, 16)]
        assert image.mode == "RGB"
    difference = read_image(path).astype(int) - pixels(2, "image_02")
    assert 0 < np.abs(difference).mean() < 4


def test_an_interrupted_run_continues(data, tmp_path, monkeypatch):
    encode, n = jpg.encode, 0

    def some(image: Path) -> bytes:
        nonlocal n
        n += 1
        if n > 4:
            raise KeyboardInterrupt
        return encode(image)

    monkeypatch.setattr(jpg, "encode", some)
    with pytest.raises(KeyboardInterrupt):
        convert(data, tmp_path / "out", jobs=1)
    assert len(jpgs(tmp_path / "out")) == 4
    monkeypatch.setattr(jpg, "encode", encode)
    made = convert(data, tmp_path / "out")
    assert (made.made, made.found) == (6, 4)
    again = convert(data, tmp_path / "out")
    assert (again.made, again.found) == (0, 10)
    assert "10 were there already" in again.summary()


def test_a_torn_or_older_jpeg_is_made_again(data, tmp_path):
    convert(data, tmp_path / "out")
    first = hashes(tmp_path / "out")
    torn = image_file(tmp_path / "out" / "kitti_raw", 2, suffix=".jpg")
    torn.write_bytes(torn.read_bytes()[:-9])
    image_file(tmp_path / "out" / "kitti_raw", 7, suffix=".jpg").write_bytes(b"")
    later = image_file(data / "kitti_raw", 6).stat().st_mtime_ns + 10**12
    os.utime(image_file(data / "kitti_raw", 6), ns=(later, later))
    assert convert(data, tmp_path / "out").made == 3
    assert hashes(tmp_path / "out") == first


def test_beside_the_pngs(data):
    before = hashes(data)
    made = convert(data, data)
    assert made.beside
    assert "Where a PNG lies beside a JPEG, the PNG is read" in made.summary()
    after = hashes(data)
    assert {name: after[name] for name in before} == before
    assert len(after) == len(before) + 10
    assert (convert(data, data).made, convert(data, data / "kitti_raw").made) == (0, 0)
    frames = list_images("kitti_raw", data / "kitti_raw", [(DRIVE, "image_02")])
    assert frames[Frame(DRIVE, "image_02", 2)] == image_file(data / "kitti_raw", 2)


def test_images_that_are_jpegs_already_go_along(data, tmp_path):
    source = image_file(data / "kitti_raw", 2, suffix=".jpg")
    write_image(source, pixels(2, "image_02"))
    image_file(data / "kitti_raw", 2).unlink()
    assert convert(data, tmp_path / "out").made == 10
    assert image_file(tmp_path / "out" / "kitti_raw", 2, suffix=".jpg").read_bytes() == source.read_bytes()
    assert convert(data, data).made == 9


def test_all_of_a_data_set(data, tmp_path):
    made = jpg.convert("kitti_raw", [], data, tmp_path / "out", quiet=True)
    assert made.made == 2 * len(NUMBERS)
    (data / "empty" / DATE).mkdir(parents=True)
    with pytest.raises(DatasetError, match="holds no colour image of kitti_raw"):
        jpg.convert("kitti_raw", [], data / "empty", tmp_path / "other", quiet=True)


def test_odometry(tmp_path):
    root = tmp_path / "data" / "kitti_odometry"
    for sequence in ("03", "04"):
        for camera in ("image_2", "image_3"):
            for number in range(3):
                write_image(root / "sequences" / sequence / camera / f"{number:06d}.png", pixels(number, camera))
        for name in ("calib.txt", "times.txt"):
            (root / "sequences" / sequence / name).write_text(f"{sequence} {name}")
    (root / "poses").mkdir()
    (root / "poses" / "03.txt").write_text("1 0 0 0 0 1 0 0 0 0 1 0\n")
    split = Split("own", "kitti_odometry", "train", True, (Frame("03", "image_2", 0),), "0" * 64, "made up")
    out = tmp_path / "out"
    assert jpg.convert("kitti_odometry", [split], tmp_path / "data", out, quiet=True).made == 4
    there = sorted(str(path.relative_to(out / "kitti_odometry")) for path in out.rglob("*") if path.is_file())
    images = [f"sequences/03/image_{c}/00000{n}.jpg" for c in (2, 3) for n in (0, 1)]
    assert there == sorted(["poses/03.txt", "sequences/03/calib.txt", "sequences/03/times.txt", *images])
    assert jpg.convert("kitti_odometry", [], tmp_path / "data", out, quiet=True).made == 8


def test_refusals(data, tmp_path):
    with pytest.raises(OptionError, match="expected kitti_raw or kitti_odometry"):
        jpg.convert("kitti_raw", [load_split("world_ddad/val")], data, tmp_path / "out")
    write_list(data / "long.txt", list(range(20)))
    with pytest.raises(DatasetError, match=r"12 of the 20 frames of long have no image: .*/image_02/5, .* and 2 more"):
        convert(data, tmp_path / "out", "long.txt")
    broken = image_file(data / "kitti_raw", 2)
    broken.write_bytes(broken.read_bytes()[:80])
    with pytest.raises(DatasetError, match=str(broken)):
        convert(data, tmp_path / "out")
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(DatasetError, match=r"cannot be written .* or choose another --out"):
        convert(data, tmp_path / "file")


def test_the_command(data, tmp_path, run: Run):
    done = run("datasets", "jpg", "--split", data / "list.txt", "--data", data, "--out", tmp_path / "out", "--context", "")
    assert (done.code, done.out) == (0, "")
    assert f"{tmp_path / 'out'}: 4 images converted to JPEG (quality 92, 4:2:0)" in done.err
    assert run("datasets", "jpg", "--data", data, "--out", tmp_path / "out").code == 2
    done = run("datasets", "jpg", "--dataset", "kitti_raw", "--data", data, "--out", tmp_path / "out")
    assert (done.code, "4 were there already" in done.err) == (0, True)


def test_the_other_camera():
    assert [other_camera(f"image_0{i}") for i in range(4)] == ["image_01", "image_00", "image_03", "image_02"]
    assert other_camera("image_3") == "image_2"
    with pytest.raises(DatasetError, match="unknown camera 'CAMERA_01' of a stereo pair"):
        other_camera("CAMERA_01")


@pytest.mark.golden
def test_a_real_image_is_what_opencv_writes_with_these_settings(real_data, tmp_path):
    """Another encoder at the same quality and sampling: libjpeg's tables and transform leave no room for a difference."""
    path = real_data / "kitti_raw/2011_09_26/2011_09_26_drive_0001_sync/image_02/data/0000000005.png"
    flags = [cv2.IMWRITE_JPEG_QUALITY, 92, cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_420]
    other = tmp_path / "other.jpg"
    assert cv2.imwrite(str(other), cv2.imread(str(path)), flags)
    own = tmp_path / "own.jpg"
    own.write_bytes(jpg.encode(path))
    assert np.array_equal(read_image(own), read_image(other))
