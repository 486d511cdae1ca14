import hashlib
import random
import shutil
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmark import cli
from benchmark.errors import SplitError
from benchmark.split_formats import FORMS, format_ranges, parse_list, parse_ranges
from benchmark.splits import (
    Frame,
    export_split,
    export_text,
    frame_id,
    load_split,
    odometry_to_raw,
    parse_frame_id,
    read_index,
    read_list,
    resolve_split,
    split_sha256,
    verify_split,
)

SPLITS = Path(__file__).parents[2] / "splits"
HERE = [name for name, entry in read_index().items() if entry.sha256]

# Counts and hashes of the published lists, so that list and index cannot be altered together.
PUBLISHED = {
    "kitti_eigen/test": (697, 28, True, "b021d639738adae1b1fd86e0e680dfc165d158eefec612eda3a5237ed7d89861"),
    "kitti_eigen_benchmark/test": (652, 28, True, "60f000ac6831844cec5f109b9cba3340a30a7ca56101c026fcf07bfea98046dc"),
    "kitti_eigen_full/train": (45200, 33, False, "6e3aa7019c2aaf3d74e00bf0c3dd91ce84b755c8ecbb4c1116e035e300b38636"),
    "kitti_eigen_full/val": (1776, 33, False, "f81964e6805b7b1621e32f007cf9463d354eb5b7df23c35df91557468b5ac476"),
    "kitti_eigen_zhou/train": (39810, 32, False, "58e25db425558cabd0a4eae1c806124bb50554758dfd99476a91c848e1f94244"),
    "kitti_eigen_zhou/val": (4424, 31, False, "541db718517c85695423421e875967097075b4f48ee4e08b20ba33514b93164f"),
    "kitti_benchmark/train": (72084, 48, False, "2b55c514d4455dd077969b4b0499add8228c533d3471bfa79cbcf0030fda4153"),
    "kitti_benchmark/val": (6060, 12, False, "2761845eeac6b5c217c233c84bb39a9a0a34e3d6c45a5ca1fd1fda680e784205"),
    "kitti_benchmark/test": (500, 1, True, "ed99eb4ad1b7d4f32fd1c4e328bfca3a23b87f2be2494f6828cbafd1dcbc9040"),
    "kitti_odom/train": (36671, 9, False, "132a71f28862b229935e6229b10eb6ca6dcdd9864fc5133702ebb9a0139564b8"),
    "kitti_odom/val": (4075, 9, False, "ae53cce757d7e4fe40c5fd7efd22655093622aa685ddc052586fa13a93ecfa9e"),
    "kitti_odom_09/test": (1591, 1, True, "c2a74d9abde5d63ae3541126cd9eb2eacd1cb6590552c7a65888ce367f6576ae"),
    "kitti_odom_10/test": (1201, 1, True, "625e4785170defeb545b4592846f13f67ce27a969df8af10d3e9e6324be40d53"),
    "world_small/test": (60, 12, True, "ffe016d9b5fa8a8d157241759552a006ed91460c61600569205b2701fd1d1e9d"),
    "world_small/train": (20, 1, False, "854590912ee43c77ae167f46ff3e1533dee80940b00816609f0c5921df763f87"),
    "world_drives/train": (1920, 24, False, "48aa520d48ec9163d47108fef7bb30b958384aa5644f5e0ed700360aa89b594a"),
    "world_drives/val": (30, 6, True, "cf9e6e13c136877c044ac2deee7eed8972c1f18bf22bf1bf5b7423d0eeb9deb9"),
    "world_odometry/test": (260, 1, True, "4178fa562598600376e946b53e4cae5fa587fc21a4bb41fda2a3849183c6e7a1"),
    "world_ddad/train": (18, 1, True, "a6182e44ae5cb409a8bb8ef00b0a6366ceec2a4787a39e91254fa94875e0312f"),
    "world_ddad/val": (36, 2, True, "dacf549d472bbb52bcafc132643a6ca38e3b2b7a7b866689fc1a6168c1f0901c"),
}

