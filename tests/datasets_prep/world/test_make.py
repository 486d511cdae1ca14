"""The folder, the resuming and the refusals, on a street that costs nothing; the real one is rendered in the tests beside."""

import errno
import hashlib
import os
import shlex
import threading
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import yaml
from click.testing import CliRunner

from benchmark.cli import main
from benchmark.errors import DatasetError
from benchmark.splits import Frame, Split, load_split
from datasets_prep.world import make, record
from datasets_prep.world.rig import DATE

SIZE = (32, 64)
CALIBRATIONS, TEXTS, FILES = 3, 7, 8  # files of a day, of a drive, of a frame


def split_of(frames, *, role="test", drive=1, camera="image_02", date=DATE):
    listed = tuple(Frame(f"{date}_drive_{drive:04d}_sync", camera, number) for number in frames)
    return Split(f"own/{role}", "kitti_raw", role, True, listed, "0" * 64, "made up")


def empty_street(seed, drive):
    T = np.eye(4)
    return SimpleNamespace(key=(seed, drive), T_world_imu=lambda frame: T)


def noise_view(street, frame, rig, *, camera):
    random = np.random.default_rng([*street.key, frame, int(camera[-1])])
    height, width = rig.shape
    image = random.integers(0, 256, (height, width, 3)).astype(np.uint8)
    classes, instances = np.full(rig.shape, 26, np.uint8), np.full(rig.shape, 3, np.uint8)
    depth = random.uniform(-1, 90, rig.shape).astype(np.float32)
    return SimpleNamespace(
        image=image, depth=np.maximum(depth, 0), semantic=classes, instance=instances,
        flow=np.zeros((height, width, 2), np.float32), moving=np.zeros(rig.shape, bool),
    )  # fmt: skip


@pytest.fixture(autouse=True)
def cheap(monkeypatch):
    """Frames of noise; the names of those that were rendered."""
    rendered = []

    def view(street, frame, rig, *, camera):
        if camera == "image_02":
            rendered.append((street.key[1], frame))
        return noise_view(street, frame, rig, camera=camera)

    monkeypatch.setattr(make, "build_street", empty_street)
    monkeypatch.setattr(make, "render_view", view)
    monkeypatch.setattr(make, "scan", lambda street, frame: np.full((7, 4), frame + 1, np.float32))
    return rendered


def render(data, *splits, **options):
    return make.render_world(data, splits or [split_of([0, 2])], **{"size": SIZE, "quiet": True, **options})


