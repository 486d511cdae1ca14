import hashlib
import json
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from kitti_tree import restated_map

from datasets_prep.kitti_raw import load_calibration, read_velodyne
from datasets_prep.lidar import SparseMap, project_scan

# Pixel = (rint(y) - 1, rint(z) - 1), forward x = depth: lets a test put a point where it wants.
M_DIRECT = np.array([[0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1.0]])


def dense(found: SparseMap, shape: tuple[int, int]) -> np.ndarray:
    out = np.zeros(shape, np.float32)
    out[np.repeat(np.arange(shape[0]), found.row_count), found.indices] = found.data
    return out


def put(*points: tuple[int, int, float]) -> np.ndarray:
    """A scan of (row, column, depth) points for M_DIRECT."""
    return np.array([(depth, column + 1, row + 1, 0) for row, column, depth in points], np.float32).reshape(-1, 4)


@pytest.mark.golden
def test_the_sixteen_maps_of_the_reference(real_data):
    golden = json.loads((real_data / "golden.json").read_text())["kitti_raw_velodyne_depth"]["results"]
    root = real_data / "kitti_raw"
    calibration = load_calibration(root, "2011_09_26")
    assert len(golden) == 16
    for name, expected in golden.items():
        drive, number, camera, velodyne = name.split("/")
        scan = read_velodyne(root / "2011_09_26" / drive / "velodyne_points" / "data" / f"{number}.bin")
        M = calibration.M_image_lidar(f"image_0{camera[-1]}")
        kind = {"vel_depth=True": "lidar_forward_x", "vel_depth=False": "camera_z"}[velodyne]
        depth = dense(project_scan(scan, M, shape=calibration.shape, depth=kind), calibration.shape)
        assert np.count_nonzero(depth) == expected["n_valid"], name
        assert hashlib.sha256((depth > 0).astype(np.uint8)).hexdigest() == expected["sha256_valid_mask_uint8"], name
        assert hashlib.sha256(depth).hexdigest() == expected["sha256_float32_C_order_bytes"], name


@pytest.mark.golden
def test_without_the_collision_one_pixel_of_a_real_map_differs(real_data):
    root = real_data / "kitti_raw"
    calibration = load_calibration(root, "2011_09_26")
    folder = root / "2011_09_26" / "2011_09_26_drive_0001_sync" / "velodyne_points" / "data"
    changed = {}
    for number in (0, 5, 25, 45):
        scan = read_velodyne(folder / f"{number:010d}.bin")
        M = calibration.M_image_lidar("image_02")
        one, other = (
            dense(project_scan(scan, M, shape=calibration.shape, collision=c), calibration.shape) for c in ("reference", "none")
        )
        changed[number] = np.count_nonzero(one != other)
    assert changed == {0: 0, 5: 0, 25: 0, 45: 1}


def test_nearest_of_several_points_wins():
    scan = put((1, 3, 9.0), (1, 3, 4.0), (1, 3, 6.0), (2, 2, 5.0))
    expected = np.zeros((4, 6), np.float32)
    expected[1, 3], expected[2, 2] = 4.0, 5.0
    found = project_scan(scan, M_DIRECT, shape=(4, 6))
    assert np.array_equal(dense(found, (4, 6)), expected)
    assert found.row_count.tolist() == [0, 1, 1, 0]


def test_pixel_is_rint_minus_one_with_half_to_even():
    points = np.array([(7, y, 1, 0) for y in (0.5, 1.5, 2.5, 3.5, 6.5, 6.51)], np.float32)
    found = project_scan(points, M_DIRECT, shape=(1, 6))
    # 0.5 -> 0 - 1 is outside; 1.5 and 2.5 -> 2 - 1; 3.5 -> 4 - 1; 6.5 -> 6 - 1; 6.51 -> 7 - 1 is outside.
    assert found.indices.tolist() == [1, 3, 5]


def test_behind_zero_and_negative_depth_are_empty():
    M = np.array([[0, 1, 0, 0], [0, 0, 1, 0], [1, 0, 0, -5.0]])  # w = x - 5, so near points have negative camera z
    near = np.array([(4, -2, -1, 0), (-1, 2, 1, 0), (5, 2, 1, 0), (8, 9, 6, 0)], np.float32)
    assert project_scan(near, M, shape=(4, 6), depth="camera_z").data.tolist() == [3.0]
    assert project_scan(near, M, shape=(4, 6)).data.tolist() == [4.0, 8.0]
    assert project_scan(put((1, 1, 0.0)), M_DIRECT, shape=(4, 6)).data.size == 0


@pytest.mark.parametrize(
    ("points", "reference", "clean"),
    [
        ([("A", 50.0), ("B", 5.0)], (5.0, 5.0), (50.0, 5.0)),
        ([("B", 5.0), ("A", 50.0)], (50.0, 5.0), (50.0, 5.0)),
        ([("A", 50.0), ("B", 5.0), ("B", 8.0)], (5.0, 8.0), (50.0, 5.0)),
        ([("A", 50.0)], (50.0, 0.0), (50.0, 0.0)),
    ],
)
def test_last_pixel_of_a_row_and_first_of_the_next_collide(points, reference, clean):
    shape = (20, 30)
    place = {"A": (10, 29), "B": (11, 0)}
    scan = put(*((*place[name], depth) for name, depth in points))
    for collision, (a, b) in (("reference", reference), ("none", clean)):
        depth = dense(project_scan(scan, M_DIRECT, shape=shape, collision=collision), shape)
        assert (depth[10, 29], depth[11, 0]) == (a, b)


@settings(deadline=None, max_examples=150)
@given(
    st.lists(st.tuples(*[st.integers(-1, 5)] * 2, st.integers(-2, 9)), max_size=60),
    st.sampled_from([(1, 2), (3, 2), (4, 4), (5, 3)]),
    st.booleans(),
    st.booleans(),
)
def test_equals_the_restatement(points, shape, use_x, collide):
    scan = put(*((row, column, depth) for row, column, depth in points))
    M = M_DIRECT if use_x else np.array([[0.5, 1, 0, 0], [0, 0, 1, 0.25], [0.25, 0, 0, 0.5]])
    options = {"depth": "lidar_forward_x" if use_x else "camera_z", "collision": "reference" if collide else "none"}
    found = dense(project_scan(scan, M, shape=shape, **options), shape)
    assert np.array_equal(found, restated_map(scan, M, shape, use_x=use_x, collide=collide))


def test_threads_and_sizes_do_not_mix():
    rng = np.random.default_rng(0)
    jobs = [(rng.uniform(0, 40, (500, 4)).astype(np.float32), (h, w)) for h, w in [(30, 40), (20, 25)] * 20]
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda job: dense(project_scan(job[0], M_DIRECT, shape=job[1]), job[1]), jobs))
    for (scan, shape), depth in zip(jobs, found, strict=True):
        assert np.array_equal(depth, restated_map(scan, M_DIRECT, shape, use_x=True, collide=True))


@pytest.mark.parametrize("shape", [(0, 4), (4, 1), (4, 70000)])
def test_refuses_sizes_that_the_sparse_form_cannot_hold(shape):
    with pytest.raises(ValueError, match="pixels"):
        project_scan(put((0, 0, 1.0)), M_DIRECT, shape=shape)


def test_inputs_stay_as_they_are():
    scan = put((1, 3, 9.0), (1, 3, 4.0))
    before = scan.copy()
    project_scan(scan, M_DIRECT, shape=(4, 6))
    assert np.array_equal(scan, before)
