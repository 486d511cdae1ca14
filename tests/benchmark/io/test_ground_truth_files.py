"""Ground truth of any accepted form, held to the frames and sizes of its split."""

import io
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import small_world as world
from numpy.typing import NDArray

from benchmark.errors import GroundTruthError
from benchmark.io.ground_truth import GroundTruth
from benchmark.io.ground_truth_files import DATE_SIZES, read_ground_truth

SPLIT = world.tiny_split()


def kitti_maps() -> list[NDArray[np.float32]]:
    """One map of the true size of each of the five recording days."""
    sizes = [DATE_SIZES[name[:10]] for name in SPLIT.frame_ids]
    return [world.depth_maps(1, height=h, width=w, seed=i, share=0.001)[0] for i, (h, w) in enumerate(sizes)]


def read(path: Path) -> GroundTruth:
    return read_ground_truth(path, SPLIT, dataset="kitti_raw", depth_kind="lidar_forward_x")


def refusal(path: Path) -> str:
    with pytest.raises(GroundTruthError) as caught:
        read(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def save_npz(path: Path, maps: list[NDArray[Any]]) -> None:
    content = np.empty(len(maps), object)
    content[:] = maps
    np.savez(path, data=content)


def by_id(frame_id: str, _: int) -> str:
    return frame_id.replace("/", "__")


def by_path(frame_id: str, _: int) -> str:
    return frame_id


def by_position(_: str, i: int) -> str:
    return f"{i:010d}"


def official(frame_id: str, _: int) -> str:
    drive, camera, number = frame_id.split("/")
    return f"{drive[:10]}/{drive}/proj_depth/groundtruth/{camera}/{number}"


def packnet(frame_id: str, _: int) -> str:
    drive, camera, number = frame_id.split("/")
    return f"{drive[:10]}/{drive}/proj_depth/velodyne/{camera}/{number}"


def save_folder(folder: Path, maps: list[NDArray[Any]], name: Callable[[str, int], str], suffix: str = ".npy") -> None:
    for i, (frame_id, depth) in enumerate(zip(SPLIT.frame_ids, maps, strict=False)):
        path = folder / f"{name(frame_id, i)}{suffix}"
        path.parent.mkdir(parents=True, exist_ok=True)
        if suffix == ".npz":
            np.savez(path, velodyne_depth=depth)
        elif suffix == ".png":
            path.write_bytes(cv2.imencode(".png", (depth * 256).astype(np.uint16))[1].tobytes())
        else:
            np.save(path, depth)


def test_the_field_file_takes_the_order_of_the_split(tmp_path: Path) -> None:
    maps = kitti_maps()
    save_npz(tmp_path / "gt_depths.npz", maps)
    truth = read(tmp_path / "gt_depths.npz")
    assert truth.order_assumed
    assert truth.source == str(tmp_path / "gt_depths.npz")
    assert truth.header.frame_id == SPLIT.frame_ids
    assert (truth.header.split, truth.header.split_sha256) == (SPLIT.name, SPLIT.sha256)
    assert (truth.header.dataset, truth.header.depth_kind) == ("kitti_raw", "lidar_forward_x")
    for i, depth in enumerate(maps):
        np.testing.assert_array_equal(truth.dense(i), depth)


def test_the_field_file_in_another_order_is_found_by_its_sizes(tmp_path: Path) -> None:
    maps = kitti_maps()
    save_npz(tmp_path / "gt_depths.npz", [maps[1], maps[0], *maps[2:]])
    assert refusal(tmp_path / "gt_depths.npz") == (
        f"{tmp_path / 'gt_depths.npz'}: the map of {SPLIT.frame_ids[0]} is 370x1224; images of 2011_09_26 are 375x1242. The "
        "file follows another order or another split: take the one made for this split, or export it with "
        "`depthbench export_gt`"
    )


def save_own(path: Path, maps: list[NDArray[Any]], ids: list[str], **about: Any) -> None:
    content = np.empty(len(maps), object)
    content[:] = maps
    texts = {"depth_kind": b"lidar_forward_x", "dataset": b"kitti_raw", **about}
    np.savez_compressed(path, data=content, frame_id=np.array(ids, "S"), **{k: v for k, v in texts.items() if v is not None})


def test_our_field_file_names_its_frames_and_kind(tmp_path: Path) -> None:
    maps, ids = kitti_maps(), list(SPLIT.frame_ids)
    extra = f"{ids[0][:-10]}{4321:010d}"
    path = tmp_path / "gt_depths.npz"
    save_own(path, [maps[1], maps[0], maps[0], *maps[2:]], [ids[1], extra, ids[0], *ids[2:]], depth_kind=b"camera_z")
    truth = read(path)
    assert not truth.order_assumed
    assert (truth.header.depth_kind, truth.header.dataset) == ("camera_z", "kitti_raw")
    assert truth.header.frame_id == (ids[1], extra, ids[0], *ids[2:])
    np.testing.assert_array_equal(truth.dense(2), maps[0])
    save_own(path, maps[:4], ids)
    assert "holds 4 maps; it names 5 frames" in refusal(path)
    save_own(path, maps, [ids[1], ids[0], *ids[2:]])
    assert f"the map of {ids[1]} is 375x1242" in refusal(path)


@pytest.mark.parametrize(
    ("about", "problem"),
    [
        ({"dataset": None}, "holds frame_id, depth_kind without the rest of frame_id, depth_kind, dataset"),
        ({"dataset": np.array("kitti_raw")}, "dataset is <U9 (); expected one text of fixed length"),
        ({"depth_kind": np.array([b"x", b"y"])}, "depth_kind is |S1 (2,); expected one text"),
        ({"depth_kind": b"metres"}, "expected a known depth kind"),
    ],
)
def test_our_field_file_damaged(tmp_path: Path, about: dict[str, Any], problem: str) -> None:
    save_own(tmp_path / "gt_depths.npz", kitti_maps(), list(SPLIT.frame_ids), **about)
    assert problem in refusal(tmp_path / "gt_depths.npz")


@pytest.mark.parametrize("dtype", ["<f4", "|O"])
def test_maps_of_one_size_are_judged_by_the_header(tmp_path: Path, dtype: str) -> None:
    stream = io.BytesIO()
    header = {"descr": dtype, "fortran_order": False, "shape": (len(SPLIT.frame_ids), 1000, 2000)}
    np.lib.format.write_array_header_1_0(stream, header)
    with zipfile.ZipFile(tmp_path / "gt.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("data.npy", stream.getvalue() + bytes(5 * 1000 * 2000 * 4))
    tracemalloc.start()
    assert "is 1000x2000; images of" in refusal(tmp_path / "gt.npz")
    assert tracemalloc.get_traced_memory()[1] < 4e6
    tracemalloc.stop()


def test_the_field_file_of_another_split(tmp_path: Path) -> None:
    save_npz(tmp_path / "gt_depths.npz", kitti_maps()[:4])
    assert "holds 4 maps; the split has 5 frames" in refusal(tmp_path / "gt_depths.npz")


@pytest.mark.parametrize(
    ("name", "suffix"),
    [(by_id, ".npy"), (by_path, ".npy"), (by_position, ".npy"), (packnet, ".npz"), (official, ".npy"), (by_id, ".npz")],
)
def test_a_folder_of_maps(tmp_path: Path, name: Callable[[str, int], str], suffix: str) -> None:
    maps = kitti_maps()
    save_folder(tmp_path / "my maps", maps, name, suffix)
    truth = read(tmp_path / "my maps")
    assert truth.order_assumed == (name is by_position)
    assert truth.header.data_scale is None
    for i, depth in enumerate(maps):
        np.testing.assert_array_equal(truth.dense(i), depth)


def test_a_folder_of_png_stays_raw(tmp_path: Path) -> None:
    maps = kitti_maps()
    save_folder(tmp_path, maps, official, ".png")
    truth = read(tmp_path)
    assert truth.data.dtype == np.uint16
    assert truth.header.data_scale == 1 / 256
    for i, depth in enumerate(maps):
        np.testing.assert_array_equal(truth.dense(i), (depth * 256).astype(np.uint16).astype(np.float32) / 256)


def test_maps_that_are_missing_are_counted(tmp_path: Path) -> None:
    save_folder(tmp_path, kitti_maps()[:3], by_id)
    assert f"2 of the 5 frames of custom/test have no map, the first is {SPLIT.frame_ids[3]}" in refusal(tmp_path)


def test_positions_need_the_length_of_the_split(tmp_path: Path) -> None:
    save_folder(tmp_path, kitti_maps(), by_position)
    np.save(tmp_path / "0000000005.npy", kitti_maps()[0])
    assert "holds 6 maps called by their position; custom/test has 5 frames, in that order" in refusal(tmp_path)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_map_that_is_not_finite_names_its_file(tmp_path: Path, bad: float) -> None:
    maps = kitti_maps()
    maps[2][5, 5] = bad
    save_folder(tmp_path, maps, by_id)
    message = refusal(tmp_path)
    assert message.startswith(
        f"{tmp_path / by_id(SPLIT.frame_ids[2], 2)}.npy: the map of {SPLIT.frame_ids[2]} holds NaN or inf"
    )


def test_a_map_of_another_size_names_its_file(tmp_path: Path) -> None:
    maps = kitti_maps()
    maps[4] = maps[0]
    save_folder(tmp_path, maps, by_id)
    assert f"the map of {SPLIT.frame_ids[4]} is 375x1242; images of 2011_10_03 are 376x1241" in refusal(tmp_path)


def test_an_empty_folder_says_what_files_could_be_called(tmp_path: Path) -> None:
    message = refusal(tmp_path)
    assert "holds no file of this split" in message
    assert by_id(SPLIT.frame_ids[0], 0) in message
    assert packnet(SPLIT.frame_ids[0], 0) in message


def test_our_own_file_may_have_any_size(tmp_path: Path) -> None:
    world.write_tiny_hdf5(tmp_path / "gt.h5")
    truth = read(tmp_path / "gt.h5")
    assert len(truth) == 3
    assert not truth.order_assumed


def test_other_paths_are_refused(tmp_path: Path) -> None:
    assert "no such file or folder; make it with `depthbench export_gt --split custom/test`" in refusal(tmp_path / "gt.h5")
    (tmp_path / "gt.txt").write_text("1")
    assert "unknown kind of file; ground truth is .h5, gt_depths.npz, or a folder of maps" in refusal(tmp_path / "gt.txt")
