"""Which images make a sample: recordings with holes and ends, stereo pairs, intrinsics, three data sets."""

import dataclasses
import re
from pathlib import Path

import numpy as np
import pytest
import yaml
from dgp_scene import SHAPE as DDAD_SHAPE
from dgp_scene import write_dataset
from kitti_tree import DRIVE, write_list
from training_tree import NUMBERS, SHAPE, image_file, pixels, write_image, write_raw

from baselines.samples import FIXED_K, find_images, find_samples, find_split
from benchmark.errors import DatasetError, OptionError, TrainingError
from benchmark.splits import Frame, Split, load_split, read_list
from datasets_prep import kitti_raw


def left(number: int) -> Frame:
    return Frame(DRIVE, "image_02", number)


def right(number: int) -> Frame:
    return Frame(DRIVE, "image_03", number)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    write_raw(tmp_path / "kitti_raw")
    write_list(tmp_path / "left.txt", list(NUMBERS))
    (tmp_path / "both.txt").write_text(
        "".join(f"{DRIVE[:10]}/{DRIVE} {n} {side}\n" for n, side in ((2, "r"), (2, "l"), (7, "r")))
    )
    return tmp_path


def test_targets_without_a_neighbour_are_left_out_and_counted(data):
    found = find_samples(read_list(data / "left.txt"), data)
    # 0 and 8 are ends, 4 and 6 stand at the hole.
    assert [frame.number for frame in found.targets] == [1, 2, 3, 7]
    assert found.sources == (0, -1, 1)
    assert found.frames[3] == (left(7), left(6), left(8))
    assert found.notes == (
        "4 of the 8 frames of left lack their neighbour -1 or +1 and are left out, in 1 of 1 recordings; the first is "
        f"{DRIVE}/image_02/0",
    )
    assert set(found.files) == {left(n) for n in NUMBERS}
    assert found.files[left(6)] == image_file(data / "kitti_raw", 6)
    assert len(found) == 4
    assert found.side.tolist() == [0] * 4


def test_other_neighbours_and_their_order(data):
    found = find_samples(read_list(data / "left.txt"), data, context=(2, -1))
    assert found.sources == (0, 2, -1)
    assert found.frames == tuple((left(n), left(n + 2), left(n - 1)) for n in (1, 2, 4))


def test_required_neighbours_are_an_error(data):
    with pytest.raises(DatasetError) as error:
        find_samples(read_list(data / "left.txt"), data, neighbours="required")
    assert re.search(r"4 of the 8 frames of left lack their neighbour -1 or \+1: .*image_02/0, .*image_02/4", str(error.value))
    assert "datasets verify" in str(error.value)
    assert "neighbours: available" in str(error.value)


def test_stereo_pairs_of_both_sides(data):
    found = find_samples(read_list(data / "both.txt"), data, stereo=True)
    assert found.sources == (0, -1, 1, "s")
    assert found.frames[0] == (right(2), right(1), right(3), left(2))
    assert found.frames[1] == (left(2), left(1), left(3), right(2))
    assert found.side.tolist() == [1, -1, 1]
    assert found.notes == ()
    alone = find_samples(read_list(data / "left.txt"), data, context=(), stereo=True)
    assert alone.sources == (0, "s")
    assert len(alone) == len(NUMBERS)
    assert set(alone.side.tolist()) == {-1}


def test_a_missing_target_and_a_missing_partner_are_errors(data):
    write_list(data / "long.txt", list(range(20)))
    with pytest.raises(DatasetError) as error:
        find_samples(read_list(data / "long.txt"), data)
    listed = ", ".join(f"{DRIVE}/image_02/{n}" for n in (5, *range(9, 18)))
    assert f"12 of the 20 frames of long have no image: {listed} and 2 more. " in str(error.value)
    image_file(data / "kitti_raw", 7, "image_03").unlink()
    with pytest.raises(
        DatasetError, match=rf"1 of the 8 frames of left have no image of the other camera: {DRIVE}/image_03/7\."
    ):
        find_samples(read_list(data / "left.txt"), data, stereo=True)