def hashes(data):
    files = (path for path in data.rglob("*") if path.is_file())
    return {str(path.relative_to(data)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def test_a_drive_is_rendered_from_its_first_frame_to_its_last(tmp_path, cheap):
    made = render(tmp_path, split_of([2, 1]), split_of([0], role="train", drive=2))
    assert (made.made, made.found) == (4, 0)
    assert sorted(cheap) == [(1, 0), (1, 1), (1, 2), (2, 0)]
    files = hashes(tmp_path)
    assert len(files) == 1 + CALIBRATIONS + 2 * TEXTS + 4 * FILES
    frames = [path for path in tmp_path.rglob("*") if path.suffix == ".png" or (path.is_file() and path.parent.name == "data")]
    assert (len(frames), sum(path.stat().st_size for path in frames)) == (4 * FILES, made.bytes)
    maps = sorted(str(p.relative_to(tmp_path)) for p in (tmp_path / "kitti_depth").glob("*/*"))
    assert maps == [f"kitti_depth/train/{DATE}_drive_0002_sync", f"kitti_depth/val/{DATE}_drive_0001_sync"]
    content = yaml.safe_load((tmp_path / "world.yaml").read_text())
    assert content == {
        "generator": record.GENERATOR, "seed": 0, "height": 32, "width": 64,
        "train": {f"{DATE}_drive_0002_sync": 1}, "val": {f"{DATE}_drive_0001_sync": 3},
    }  # fmt: skip


def test_frames_that_are_there_are_not_rendered_again(tmp_path, cheap):
    render(tmp_path)
    before = hashes(tmp_path)
    cheap.clear()
    made = render(tmp_path)
    assert (made.made, made.found, made.bytes, cheap) == (0, 3, 0, [])
    drive = f"{DATE}_drive_0001_sync"
    (tmp_path / "world_labels" / drive / "flow_occ" / "image_02" / "0000000001.png").unlink()
    torn = tmp_path / "kitti_raw" / DATE / drive / "velodyne_points" / "data" / "0000000002.bin"
    torn.write_bytes(torn.read_bytes()[:-3])
    made = render(tmp_path)
    assert (made.made, made.found, sorted(cheap)) == (2, 1, [(1, 1), (1, 2)])
    assert hashes(tmp_path) == before


def test_more_frames_and_drives_join_what_is_there(tmp_path, cheap):
    render(tmp_path, split_of([0]))
    cheap.clear()
    made = render(tmp_path, split_of([3], role="train"), split_of([0], drive=5))
    assert (made.made, made.found, sorted(cheap)) == (4, 1, [(1, 1), (1, 2), (1, 3), (5, 0)])
    stamps = tmp_path / "kitti_raw" / DATE / f"{DATE}_drive_0001_sync" / "oxts" / "timestamps.txt"
    assert len(stamps.read_text().splitlines()) == 4
    # The drive's depth stays in the part where it was first.
    assert not (tmp_path / "kitti_depth" / "train").exists()
    cheap.clear()
    assert render(tmp_path, split_of([0])).found == 1
    assert len(stamps.read_text().splitlines()) == 4
    assert cheap == []


@pytest.mark.parametrize("jobs", [1, 5])
def test_the_bytes_do_not_depend_on_the_threads_or_the_order(tmp_path, jobs):
    render(tmp_path / "one", split_of([0, 3]), jobs=2)
    render(tmp_path / "two", split_of([1]), jobs=jobs)
    render(tmp_path / "two", split_of([3]), jobs=jobs)
    assert hashes(tmp_path / "one") == hashes(tmp_path / "two")
    render(tmp_path / "three", split_of([0, 3]), seed=1)
    other = hashes(tmp_path / "three")
    assert {name for name, value in hashes(tmp_path / "one").items() if other[name] != value} > {"world.yaml"}


@pytest.mark.parametrize(("options", "text"), [({"seed": 7}, "seed 7, size 32x64"), ({"size": (48, 64)}, "seed 0, size 48x64")])
def test_another_world_is_refused_and_force_starts_over(tmp_path, cheap, options, text):
    render(tmp_path)
    drive = tmp_path / "kitti_raw" / DATE / f"{DATE}_drive_0001_sync"
    foreign = [drive / "notes.txt", tmp_path / "kitti_raw" / "2011_09_26" / "calib_cam_to_cam.txt", tmp_path / "thesis.tex"]
    foreign.append(drive / "image_02" / "data" / "0000000003.png")  # a frame that this world does not have
    left = drive / "image_02" / "data" / ".0000000001.png.0123456789abcdef.tmp"
    for path in (*foreign, left):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("mine")
    os.utime(left, (1e9, 1e9))  # what is younger than a minute may be another process's
    before = hashes(tmp_path)
    with pytest.raises(DatasetError) as caught:
        render(tmp_path, **options)
    assert "a world of seed 0, size 32x64" in str(caught.value)
    assert text in str(caught.value)
    assert hashes(tmp_path) == before
    made = render(tmp_path, split_of([0], drive=4), force=True, **options)
    assert made.made == 1
    assert not left.exists()
    assert {path.read_text() for path in foreign} == {"mine"}
    rest = {path for path in tmp_path.rglob("*") if path.is_file() and f"{DATE}_drive_0001_sync" in path.parts}
    assert rest == {foreign[0], foreign[3]}
    assert not (tmp_path / "world_labels" / f"{DATE}_drive_0001_sync").exists()


def test_a_world_of_another_generator_is_another_world(tmp_path):
    render(tmp_path)
    path = tmp_path / "world.yaml"
    path.write_text(path.read_text().replace(f"generator: {record.GENERATOR}", "generator: 0"))
    with pytest.raises(DatasetError, match="generator 0, asked for is seed 0, size 32x64, generator"):
        render(tmp_path)


def test_a_folder_that_is_not_ours(tmp_path):
    mine = tmp_path / "kitti_raw" / "2011_09_26" / "mine.txt"
    mine.parent.mkdir(parents=True)
    mine.write_text("mine")
    with pytest.raises(DatasetError, match=r"is not empty and has no world.yaml.*never deleted or overwritten"):
        render(tmp_path)
    assert hashes(tmp_path).keys() == {"kitti_raw/2011_09_26/mine.txt"}
    assert render(tmp_path, force=True).made == 3
    assert mine.read_text() == "mine"
    # The record is lost: the files could be anybody's.
    (tmp_path / "world.yaml").unlink()
    before = hashes(tmp_path)
    with pytest.raises(DatasetError, match=f"kitti_raw/{DATE}: is there, although no .*world.yaml"):
        render(tmp_path, force=True, seed=3)
    assert hashes(tmp_path) == before


def test_foreign_maps_are_not_overwritten(tmp_path):
    theirs = tmp_path / "kitti_depth" / "val" / f"{DATE}_drive_0001_sync" / "proj_depth" / "groundtruth" / "image_02"
    theirs.mkdir(parents=True)
    with pytest.raises(DatasetError, match="nothing foreign is deleted or overwritten"):
        render(tmp_path, force=True)


def test_a_file_in_place_of_the_folder(tmp_path):
    out = tmp_path / "out"
    out.write_text("mine")
    for force in (False, True):
        with pytest.raises(DatasetError, match="a file; a folder to render into was expected"):
            render(out, force=force)
    with pytest.raises(DatasetError, match="cannot be written"):
        render(out / "below")
    assert out.read_text() == "mine"


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ("seed: 0", "missing key generator"),
        ("[1, 2]", "holds a list"),
        ("seed: {", "cannot be read as YAML"),
        ("generator: 1\nseed: 0\nheight: 32\nwidth: 64\ntrain: {}\nval: {'../../etc': 2}", "is no drive of the world"),
        (f"generator: 1\nseed: 0\nheight: 32\nwidth: 64\ntrain: {{}}\nval: {{{DATE}_drive_0001_sync: 999999}}", "999999 fr"),
    ],
)
def test_a_damaged_or_hostile_record_deletes_nothing(tmp_path, content, text):
    (tmp_path / "world.yaml").write_text(content)
    (tmp_path / "other").write_text("mine")
    before = hashes(tmp_path)
    for force in (False, True):
        with pytest.raises(DatasetError, match=text):
            render(tmp_path, force=force)
    assert hashes(tmp_path) == before


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"seed": -1}, "the seed of a world is -1; expected 0 to 2147483647"),
        ({"seed": 1 << 31}, "the seed of a world is 2147483648"),
        ({"size": (8, 64)}, "an image of 8x64"),
        ({"size": (192, 100_000)}, "an image of 192x100000"),
        ({"size": (200, 100)}, "wider than high"),
    ],
)
def test_seeds_and_sizes_out_of_range(tmp_path, options, text):
    with pytest.raises(DatasetError, match=text):
        render(tmp_path / "out", **options)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("split", "text"),
    [
        (split_of([0], date="2011_09_26"), "2011_09_26_drive_0001_sync frame 0 is not of the world"),
        (split_of([0], camera="image_00"), "is of image_00, the world has image_02 and image_03"),
        (split_of([10**9]), "frames below 100000"),
        (load_split("kitti_odom_09/test"), "kitti_odom_09/test: 09 frame 0 is not of the world"),
    ],
)
def test_splits_that_the_world_does_not_have(tmp_path, split, text):
    with pytest.raises(DatasetError, match=text):
        render(tmp_path / "out", split)
    assert not (tmp_path / "out").exists()


