import errno
import json
import os
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import joblib
import numpy as np
import pytest
from click.testing import CliRunner
from kitti_tree import (
    DATE,
    DRIVE,
    SHAPE,
    restated_map,
    write_annotated,
    write_calibration,
    write_list,
    write_scans,
)

from benchmark.cli import main
from benchmark.errors import DatasetError, GroundTruthError, SplitError
from benchmark.io.ground_truth_hdf5 import read_hdf5
from benchmark.splits import Frame, read_list, split_sha256
from datasets_prep import kitti_raw, shards
from datasets_prep.export_gt import export_gt

NUMBERS = [*range(3, 40), 2, 77]  # three shards, with holes, out of order


@pytest.fixture(scope="session")
def raw_tree(tmp_path_factory) -> Path:
    data = tmp_path_factory.mktemp("with a space")
    write_calibration(data / "kitti_raw")
    write_scans(data / "kitti_raw", NUMBERS)
    write_list(data / "list.txt", NUMBERS)
    return data


def own_tree(tmp_path: Path) -> Path:
    data = tmp_path / "data"
    write_calibration(data / "kitti_raw")
    write_scans(data / "kitti_raw", NUMBERS)
    write_list(data / "list.txt", NUMBERS)
    return data


def export(data: Path, out: Path, **options):
    return export_gt("kitti_raw", data, str(data / "list.txt"), out, quiet=True, **options)


@pytest.mark.parametrize("camera", ["image_02", "image_03"])
@pytest.mark.parametrize("depth", ["lidar_forward_x", "camera_z"])
def test_every_frame_equals_the_restated_map(raw_tree, tmp_path, camera, depth):
    out = tmp_path / "o u t" / "gt.h5"
    made = export(raw_tree, out, camera=camera, depth=depth)
    truth = read_hdf5(out)
    calibration = kitti_raw.load_calibration(raw_tree / "kitti_raw", DATE)
    M, x = calibration.M_image_lidar(camera), depth == "lidar_forward_x"
    for i, number in enumerate(NUMBERS):
        scan = kitti_raw.read_velodyne(kitti_raw.velodyne_path(raw_tree / "kitti_raw", Frame(DRIVE, camera, number)))
        assert np.array_equal(truth.dense(i), restated_map(scan, M, SHAPE, use_x=x, collide=True))
        assert truth.header.frame_id[i] == f"{DRIVE}/{camera}/{number:010d}"
        assert truth.K[i].tolist() == calibration.K(camera).tolist()
    assert truth.header.depth_kind == depth
    assert truth.header.dataset == "kitti_raw"
    assert truth.header.data_scale is None
    assert (made.frames, made.points, made.bytes) == (39, len(truth.data), out.stat().st_size)
    assert sorted(path.name for path in out.parent.iterdir()) == ["gt.h5"]


def test_header_names_the_split_and_another_camera_is_another_split(raw_tree, tmp_path):
    split = read_list(raw_tree / "list.txt")
    export(raw_tree, tmp_path / "left.h5")
    export(raw_tree, tmp_path / "same.h5", camera="image_02")
    export(raw_tree, tmp_path / "right.h5", camera="image_03")
    left, same, right = (read_hdf5(tmp_path / f"{name}.h5").header for name in ("left", "same", "right"))
    assert (left.split, left.split_sha256) == ("list", split.sha256)
    assert (same.split, same.split_sha256) == ("list", split.sha256)
    moved = [frame._replace(camera="image_03") for frame in split.frames]
    assert (right.split, right.split_sha256) == ("list@image_03", split_sha256(moved, ordered=True))


def test_bytes_depend_neither_on_threads_nor_on_where_the_data_set_is_named(raw_tree, tmp_path):
    export(raw_tree, tmp_path / "a.h5", jobs=1)
    export(raw_tree, tmp_path / "b.h5", jobs=3)
    export_gt("kitti_raw", raw_tree / "kitti_raw", str(raw_tree / "list.txt"), tmp_path / "c.h5", quiet=True)
    contents = {(tmp_path / f"{name}.h5").read_bytes() for name in "abc"}
    assert len(contents) == 1