def test_frames_of_the_street_world_are_rendered_rather_than_fetched(tmp_path):
    (tmp_path / "kitti_raw").mkdir()
    with pytest.raises(DatasetError) as error:
        find_samples(load_split("world_small/test"), tmp_path)
    assert f"(`depthbench datasets render --out {tmp_path} --split world_small/test` renders it)" in str(error.value)
    nowhere = tmp_path / "nowhere"
    with pytest.raises(DatasetError, match=rf"not a folder.* datasets render --out {nowhere} --split world_small/test`$"):
        find_samples(load_split("world_small/test"), nowhere)
    with pytest.raises(DatasetError, match=r"datasets download`\.$"):
        find_samples(load_split("kitti_eigen_zhou/val"), nowhere)
    own = write_list(tmp_path / "own.txt", [3], drive="2031_05_01_drive_0001_sync")
    record = {"generator": 1, "seed": 7, "height": 64, "width": 208, "train": {}, "val": {}}
    (tmp_path / "world.yaml").write_text(yaml.safe_dump(record))
    with pytest.raises(DatasetError) as error:
        find_images(read_list(own), tmp_path / "kitti_raw")
    assert f"`depthbench datasets render --out {tmp_path} --split {own} --size 64x208 --seed 7` renders it" in str(error.value)


def test_nothing_left_is_an_error(data):
    write_list(data / "ends.txt", [0, 8])
    with pytest.raises(TrainingError, match=r"2 of the 2 frames of ends lack .* No sample is left"):
        find_samples(read_list(data / "ends.txt"), data)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"context": ()}, "without another view"),
        ({"context": (-1, 0, 1)}, "each once and without 0"),
        ({"context": (1, 1)}, "each once"),
        ({"intrinsics": "own"}, "expected kitti or calibrated"),
    ],
)
def test_options_that_make_no_sample(data, options, words):
    with pytest.raises(OptionError, match=words):
        find_samples(read_list(data / "left.txt"), data, **options)


def test_a_split_that_cannot_be_trained_on(data):
    with pytest.raises(OptionError, match="frames of kitti_depth; expected a split of kitti_raw, kitti_odometry, ddad"):
        find_samples(load_split("kitti_benchmark/test"), data)


def test_intrinsics(data):
    split = read_list(data / "both.txt")
    fixed = find_samples(split, data)
    assert not fixed.calibrated
    assert np.array_equal(fixed.K, np.stack([FIXED_K] * 3))
    assert fixed.pixel_K((192, 640))[0] == pytest.approx(np.array([[371.2, 0, 320], [0, 368.64, 96], [0, 0, 1]]))
    own = find_samples(split, data, intrinsics="calibrated")
    assert own.calibrated
    # f 20, principal point (16, 12) in an image of 24 x 64; twice as high and as wide.
    assert own.pixel_K((48, 128))[1].tolist() == [[40, 0, 32], [0, 40, 24], [0, 0, 1]]
    assert own.pixel_K(SHAPE).dtype == np.float32


def test_the_format_of_the_images(data):
    raw = data / "kitti_raw"
    split = read_list(data / "left.txt")
    assert find_samples(split, data).image_format == "png"
    write_image(image_file(raw, 2, suffix=".jpg"), pixels(2, "image_02"))
    assert find_samples(split, data).image_format == "png"  # the PNG beside it is read
    image_file(raw, 2).unlink()
    assert find_samples(split, data).image_format == "mixed"
    assert find_images(split, data)[2] == image_file(raw, 2, suffix=".jpg")
    for number in NUMBERS:
        write_image(image_file(raw, number, suffix=".jpg"), pixels(number, "image_02"))
        image_file(raw, number).unlink(missing_ok=True)
    assert find_samples(split, data).image_format == "jpg"


def test_names_that_are_no_frames_are_passed_over(data):
    folder = image_file(data / "kitti_raw", 0).parent
    for name in ("9.png", "000000000009.png", "00000000x9.png", "0000000009.txt", ".0000000009.png"):
        (folder / name).write_bytes(b"")
    found = find_samples(read_list(data / "left.txt"), data)
    assert left(9) not in found.files
    assert [frame.number for frame in found.targets] == [1, 2, 3, 7]


