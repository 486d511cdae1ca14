"""Plans, the list of finished archives, and the whole way from a web server to a data set that verifies."""

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from archive_server import Site, serve, zip_of
from click.testing import CliRunner, Result
from kitti_files import DATE, PNG, calibration_files, drive_files, write_files

from benchmark.cli import main
from benchmark.errors import DatasetError
from benchmark.splits import Split, load_split, read_list
from datasets_prep import download as module
from datasets_prep.archives import archives_for, raw_frames
from datasets_prep.download import LEDGER, Plan, download, plan_download, read_ledger, summary
from datasets_prep.fetch import Patience
from datasets_prep.verify import complete, verify

DRIVE = "2011_09_26_drive_0002_sync"
FOLDER = f"{DATE}/{DRIVE}"
CALIB_PATH = "/raw_data/2011_09_26_calib.zip"
DRIVE_PATH = f"/raw_data/2011_09_26_drive_0002/{DRIVE}.zip"
HASTE = Patience(attempts=3, pause_s=0.0)


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    drive = zip_of(drive_files(DRIVE, range(10)))
    with serve({CALIB_PATH: zip_of(calibration_files()), DRIVE_PATH: drive}) as running:
        yield running


@pytest.fixture
def split(tmp_path: Path) -> Split:
    path = tmp_path / "list.txt"
    path.write_text("".join(f"{DATE}/{DRIVE} {number} l\n" for number in (2, 3, 7)))
    return read_list(path)


def fetched(site: Site, split: Split, root: Path, **how: Any) -> Plan:
    plan = plan_download("kitti_raw", [split], root)
    download(plan, base_url=site.url, patience=HASTE, **how)
    return plan


def states(split: Split, root: Path) -> dict[str, str]:
    return {step.archive.name: step.state for step in plan_download("kitti_raw", [split], root).steps}


def test_archives_of_the_eigen_test_split() -> None:
    plan = plan_download("kitti_raw", [load_split("kitti_eigen/test")], Path("nowhere"))
    paths = [step.archive.path for step in plan.steps]
    assert len(paths) == 28 + 5
    assert paths[:2] == [
        "raw_data/2011_09_26_calib.zip",
        "raw_data/2011_09_26_drive_0002/2011_09_26_drive_0002_sync.zip",
    ]
    assert len(plan.pending) == 33


def test_archives_of_several_splits_are_united() -> None:
    frames = [raw_frames(load_split(f"kitti_eigen_zhou/{role}")) for role in ("train", "val")]
    train, _ = archives_for("kitti_raw", frames[0])
    both, withdrawn = archives_for("kitti_raw", frames[0] + frames[1])
    assert (len(train), len(both), len(set(both)), withdrawn) == (32 + 5, 32 + 5, 32 + 5, [])


def test_odometry_needs_raw_drives_and_the_withdrawn_one_is_named(tmp_path: Path) -> None:
    archives, withdrawn = archives_for("kitti_raw", raw_frames(load_split("kitti_odom/train")))
    assert len(archives) == 8 + 2  # of nine sequences, and the calibration of two days
    assert withdrawn == ["2011_09_26_drive_0067_sync"]
    (tmp_path / "list.txt").write_text("3 0 l\n4 0 l\n")
    plan = plan_download("kitti_raw", [read_list(tmp_path / "list.txt")], tmp_path)
    assert [step.archive.name for step in plan.steps] == ["2011_09_30_calib.zip", "2011_09_30_drive_0016_sync.zip"]
    assert "2011_09_26_drive_0067_sync (odometry sequence 03) is no longer distributed" in summary(plan, dry_run=True)


def test_annotated_depth_is_one_archive_and_anonymous_images_another() -> None:
    names = ["kitti_eigen_benchmark/test", "kitti_benchmark/test"]
    plan = plan_download("kitti_depth", [load_split(name) for name in names], Path("nowhere"))
    assert [step.archive.path for step in plan.steps] == ["data_depth_annotated.zip", "data_depth_selection.zip"]
    with pytest.raises(DatasetError, match="KITTI raw distributes no drive 'image'"):
        plan_download("kitti_raw", [load_split("kitti_benchmark/test")], Path("nowhere"))


def test_from_nothing_to_a_split_that_verifies(site: Site, split: Split, tmp_path: Path) -> None:
    root = tmp_path / "kitti_raw"
    plan = fetched(site, split, root)
    assert [step.state for step in plan.steps] == ["to download", "to download"]
    assert complete(verify(split, root))
    assert sorted(path.name for path in root.iterdir()) == [LEDGER, DATE]
    assert len(list((root / FOLDER / "image_00/data").iterdir())) == 10
    entry = read_ledger(root)[f"{DRIVE}.zip"]
    served = site.files[DRIVE_PATH]
    assert (entry["size"], entry["sha256"]) == (len(served), hashlib.sha256(served).hexdigest())
    assert (entry["unpacked"], entry["absent"], entry["url"]) == ("whole", [], site.url + DRIVE_PATH)


