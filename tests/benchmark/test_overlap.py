import json
from collections.abc import Sequence
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmark import cli
from benchmark.overlap import OverlapRow, all_test_splits, findings, open_lists, overlap, table_rows
from benchmark.splits import Frame, Split, export_split, load_split, odometry_to_raw, split_sha256

DRIVE = "2011_09_26_drive_0002_sync"


def split(frames: Sequence[Frame], name: str = "mine", dataset: str = "kitti_raw") -> Split:
    return Split(name, dataset, "custom", True, tuple(frames), split_sha256(frames, True), "test")


def raw(*numbers: int, camera: str = "image_02", drive: str = DRIVE) -> list[Frame]:
    return [Frame(drive, camera, number) for number in numbers]


def against(mine: str, test: str, neighbours: int = 10) -> OverlapRow:
    return overlap([load_split(mine)], [load_split(test)], neighbours=neighbours)[0]


def counts(row: OverlapRow) -> tuple[tuple[int, int], ...]:
    hits = (row.same_image, row.stereo_twin, row.near, row.same_drive)
    return tuple((hit.list_images, hit.test_images) for hit in hits)


@pytest.mark.parametrize(("name", "images", "drives"), [("train", 451, 21), ("val", 145, 7)])
def test_depth_benchmark_lists_hold_eigen_test_images(name: str, images: int, drives: int) -> None:
    row = against(f"kitti_benchmark/{name}", "kitti_eigen/test")
    assert (row.same_image.list_images, row.same_image.test_images, len(row.same_image.drives)) == (
        images,
        images,
        drives,
    )
    assert (row.stereo_twin.list_images, row.stereo_twin.test_images) == (images, images)


@pytest.mark.parametrize(
    "name", ["kitti_eigen_zhou/train", "kitti_eigen_zhou/val", "kitti_eigen_full/train", "kitti_eigen_full/val"]
)
def test_eigen_training_lists_do_not_touch_the_eigen_test(name: str) -> None:
    row = against(name, "kitti_eigen/test")
    assert counts(row) == ((0, 0), (0, 0), (0, 0), (0, 0))
    assert not row.leaks
    assert (row.unknown_in_list, row.unknown_in_test) == ((), ())


def test_odometry_sequences_that_are_eigen_test_drives() -> None:
    row = against("kitti_odom/train", "kitti_eigen/test")
    assert row.same_drive.drives == ("00", "04", "05", "07")
    assert row.raw_drives["04"] == "2011_09_30_drive_0016_sync"
    assert row.same_image.list_images == 86


@pytest.mark.parametrize(("test", "drive"), [("09", "2011_09_30_drive_0033_sync"), ("10", "2011_09_30_drive_0034_sync")])
@pytest.mark.parametrize("family", ["kitti_eigen_zhou", "kitti_eigen_full"])
def test_eigen_training_lists_contain_the_odometry_test_drives(family: str, test: str, drive: str) -> None:
    row = against(f"{family}/train", f"kitti_odom_{test}/test")
    assert row.same_drive.drives == (drive,)
    assert row.raw_drives == {test: drive}


def test_relations_by_hand() -> None:
    test = split(raw(10, 20, 100))
    mine = split([*raw(10, 13, 33), *raw(20, 21, 200, camera="image_03"), *raw(10, drive="2011_09_26_drive_0005_sync")])
    row = overlap([mine], [test], neighbours=3)[0]
    # 10 is the image itself, 20 of the right camera a twin; 13 is 3 from 10, 21 is 1 from 20; 33 and 200 only share
    # the drive.
    assert counts(row) == ((1, 1), (1, 1), (2, 2), (6, 3))
    assert row.same_drive.drives == (DRIVE,)
    assert counts(overlap([mine], [test], neighbours=2)[0])[2] == (1, 1)
    assert counts(overlap([mine], [test], neighbours=0)[0])[2] == (0, 0)


def test_an_image_is_counted_at_its_closest_relation() -> None:
    both = split([*raw(5, 6), *raw(5, 6, camera="image_03")])
    assert counts(overlap([both], [both])[0]) == ((4, 4), (0, 0), (0, 0), (4, 4))


def test_sequence_08_starts_at_raw_frame_1100() -> None:
    drive = odometry_to_raw()["08"].drive
    odometry = split([Frame("08", "image_2", 0), Frame("08", "image_3", 7)], dataset="kitti_odometry")
    row = overlap([odometry], [split(raw(1100, 1107, drive=drive))])[0]
    assert counts(row) == ((1, 1), (1, 1), (0, 0), (2, 2))
    assert (row.same_image.drives, row.raw_drives) == (("08",), {"08": drive})
    assert counts(overlap([odometry], [split(raw(0, drive=drive))])[0])[3] == (2, 1)