def test_images_of_a_split_in_its_order(data):
    split = read_list(data / "both.txt")
    assert find_images(split, data) == [kitti_raw.image_path(data / "kitti_raw", frame) for frame in split.frames]
    image_file(data / "kitti_raw", 7, "image_03").unlink()
    with pytest.raises(DatasetError, match=r"1 of the 3 frames of both have no image"):
        find_images(split, data)


def test_odometry(tmp_path):
    sequence = tmp_path / "kitti_odometry" / "sequences" / "03"
    for number in (0, 1, 2, 3):
        for camera in ("image_2", "image_3"):
            write_image(sequence / camera / f"{number:06d}.png", pixels(number, camera, (10, 40)))
    (sequence / "calib.txt").write_text("".join(f"P{i}: 30 0 18 {-15 * (i % 2)} 0 30 4 0 0 0 1 0\n" for i in range(4)))
    frames = (Frame("03", "image_3", 1), Frame("03", "image_2", 2), Frame("03", "image_2", 3))
    split = Split("own/train", "kitti_odometry", "train", True, frames, "0" * 64, "made up")
    found = find_samples(split, tmp_path, stereo=True, intrinsics="calibrated")
    assert found.targets == frames[:2]
    assert found.frames[0][-1] == Frame("03", "image_2", 1)
    assert found.side.tolist() == [1, -1]
    assert found.files[Frame("03", "image_3", 0)] == sequence / "image_3" / "000000.png"
    assert found.pixel_K((20, 40))[0].tolist() == [[30, 0, 18], [0, 60, 8], [0, 0, 1]]
    (sequence / "image_3" / "000000.png").write_bytes(b"no image")
    with pytest.raises(DatasetError, match=r"000000\.png: the image cannot be read"):
        find_samples(split, tmp_path, stereo=True, intrinsics="calibrated")


def test_ddad(tmp_path):
    root = write_dataset(tmp_path / "ddad")
    split = find_split("ddad/val@CAMERA_05", tmp_path)
    found = find_samples(split, tmp_path, intrinsics="calibrated")
    assert len(split.frames) == 3
    assert found.targets == split.frames[1:2]
    assert found.frames[0] == (split.frames[1], split.frames[0], split.frames[2])
    assert all(path.is_file() and path.is_relative_to(root) for path in found.files.values())
    fx, fy, cx, cy = np.float32([30.123456789, 30.2, 19.7, 11.9])
    double = found.pixel_K((2 * DDAD_SHAPE[0], 3 * DDAD_SHAPE[1]))[0]
    assert np.allclose(double, [[3 * fx, 0, 3 * cx], [0, 2 * fy, 2 * cy], [0, 0, 1]], rtol=1e-6)
    assert any("2 of the 3 frames" in note for note in found.notes)
    with pytest.raises(OptionError, match="ddad has no stereo pairs"):
        find_samples(split, tmp_path, stereo=True, intrinsics="calibrated")
    with pytest.raises(OptionError, match="its cameras are not KITTI's"):
        find_samples(split, tmp_path)
    found.files[split.frames[1]].unlink()
    with pytest.raises(DatasetError, match=rf"1 of the 3 frames .* have no image: .*/CAMERA_05/{split.frames[1].number}\. "):
        find_samples(split, tmp_path, intrinsics="calibrated")


@pytest.mark.golden
def test_real_recordings(real_data):
    """The first frames of drive 0001 are consecutive; the calibration is that of the day."""
    frames = tuple(Frame("2011_09_26_drive_0001_sync", "image_02", n) for n in (0, 1, 2, 3, 4, 5, 25))
    split = Split("own/train", "kitti_raw", "train", True, frames, "0" * 64, "made up")
    found = find_samples(split, real_data, intrinsics="calibrated")
    assert [frame.number for frame in found.targets] == [1, 2, 3, 4]
    K = found.pixel_K((375, 1242))[0]
    assert np.allclose(K, [[721.5377, 0, 609.5593], [0, 721.5377, 172.854], [0, 0, 1]], rtol=1e-6)
    stereo = find_samples(dataclasses.replace(split, frames=frames[:1]), real_data, context=(), stereo=True)
    assert stereo.frames == ((frames[0], frames[0]._replace(camera="image_03")),)