DRIVE = "2011_09_26_drive_0002_sync"
SECOND = f"{DRIVE},image_02,54\n"
raw_drives = st.builds("{:04d}_{:02d}_{:02d}_drive_{:04d}_sync".format, *map(st.integers, [0] * 4, [9999, 99, 99, 9999]))
raw_frames = st.builds(
    Frame, raw_drives, st.sampled_from(["image_02", "image_03"]), st.integers(min_value=0, max_value=10**10 - 1)
)
odometry_frames = st.builds(
    Frame,
    st.integers(0, 21).map("{:02d}".format),
    st.sampled_from(["image_2", "image_3"]),
    st.integers(min_value=0, max_value=5000),
)


def write(folder: Path, text: str, name: str = "list.txt") -> Path:
    path = folder / name
    path.write_bytes(text.encode())
    return path


def test_index_lists_exactly_the_published_splits() -> None:
    assert set(HERE) == set(PUBLISHED)
    files = {path.relative_to(SPLITS).with_suffix("").as_posix() for path in SPLITS.glob("*/*.csv")}
    assert files == set(PUBLISHED)


@pytest.mark.parametrize("name", PUBLISHED)
def test_split_has_published_counts_and_hash(name: str) -> None:
    frames, drives, ordered, sha256 = PUBLISHED[name]
    split, entry = load_split(name), read_index()[name]
    assert (entry.frames, entry.drives, entry.ordered, entry.sha256) == (frames, drives, ordered, sha256)
    assert (len(split.frames), len(split.drives), split.ordered, split.sha256) == (frames, drives, ordered, sha256)
    assert len(set(split.frame_ids)) == frames
    assert verify_split(name).status == "ok"


def test_hash_is_over_unpadded_lines() -> None:
    frames = load_split("kitti_eigen/test").frames
    text = "".join(f"{frame.drive} {frame.camera} {frame.number}\n" for frame in frames)
    assert hashlib.sha256(text.encode()).hexdigest() == PUBLISHED["kitti_eigen/test"][3]


def test_first_tenth_and_last_frame_ids() -> None:
    ids = load_split("kitti_eigen/test").frame_ids
    assert ids[0] == "2011_09_26_drive_0002_sync/image_02/0000000069"
    assert ids[9] == "2011_09_26_drive_0002_sync/image_02/0000000033"
    assert ids[-1] == "2011_10_03_drive_0047_sync/image_02/0000000768"
    assert load_split("kitti_odom_09/test").frame_ids[-1] == "09/image_2/001590"
    assert load_split("kitti_benchmark/test").frame_ids[-1] == "image/image_02/0000000499"


def test_eigen_benchmark_is_eigen_without_the_45_frames_that_have_no_annotation() -> None:
    whole, part = load_split("kitti_eigen/test").frames, load_split("kitti_eigen_benchmark/test").frames
    kept = set(part)
    assert tuple(frame for frame in whole if frame in kept) == part
    dropped = [frame for frame in whole if frame not in kept]
    assert (len(dropped), sum(frame.number < 5 for frame in dropped)) == (45, 31)


def test_ddad_needs_data() -> None:
    entries = read_index()
    assert (entries["ddad/train"].drives, entries["ddad/train"].frames) == (150, 12650)
    assert (entries["ddad/val"].drives, entries["ddad/val"].frames) == (50, 3950)
    assert verify_split("ddad/val").status == "needs data"
    with pytest.raises(SplitError, match="needs data"):
        load_split("ddad/train")


