"""Scenes of the world as DDAD's readers see them: lists, poses, calibration, scans and what is exported from them."""

import dataclasses
import hashlib
import json

import numpy as np
import pytest

from benchmark.cli import LAYOUTS
from benchmark.errors import DatasetError
from benchmark.geometry import inverse
from benchmark.io.ground_truth_hdf5 import read_hdf5
from benchmark.splits import load_split
from datasets_prep import ddad, dgp
from datasets_prep.export_gt import export_gt
from datasets_prep.roots import data_root
from datasets_prep.world import dgp_layout
from datasets_prep.world.make import FORMS, render_world
from datasets_prep.world.record import Record

SIZE = (96, 160)
VAL, TRAIN = load_split("world_ddad/val"), load_split("world_ddad/train")
CAMERAS = tuple(dgp_layout.MOUNTS)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """The two validation scenes, three samples each."""
    out = tmp_path_factory.mktemp("world")
    assert render_world(out, [VAL], size=SIZE, quiet=True).made == 6
    return out


def mounts(sample):
    """`T_vehicle_sensor` (4, 4) by lower-case sensor name, which no reader of ours wants."""
    file = json.loads(sample.calibration.read_text())
    found = {}
    for name, one in zip(file["names"], file["extrinsics"], strict=True):
        quaternion = tuple(one["rotation"].get(key, 0.0) for key in ("qw", "qx", "qy", "qz"))
        translation = tuple(one["translation"].get(key, 0.0) for key in "xyz")
        found[name.lower()] = dgp.Pose(quaternion, translation).matrix()
    return found


def test_the_commands_layouts_are_those_of_the_world():
    assert tuple(FORMS) == LAYOUTS


def test_the_lists_are_those_of_the_split(data):
    root = data_root("ddad", data)
    scenes = ddad.scene_files(root, "val")
    assert tuple(scenes) == VAL.drives == ("000901", "000902")
    assert "train" not in json.loads((root / "ddad.json").read_text())["scene_splits"]
    assert tuple(frame for file in scenes.values() for frame in ddad.recordings(file)) == VAL.frames
    for path in scenes.values():
        assert path.name == f"scene_{hashlib.sha1(path.read_bytes()).hexdigest()}.json"


def test_a_sample_holds_six_cameras_and_a_scan(data):
    (path, *_) = ddad.scene_files(data_root("ddad", data), "val").values()
    for sample in dgp.read_scene(path).samples:
        assert tuple(sample.datums) == (*CAMERAS, "LIDAR")
        calibration = dgp.read_calibration(sample.calibration)
        assert calibration.intrinsics["lidar"] == (0,) * 5
        (scan,) = sample.of_kind("point_cloud")
        for image in sample.of_kind("image"):
            assert ddad.load_image(image).shape == (*SIZE, 3)
            assert calibration.K(image.sensor)[0, 0] == calibration.K(image.sensor)[1, 1]
            assert image.path is not None
            assert scan.path is not None
            assert 0 < int(scan.path.stem) - int(image.path.stem) < 20_000  # microseconds
            # The car drove on between picture and scan: 9 ms at about 10 m/s.
            by_poses, mounted = inverse(scan.pose.matrix()) @ image.pose.matrix(), mounts(sample)[image.sensor.lower()]
            moved = by_poses[:3, 3] - mounted[:3, 3]
            assert -0.13 < moved[0] < -0.05
            assert np.abs(moved[1:]).max() < 0.01


def test_the_cameras_look_all_around(data):
    (path, *_) = ddad.scene_files(data_root("ddad", data), "val").values()
    sample = dgp.read_scene(path).samples[0]
    calibration, mounted = dgp.read_calibration(sample.calibration), mounts(sample)
    covered = np.zeros(360, bool)
    for name in CAMERAS:
        T, K = mounted[name.lower()], calibration.K(name)
        rays = T[:3, :3] @ np.linalg.inv(K) @ np.array([np.arange(SIZE[1]), np.full(SIZE[1], K[1, 2]), np.ones(SIZE[1])])
        covered[np.degrees(np.arctan2(rays[1], rays[0])).astype(int) % 360] = True
        assert np.abs(rays[2]).max() < 1e-6  # level
        assert T[:3, 1] == pytest.approx([0, 0, -1])  # down is down
    assert covered.sum() > 330
    front, left = (mounted[name][:3, 2] for name in ("camera_01", "camera_05"))
    assert front == pytest.approx([1, 0, 0], abs=1e-6)
    assert left == pytest.approx([0.5, np.sqrt(0.75), 0], abs=1e-6)


def test_scans_reach_far_and_lie_on_the_ground(data):
    scenes = ddad.scene_files(data_root("ddad", data), "val")
    for recording in list(ddad.recordings(scenes["000901"]).values())[::6]:
        points = dgp.read_points(recording.scan)
        assert points.dtype == np.float64
        assert 50_000 < len(points) < 80_000
        assert 150 < np.linalg.norm(points[:, :2], axis=1).max() < 246
        assert np.degrees(np.arctan2(points[:, 1], points[:, 0])).min() < -170
        near = (np.abs(points[:, 1]) < 1) & (points[:, 0] > 3.8) & (points[:, 0] < 8)
        assert np.median(points[near, 2]) == pytest.approx(0, abs=0.06)


