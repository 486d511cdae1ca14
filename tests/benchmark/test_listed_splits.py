"""Splits whose list comes with the data set: counts of frames and of samples, choices of cameras, declared options."""

import pytest

from benchmark.errors import GroundTruthError, SplitError
from benchmark.listed_splits import listed_split
from benchmark.splits import describe_split, find_entry, load_split, split_sha256, verify_split

DRIVE = "2011_09_26_drive_0002_sync"
SELECTION = tuple(f"{DRIVE}/image_02/{number:010d}" for number in range(1000))
CAMERAS = tuple(f"CAMERA_{i:02d}" for i in (1, 5, 6, 7, 8, 9))
VAL = tuple((f"{150 + i:06d}", 100 if i < 29 else 50) for i in range(50))  # 29 scenes of 100 samples, 21 of 50: 3,950


def ddad(cameras: tuple[str, ...] = CAMERAS, *, context: int = 0) -> list[str]:
    return [f"{s}/{camera}/{i}" for s, n in VAL for i in range(context, n - context) for camera in cameras]


def test_a_list_that_comes_with_the_data_set() -> None:
    split = listed_split("kitti_depth_selection/val", SELECTION, exported="kitti_depth_selection/val")
    assert split.frame_ids == SELECTION
    assert (split.name, split.dataset, len(split.frames)) == ("kitti_depth_selection/val", "kitti_depth", 1000)


@pytest.mark.parametrize(
    ("name", "ids", "message"),
    [
        ("kitti_depth_selection/val", SELECTION[:-1], r"val: 999 frames, expected 1000"),
        ("kitti_depth_selection/val", (*SELECTION[:-1], SELECTION[0]), rf"val: {SELECTION[0]} repeats; export"),
        ("kitti_depth_selection/val", (*SELECTION[:-1], f"{DRIVE}/image_02/0"), rf"val: {DRIVE}/image_02/0 repeats"),
        ("kitti_depth_selection/val", (*SELECTION[:-1], "09/image_2/000123"), "09/image_2/000123 is no frame of kitti_depth"),
        ("kitti_depth_selection/val", (*SELECTION[:-1], "a b"), "'a b' is not a frame id"),
        ("ddad/val", SELECTION, rf"{SELECTION[0]} is no frame of ddad"),
        ("ddad/val", ddad()[:-6], "ddad/val: 50 scenes with 3949 samples .23694 images., expected 50 with 3950 .Guizilini"),
        ("ddad/val", ddad()[6 * 100 :], "ddad/val: 49 scenes with 3850 samples"),
        ("ddad/val+context-1,1", ddad(), "50 scenes with 3950 samples .23700 images., expected 50 with 3850"),
        ("nuscenes/val", SELECTION, "unknown split 'nuscenes/val'"),
        ("kitti_eigen/test", SELECTION, "unknown split 'kitti_eigen/test' among those whose list comes with the data set"),
    ],
)
def test_other_lists_that_come_with_the_data_set(name: str, ids: tuple[str, ...], message: str) -> None:
    with pytest.raises(SplitError, match=message):
        listed_split(name, ids, exported=name)


@pytest.mark.parametrize("cameras", [CAMERAS, CAMERAS[:1]])
def test_3950_samples_are_as_many_images_as_there_are_cameras(cameras: tuple[str, ...]) -> None:
    name = "ddad/val" + ("@CAMERA_01" if len(cameras) == 1 else "")
    split = listed_split(name, ddad(cameras), exported=name)
    assert (split.name, len(split.frames), split.notes) == (name, 3950 * len(cameras), ())
    assert split.sha256 == split_sha256(split.frames, True)


def test_a_choice_of_cameras_is_taken_from_ground_truth_that_has_more() -> None:
    whole = listed_split("ddad/val@CAMERA_05", ddad(), exported="ddad/val")
    part = listed_split("ddad/val@CAMERA_05", ddad(CAMERAS[:2]), exported="ddad/val@CAMERA_01,CAMERA_05")
    assert whole == part
    assert {frame.camera for frame in whole.frames} == {"CAMERA_05"}
    for exported in ("ddad/val@CAMERA_01", "ddad/val+nearest_point", "ddad/val@CAMERA_05+ego_masks"):
        with pytest.raises(GroundTruthError, match=rf"exported as {exported.replace('+', '.')}, expected ddad/val@CAMERA_05:"):
            listed_split("ddad/val@CAMERA_05", ddad(), exported=exported)
    with pytest.raises(GroundTruthError, match="exported as ddad/val@CAMERA_01, expected ddad/val: other cameras"):
        listed_split("ddad/val", ddad(CAMERAS[:1]), exported="ddad/val@CAMERA_01")


def test_a_declared_context_drops_the_ends_of_every_scene() -> None:
    name = "ddad/val@CAMERA_01+context-1,1"
    split = listed_split(name, ddad(CAMERAS[:1], context=1), exported=name)
    assert (len(split.frames), split.notes) == (3850, ())


def test_scenes_and_samples_without_a_camera_are_named() -> None:
    ids = [one for one in ddad() if not one.startswith(("000150/CAMERA_09", "000199/CAMERA_05/4"))]
    split = listed_split("ddad/val", ids, exported="ddad/val")
    assert len(split.frames) == 23_700 - 100 - 11
    assert split.notes == (
        "2 of 50 scenes have fewer cameras, 111 images in all are not there: CAMERA_09 in 100 of the 100 samples of 000150, "
        "CAMERA_05 in 11 of the 50 samples of 000199",
    )
    assert listed_split("ddad/val@CAMERA_01", ids, exported="ddad/val").notes == ()
    many = [one for one in ddad() if "CAMERA_09/0" not in one]
    (note,) = listed_split("ddad/val", many, exported="ddad/val").notes
    assert note.startswith("50 of 50 scenes have fewer cameras, 50 images")
    assert note.endswith("CAMERA_09 in 1 of the 100 samples of 000154 and 45 more")


def test_the_index_knows_choices_of_such_lists_alone() -> None:
    assert find_entry("ddad/val@CAMERA_01+context-1,1") == find_entry("ddad/val") is not None
    assert find_entry("kitti_eigen/test@image_03") is None
    assert find_entry("ddad") is None
    assert verify_split("ddad/val@CAMERA_01")[1:] == ("needs data", verify_split("ddad/val").detail)
    assert verify_split("ddad/val").detail.startswith("3950 samples: ")
    assert ("counts", "samples") in describe_split("ddad/val@CAMERA_01")
    with pytest.raises(SplitError, match=r"ddad/val@CAMERA_01: needs data, this list is not in the repository"):
        load_split("ddad/val@CAMERA_01")