def test_unknown_split_says_which_was_meant() -> None:
    with pytest.raises(SplitError, match=r"unknown split 'kitti_eigen/tset'.*did you mean kitti_eigen/test"):
        load_split("kitti_eigen/tset")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("2011_09_26_drive_0002_sync,image_02,69\n", "", "frames 696, expected 697"),
        ("drive_0002_sync,image_02,69\n", "drive_0002_sync,image_02,70\n", "sha256 .*expected b021d639"),
        ("image_02,69\n2011_09_26_drive_0002_sync,image_02,54", "image_02,54\n2011_09_26_drive_0002_sync,image_02,69",
         "sha256 .*expected b021d639"),
        (SECOND, f"{DRIVE},image_02,69\n", "line 3: .*already on line 2"),
        (SECOND, f"{DRIVE},image_02,fifty\n", "line 3: .*'fifty'"),
        (SECOND, f"{DRIVE},image_07,54\n", "line 3: .*no known data set"),
    ],
)  # fmt: skip
def test_altered_split_is_an_error(tmp_path: Path, old: str, new: str, message: str) -> None:
    root = tmp_path / "splits"
    shutil.copytree(SPLITS, root)
    file = root / "kitti_eigen" / "test.csv"
    text = file.read_text()
    assert text.count(old) == 1
    file.write_text(text.replace(old, new))
    with pytest.raises(SplitError, match=message):
        load_split("kitti_eigen/test", root=root)
    assert verify_split("kitti_eigen/test", root=root).status == "mismatch"
    assert verify_split("kitti_eigen_benchmark/test", root=root).status == "ok"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"frames": 696}, "frames 697, expected 696"),
        ({"drives": 27}, "drives 28, expected 27"),
        ({"dataset": "kitti_odometry"}, "data set kitti_raw, expected kitti_odometry"),
        ({"frames": "697"}, "frames is '697'"),
        ({"colour": "red"}, "unknown key colour"),
    ],
)
def test_altered_index_is_an_error(tmp_path: Path, change: dict[str, object], message: str) -> None:
    root = tmp_path / "splits"
    shutil.copytree(SPLITS, root)
    table = yaml.safe_load((root / "index.yaml").read_text())
    table["kitti_eigen/test"] |= change
    (root / "index.yaml").write_text(yaml.safe_dump(table))
    with pytest.raises(SplitError, match=message):
        load_split("kitti_eigen/test", root=root)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("- a", r"index\.yaml: holds a list; expected keys and values"),
        ("x/test: 5", r"index\.yaml: x/test: is 5; expected keys and values"),
        ("x/test: {role: test}", r"x/test: missing key dataset; missing key frames; .*missing key source$"),
        ("x/test: {}\nx/test: {}", r"index\.yaml: cannot be read as YAML: repeated keys: x/test"),
        (None, r"index\.yaml: cannot be read as YAML: .*No such file"),
    ],
)
def test_bad_indices(tmp_path: Path, text: str | None, message: str) -> None:
    if text is not None:
        (tmp_path / "index.yaml").write_text(text)
    with pytest.raises(SplitError, match=message):
        read_index(tmp_path)


def test_an_index_in_hand_is_not_that_of_the_next_caller() -> None:
    read_index().clear()
    assert "kitti_eigen/test" in read_index()


def test_missing_split_file_is_an_error(tmp_path: Path) -> None:
    shutil.copy(SPLITS / "index.yaml", tmp_path)
    with pytest.raises(SplitError, match=r"test\.csv: cannot be read"):
        load_split("kitti_eigen/test", root=tmp_path)


@settings(deadline=None)
@given(st.sets(st.integers(0, 300)))
def test_ranges_round_trip(numbers: set[int]) -> None:
    assert parse_ranges(format_ranges(numbers)) == sorted(numbers)


def test_ranges_by_hand() -> None:
    assert format_ranges([20, 17, 19, *range(1, 16)]) == "1-15 17 19-20"
    assert parse_ranges("1-3 17 19-20") == [1, 2, 3, 17, 19, 20]


@pytest.mark.parametrize("text", ["5-3", "1-", "-4", "a", "1--2", "1-2-3", "0-99999999999", "٣", "1e3"])
def test_bad_ranges(text: str) -> None:
    with pytest.raises(ValueError, match=r"range|number"):
        parse_ranges(text)


@settings(deadline=None)
@given(raw_frames)
def test_frame_id_round_trip_raw(frame: Frame) -> None:
    assert parse_frame_id(frame_id(frame, "kitti_raw")) == frame


@settings(deadline=None)
@given(odometry_frames)
def test_frame_id_round_trip_odometry(frame: Frame) -> None:
    assert parse_frame_id(frame_id(frame, "kitti_odometry")) == frame