def test_processes_make_the_same_bytes_and_the_same_errors(tmp_path, monkeypatch):
    """What a task takes and gives can be pickled, as a cluster needs it."""
    data = own_tree(tmp_path)
    export(data, tmp_path / "threads.h5")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(sys.path))
    with joblib.parallel_config("loky"):
        export(data, tmp_path / "processes.h5", jobs=2)
        kitti_raw.velodyne_path(data / "kitti_raw", Frame(DRIVE, "image_02", 77)).write_bytes(b"x")
        with pytest.raises(DatasetError, match=r"0000000077\.bin: the LiDAR scan is truncated"):
            export(data, tmp_path / "broken.h5", jobs=2)
    assert (tmp_path / "processes.h5").read_bytes() == (tmp_path / "threads.h5").read_bytes()


def test_data_from_the_environment(raw_tree, tmp_path, monkeypatch):
    monkeypatch.setenv("DEPTHBENCH_DATA", str(raw_tree))
    assert export_gt("kitti_raw", None, str(raw_tree / "list.txt"), tmp_path / "a.h5", quiet=True).frames == 39


def test_field_npz_holds_the_same_maps(raw_tree, tmp_path):
    export(raw_tree, tmp_path / "gt.h5", npz=tmp_path / "gt_depths.npz")
    truth = read_hdf5(tmp_path / "gt.h5")
    with np.load(tmp_path / "gt_depths.npz", allow_pickle=True) as file:
        maps = file["data"]
        assert [text.decode() for text in file["frame_id"]] == list(truth.header.frame_id)
        assert (file["depth_kind"], file["dataset"]) == (b"lidar_forward_x", b"kitti_raw")
    assert len(maps) == len(truth) == 39
    assert all(np.array_equal(maps[i], truth.dense(i)) for i in range(39))


def test_a_damaged_scan_stops_the_export_and_its_repair_resumes_it(tmp_path):
    data, out = own_tree(tmp_path), tmp_path / "gt.h5"
    broken = kitti_raw.velodyne_path(data / "kitti_raw", Frame(DRIVE, "image_02", 77))
    raw = broken.read_bytes()
    broken.write_bytes(raw[:-3])
    with pytest.raises(DatasetError, match=r"0000000077\.bin: the LiDAR scan is truncated"):
        export(data, out, jobs=1)
    assert not out.exists()
    assert len(list(shards.parts_folder(out).iterdir())) == 2
    broken.write_bytes(raw)
    made = export(data, out)
    assert made.resumed == 32
    assert not shards.parts_folder(out).exists()
    export(data, tmp_path / "once.h5")
    assert out.read_bytes() == (tmp_path / "once.h5").read_bytes()


def interrupted(data: Path, out: Path) -> None:
    """Leave the first two shards, as a stopped export does."""
    broken = kitti_raw.velodyne_path(data / "kitti_raw", Frame(DRIVE, "image_02", 77))
    raw, stat = broken.read_bytes(), broken.stat()
    broken.write_bytes(b"")
    with pytest.raises(DatasetError, match="empty"):
        export(data, out, jobs=1)
    broken.write_bytes(raw)
    os.utime(broken, ns=(stat.st_atime_ns, stat.st_mtime_ns))


def test_pieces_of_another_export_are_not_used(tmp_path):
    data, out = own_tree(tmp_path), tmp_path / "gt.h5"
    interrupted(data, out)
    assert export(data, out, depth="camera_z").resumed == 0
    assert read_hdf5(out).header.depth_kind == "camera_z"
    interrupted(data, out)
    assert export(data, out, camera="image_03").resumed == 0
    interrupted(data, out)
    scan = kitti_raw.velodyne_path(data / "kitti_raw", Frame(DRIVE, "image_02", 3))
    write_scans(data / "kitti_raw", [50])[50].tofile(scan)
    assert export(data, out).resumed == 16
    interrupted(data, out)
    write_calibration(data / "kitti_raw", shape=(23, 32))
    assert export(data, out).resumed == 0


