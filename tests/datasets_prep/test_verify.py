"""What is there, missing or truncated, file by file and drive by drive."""

import json
import re
import shlex
from pathlib import Path

import pytest
from click.testing import CliRunner
from kitti_files import DATE, PNG, calibration_files, drive_files, write_files

from benchmark.cli import main
from benchmark.errors import DatasetError
from benchmark.splits import Split, load_split, read_list
from datasets_prep.verify import Report, as_json, complete, table, verify, wholeness

DRIVE = "2011_09_26_drive_0002_sync"
FOLDER = f"{DATE}/{DRIVE}"


def listed(tmp_path: Path, lines: list[str]) -> Split:
    path = tmp_path / "own list.txt"
    path.write_text("\n".join(lines) + "\n")
    return read_list(path)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    write_files(tmp_path / "kitti_raw", calibration_files() | drive_files(DRIVE, range(6)))
    return tmp_path / "kitti_raw"


@pytest.fixture
def split(tmp_path: Path) -> Split:
    return listed(tmp_path, [f"{DATE}/{DRIVE} {number} {side}" for number in range(6) for side in "lr"])


def by_name(reports: list[Report]) -> dict[str, Report]:
    return {report.name: report for report in reports}


def test_whole_drive(root: Path, split: Split) -> None:
    reports = verify(split, root)
    assert complete(reports)
    calibration, drive = reports
    assert (calibration.name, calibration.archive, calibration.found) == (
        "2011_09_26 (calibration)", "2011_09_26_calib.zip", 3,
    )  # fmt: skip
    # A scan and a GPS packet serve both cameras and count once.
    assert {kind: count.found for kind, count in drive.counts.items()} == {"velodyne": 6, "image": 12, "oxts": 6}
    assert (drive.n_frames, drive.archive) == (12, f"{DRIVE}.zip")


def test_each_fault_is_counted_where_it_is(root: Path, split: Split) -> None:
    (root / FOLDER / "velodyne_points/data/0000000001.bin").unlink()
    (root / FOLDER / "velodyne_points/data/0000000002.bin").write_bytes(bytes(33))
    (root / FOLDER / "velodyne_points/data/0000000003.bin").write_bytes(b"")
    (root / FOLDER / "image_02/data/0000000004.png").write_bytes(PNG[:-1])
    (root / FOLDER / "oxts/data/0000000005.txt").write_text("\n")
    (root / DATE / "calib_velo_to_cam.txt").unlink()
    reports = by_name(verify(split, root))
    drive = reports[DRIVE]
    assert drive.missing == [f"{FOLDER}/velodyne_points/data/0000000001.bin"]
    assert drive.truncated == [
        f"{FOLDER}/velodyne_points/data/0000000002.bin",
        f"{FOLDER}/velodyne_points/data/0000000003.bin",
        f"{FOLDER}/image_02/data/0000000004.png",
        f"{FOLDER}/oxts/data/0000000005.txt",
    ]
    assert reports["2011_09_26 (calibration)"].missing == [f"{DATE}/calib_velo_to_cam.txt"]
    header, rows = table(list(reports.values()))
    assert header == ["drive", "frames", "calib", "velodyne", "image", "oxts", "get it from"]
    assert rows == [
        ["2011_09_26 (calibration)", "", "2 of 3", "", "", "", "2011_09_26_calib.zip"],
        [DRIVE, "12", "", "3 of 6, 2 truncated", "11 of 12, 1 truncated", "5 of 6, 1 truncated", f"{DRIVE}.zip"],
        ["total", "12", "2 of 3", "3 of 6, 2 truncated", "11 of 12, 1 truncated", "5 of 6, 1 truncated", ""],
    ]


@pytest.mark.parametrize(
    ("name", "content", "state"),
    [
        ("a.png", PNG, "found"),
        ("a.png", PNG[:-4], "truncated"),
        ("a.png", PNG + b"\0", "truncated"),
        ("a.jpg", b"\xff\xd8 picture \xff\xd9", "found"),
        ("a.jpg", b"\xff\xd8 picture \xff", "truncated"),
        ("a.bin", bytes(16), "found"),
        ("a.bin", bytes(15), "truncated"),
        ("a.txt", b"1", "found"),
        ("a.txt", b"", "truncated"),
        ("a.png", b"", "truncated"),
    ],
)
def test_wholeness_by_the_last_bytes(tmp_path: Path, name: str, content: bytes, state: str) -> None:
    (tmp_path / name).write_bytes(content)
    assert wholeness(tmp_path / name) == state