def test_frame_ids_by_hand() -> None:
    assert frame_id(Frame("09", "image_2", 123), "kitti_odometry") == "09/image_2/000123"
    ddad = Frame("000150", "CAMERA_01", 15616458249936530)
    assert frame_id(ddad, "ddad") == "000150/CAMERA_01/15616458249936530"
    assert parse_frame_id("000150/CAMERA_01/15616458249936530") == ddad
    with pytest.raises(SplitError, match="unknown data set 'nuscenes'"):
        frame_id(ddad, "nuscenes")


@pytest.mark.parametrize(
    "text", ["", "a/b", "../image_02/3", "x/../image_02/3", "d/image_02/-1", "d/image_02/3.png", "d/image_9/1"]
)
def test_bad_frame_ids(text: str) -> None:
    with pytest.raises(SplitError, match="is not a frame id"):
        parse_frame_id(text)


@settings(deadline=None)
@given(st.lists(raw_frames, unique=True), st.randoms())
def test_hash_ignores_the_order_of_unordered_lists_only(frames: list[Frame], shuffler: random.Random) -> None:
    mixed = frames.copy()
    shuffler.shuffle(mixed)
    assert split_sha256(mixed, False) == split_sha256(frames, False)
    assert (split_sha256(mixed, True) == split_sha256(frames, True)) == (mixed == frames)


def test_unordered_file_may_be_in_any_order(tmp_path: Path) -> None:
    root = tmp_path / "splits"
    shutil.copytree(SPLITS, root)
    file = root / "kitti_benchmark" / "val.csv"
    header, *rows = file.read_text().splitlines()
    file.write_text("\r\n".join([header, *reversed(rows)]))
    assert load_split("kitti_benchmark/val", root=root) == load_split("kitti_benchmark/val")


RAW = Frame("2011_09_26_drive_0002_sync", "image_02", 69)
RIGHT = Frame("2011_09_26_drive_0002_sync", "image_03", 69)
FOLDER = "2011_09_26/2011_09_26_drive_0002_sync"
LINES = [
    (f"{FOLDER} 0000000069 l", RAW, "kitti_raw"),
    (f"{FOLDER} 69 r", RIGHT, "kitti_raw"),
    (f"{FOLDER} 69", RAW, "kitti_raw"),
    ("9 0 l", Frame("09", "image_2", 0), "kitti_odometry"),
    ("10 1199 r", Frame("10", "image_3", 1199), "kitti_odometry"),
    ("image 499", Frame("image", "image_02", 499), "kitti_depth"),
    (f"{FOLDER}/image_02/data/0000000069.png", RAW, "kitti_raw"),
    (f"{FOLDER}/image_03/data/0000000069.jpg", RIGHT, "kitti_raw"),
    (f"{FOLDER}/image_02/data/0000000069.jpg {FOLDER}/image_03/data/0000000069.jpg", RAW, "kitti_raw"),
    (f"/data/kitti/{FOLDER}/image_02/data/0000000069.png 0.54 721.5", RAW, "kitti_raw"),
    (f"{FOLDER}/image_02/data/0000000069.png".replace("/", "\\"), RAW, "kitti_raw"),
    ("train/2011_09_26_drive_0002_sync/proj_depth/groundtruth/image_03/0000000069.png", RIGHT, "kitti_raw"),
    ("sequences/09/image_2/000123.png", Frame("09", "image_2", 123), "kitti_odometry"),
    ("000150/rgb/CAMERA_01/15616458249936530.png", Frame("000150", "CAMERA_01", 15616458249936530), "ddad"),
    ("2011_09_26_drive_0002_sync_03 0000000069", RIGHT, "kitti_raw"),
    ("2011_09_26_drive_0002_sync/image_02/0000000069", RAW, "kitti_raw"),
    ("09/image_2/000123", Frame("09", "image_2", 123), "kitti_odometry"),
    ("drive,camera,frame\n2011_09_26_drive_0002_sync,image_02,69", RAW, "kitti_raw"),
    ("sequence,camera,frames\n09,image_2,12", Frame("09", "image_2", 12), "kitti_odometry"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "frame", "dataset"), LINES)
def test_every_form_of_the_field_is_read(tmp_path: Path, text: str, frame: Frame, dataset: str) -> None:
    split = read_list(write(tmp_path, f"{text}\n"))
    assert (split.frames, split.dataset, split.name, split.role, split.ordered) == (
        (frame,), dataset, "list", "custom", True,
    )  # fmt: skip