def test_torn_pieces_are_made_again_and_other_files_stay(tmp_path):
    data, out = own_tree(tmp_path), tmp_path / "gt.h5"
    interrupted(data, out)
    first, second = sorted(shards.parts_folder(out).iterdir())
    first.write_bytes(first.read_bytes()[:-200])
    raw = bytearray(second.read_bytes())
    raw[len(raw) // 2] ^= 255
    second.write_bytes(raw)
    (shards.parts_folder(out) / "notes.txt").touch()
    assert export(data, out).resumed == 0
    assert [path.name for path in shards.parts_folder(out).iterdir()] == ["notes.txt"]
    export(data, tmp_path / "once.h5")
    assert out.read_bytes() == (tmp_path / "once.h5").read_bytes()


SLOW = """
import sys, time
from datasets_prep import kitti_raw, sources
from benchmark.cli import entry_point
read = kitti_raw.read_velodyne
kitti_raw.read_velodyne = lambda path, **how: (time.sleep(0.05), read(path, **how))[1]
entry_point()
"""


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGINT for another process")
def test_interrupt_keeps_finished_pieces(tmp_path):
    data, out = own_tree(tmp_path), tmp_path / "gt.h5"
    words = ["export_gt", "--dataset", "kitti_raw", "--data", str(data), "--split", str(data / "list.txt")]
    process = subprocess.Popen(
        [sys.executable, "-c", SLOW, *words, "--out", str(out), "--jobs", "2"],
        stderr=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )  # fmt: skip
    deadline = time.monotonic() + 60
    while not list(tmp_path.glob("gt.h5.parts/*.npz")) and time.monotonic() < deadline:
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Traceback" not in errors
    assert not out.exists()
    assert not list(tmp_path.glob(".gt.h5*"))
    assert export(data, out).resumed >= 16


def test_missing_frames_are_counted_by_drive(tmp_path):
    data, out = own_tree(tmp_path), tmp_path / "gt.h5"
    for number in (3, 20, 77):
        kitti_raw.velodyne_path(data / "kitti_raw", Frame(DRIVE, "image_02", number)).unlink()
    with (data / "list.txt").open("a") as file:
        file.writelines(f"{DATE}/{DATE}_drive_0009_sync {number} r\n" for number in range(7))
    with pytest.raises(DatasetError) as caught:
        export(data, out)
    text = str(caught.value)
    assert "10 of the 46 frames of list have no LiDAR scan" in text
    assert f"Missing by drive: {DATE}_drive_0009_sync 7, {DRIVE} 3. First:" in text
    assert f"{DRIVE}/velodyne_points/data/0000000003.bin" in text
    assert "and 5 more files" in text
    assert "depthbench datasets verify --dataset kitti_raw --data" in text
    assert str(data / "list.txt") in text
    assert "\n" not in text
    assert list(tmp_path.iterdir()) == [data]


def test_calibration_problems_are_found_before_anything_is_written(tmp_path):
    data, out = own_tree(tmp_path), tmp_path / "gt.h5"
    path = data / "kitti_raw" / DATE / "calib_velo_to_cam.txt"
    path.write_text(path.read_text().replace("T:", "X:"))
    with pytest.raises(DatasetError, match=r"calib_velo_to_cam\.txt: the calibration has no key 'T'; found: R, X"):
        export(data, out)
    assert list(tmp_path.iterdir()) == [data]


def test_requests_that_make_no_sense(raw_tree, tmp_path):
    out = tmp_path / "gt.h5"
    cases = [
        (("kitti_raw", "kitti_odom_09/test", {}), DatasetError, "a list of kitti_odometry"),
        (("kitti_raw", "kitti_benchmark/test", {}), DatasetError, "a list of kitti_depth"),
        (("kitti_raw", "kitti_egen/test", {}), SplitError, "did you mean"),
        (
            ("kitti_raw", None, {"depth": "annotated_png"}),
            DatasetError,
            "no depth 'annotated_png'; known: lidar_forward_x",
        ),
        (("kitti_raw", "kitti_eigen/test", {"camera": "left"}), DatasetError, "unknown camera 'left'; known: image_00"),
        (("kitti_raw", "kitti_eigen_zhou/val", {"camera": "image_03"}), DatasetError, "frames would repeat"),
        (("nuscenes", None, {}), DatasetError, "known: kitti_raw, kitti_depth, packnet_kitti, ddad"),
        (("kitti_raw", None, {"npz": out}), DatasetError, r"--npz ends in '\.h5', expected \.npz; nothing was written"),
    ]
    for (dataset, split, options), error, problem in cases:
        with pytest.raises(error, match=problem):
            export_gt(dataset, raw_tree, split, out, quiet=True, **options)
    with pytest.raises(DatasetError, match="a folder; expected the name of a file"):
        export(raw_tree, tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["notes.txt", "gt", "gt.npz", "gt.h5.bak"])
def test_a_file_named_by_mistake_is_not_overwritten(raw_tree, tmp_path, name):
    (tmp_path / name).write_text("mine")
    with pytest.raises(DatasetError, match=r"--out ends in .*, expected \.h5 or \.hdf5; nothing was written") as caught:
        export(raw_tree, tmp_path / name)
    assert "\n" not in str(caught.value)
    with pytest.raises(DatasetError, match="--npz ends in"):
        export(raw_tree, tmp_path / "new" / "gt.hdf5", npz=tmp_path / "notes.txt")
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [(name, "mine")]


def test_a_camera_without_calibration_is_said_before_anything_is_written(tmp_path):
    data = own_tree(tmp_path)
    path = data / "kitti_raw" / DATE / "calib_cam_to_cam.txt"
    path.write_text(path.read_text().replace("P_rect_02", "P_other"))
    with pytest.raises(DatasetError, match=r"calib_cam_to_cam\.txt: the calibration has no key 'P_rect_02', expected twelve"):
        export(data, tmp_path / "gt.h5")
    assert list(tmp_path.iterdir()) == [data]


def test_another_export_to_the_same_file_that_finishes_first(raw_tree, tmp_path, monkeypatch):
    out, close = tmp_path / "gt.h5", shards.close_folder
    monkeypatch.setattr(shards, "close_folder", lambda folder, pieces: (close(folder, pieces), close(folder, pieces)))
    assert export(raw_tree, out).frames == 39  # the folder was gone when the second one closed it

    def gone(shard):
        close(shard.path.parent, [shard])
        return read(shard)

    read = shards.read
    monkeypatch.setattr(shards, "read", gone)
    with pytest.raises(GroundTruthError, match="another export to the same --out is running or has just finished"):
        export(raw_tree, tmp_path / "loser.h5", jobs=1)


def test_a_full_disk_at_the_end_says_that_the_pieces_are_kept(raw_tree, tmp_path, monkeypatch):
    def full(path):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("benchmark.io.files._sync", full)
        with pytest.raises(
            GroundTruthError, match=r"no half-written file was left\. The finished pieces are kept in .*\.parts"
        ):
            export(raw_tree, tmp_path / "gt.h5")
    assert export(raw_tree, tmp_path / "gt.h5").resumed == 39


def test_what_a_killed_export_left_is_swept(raw_tree, tmp_path):
    names = [f".gt.h5.{'0' * 16}.tmp", f".gt.h5.{'1' * 16}.tmp", f".gt.h5x.{'0' * 16}.tmp"]
    for name in names:
        (tmp_path / name).touch()
    for name in (names[0], names[2]):
        os.utime(tmp_path / name, (0, 0))
    export(raw_tree, tmp_path / "gt.h5")
    assert {path.name for path in tmp_path.iterdir()} == {"gt.h5", *names[1:]}


def test_commands_in_errors_quote_the_paths(raw_tree, tmp_path):
    names = write_list(tmp_path / "my list.txt", [999])
    with pytest.raises(DatasetError, match="verify --dataset") as caught:
        export_gt("kitti_raw", raw_tree, str(names), tmp_path / "gt.h5", quiet=True)
    command = str(caught.value).split("`")[1]
    assert shlex.split(command)[-4:] == ["--data", str(raw_tree / "kitti_raw"), "--split", str(names)]


def test_unwritable_places(raw_tree, tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    with pytest.raises(GroundTruthError, match=r"file: cannot write \((File exists|Not a directory)\)"):
        export(raw_tree, tmp_path / "file" / "gt.h5")

    def full(*args, **kwargs):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(np, "savez", full)
    with pytest.raises(GroundTruthError, match=r"cannot write \(No space left on device\)\. The export keeps"):
        export(raw_tree, tmp_path / "gt.h5")
    assert not (tmp_path / "gt.h5").exists()
    assert list(shards.parts_folder(tmp_path / "gt.h5").iterdir()) == []


FULL = """
import resource, sys
from benchmark.cli import entry_point
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv.pop(1)), resource.RLIM_INFINITY))
entry_point()
"""


@pytest.mark.skipif(os.name == "nt", reason="Windows has no limit on the size of files")
@pytest.mark.parametrize("limit", [1000, 30000])
def test_full_disk_is_one_paragraph(raw_tree, tmp_path, limit):
    words = ["export_gt", "--dataset", "kitti_raw", "--data", str(raw_tree), "--split", str(raw_tree / "list.txt")]
    process = subprocess.run(
        [sys.executable, "-c", FULL, str(limit), *words, "--out", str(tmp_path / "gt.h5")],
        capture_output=True, text=True, check=False, env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )  # fmt: skip
    assert process.returncode == 1
    assert "Traceback" not in process.stderr
    assert process.stderr.startswith("depthbench: ")
    assert process.stderr.count("\n") == 1
    assert not (tmp_path / "gt.h5").exists()
    assert not list(tmp_path.glob(".gt.h5*"))


def test_annotated_depth_stays_uint16(tmp_path):
    root = tmp_path / "kitti_depth"
    folders = {4: "train", 9: "val"}
    maps = {
        n: write_annotated(root / folder / DRIVE / f"proj_depth/groundtruth/image_02/{n:010d}.png", n)
        for n, folder in folders.items()
    }
    names = write_list(tmp_path / "list.txt", [9, 4])
    made = export_gt("kitti_depth", tmp_path, str(names), tmp_path / "gt.h5", quiet=True)
    truth = read_hdf5(tmp_path / "gt.h5")
    assert truth.data.dtype == np.uint16
    assert (truth.header.data_scale, truth.header.depth_kind) == (1 / 256, "annotated_png")
    assert np.array_equal(truth.dense(0), maps[9].astype(np.float32) / 256)
    assert np.array_equal(truth.dense(1), maps[4].astype(np.float32) / 256)
    assert made.without_intrinsics == 2
    assert "2 frames without intrinsics" in made.summary()
    write_calibration(tmp_path / "kitti_raw")
    assert export_gt("kitti_depth", tmp_path, str(names), tmp_path / "gt.h5", quiet=True).without_intrinsics == 0
    (root / "val" / DRIVE / "proj_depth/groundtruth/image_02/0000000009.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    with pytest.raises(DatasetError, match=r"0000000009\.png: the PNG does not begin.*fetch its archive again"):
        export_gt("kitti_depth", tmp_path, str(names), tmp_path / "again.h5", quiet=True)


def test_pieces_made_before_the_calibration_came_are_not_used(tmp_path):
    names, root = write_list(tmp_path / "list.txt", list(range(20))), tmp_path / "kitti_depth"
    paths = [root / "train" / DRIVE / f"proj_depth/groundtruth/image_02/{n:010d}.png" for n in range(20)]
    for n, path in enumerate(paths):
        write_annotated(path, n)
    raw = paths[-1].read_bytes()
    paths[-1].write_bytes(raw[:-5])
    with pytest.raises(DatasetError, match="cut short"):
        export_gt("kitti_depth", tmp_path, str(names), tmp_path / "gt.h5", quiet=True, jobs=1)
    assert len(list(shards.parts_folder(tmp_path / "gt.h5").iterdir())) == 1
    paths[-1].write_bytes(raw)
    write_calibration(tmp_path / "kitti_raw")
    made = export_gt("kitti_depth", tmp_path, str(names), tmp_path / "gt.h5", quiet=True)
    assert (made.resumed, made.without_intrinsics) == (0, 0)


def test_selection_of_the_devkit(tmp_path):
    base = tmp_path / "kitti_depth" / "depth_selection" / "val_selection_cropped"
    depth = write_annotated(base / f"groundtruth_depth/{DRIVE}_groundtruth_depth_0000000008_image_03.png", 8, (352, 1216))
    (base / "intrinsics").mkdir()
    (base / "intrinsics" / f"{DRIVE}_image_0000000008_image_03.txt").write_text("7 0 6 0 7 1.5 0 0 1\n")
    export_gt("kitti_depth", tmp_path, "kitti_depth_selection/val", tmp_path / "gt.h5", quiet=True)
    truth = read_hdf5(tmp_path / "gt.h5")
    assert truth.header.frame_id == (f"{DRIVE}/image_03/0000000008",)
    assert truth.header.split == "kitti_depth_selection/val"
    assert np.array_equal(truth.dense(0), depth.astype(np.float32) / 256)
    assert truth.K[0].tolist() == [[7, 0, 6], [0, 7, 1.5], [0, 0, 1]]


def test_packnet_maps(tmp_path):
    folder = tmp_path / "kitti_raw" / DATE / DRIVE / "proj_depth" / "velodyne" / "image_02"
    folder.mkdir(parents=True)
    depth = np.where(np.random.default_rng(0).random(SHAPE) < 0.3, 7.25, 0).astype(np.float32)
    np.savez_compressed(folder / "0000000004.npz", velodyne_depth=depth)
    names = write_list(tmp_path / "list.txt", [4])
    export_gt("packnet_kitti", tmp_path, str(names), tmp_path / "gt.h5", quiet=True)
    truth = read_hdf5(tmp_path / "gt.h5")
    assert (truth.header.dataset, truth.header.depth_kind) == ("packnet_kitti", "camera_z")
    assert np.array_equal(truth.dense(0), depth)
    write_list(names, [4, 5])
    with pytest.raises(DatasetError, match=r"1 of the 2 frames .*KITTI_raw_velodyne\.tar\.gz"):
        export_gt("packnet_kitti", tmp_path, str(names), tmp_path / "gt.h5", quiet=True)


def test_progress_is_plain_lines_away_from_a_terminal(raw_tree, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("datasets_prep.progress.LINE_EVERY_S", -1.0)
    export_gt("kitti_raw", raw_tree, str(raw_tree / "list.txt"), tmp_path / "gt.h5")
    lines = capsys.readouterr().err.splitlines()
    assert [line.split(" (")[0] for line in lines] == [f"export_gt: {n} of 39 frames" for n in (0, 16, 32, 39)]
    export(raw_tree, tmp_path / "gt.h5")
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("verb", ["export_gt", "export-gt"])
def test_command(raw_tree, tmp_path, verb):
    words = [verb, "--dataset", "kitti_raw", "--data", str(raw_tree), "--split", str(raw_tree / "list.txt")]
    result = CliRunner().invoke(main, [*words, "--out", str(tmp_path / "gt.h5")])
    assert result.exit_code == 0
    assert result.stdout == ""
    assert "39 frames of list" in result.stderr


def test_commands_on_data_sets():
    listed = CliRunner().invoke(main, ["datasets", "list"])
    assert [line.split()[0] for line in listed.stdout.splitlines()[2:]] == [
        "ddad",
        "kitti_depth",
        "kitti_odometry",
        "kitti_raw",
        "world",
    ]
    shown = CliRunner().invoke(main, ["datasets", "show", "ddad"])
    assert "CC BY-NC-SA 4.0" in shown.stdout


@pytest.mark.golden
def test_real_samples(real_data, tmp_path):
    golden = json.loads((real_data / "golden.json").read_text())
    drive = "2011_09_26_drive_0001_sync"
    for number_list, dataset in (([0, 5, 25, 45], "kitti_raw"), ([45, 5, 25], "kitti_depth")):
        names = write_list(tmp_path / "list.txt", number_list, drive)
        for camera in ("image_02", "image_03"):
            export_gt(dataset, real_data, str(names), tmp_path / "gt.h5", camera=camera, quiet=True)
            truth = read_hdf5(tmp_path / "gt.h5")
            for i, number in enumerate(number_list):
                raw = f"{drive}/{number:010d}/cam{camera[-1]}/vel_depth=True"
                png = f"train/{drive}/proj_depth/groundtruth/{camera}/{number:010d}.png"
                section, key = ("raw_velodyne", raw) if dataset == "kitti_raw" else ("annotated", png)
                expected = golden[f"kitti_{section}_depth"]["results"][key]
                row, _, depth = truth.points(i)
                assert len(row) == expected["n_valid"]
                total = expected.get("sum", expected.get("depth_sum"))
                assert depth.astype(np.float64).sum() == pytest.approx(total, rel=1e-12)
                assert truth.shape[i].tolist() == [375, 1242]
                assert truth.K[i, 0, 0] == 721.5377
