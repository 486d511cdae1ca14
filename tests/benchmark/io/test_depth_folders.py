"""Folders of per-frame files: found by name, never by the order of a listing."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import small_world as world
from numpy.typing import NDArray

from benchmark.errors import PredictionError
from benchmark.io.depth_folders import read_map
from benchmark.io.predictions import Predictions, read_predictions

IDS = world.ids_of(world.FIVE_DAYS)
MAPS = [world.predictions(1, seed=i)[0] for i in range(5)]
Naming = Callable[[str, int], str]

NAMINGS: dict[str, Naming] = {
    "id": lambda frame_id, _: frame_id.replace("/", "__"),
    "path": lambda frame_id, _: frame_id,
    "packnet": lambda frame_id, _: frame_id.replace("/", "__") + "_depth",
    "ten digits": lambda _, i: f"{i:010d}",
    "six digits": lambda _, i: f"{i:06d}",
    "six digits packnet": lambda _, i: f"{i:06d}_depth",
}


def save(folder: Path, naming: str, suffix: str, maps: list[NDArray[Any]] = MAPS, ids: tuple[str, ...] = IDS) -> Path:
    for i, (frame_id, values) in enumerate(zip(ids, maps, strict=False)):
        path = folder / f"{NAMINGS[naming](frame_id, i)}{suffix}"
        path.parent.mkdir(parents=True, exist_ok=True)
        if suffix == ".npz":
            np.savez(path, depth=values, intrinsics=np.eye(3))
        elif suffix == ".png":
            path.write_bytes(cv2.imencode(".png", np.round(values * 256 * 100).astype(np.uint16))[1].tobytes())
        else:
            np.save(path, values)
    return folder


def read(folder: Path) -> Predictions:
    return read_predictions(folder, IDS)


def refusal(folder: Path) -> str:
    with pytest.raises(PredictionError) as caught:
        read(folder)
    assert str(caught.value).startswith(f"{folder}")
    return str(caught.value)


@pytest.mark.parametrize("naming", NAMINGS)
@pytest.mark.parametrize("suffix", [".npy", ".npz"])
def test_every_naming_and_type(tmp_path: Path, naming: str, suffix: str) -> None:
    found = read(save(tmp_path / "my preds", naming, suffix))
    assert found.frame_id == (None if "digits" in naming else IDS)
    assert (len(found), found.shape, found.surplus) == (5, None, 0)
    for i, values in enumerate(MAPS):
        np.testing.assert_array_equal(found.load(i), values)


@pytest.mark.parametrize("tree", ["rgb/CAMERA_01", "depth/lidar/CAMERA_01"])
@pytest.mark.parametrize("suffix", [".npy", ".npz"])
def test_the_layout_of_dgp(tmp_path: Path, tree: str, suffix: str) -> None:
    ids = tuple(f"000150/CAMERA_01/1561645824993653{i}" for i in range(3))
    (tmp_path / "000150" / tree).mkdir(parents=True)
    for i, name in enumerate(ids[:2]):
        path = tmp_path / "000150" / tree / f"{name.rpartition('/')[2]}{suffix}"
        np.save(path, MAPS[i]) if suffix == ".npy" else np.savez(path, depth=MAPS[i])
    found = read_predictions(tmp_path, ids)
    assert (found.frame_id, found.surplus) == (ids[:2], 0)
    np.testing.assert_array_equal(found.load(1), MAPS[1])
    with pytest.raises(PredictionError) as caught:
        read_predictions(tmp_path, ("000151/CAMERA_01/7",))
    assert "DGP's images: 000151/rgb/CAMERA_01/7; DGP's depth maps: 000151/depth/lidar/CAMERA_01/7;" in str(caught.value)
    assert "KITTI" not in str(caught.value)


def test_a_png_holds_metres_times_256(tmp_path: Path) -> None:
    found = read(save(tmp_path, "id", ".png"))
    for i, values in enumerate(MAPS):
        expected = np.round(values * 25600).astype(np.uint16).astype(np.float32) / 256
        assert found.load(i).dtype == np.float32
        np.testing.assert_array_equal(found.load(i), expected)


def test_the_order_of_the_listing_does_not_matter(tmp_path: Path) -> None:
    """Frames are written last first, and their names do not sort in the order of the split."""
    ids = (IDS[3], IDS[0], IDS[4])
    save(tmp_path, "id", ".npy", [MAPS[3], MAPS[0], MAPS[4]], ids)
    found = read(tmp_path)
    assert found.frame_id == (IDS[0], IDS[3], IDS[4])
    for at, i in enumerate((0, 3, 4)):
        np.testing.assert_array_equal(found.load(at), MAPS[i])


def test_files_of_other_frames_are_counted(tmp_path: Path) -> None:
    save(tmp_path, "id", ".npy")
    np.save(tmp_path / "2011_09_26_drive_0002_sync__image_02__0000000070.npy", MAPS[0])
    (tmp_path / "notes.txt").write_text("")
    found = read(tmp_path)
    assert (len(found), found.surplus) == (5, 1)
    save(tmp_path / "tree", "path", ".npy")
    np.save(tmp_path / "tree" / "2011_09_26_drive_0002_sync" / "image_02" / "0000000070.npy", MAPS[0])
    assert read(tmp_path / "tree").surplus == 1


def test_packnets_colours_beside_its_depths_are_ignored(tmp_path: Path) -> None:
    save(tmp_path, "packnet", ".npz")
    for name in IDS:
        cv2.imwrite(str(tmp_path / f"{name.replace('/', '__')}_rgb.png"), np.zeros((6, 20, 3), np.uint8))
    assert (len(read(tmp_path)), read(tmp_path).surplus) == (5, 0)


@pytest.mark.parametrize(
    ("first", "second", "said"),
    [
        (("id", ".npy"), ("id", ".npz"), "frame id with / as __.npy (5 files), frame id with / as __.npz (5 files)"),
        (("id", ".npy"), ("ten digits", ".npy"), "frame id with / as __.npy (5 files), 10-digit position.npy (5 files)"),
        (("six digits", ".npy"), ("ten digits", ".npy"), "10-digit position.npy (5 files), 6-digit position.npy (5 files)"),
        (("packnet", ".npz"), ("packnet", ".png"), "PackNet-SfM *_depth.npz (5 files), PackNet-SfM *_depth.png (5 files)"),
    ],
)
def test_two_listings_are_never_mixed(tmp_path: Path, first: tuple[str, str], second: tuple[str, str], said: str) -> None:
    save(tmp_path, *first)
    save(tmp_path, *second)
    assert refusal(tmp_path) == f"{tmp_path}: files of several kinds fit this split: {said}. Leave one kind in the folder"


def test_positions_without_a_hole_have_the_length_of_their_files(tmp_path: Path) -> None:
    """The caller holds that length to the split's, as for a bare array: a position alone does not name a frame."""
    save(tmp_path, "ten digits", ".npy", MAPS[:3])
    assert len(read(tmp_path)) == 3
    np.save(tmp_path / "0000000004.npy", MAPS[4])
    assert refusal(tmp_path) == (
        f"{tmp_path}: 4 files are called by their position in the list, and 0000000003.npy is not among them; expected every "
        "position from 0 on: add it, or name the files by frame id with / as __"
    )