def test_second_run_asks_for_nothing(site: Site, split: Split, tmp_path: Path) -> None:
    fetched(site, split, tmp_path)
    site.requests.clear()
    again = plan_download("kitti_raw", [split], tmp_path)
    assert again.pending == ()
    assert site.requests == []


@pytest.mark.parametrize("harm", [Path.unlink, lambda path: path.write_bytes(PNG[:-3])])
def test_file_that_was_lost_or_cut_is_fetched_again(site: Site, split: Split, tmp_path: Path, harm: Any) -> None:
    fetched(site, split, tmp_path)
    harm(tmp_path / FOLDER / "image_02/data/0000000007.png")
    assert states(split, tmp_path) == {"2011_09_26_calib.zip": "complete", f"{DRIVE}.zip": "to download"}
    fetched(site, split, tmp_path)
    assert complete(verify(split, tmp_path))


def test_drive_unpacked_by_hand_is_complete(split: Split, tmp_path: Path) -> None:
    write_files(tmp_path, calibration_files() | drive_files(DRIVE, range(10)))
    plan = plan_download("kitti_raw", [split], tmp_path)
    assert [(step.state, step.note) for step in plan.steps] == [("complete", "unpacked by hand")] * 2
    everything = plan_download("kitti_raw", [split], tmp_path, again=True)
    assert [step.state for step in everything.steps] == ["to download"] * 2


def test_annotated_depth_unpacked_by_hand_is_complete_with_its_gaps(split: Split, tmp_path: Path) -> None:
    write_files(tmp_path, {f"train/{DRIVE}/proj_depth/groundtruth/image_02/0000000007.png": PNG})
    (step,) = plan_download("kitti_depth", [split], tmp_path).steps
    assert step.state == "complete"
    assert "2 of 3 frames have no map" in step.note


def test_only_needed_keeps_the_frames_and_their_neighbours(site: Site, split: Split, tmp_path: Path) -> None:
    fetched(site, split, tmp_path, only_needed=True)
    assert complete(verify(split, tmp_path))

    def numbers(stream: str) -> list[int]:
        return sorted(int(path.stem) for path in (tmp_path / FOLDER / stream / "data").glob("*"))

    assert numbers("velodyne_points") == [2, 3, 7]
    assert numbers("image_02") == numbers("image_03") == [1, 2, 3, 4, 6, 7, 8]
    assert numbers("oxts") == list(range(10))
    assert numbers("image_00") == []
    assert (tmp_path / FOLDER / "oxts/timestamps.txt").exists()
    other = tmp_path / "other.txt"
    other.write_text(f"{DATE}/{DRIVE} 9 l\n")
    assert states(read_list(other), tmp_path)[f"{DRIVE}.zip"] == "to download"
    assert states(split, tmp_path)[f"{DRIVE}.zip"] == "complete"


