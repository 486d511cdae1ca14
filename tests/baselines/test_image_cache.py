"""The cache of decoded images: what is in it, when it is made anew, and two processes that want it at once."""

import errno
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from kitti_tree import DRIVE, write_list
from PIL import Image
from small_world import names_in
from training_tree import NUMBERS, image_file, pixels, write_image, write_raw

from baselines import image_cache
from baselines.hints import hint_path
from baselines.image_cache import ImageCache, load_image, open_cache
from baselines.samples import Samples, find_samples
from benchmark.errors import DatasetError, OptionError, TrainingError
from benchmark.splits import Frame, read_list

ROOT = Path(__file__).resolve().parents[2]
SIZE = (16, 40)
IMAGES = 2 * len(NUMBERS)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    write_raw(tmp_path / "kitti_raw")
    write_list(tmp_path / "left.txt", list(NUMBERS))
    write_list(tmp_path / "right.txt", [2, 7], side="r")
    return tmp_path


def samples_of(data: Path, name: str = "left.txt", **options) -> Samples:
    return find_samples(read_list(data / name), data, **{"context": (), "stereo": True, **options})


def cache_of(data: Path, **options) -> ImageCache:
    return open_cache(data / "cache", samples_of(data), **{"size": SIZE, "quiet": True, **options})


def the_file(data: Path, suffix: str = ".npy") -> Path:
    (found,) = (data / "cache").glob(f"images*{suffix}")
    return found


def test_the_rows_are_pillows_resize_of_every_image(data):
    cache = cache_of(data)
    assert cache.images.shape == (IMAGES, *SIZE, 3)
    assert (cache.images.dtype, cache.size, cache.image_format, cache.hints) == (np.uint8, SIZE, "png", None)
    assert set(cache.rows) == {Frame(DRIVE, camera, n) for camera in ("image_02", "image_03") for n in NUMBERS}
    for frame, row in cache.rows.items():
        whole = Image.fromarray(pixels(frame.number, frame.camera))
        assert np.array_equal(cache.images[row], np.asarray(whole.resize((40, 16), Image.Resampling.LANCZOS)))
    assert isinstance(cache.images, np.memmap)
    assert not cache.images.flags.writeable
    assert the_file(data).name == f"images_16x40_{cache.key}.npy"
    assert np.array_equal(np.load(the_file(data)), cache.images)


def test_it_is_made_once(data, monkeypatch, capsys):
    first = cache_of(data, quiet=False)
    said = capsys.readouterr().err
    assert f"{the_file(data)}: 16 images of 16x40, 0.0 MB" in said
    state = the_file(data).stat()

    def refuse(*args: object, **options: object) -> None:
        raise AssertionError("decoded again")

    monkeypatch.setattr(image_cache, "load_image", refuse)
    again = cache_of(data, quiet=False)
    assert (the_file(data).stat().st_mtime_ns, the_file(data).stat().st_ino) == (state.st_mtime_ns, state.st_ino)
    assert again.key == first.key
    assert capsys.readouterr().err == ""


def test_everything_that_shapes_the_pixels_is_in_the_key(data):
    keys = {cache_of(data).key, cache_of(data, size=(16, 48)).key, cache_of(data, resampler="bilinear").key}
    keys.add(open_cache(data / "cache", samples_of(data, "right.txt"), size=SIZE, quiet=True).key)
    os.utime(image_file(data / "kitti_raw", 3), ns=(0, 10**18))
    keys.add(cache_of(data).key)
    write_image(image_file(data / "kitti_raw", 3), pixels(99, "image_02"))
    changed = cache_of(data)
    keys.add(changed.key)
    assert len(keys) == 6
    row = changed.images[changed.rows[Frame(DRIVE, "image_02", 3)]]
    assert np.array_equal(row, load_image(image_file(data / "kitti_raw", 3), size=SIZE))
    image_file(data / "kitti_raw", 3).unlink()
    write_image(image_file(data / "kitti_raw", 3, suffix=".jpg"), pixels(3, "image_02"))
    assert cache_of(data).key not in keys
    assert cache_of(data).image_format == "mixed"


def test_a_format_or_library_of_its_own(data, monkeypatch):
    before = cache_of(data).key
    monkeypatch.setattr("PIL.__version__", "99.0")
    other = cache_of(data).key
    monkeypatch.setattr(image_cache, "FORMAT", 2)
    assert len({before, other, cache_of(data).key}) == 3