def test_mixed_line_endings_blank_lines_and_byte_order_mark(tmp_path: Path) -> None:
    text = f"\ufeff{FOLDER} 69 l\r\n{FOLDER} 70 l\r\r\n  \n{FOLDER} 71 l"
    assert [frame.number for frame in read_list(write(tmp_path, text)).frames] == [69, 70, 71]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "list is empty"),
        ("\n \r\n", "list is empty"),
        ("drive,camera,frame\n", "header and no frames"),
        ("hello\n", "line 1: cannot read 'hello'"),
        (f"{FOLDER} 1 l\n{FOLDER} 2 x\n", "line 2: cannot read .* as monodepth2"),
        (f"{FOLDER} 1 l\n\n{FOLDER}/image_02/data/0000000002.png\n", "line 3: .* as monodepth2"),
        (f"{FOLDER} 1 l\n{FOLDER} 0000000001 l\n", "line 2: .*already on line 1"),
        (f"{FOLDER} 1 l\n9 0 l\n", "line 2: .* is of kitti_odometry, but the list began with kitti_raw"),
        ("2011_09_28/2011_09_26_drive_0002_sync 1 l\n", "line 1: cannot read"),
        ("drive,camera,frame\n2011_09_26_drive_0002_sync,image_02,1-3\n", "line 2: .*expected one frame number"),
        ("drive,camera,frames\n2011_09_26_drive_0002_sync,image_02,9-3\n", "line 2: .*runs backwards"),
        ("drive,camera,frames\n2011_09_26_drive_0002_sync,image_02,\n", "line 2: .*expected frame ranges"),
        ("drive,camera,frames\n2011_09_26_drive_0002_sync,image_02,0-99999999999\n", "line 2: .*too long"),
        ("drive,camera,frame\n../../etc,CAMERA_01,1\n", "line 2: .*no known data set"),
        ("drive,camera,frame\na,b\n", "line 2: cannot read"),
        (f"{'a/' * 100_000}image_02/1.png\n", "line 1: cannot read"),
    ],
)
def test_unreadable_lists_name_file_and_line(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(SplitError, match=message) as caught:
        read_list(write(tmp_path, text))
    assert "list.txt" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_list_that_is_not_text(tmp_path: Path) -> None:
    (tmp_path / "x.npy").write_bytes(b"9 0 l\n\x93NUMPY\x01")
    with pytest.raises(SplitError, match=r"x\.npy, line 2: not text"):
        read_list(tmp_path / "x.npy")
    with pytest.raises(SplitError, match="cannot be read: No such file"):
        read_list(tmp_path / "missing.txt")
    with pytest.raises(SplitError, match="cannot be read"):
        read_list(tmp_path)


@settings(deadline=None)
@given(st.text(max_size=80))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        parsed = parse_list(text, "x")
    except SplitError:
        return
    assert parsed.form in {*FORMS, "csv"}


@pytest.mark.parametrize(("name", "width"), [("kitti_eigen/test", 10), ("kitti_eigen_benchmark/test", 1)])
def test_monodepth2_export_of_the_eigen_tests_byte_for_byte(name: str, width: int) -> None:
    rows = (SPLITS / f"{name}.csv").read_text().splitlines()[1:]
    cells = [row.split(",") for row in rows]
    lines = [f"{drive[:10]}/{drive} {number.zfill(width)} l" for drive, _, number in cells]
    text = export_text(load_split(name), "monodepth2")
    assert text == "\n".join(lines) + "\n"
    assert text.startswith(f"{FOLDER} {'0000000069' if width == 10 else '69'} l\n")


@pytest.mark.parametrize(
    ("name", "count", "line"),
    [
        ("kitti_eigen_zhou/train", 39810, "2011_09_26/2011_09_26_drive_0022_sync 473 r"),
        ("kitti_odom_09/test", 1590, "9 1589 l"),
        ("kitti_odom_10/test", 1200, "10 0 l"),
        ("kitti_odom/train", 36671, "8 2 r"),
        ("kitti_benchmark/test", 500, "image 499"),
    ],
)
def test_monodepth2_export_of_the_others(name: str, count: int, line: str) -> None:
    lines = export_text(load_split(name), "monodepth2").splitlines()
    assert len(lines) == len(set(lines)) == count
    assert line in lines


@pytest.mark.parametrize("form", ["monodepth2", "frame_ids", "csv"])
@pytest.mark.parametrize("name", ["kitti_eigen/test", "kitti_eigen_full/val", "kitti_odom/val", "kitti_benchmark/test"])
def test_export_reads_back(tmp_path: Path, name: str, form: str) -> None:
    split, path = load_split(name), tmp_path / "out.txt"
    lines = export_split(split, form, path)
    assert path.read_bytes().count(b"\n") == lines
    again = read_list(path)
    assert again.frames == split.frames
    assert again.sha256 == split.sha256
    if form == "csv":
        assert path.read_bytes() == (SPLITS / f"{name}.csv").read_bytes()


def test_export_refuses_what_a_form_cannot_say(tmp_path: Path) -> None:
    grey = read_list(write(tmp_path, "00/image_0/000001\n"))
    with pytest.raises(SplitError, match="00/image_0/1; it knows KITTI's colour cameras only"):
        export_text(grey, "monodepth2")
    with pytest.raises(SplitError, match="unknown format 'yaml'"):
        export_text(grey, "yaml")
    with pytest.raises(SplitError, match="cannot be written"):
        export_split(grey, "csv", tmp_path / "no" / "folder.csv")


def test_resolve_split_takes_names_and_files(tmp_path: Path) -> None:
    assert resolve_split("kitti_eigen/test").role == "test"
    assert resolve_split(str(write(tmp_path, "9 0 l\n", "mine.txt"))).name == "mine"
    with pytest.raises(SplitError, match="and no file of that name"):
        resolve_split("mine.text")


def test_odometry_sequences_fit_their_raw_drives() -> None:
    table = odometry_to_raw()
    assert table["08"] == ("2011_09_30_drive_0028_sync", 1100, 5170)
    assert table["09"].last_frame - table["09"].first_frame + 1 == len(load_split("kitti_odom_09/test").frames)
    assert table["10"].last_frame - table["10"].first_frame + 1 == len(load_split("kitti_odom_10/test").frames)


def test_cli_list_show_verify() -> None:
    run = CliRunner()
    shown = run.invoke(cli.main, ["splits", "list"])
    assert shown.exit_code == 0
    assert all(name in shown.stdout for name in read_index())
    shown = run.invoke(cli.main, ["splits", "show", "kitti_eigen/test"])
    assert PUBLISHED["kitti_eigen/test"][3] in shown.stdout
    assert run.invoke(cli.main, ["splits", "show", "ddad/val"]).exit_code == 0
    verified = run.invoke(cli.main, ["splits", "verify", "kitti_eigen/test", "ddad/val"])
    assert (verified.exit_code, verified.stdout.count("ok"), verified.stdout.count("needs data")) == (0, 1, 1)


def test_cli_verify_fails_on_mismatch(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    root = tmp_path / "splits"
    shutil.copytree(SPLITS, root)
    with (root / "kitti_eigen" / "test.csv").open("a") as file:
        file.write("2011_09_26_drive_0002_sync,image_02,1\n")
    monkeypatch.setattr("benchmark.splits._installed", lambda: root)
    result = CliRunner().invoke(cli.main, ["splits", "verify"])
    assert result.exit_code == 1
    assert "mismatch" in result.stdout
    assert "1 of 24 splits are not the published ones: kitti_eigen/test" in str(result.exception)


def test_cli_export(tmp_path: Path) -> None:
    out = tmp_path / "test_files.txt"
    arguments = ["splits", "export", "kitti_odom_09/test", "--format", "monodepth2", "--out", str(out)]
    result = CliRunner().invoke(cli.main, arguments)
    assert (result.exit_code, result.stdout) == (0, "")
    assert "1590 lines for 1591 frames" in result.stderr
    assert out.read_text().splitlines()[-1] == "9 1589 l"