def test_file_that_no_archive_holds_is_said_once_and_not_asked_for_again(
    site: Site, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "list.txt"
    path.write_text(f"{DATE}/{DRIVE} 3 l\n{DATE}/{DRIVE} 33 l\n")
    split = read_list(path)
    fetched(site, split, tmp_path)
    assert "does not hold 3 of the files that the split names" in capsys.readouterr().err
    (step,) = [s for s in plan_download("kitti_raw", [split], tmp_path).steps if s.archive.name == f"{DRIVE}.zip"]
    assert (step.state, step.note) == ("complete", "3 files are not in the archive")
    for _ in range(2):  # also where nothing is left to download
        result = run("kitti_raw", "--for", path, "--data", tmp_path, "--base-url", site.url)
        assert result.exit_code == 1
        assert "do not hold 3 of the files that the splits name, such as 2011_09_26/" in str(result.exception)
        assert "all complete" not in result.stderr


def test_known_gaps_are_in_the_closing_line(split: Split, tmp_path: Path) -> None:
    write_files(tmp_path, {f"train/{DRIVE}/proj_depth/groundtruth/image_02/0000000007.png": PNG})
    text = summary(plan_download("kitti_depth", [split], tmp_path), dry_run=False)
    assert text == (
        f"1 archives unpacked in {tmp_path}, without 2 files of the splits, such as "
        f"train/{DRIVE}/proj_depth/groundtruth/image_02/0000000002.png: 0 now, 1 before. "
        "KITTI has no annotated depth for the first and last frames of a drive."
    )


def test_kept_and_foreign_archives_stay(site: Site, split: Split, tmp_path: Path) -> None:
    own = tmp_path / "2011_09_26_calib.zip"
    own.write_bytes(site.files[CALIB_PATH])
    assert states(split, tmp_path)["2011_09_26_calib.zip"] == "downloaded"
    fetched(site, split, tmp_path, keep_zip=True)
    assert [path for _, path, *_ in site.requests] == [
        DRIVE_PATH,
        DRIVE_PATH,
    ]  # HEAD and GET, nothing for the calibration
    assert own.exists()
    assert (tmp_path / f"{DRIVE}.zip").exists()


def test_interrupted_download_is_begun_and_continues(site: Site, split: Split, tmp_path: Path) -> None:
    site.drop_at = [100_000_000, 1500, 0, 0, 0]
    with pytest.raises(DatasetError, match="1500 bytes are kept"):
        fetched(site, split, tmp_path)
    assert states(split, tmp_path) == {"2011_09_26_calib.zip": "complete", f"{DRIVE}.zip": "begun"}
    site.drop_at = []
    fetched(site, split, tmp_path)
    assert site.requests[-1][2:] == ("bytes=1500-", 206)
    assert complete(verify(split, tmp_path))


def test_interrupted_unpacking_continues_without_the_network(
    site: Site, split: Split, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = module.unpack

    def interrupted(archive: Path, root: Path, **options: Any) -> object:
        if archive.name == f"{DRIVE}.zip":
            raise KeyboardInterrupt
        return whole(archive, root, **options)

    monkeypatch.setattr(module, "unpack", interrupted)
    with pytest.raises(KeyboardInterrupt):
        fetched(site, split, tmp_path)
    monkeypatch.setattr(module, "unpack", whole)
    site.requests.clear()
    fetched(site, split, tmp_path)
    assert site.requests == []
    assert complete(verify(split, tmp_path))
    assert not (tmp_path / f"{DRIVE}.zip").exists()


def test_damaged_archive_is_deleted_and_not_recorded(site: Site, split: Split, tmp_path: Path) -> None:
    good = site.files[DRIVE_PATH]
    bad = bytearray(good)
    bad[good.index(PNG) + 9] ^= 1
    site.files[DRIVE_PATH] = bytes(bad)
    with pytest.raises(DatasetError, match=r"Bad CRC-32.*has been deleted") as caught:
        fetched(site, split, tmp_path)
    assert "\n" not in str(caught.value)
    assert list(read_ledger(tmp_path)) == ["2011_09_26_calib.zip"]
    assert not (tmp_path / f"{DRIVE}.zip").exists()
    site.files[DRIVE_PATH] = good
    fetched(site, split, tmp_path)
    assert complete(verify(split, tmp_path))


def test_hostile_archive_writes_nothing(site: Site, split: Split, tmp_path: Path) -> None:
    site.files[CALIB_PATH] = zip_of(calibration_files() | {"../../evil.txt": b"evil"})
    with pytest.raises(DatasetError, match=r"'../../evil.txt' would be written outside the folder"):
        fetched(site, split, tmp_path / "a/b")
    assert not list(tmp_path.rglob("evil.txt"))
    assert not (tmp_path / "a/b" / DATE).exists()


def test_missing_archive_and_lack_of_room_are_said_before_anything_is_downloaded(
    site: Site, split: Split, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Usage:
        free = 100

    monkeypatch.setattr(module.shutil, "disk_usage", lambda path: Usage)
    with pytest.raises(DatasetError, match="the archives alone take"):
        fetched(site, split, tmp_path)
    del site.files[DRIVE_PATH]
    with pytest.raises(DatasetError, match=r"drive_0002_sync\.zip: the server answered 404"):
        fetched(site, split, tmp_path)
    assert site.ranges() == []


@pytest.mark.parametrize("content", ["{", "[]", '{"format": 2, "archives": {}}', '{"format": 1, "archives": {"a": 1}}'])
def test_damaged_list_is_one_paragraph(split: Split, tmp_path: Path, content: str) -> None:
    (tmp_path / LEDGER).write_text(content)
    with pytest.raises(DatasetError, match="Delete it; the files themselves are looked at again"):
        plan_download("kitti_raw", [split], tmp_path)


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["datasets", "download", *map(str, arguments)])


def test_dry_run_lists_the_archives_and_touches_nothing(tmp_path: Path) -> None:
    result = run("kitti_raw", "--for", "kitti_eigen/test", "--data", tmp_path, "--dry-run", "--base-url", "http://0.0.0.0:1")
    assert result.exit_code == 0
    assert len(result.stdout.splitlines()) == 2 + 33
    assert "2011_10_03_drive_0047_sync.zip" in result.stdout
    assert "CC BY-NC-SA 3.0" in result.stderr
    assert "33 archives, 0 complete" in result.stderr
    assert list(tmp_path.iterdir()) == []


def test_command_downloads(site: Site, split: Split, tmp_path: Path) -> None:
    result = run("kitti_raw", "--for", split.source, "--data", tmp_path, "--base-url", f"{site.url}/")
    assert (result.exit_code, result.stdout) == (0, "")
    assert "2 archives, all complete" in result.stderr
    assert json.loads((tmp_path / "kitti_raw" / LEDGER).read_text())["format"] == 1
    assert complete(verify(split, tmp_path / "kitti_raw"))
    again = run("kitti_raw", "--for", split.source, "--data", tmp_path)
    assert "0 now, 2 before" in again.stderr