def test_folder_or_dangling_link_in_the_place_of_a_file_is_missing(tmp_path: Path) -> None:
    (tmp_path / "a.bin").mkdir()
    (tmp_path / "b.bin").symlink_to(tmp_path / "nowhere")
    assert wholeness(tmp_path / "a.bin") == "missing"
    assert wholeness(tmp_path / "b.bin") == "missing"
    assert wholeness(tmp_path / "a.bin" / "c.bin") == "missing"


def test_converted_images_are_found(root: Path, split: Split) -> None:
    for path in (root / FOLDER / "image_02/data").iterdir():
        path.with_suffix(".jpg").write_bytes(b"\xff\xd8\xff\xd9")
        path.unlink()
    assert complete(verify(split, root))


def test_need_chooses_kinds(root: Path, split: Split) -> None:
    (root / FOLDER / "image_02/data/0000000004.png").unlink()
    assert complete(verify(split, root, need=["velodyne", "calib"]))
    only = verify(split, root, need=["oxts"])
    assert [(report.name, report.found) for report in only] == [(DRIVE, 6)]
    with pytest.raises(DatasetError, match="no files of kind 'lidar'; known: velodyne, image, oxts, calib"):
        verify(split, root, need=["lidar"])
    with pytest.raises(DatasetError, match="--need is empty"):
        verify(split, root, need=[])


def test_annotated_depth_of_a_raw_split(tmp_path: Path, split: Split) -> None:
    write_files(tmp_path, {f"train/{DRIVE}/proj_depth/groundtruth/image_02/{n:010d}.png": PNG for n in range(5)})
    (drive,) = verify(split, tmp_path, dataset="kitti_depth")
    assert (drive.found, len(drive.missing), drive.archive) == (5, 7, "data_depth_annotated.zip")


def test_odometry_is_looked_for_in_its_raw_drive(tmp_path: Path) -> None:
    split = listed(tmp_path, ["8 0 l", "8 2 r", "3 5 l"])
    reports = by_name(verify(split, tmp_path, dataset="kitti_raw", need=["image"]))
    # Sequence 08 begins at frame 1100 of its drive; the drive of 03 was withdrawn.
    eighth = "2011_09_30_drive_0028_sync"
    assert reports[eighth].missing == [
        f"2011_09_30/{eighth}/image_02/data/0000001100.png", f"2011_09_30/{eighth}/image_03/data/0000001102.png",
    ]  # fmt: skip
    assert reports["2011_09_26_drive_0067_sync"].archive is None
    assert table(list(reports.values()))[1][0][-1] == "withdrawn by KITTI"


def odometry(root: Path, sequence: str, frames: int, *, lines: int) -> None:
    text = b"1 0 0 0 0 1 0 0 0 0 1 0\n" * lines
    write_files(root, {
        f"sequences/{sequence}/calib.txt": b"P0: 1\n",
        f"sequences/{sequence}/times.txt": b"".join(b"%d\n" % i for i in range(lines)),
        f"poses/{sequence}.txt": text,
        **{f"sequences/{sequence}/image_2/{i:06d}.png": PNG for i in range(frames)},
    })  # fmt: skip


def test_sequences_of_odometry(tmp_path: Path) -> None:
    root = tmp_path / "kitti_odometry"
    odometry(root, "04", 271, lines=271)
    odometry(root, "10", 1200, lines=1200)
    odometry(root, "50", 3, lines=3)  # not KITTI's: no published number of frames
    split = listed(tmp_path, ["4 0 l", "4 270 l", "10 3 l", "10 1200 l", "50 2 l", "50 2 r", "11 0 l"])
    reports = by_name(verify(split, root))
    assert {kind: str(count) for kind, count in reports["04"].counts.items()} == {
        "image": "2", "calib": "1", "times": "1", "poses": "1",
    }  # fmt: skip
    ten = reports["10"]
    assert (ten.n_frames, ten.archive) == (2, "data_odometry_color.zip, data_odometry_calib.zip, data_odometry_poses.zip")
    assert ten.missing == ["sequences/10/image_2/001200.png"]
    assert ten.truncated == ["sequences/10/times.txt", "poses/10.txt"]
    assert (reports["50"].missing, reports["50"].archive) == (["sequences/50/image_3/000002.png"], None)
    assert list(reports["11"].missing) == [
        "sequences/11/image_2/000000.png",
        "sequences/11/calib.txt",
        "sequences/11/times.txt",
    ]
    with pytest.raises(DatasetError, match="frames of kitti_raw, expected sequences of KITTI odometry"):
        verify(listed(tmp_path, [f"{DATE}/{DRIVE} 0 l"]), root, dataset="kitti_odometry")
    arguments = ["datasets", "verify", "--data", str(tmp_path), "--split", "kitti_odom_10/test"]
    result = CliRunner().invoke(main, [*arguments, "--need", "image,poses"])
    assert re.search(
        r"10 +1201 +1200 of 1201 +0 of 1, 1 truncated +data_odometry_color.zip, data_odometry_poses.zip", result.stdout
    )
    assert "1 files of kitti_odom_10/test are missing and 1 truncated, such as poses/10.txt. They are in" in str(
        result.exception
    )
    assert "`depthbench datasets show kitti_odometry` says where" in str(result.exception)
    assert CliRunner().invoke(main, [*arguments, "--need", "calib"]).exit_code == 0