def test_exported_lidar_is_the_exact_depth_in_every_camera(data, tmp_path):
    export_gt("ddad", data, VAL.name, tmp_path / "gt.h5", quiet=True)
    truth = read_hdf5(tmp_path / "gt.h5")
    assert truth.header.frame_id == VAL.frame_ids
    streets = {scene: dgp_layout.build_scene_street(0, scene) for scene in VAL.drives}
    shares = {}
    for i, frame in list(enumerate(VAL.frames))[::7]:  # every camera once, both scenes
        lidar, exact = truth.dense(i), dgp_layout.look(streets[frame.drive], frame.camera, i // 6 % 3, SIZE).depth
        both = (lidar > 0) & (exact > 0)
        error = np.abs(lidar[both] / exact[both] - 1)
        shares[frame.camera] = both.mean()
        assert np.median(error) < 0.015, frame
        assert np.mean(error < 0.05) > 0.6, frame
        assert both.sum() > 0.98 * (lidar > 0).sum()  # a scan never meets the sky
    assert set(shares) == set(CAMERAS)
    assert min(shares.values()) > 0.08


def test_another_camera_lacks_its_depth(data, tmp_path):
    """The test above can fail: the depth of a picture is not that of the next camera."""
    export_gt("ddad", data, VAL.name, tmp_path / "gt.h5", quiet=True)
    lidar = read_hdf5(tmp_path / "gt.h5").dense(1)
    exact = dgp_layout.look(dgp_layout.build_scene_street(0, "000901"), "CAMERA_06", 0, SIZE).depth
    both = (lidar > 0) & (exact > 0)
    assert np.median(np.abs(lidar[both] / exact[both] - 1)) > 0.1


def test_a_longer_scene_replaces_its_file_and_keeps_the_rest(data, tmp_path):
    two = dataclasses.replace(VAL, frames=VAL.frames[:6])
    assert render_world(tmp_path, [two], size=SIZE, quiet=True).made == 1
    (old,) = ddad.scene_files(tmp_path / "ddad").values()
    (other,) = (tmp_path / "ddad" / "000901" / "rgb" / "CAMERA_05").iterdir()
    content = other.read_bytes()
    made = render_world(tmp_path, [dataclasses.replace(VAL, frames=VAL.frames[:12])], size=SIZE, quiet=True)
    assert (made.made, made.found) == (1, 1)
    assert not old.exists()
    assert other.read_bytes() == content
    whole = data / "ddad" / "000901"
    assert (whole / "rgb" / "CAMERA_05" / other.name).read_bytes() == content
    wanted = f"--data {tmp_path} --split world_ddad/val --out {tmp_path}/world_ddad_val_lidar.h5"
    assert made.next_steps() == (f"depthbench export_gt --dataset ddad {wanted}",)


def test_layouts_share_a_folder_and_foreign_data_is_safe(data, tmp_path):
    odometry = dataclasses.replace(load_split("world_odometry/test"), frames=load_split("world_odometry/test").frames[:1])
    raw = dataclasses.replace(load_split("world_small/test"), frames=load_split("world_small/test").frames[:1])
    for split in (odometry, raw):
        render_world(tmp_path, [split], size=(48, 160), quiet=True)
    assert {path.parent.name for path in tmp_path.rglob("world.yaml")} == {tmp_path.name, "kitti_odometry"}
    theirs = tmp_path / "ddad" / "000150" / "mine.txt"
    theirs.parent.mkdir(parents=True)
    theirs.write_text("mine")
    for force in (False, True):
        with pytest.raises(DatasetError, match="ddad: "):
            render_world(tmp_path, [TRAIN], size=SIZE, quiet=True, force=force)
    assert [path.name for path in (tmp_path / "ddad").rglob("*")] == ["000150", "mine.txt"]
    with pytest.raises(DatasetError, match="000901 frame 12 is not of the world"):
        render_world(tmp_path, [dataclasses.replace(VAL, frames=(VAL.frames[0]._replace(number=12),))], quiet=True)
    assert render_world(tmp_path, [odometry, raw], size=(48, 160), quiet=True).found == 2


def test_the_same_record_gives_the_same_texts(tmp_path):
    record = Record(1, 3, *SIZE, {"000911": 2}, {"000901": 1})
    texts = FORMS["ddad"].texts(tmp_path, record)
    assert texts == FORMS["ddad"].texts(tmp_path, record)
    assert {path.relative_to(tmp_path).parts[0] for path in texts} == {"ddad.json", "000901", "000911"}
    listed = json.loads(texts[tmp_path / "ddad.json"])["scene_splits"]
    assert [len(listed[part]["filenames"]) for part in ("0", "1")] == [1, 1]
    assert all(path.name == "ddad.json" or path.parent.name == "calibration" or "scene_" in path.name for path in texts)


def test_the_command_renders_a_layout_with_all_its_splits(tmp_path, run):
    options = ["datasets", "render", "--out", tmp_path / "w", "--layout", "ddad"]
    done = run(*options, "--size", "32x64")
    assert done.code == 0, done.err
    assert "9 frames rendered" in done.err
    assert {scene for part in ("train", "val") for scene in ddad.scene_files(tmp_path / "w" / "ddad", part)} == {
        *VAL.drives, *TRAIN.drives,
    }  # fmt: skip
    assert "9 frames were there already" in run(*options, "--layout", "ddad", "--size", "32x64").err
    assert run(*options, "--split", "world_ddad/val").code == 2
    assert run(*options, "--size", "48x64").code == 1