def test_the_content_changes_with_the_pixels_alone(data, monkeypatch):
    first = cache_of(data).content
    os.utime(image_file(data / "kitti_raw", 3), ns=(0, 10**18))  # as after a copy
    monkeypatch.setattr("PIL.__version__", "99.0")
    again = cache_of(data)
    assert again.content == first
    write_hints(data / "hints", NUMBERS)
    contents = {first, cache_of(data, resampler="bilinear").content, cache_of(data, size=(16, 48)).content}
    contents.add(open_cache(data / "cache", samples_of(data, "right.txt"), size=SIZE, quiet=True).content)
    contents.add(cache_of(data, hints=data / "hints").content)
    np.save(hint_path(data / "hints", Frame(DRIVE, "image_02", 3)), np.ones((1, 32, 100), np.float32))
    contents.add(cache_of(data, hints=data / "hints").content)
    write_image(image_file(data / "kitti_raw", 3), pixels(99, "image_02"))
    contents.add(cache_of(data).content)
    assert len(contents) == 7


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-7])


def lengthen(path: Path) -> None:
    path.write_bytes(path.read_bytes() + b"\0")


def alter(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-5] ^= 1
    path.write_bytes(content)


def reshape(path: Path) -> None:
    np.save(path, np.zeros((2, 3), np.uint8))


@pytest.mark.parametrize(
    ("damage", "suffix", "words"),
    [
        (truncate, ".npy", "truncated or damaged"),
        (lengthen, ".npy", "bytes, expected"),
        (alter, ".npy", "1 of its 16 rows were altered, the first is " + DRIVE + "/image_03/0000000008"),
        (reshape, ".npy", "it is uint8 (2, 3) with 16 checksums, expected uint8 (16, 16, 40, 3)"),
        (truncate, ".json", "truncated or damaged"),
        (Path.unlink, ".json", "truncated or damaged"),
    ],
)
def test_a_damaged_cache_is_named_and_made_again(data, capsys, damage, suffix, words):
    expected = np.array(cache_of(data).images)
    damage(the_file(data, suffix))
    capsys.readouterr()
    cache = cache_of(data)
    said = capsys.readouterr().err
    assert said.startswith(f"note: {the_file(data)}: ")
    assert words in said
    assert said.endswith("; it is made again\n")
    assert np.array_equal(cache.images, expected)
    cache_of(data)
    assert capsys.readouterr().err == ""


def test_one_who_reads_while_another_makes_it_again_keeps_the_old_one(data):
    old = cache_of(data)
    before = np.array(old.images)
    the_file(data, ".json").unlink()
    cache_of(data)
    assert np.array_equal(old.images, before)


def test_a_damaged_image_leaves_nothing_behind(data):
    path = image_file(data / "kitti_raw", 4)
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(DatasetError, match=str(path)):
        cache_of(data)
    assert [name for name in names_in(data / "cache") if not name.endswith(".lock")] == []


def test_a_full_disk_is_one_paragraph(data, monkeypatch):
    def full(*args: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "pwrite", full)
    with pytest.raises(TrainingError, match=r"the cache of 16 images, 0\.0 MB, cannot be read or written \(No space left"):
        cache_of(data)
    nearly = shutil.disk_usage(data)._replace(free=1000)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: nearly)
    with pytest.raises(TrainingError, match=r"No space left on device: 0\.0 MB are free"):
        cache_of(data)
    assert list((data / "cache").glob("*.npy")) == []
    (data / "file").write_bytes(b"")
    with pytest.raises(OptionError, match="/file: a file; expected a folder for the cache"):
        open_cache(data / "file", samples_of(data), size=SIZE, quiet=True)


@pytest.mark.parametrize(("options", "words"), [({"resampler": "area"}, "expected one of lanczos"), ({"size": (0, 4)}, "0x4")])
def test_wrong_options(data, options, words):
    with pytest.raises(OptionError, match=words):
        cache_of(data, **options)


