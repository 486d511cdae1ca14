import io
import zipfile

import numpy as np
import pytest
from kitti_tree import DATE, DRIVE, SHAPE

from benchmark.errors import DatasetError
from benchmark.splits import Frame
from datasets_prep import packnet_maps

FRAME = Frame(DRIVE, "image_02", 9)


@pytest.fixture
def path(tmp_path):
    path = packnet_maps.map_path(tmp_path, FRAME)
    assert path == tmp_path / DATE / DRIVE / "proj_depth" / "velodyne" / "image_02" / "0000000009.npz"
    path.parent.mkdir(parents=True)
    return path


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_map_is_read_as_it_is(tmp_path, path, save):
    depth = np.arange(24 * 32, dtype=np.float32).reshape(SHAPE)
    save(path, velodyne_depth=depth)
    assert np.array_equal(packnet_maps.load_map(tmp_path, FRAME), depth)


def test_other_keys_types_and_ranks(path):
    for arrays, problem in [
        ({"depth": np.zeros(SHAPE, np.float32)}, "holds depth; expected exactly one called velodyne_depth"),
        ({"velodyne_depth": np.zeros(SHAPE, np.uint16)}, r"holds uint16 \(24, 32\)"),
        ({"velodyne_depth": np.zeros((1, *SHAPE), np.float32)}, r"holds float32 \(1, 24, 32\)"),
        ({"velodyne_depth": np.array([{}], object)}, r"holds object \(1,\)"),
        ({"velodyne_depth": np.full(SHAPE, np.nan, np.float32)}, "holds NaN"),
    ]:
        np.savez(path, **arrays)
        with pytest.raises(DatasetError, match=rf"{problem}.*KITTI_raw_velodyne\.tar\.gz"):
            packnet_maps.read_map(path)


def test_damaged_and_missing(path):
    with pytest.raises(DatasetError, match="cannot be read"):
        packnet_maps.read_map(path)
    np.savez_compressed(path, velodyne_depth=np.random.default_rng(0).random(SHAPE, np.float32))
    raw = path.read_bytes()
    for broken in (raw[:100], raw[: len(raw) // 2], raw[:300] + b"\0\0\0\0" + raw[304:], b""):
        path.write_bytes(broken)
        with pytest.raises(DatasetError, match="cannot be read"):
            packnet_maps.read_map(path)


def test_header_that_declares_more_memory_than_there_is(path):
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "<f4", "fortran_order": False, "shape": (10**6, 10**6)})
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("velodyne_depth.npy", header.getvalue())
    with pytest.raises(DatasetError, match=r"128 bytes, but its header declares \(1000000, 1000000\) float32"):
        packnet_maps.read_map(path)