def test_a_full_disk(tmp_path, monkeypatch, cheap):
    written = threading.Semaphore(11)
    real = Path.write_bytes

    def full(self, data):
        if not written.acquire(blocking=False):
            real(self, data[: len(data) // 2])
            raise OSError(errno.ENOSPC, "No space left on device", str(self))
        return real(self, data)

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(DatasetError, match=r"cannot be written \(No space left on device\). Make room"):
        render(tmp_path)
    assert not list(tmp_path.rglob("*.tmp"))
    monkeypatch.setattr(Path, "write_bytes", real)
    made = render(tmp_path)
    assert made.made + made.found == 3
    assert made.made >= 2
    render(tmp_path.with_name("whole"))
    assert hashes(tmp_path) == hashes(tmp_path.with_name("whole"))


def test_a_folder_that_may_not_be_written(tmp_path, monkeypatch):
    def refuse(path):
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    monkeypatch.setattr(record, "atomic_write", refuse)
    with pytest.raises(DatasetError, match=r"world.yaml: cannot be written \(Permission denied\)"):
        render(tmp_path)


def test_an_interrupt_leaves_whole_files_and_a_rerun_continues(tmp_path, monkeypatch, cheap):
    interrupted, before = threading.Event(), threading.active_count()

    class Impatient(make.Progress):
        def __call__(self, done, total):
            if done == 2:
                raise KeyboardInterrupt

    class Pool(make.ThreadPoolExecutor):
        def shutdown(self, wait=True, *, cancel_futures=False):
            super().shutdown(wait=False, cancel_futures=cancel_futures)
            interrupted.set()
            super().shutdown(wait=wait)

    def scan(street, frame):
        assert frame < 4 or interrupted.wait(60)
        return np.full((7, 4), frame, np.float32)

    monkeypatch.setattr(make, "scan", scan)
    with monkeypatch.context() as patch:
        patch.setattr(make, "Progress", Impatient)
        patch.setattr(make, "ThreadPoolExecutor", Pool)
        with pytest.raises(KeyboardInterrupt):
            render(tmp_path, split_of([29]), jobs=2)
    finished = len(cheap)
    assert 2 <= finished <= 6  # the frames in work are finished, the others not begun
    assert threading.active_count() == before
    assert not list(tmp_path.rglob("*.tmp"))
    made = render(tmp_path, split_of([29]))
    assert (made.made, made.found) == (30 - finished, finished)
    assert len(set(cheap)) == len(cheap) == 30


def test_an_error_in_a_thread_is_not_lost(tmp_path, monkeypatch):
    def fail(street, frame):
        raise ValueError("a bug")

    monkeypatch.setattr(make, "scan", fail)
    with pytest.raises(ValueError, match="a bug"):
        render(tmp_path)


def test_the_command(tmp_path, cheap):
    out = tmp_path / "a world"
    result = CliRunner().invoke(main, ["datasets", "render", "--out", str(out), "--size", "32x64", "--seed", "5"])
    assert result.exception is None
    assert len(cheap) == 80
    first, *rest = [line for line in result.stderr.splitlines() if not line.startswith("render: ")]
    assert f"{out}: 80 frames rendered" in first
    assert rest == [
        f"next: depthbench export_gt --dataset kitti_depth --data '{out}' --split world_small/test "
        f"--out '{out}/world_small_test_exact.h5'",
        f"next: depthbench export_gt --dataset kitti_raw --depth camera_z --data '{out}' --split world_small/test "
        f"--out '{out}/world_small_test_lidar.h5'",
    ]
    assert result.stdout == ""
    for options in (["--seed", "5"], ["--seed", "5", "--split", "world_small/train"]):
        again = CliRunner().invoke(main, ["datasets", "render", "--out", str(out), "--size", "32x64", *options])
        assert "0 frames rendered" in again.stderr
    assert CliRunner().invoke(main, ["datasets", "render"]).exit_code == 2


def test_the_next_commands_name_a_list_by_its_file(tmp_path):
    listed = tmp_path / "my list.txt"
    listed.write_text(f"{DATE}/{DATE}_drive_0004_sync 1 l\n")
    result = CliRunner().invoke(
        main, ["datasets", "render", "--out", str(tmp_path / "w"), "--size", "32x64", "--split", str(listed)]
    )
    commands = [shlex.split(line)[1:] for line in result.stderr.splitlines() if line.startswith("next: ")]
    assert len(commands) == 2
    for words in commands:
        assert words[words.index("--split") + 1] == str(listed)
        assert words[words.index("--out") + 1].startswith(f"{tmp_path}/w/my list_")