OPEN = """
import sys
import time
from pathlib import Path
from baselines import image_cache
from baselines.samples import find_samples
from benchmark.splits import read_list
data = Path(sys.argv[1])
samples = find_samples(read_list(data / "left.txt"), data, context=(), stereo=True)
load = image_cache.load_image

def slowly(path, **options):
    print("decoded", flush=True)
    time.sleep(0.1)
    return load(path, **options)

image_cache.load_image = slowly
print("ready", flush=True)
sys.stdin.readline()
cache = image_cache.open_cache(data / "cache", samples, size=(16, 40), jobs=1)
print(cache.key, int(cache.images.sum()), flush=True)
"""


def test_two_processes_that_want_it_at_once_make_it_once(data):
    two = [
        subprocess.Popen(
            [sys.executable, "-c", OPEN, str(data)], cwd=ROOT, text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )
        for _ in range(2)
    ]  # fmt: skip
    for one in two:
        assert one.stdout is not None
        assert one.stdout.readline() == "ready\n"
    for one in two:
        assert one.stdin is not None
        one.stdin.write("go\n")
        one.stdin.flush()
    said = [one.communicate(timeout=120) for one in two]
    assert [one.returncode for one in two] == [0, 0], said
    decoded = sorted(out.count("decoded") for out, _ in said)
    assert decoded == [0, IMAGES]
    assert len({out.splitlines()[-1] for out, _ in said}) == 1
    assert sum("another process makes or checks it; waiting" in err for _, err in said) == 1
    assert len(list((data / "cache").glob("*.npy"))) == 1


def test_it_works_where_nothing_can_be_locked(data, monkeypatch):
    import fcntl

    def unable(*args: object) -> None:
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(fcntl, "flock", unable)
    assert len(cache_of(data).images) == IMAGES


def write_hints(folder: Path, numbers: tuple[int, ...], camera: str = "image_02") -> None:
    for number in numbers:
        path = hint_path(folder, Frame(DRIVE, camera, number))
        path.parent.mkdir(parents=True, exist_ok=True)
        np.save(path, np.random.default_rng(number).uniform(1, 5, (1, 32, 100)).astype(np.float32))


def test_hints_are_the_nearest_ones(data):
    write_hints(data / "hints", NUMBERS)
    cache = cache_of(data, hints=data / "hints")
    assert cache.hints is not None
    assert (cache.hints.shape, cache.hints.dtype) == ((len(NUMBERS), *SIZE), np.float32)
    for frame, row in cache.hint_rows.items():
        stored = np.load(hint_path(data / "hints", frame))[0]
        assert np.array_equal(cache.hints[row], cv2.resize(stored, (40, 16), interpolation=cv2.INTER_NEAREST))
        # By hand: 32 rows become 16, 100 columns 40; the column of 3 is at 7.5, cut off.
        assert cache.hints[row, 5, 3] == stored[10, 7]


def test_missing_hints_are_counted_and_the_command_is_named(data):
    write_hints(data / "hints", (3,))
    with pytest.raises(TrainingError) as error:
        cache_of(data, hints=data / "hints")
    name = f"{DRIVE[:10]}/{DRIVE}/image_02/0000000000.npy"
    assert f"7 of the 8 targets have no depth hint: {name}, " in str(error.value)
    assert f"depthbench hints --split {data / 'left.txt'} --data {data / 'kitti_raw'} --out {data / 'hints'}`" in str(
        error.value
    )
    assert str(error.value).count(".npy") == 7


def test_a_damaged_hint_is_named(data):
    write_hints(data / "hints", NUMBERS)
    path = hint_path(data / "hints", Frame(DRIVE, "image_02", 3))
    truncate(path)
    with pytest.raises(TrainingError, match=str(path)):
        cache_of(data, hints=data / "hints")


def test_the_checksums_are_named_by_row(data):
    cache_of(data)
    about = json.loads(the_file(data, ".json").read_bytes())
    assert (about["format"], about["what"], about["shape"], about["resampler"]) == (
        image_cache.FORMAT,
        "images",
        [16, 40, 3],
        "lanczos",
    )
    assert len(about["crc32"]) == len(about["files"]) == IMAGES
    assert about["files"][0][:2] == [f"{DRIVE}/image_02/0000000000", ".png"]


@pytest.mark.golden
def test_a_real_image(real_data):
    path = real_data / "kitti_raw/2011_09_26/2011_09_26_drive_0001_sync/image_02/data/0000000005.png"
    got = load_image(path, size=(192, 640))
    assert np.array_equal(got, np.asarray(Image.open(path).resize((640, 192), Image.Resampling.LANCZOS)))