def test_drives_that_are_not_published_are_unknown_not_clean() -> None:
    odometry = split([Frame("11", "image_2", 0)], dataset="kitti_odometry")
    row = overlap([odometry], [load_split("kitti_eigen/test")])[0]
    assert (row.unknown_in_list, row.unknown_in_test) == (("11",), ())
    anonymous = load_split("kitti_benchmark/test")
    rows = overlap([split(raw(1))], [anonymous])
    assert rows[0].unknown_in_test == ("image",)
    assert table_rows(rows) == [("mine", "kitti_benchmark/test", "unknown", 0, 0, 0)]
    assert findings(rows)[0].startswith("Unknown: the raw drives of image of kitti_benchmark/test are not published")
    assert counts(overlap([anonymous], [anonymous])[0])[0] == (500, 500)
    assert overlap([anonymous], [anonymous])[0].unknown_in_test == ()


frames = st.lists(
    st.builds(
        Frame,
        st.sampled_from([DRIVE, "2011_09_28_drive_0001_sync"]),
        st.sampled_from(["image_02", "image_03"]),
        st.integers(0, 40),
    ),
    unique=True,
    min_size=1,
    max_size=20,
)


@settings(max_examples=200)
@given(frames, frames, st.integers(0, 6))
def test_counts_equal_the_definition(mine: list[Frame], test: list[Frame], k: int) -> None:
    def relation(a: Frame) -> str:
        numbers = [b for b in test if b.drive == a.drive]
        if a in test:
            return "same"
        if any(b.number == a.number for b in numbers):
            return "twin"
        if any(abs(b.number - a.number) <= k for b in numbers):
            return "near"
        return "drive" if numbers else "none"

    of = {a: relation(a) for a in mine}
    twins, near = ([a for a in mine if of[a] == kind] for kind in ("twin", "near"))
    expected = (
        (sum(of[a] == "same" for a in mine), sum(b in mine for b in test)),
        (len(twins), sum(any((a.drive, a.number) == (b.drive, b.number) for a in twins) for b in test)),
        (len(near), sum(any(a.drive == b.drive and abs(a.number - b.number) <= k for a in near) for b in test)),
        (sum(of[a] != "none" for a in mine), sum(any(a.drive == b.drive for a in mine) for b in test)),
    )
    assert counts(overlap([split(mine)], [split(test)], neighbours=k)[0]) == expected


def test_every_list_meets_every_test_split() -> None:
    names = [one.name for one in all_test_splits()]
    assert names == ["kitti_eigen/test", "kitti_eigen_benchmark/test", "kitti_benchmark/test", "kitti_odom_09/test",
                     "kitti_odom_10/test", "world_small/test", "world_odometry/test"]  # fmt: skip
    rows = overlap(open_lists(["kitti_eigen/test", "kitti_odom/val"]), all_test_splits())
    assert [(row.list_name, row.test_name) for row in rows] == [
        (mine, test) for mine in ("kitti_eigen/test", "kitti_odom/val") for test in names
    ]
    assert counts(rows[0])[0] == (697, 697)


def test_a_sequence_beyond_kittis_is_no_drive_of_kitti() -> None:
    rows = overlap([load_split("kitti_eigen_zhou/train")], [load_split("world_odometry/test")])
    assert [row.unknown_in_test for row in rows] == [()]
    assert table_rows(rows)[0][2] == "none"


def test_cli_prints_the_finding_and_exits_0(tmp_path: Path) -> None:
    path = tmp_path / "train_files.txt"
    export_split(load_split("kitti_benchmark/val"), "monodepth2", path)
    result = CliRunner().invoke(cli.main, ["splits", "overlap", str(path), "--neighbours", "2"])
    assert result.exit_code == 0
    assert f"Overlap: {path} holds 145 of the 697 images of kitti_eigen/test" in result.stdout
    assert "within 2 frames" in result.stdout


def test_cli_json_and_against() -> None:
    arguments = ["splits", "overlap", "kitti_benchmark/train", "--against", "kitti_eigen/test", "--json"]
    (row,) = json.loads(CliRunner().invoke(cli.main, arguments).stdout)
    assert row["same_image"]["list_images"] == 451
    assert len(row["same_image"]["drives"]) == 21
    assert row["neighbours"] == 10


def test_cli_refuses_an_unreadable_list(tmp_path: Path) -> None:
    path = tmp_path / "bad.txt"
    path.write_text("nonsense\n")
    result = CliRunner().invoke(cli.main, ["splits", "overlap", str(path)])
    assert result.exit_code == 1
    assert "bad.txt, line 1" in str(result.exception)
