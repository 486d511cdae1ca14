import hashlib
import json

import cv2
import numpy as np
import pytest
from kitti_tree import DATE, DRIVE, SHAPE, write_annotated, write_calibration

from benchmark.errors import DatasetError
from benchmark.io.ground_truth import PNG_SCALE
from benchmark.splits import Frame
from datasets_prep import kitti_depth

FRAME = Frame(DRIVE, "image_02", 5)
TAIL = f"{DRIVE}/proj_depth/groundtruth/image_02/0000000005.png"


@pytest.mark.golden
def test_real_maps_are_exact(real_data):
    golden = json.loads((real_data / "golden.json").read_text())["kitti_annotated_depth"]["results"]
    assert len(golden) == 12
    for name, expected in golden.items():
        drive, camera, number = name.split("/")[1], name.split("/")[4], name.split("/")[5].removesuffix(".png")
        frame = Frame(drive, camera, int(number))
        assert kitti_depth.annotated_path(real_data / "kitti_depth", frame) == real_data / "kitti_depth" / name
        depth = kitti_depth.load_annotated(real_data / "kitti_depth", frame)
        metres = depth.astype(np.float32) * np.float32(PNG_SCALE)
        assert np.count_nonzero(depth) == expected["n_valid"]
        assert hashlib.sha256(depth.astype("<u2")).hexdigest() == expected["sha256_uint16_LE"], name
        assert hashlib.sha256(metres).hexdigest() == expected["sha256_float32_depth"], name


@pytest.mark.parametrize("head", ["train", "val", ".", DATE, f"depth_benchmark/{DATE}"])
def test_every_layout_is_found(tmp_path, head):
    path = tmp_path / head / TAIL
    depth = write_annotated(path, 0)
    assert kitti_depth.annotated_path(tmp_path, FRAME) == path
    assert np.array_equal(kitti_depth.load_annotated(tmp_path, FRAME), depth)


def test_a_missing_map_is_named_in_the_layout_of_its_root(tmp_path):
    assert kitti_depth.annotated_path(tmp_path, FRAME) == tmp_path / DATE / TAIL
    (tmp_path / "val").mkdir()
    assert kitti_depth.annotated_path(tmp_path, FRAME) == tmp_path / "train" / TAIL


def test_size_of_a_known_day(tmp_path):
    frame = Frame("2011_09_26_drive_0001_sync", "image_02", 0)
    write_annotated(kitti_depth.annotated_path(tmp_path, frame), 0, shape=(352, 1216))
    with pytest.raises(DatasetError, match=r"352x1216 .* expected 375x1242, the size of 2011_09_26"):
        kitti_depth.load_annotated(tmp_path, frame)


def test_bad_maps_are_refused_with_what_to_do(tmp_path):
    path = tmp_path / "a.png"
    write_annotated(path, 0)
    raw = path.read_bytes()
    flipped = bytearray(raw)
    flipped[len(raw) // 2] ^= 1
    grey = cv2.imencode(".png", np.zeros(SHAPE, np.uint8))[1].tobytes()
    for content, problem in [
        (bytes(flipped), "b'IDAT' chunk does not fit"),
        (raw[:-9], "cut short"),
        (grey, "8 bits and colour type 0; expected a 16-bit image"),
        (None, "No such file"),
    ]:
        path.unlink() if content is None else path.write_bytes(content)
        with pytest.raises(DatasetError, match=rf"a\.png.*{problem}.*fetch its archive again") as caught:
            kitti_depth.read_annotated(path)
        assert "\n" not in str(caught.value)


def test_intrinsics_come_from_kitti_raw_beside_the_maps(tmp_path):
    root = tmp_path / "kitti_depth"
    assert np.isnan(kitti_depth.find_K(root, FRAME)).all()
    write_calibration(tmp_path / "kitti_raw")
    assert kitti_depth.find_K(root, FRAME).tolist() == [[20, 0, 16], [0, 20, 12], [0, 0, 1]]
    assert kitti_depth.find_K(root / "train", FRAME)[0, 0] == 20


def write_selection(root, numbers, shape=kitti_depth.SELECTION_SIZE):
    base = root / "depth_selection" / "val_selection_cropped"
    (base / "intrinsics").mkdir(parents=True)
    maps = {}
    for number in numbers:
        maps[number] = write_annotated(
            base / "groundtruth_depth" / f"{DRIVE}_groundtruth_depth_{number:010d}_image_03.png", number, shape
        )
        (base / "intrinsics" / f"{DRIVE}_image_{number:010d}_image_03.txt").write_text("7 0 6 0 7 1.5 0 0 1\n")
    return maps


def test_selection_of_the_devkit(tmp_path):
    maps = write_selection(tmp_path, [15, 8])
    found = kitti_depth.selection(tmp_path)
    assert [one.frame for one in found] == [Frame(DRIVE, "image_03", 8), Frame(DRIVE, "image_03", 15)]
    assert found[0].image.name == f"{DRIVE}_image_0000000008_image_03.png"
    assert np.array_equal(kitti_depth.load_selected(found[1]), maps[15])
    assert kitti_depth.read_selection_K(found[0].intrinsics).tolist() == [[7, 0, 6], [0, 7, 1.5], [0, 0, 1]]


def test_selection_with_other_files(tmp_path):
    with pytest.raises(DatasetError, match="no folder groundtruth_depth"):
        kitti_depth.selection(tmp_path)
    write_selection(tmp_path, [15], shape=SHAPE)
    with pytest.raises(DatasetError, match="24x32 pixels, expected 352x1216"):
        kitti_depth.load_selected(kitti_depth.selection(tmp_path)[0])
    folder = tmp_path / "depth_selection" / "val_selection_cropped"
    (folder / "groundtruth_depth" / "0000000000.png").touch()
    with pytest.raises(DatasetError, match=r"0000000000\.png: not a name of the selection"):
        kitti_depth.selection(tmp_path)
    path = next((folder / "intrinsics").iterdir())
    path.write_text("1 2 x")
    with pytest.raises(DatasetError, match="no number"):
        kitti_depth.read_selection_K(path)