def test_empty_folder_lacks_the_whole_split(tmp_path: Path) -> None:
    content = as_json(verify(load_split("kitti_eigen/test"), tmp_path))
    # 697 scans, images and packets, and three calibration files for each of five days.
    assert (content["complete"], content["found"], content["missing"]) == (False, 0, 3 * 697 + 15)
    assert len(content["drives"]) == 28 + 5  # type: ignore[arg-type]


def test_command_tells_what_is_missing_and_exits_1(root: Path, split: Split) -> None:
    arguments = ["datasets", "verify", "--data", str(root.parent), "--split", split.source]
    whole = CliRunner().invoke(main, arguments)
    assert (whole.exit_code, whole.stderr) == (0, "")
    assert re.search(r"2011_09_26_drive_0002_sync +12 ", whole.stdout)
    (root / FOLDER / "oxts/data/0000000005.txt").unlink()
    lacking = CliRunner().invoke(main, arguments)
    assert lacking.exit_code == 1
    assert isinstance(lacking.exception, DatasetError)
    assert "1 files of" in str(lacking.exception)
    assert f"({DRIVE}.zip)" in str(lacking.exception)
    command = shlex.split(str(lacking.exception).split("`")[1])
    assert command == ["depthbench", "datasets", "download", "kitti_raw", "--for", split.source, "--data", str(root)]
    content = json.loads(CliRunner().invoke(main, [*arguments, "--json"]).stdout)
    assert (content["missing"], content["drives"][1]["counts"]["oxts"]["found"]) == (1, 5)


def test_lost_scans_of_drive_0009_are_explained(tmp_path: Path) -> None:
    drive = "2011_09_26_drive_0009_sync"
    split = listed(tmp_path, [f"{DATE}/{drive} 178 l"])
    result = CliRunner().invoke(
        main, ["datasets", "verify", "--data", str(tmp_path), "--split", split.source, "--need", "velodyne"]
    )
    assert "is not a folder" in str(result.exception) or "does not hold kitti_raw" in str(result.exception)
    (tmp_path / DATE).mkdir()
    result = CliRunner().invoke(
        main, ["datasets", "verify", "--data", str(tmp_path), "--split", split.source, "--need", "velodyne"]
    )
    assert "KITTI has no LiDAR scans for the frames 177 to 180" in str(result.exception)


def test_ddad_is_looked_for_by_its_export(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="are looked for by `depthbench export_gt --dataset ddad`"):
        verify(load_split("world_ddad/val"), tmp_path)
    result = CliRunner().invoke(main, ["datasets", "verify", "--data", str(tmp_path), "--split", "ddad/val"])
    assert "`depthbench export_gt` looks for them" in str(result.exception)


@pytest.mark.golden
def test_real_samples(real_data: Path, tmp_path: Path) -> None:
    drive = "2011_09_26_drive_0001_sync"
    split = listed(tmp_path, [f"{DATE}/{drive} {number} l" for number in (0, 1, 2, 3, 4, 5, 25, 45)])
    reports = by_name(verify(split, real_data / "kitti_raw"))
    assert {kind: count.found for kind, count in reports[drive].counts.items()} == {
        "velodyne": 4, "image": 8, "oxts": 5,
    }  # fmt: skip
    assert reports[drive].truncated == []
    assert reports["2011_09_26 (calibration)"].found == 3
    (depth,) = verify(split, real_data / "kitti_depth", dataset="kitti_depth")
    assert (depth.found, len(depth.missing), depth.truncated) == (3, 5, [])