def test_positions_that_count_from_one(tmp_path: Path) -> None:
    for i, values in enumerate(MAPS):
        np.save(tmp_path / f"{i + 1:06d}.npy", values)
    assert "000000.npy is not among them; expected every position from 0 on" in refusal(tmp_path)


def test_a_folder_of_other_files_says_what_they_could_be_called(tmp_path: Path) -> None:
    (tmp_path / "frame1.npy").write_bytes(b"")
    message = refusal(tmp_path)
    assert "holds no file of this split. The first frame could be called (.npy/.npz/.png): frame id with / as __: " in message
    assert "2011_09_26_drive_0002_sync__image_02__0000000069;" in message
    assert "10-digit position: 0000000000;" in message


@pytest.mark.parametrize(
    ("values", "said"),
    [
        (np.ones((6, 20), np.float16), "holds float16 (6, 20); expected float32 or float64 (H, W)"),
        (np.ones((6, 20), np.uint16), "holds uint16 (6, 20); expected float32 or float64 (H, W)"),
        (np.ones((6, 20), ">f4"), "holds >f4 (6, 20); expected float32 or float64 (H, W)"),
        (np.ones((1, 6, 20), np.float32), "holds float32 (1, 6, 20); expected float32 or float64 (H, W)"),
        (np.ones((0, 20), np.float32), "holds float32 (0, 20); expected"),
        (np.ones((2, 20000), np.float32), "holds float32 (2, 20000); expected"),
        (np.array([[None]]), "holds object (1, 1); expected"),
    ],
)
@pytest.mark.parametrize("suffix", [".npy", ".npz"])
def test_other_maps_are_refused_by_file(tmp_path: Path, values: NDArray[Any], said: str, suffix: str) -> None:
    path = tmp_path / f"a{suffix}"
    np.save(path, values) if suffix == ".npy" else np.savez(path, depth=values)
    with pytest.raises(PredictionError) as caught:
        read_map(path, PredictionError)
    assert str(caught.value).startswith(f"{path}: {said}")


def test_damaged_maps_are_refused_by_file(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", MAPS[0])
    content = (tmp_path / "a.npy").read_bytes()
    for name, damaged in {"a.npy": content[:-8], "b.npy": b"PK\x03\x04", "c.npz": content, "d.png": content}.items():
        (tmp_path / name).write_bytes(damaged)
        with pytest.raises(PredictionError, match=rf"{name}: "):
            read_map(tmp_path / name, PredictionError)
    np.savez(tmp_path / "e.npz", depth=MAPS[0], disp=MAPS[0])
    with pytest.raises(PredictionError, match=r"e\.npz: holds depth, disp; expected one array, or exactly one called depth"):
        read_map(tmp_path / "e.npz", PredictionError)
    np.testing.assert_array_equal(read_map(tmp_path / "e.npz", PredictionError, key="disp"), MAPS[0])
    with pytest.raises(PredictionError, match=r"e\.npz: holds depth, disp; expected exactly one called pred: save it so$"):
        read_map(tmp_path / "e.npz", PredictionError, key="pred")


def test_an_8_bit_png_is_refused_when_it_is_read(tmp_path: Path) -> None:
    save(tmp_path, "id", ".png")
    path = tmp_path / f"{IDS[2].replace('/', '__')}.png"
    cv2.imwrite(str(path), np.full((6, 20), 40, np.uint8))
    found = read(tmp_path)
    assert found.load(1).shape == (6, 20)
    with pytest.raises(PredictionError, match="a PNG of 8 bits and colour type 0; expected a 16-bit image of one channel"):
        found.load(2)


def test_the_hash_follows_names_and_bytes(tmp_path: Path) -> None:
    before = read(save(tmp_path / "a", "id", ".npy")).sha256()
    assert read(save(tmp_path / "b", "path", ".npy")).sha256() == before
    assert read(save(tmp_path / "c", "id", ".npy", [MAPS[1], MAPS[0], *MAPS[2:]])).sha256() != before
    assert read(save(tmp_path / "d", "id", ".npy", MAPS[:4])).sha256() != before
