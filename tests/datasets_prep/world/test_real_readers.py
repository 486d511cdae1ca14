"""The readers, the export and the engine, as they are for KITTI, on a small rendered world."""

import dataclasses
import hashlib
import re
from pathlib import Path

import cv2
import numpy as np
import pytest
import yaml

from benchmark.io.ground_truth_hdf5 import read_hdf5
from benchmark.score import Request, score
from benchmark.splits import load_split
from datasets_prep import kitti_depth, kitti_raw, verify
from datasets_prep.export_gt import export_gt
from datasets_prep.images import read_image
from datasets_prep.oxts import oxts_poses, read_oxts
from datasets_prep.roots import data_root
from datasets_prep.world.labels import read_flow, read_instances
from datasets_prep.world.layout import frame_paths
from datasets_prep.world.make import render_world
from datasets_prep.world.rig import DATE, rig_of
from datasets_prep.world.street import build_street

ROOT = Path(__file__).resolve().parents[3]
SIZE = (48, 160)
TEST, TRAIN = load_split("world_small/test"), load_split("world_small/train")


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Both splits; 80 frames of 48x160."""
    out = tmp_path_factory.mktemp("world")
    assert render_world(out, [TEST, TRAIN], size=SIZE, quiet=True).made == 80
    return out


def hashes(data):
    return {p.relative_to(data): hashlib.sha256(p.read_bytes()).hexdigest() for p in data.rglob("*") if p.is_file()}


def test_verify_finds_everything(data):
    for split, dataset in ((TEST, "kitti_raw"), (TRAIN, "kitti_raw"), (TEST, "kitti_depth"), (TRAIN, "kitti_depth")):
        reports = verify.verify(split, data_root(dataset, data), dataset=dataset)
        assert verify.complete(reports)
        kinds = len(verify.KINDS[dataset]) - (dataset == "kitti_raw")
        assert sum(report.found for report in reports) == kinds * len(split.frames) + 3 * (dataset == "kitti_raw")


@pytest.mark.parametrize("camera", ["image_02", "image_03"])
def test_every_reader_reads_its_files(data, camera):
    raw, depth = data_root("kitti_raw", data), data_root("kitti_depth", data)
    for frame in (TEST.frames[7]._replace(camera=camera), TRAIN.frames[19]._replace(camera=camera)):
        image = read_image(kitti_raw.image_path(raw, frame))
        assert image.shape == (*SIZE, 3)
        assert image.std() > 20
        scan = kitti_raw.read_velodyne(kitti_raw.velodyne_path(raw, frame))
        assert 30_000 < len(scan) < 140_000
        distance, reflectance = np.linalg.norm(scan[:, :3], axis=1), scan[:, 3]
        assert distance.min() > 1.5
        assert distance.max() < 125
        assert reflectance.min() >= 0
        assert reflectance.max() <= 1
        annotated = kitti_depth.load_annotated(depth, frame)
        assert annotated.shape == SIZE
        assert (annotated > 0).mean() > 0.7
        assert np.isfinite(kitti_depth.find_K(depth, frame)).all()


def test_poses_are_those_of_the_street(data):
    raw, street = data_root("kitti_raw", data), build_street(0, 13)
    poses = oxts_poses(np.stack([read_oxts(kitti_raw.oxts_path(raw, frame)) for frame in TRAIN.frames]))
    truth = np.stack([street.T_world_imu(frame.number) for frame in TRAIN.frames])
    error = np.linalg.inv(np.linalg.inv(truth[0]) @ truth) @ np.linalg.inv(poses[0]) @ poses - np.eye(4)
    assert np.abs(error[:, :3, 3]).max() < 1e-6
    assert np.abs(error[:, :3, :3]).max() < 1e-9
    stamps = kitti_raw.read_timestamps(kitti_raw.timestamps_path(raw, TRAIN.drives[0], "oxts"))
    speeds = np.array([np.hypot(*read_oxts(kitti_raw.oxts_path(raw, frame))[6:8]) for frame in TRAIN.frames])
    steps = np.linalg.norm(np.diff(poses[:, :2, 3], axis=0), axis=1) / (np.diff(stamps).astype(float) / 1e9)
    assert steps == pytest.approx((speeds[1:] + speeds[:-1]) / 2, rel=0.02)


def test_the_calibration_is_the_rigs(data):
    calibration = kitti_raw.load_calibration(data_root("kitti_raw", data), DATE)
    assert calibration.shape == SIZE
    assert np.abs(calibration.P_rect["image_03"] - rig_of(SIZE).P_rect("image_03")).max() < 1e-12


@pytest.mark.parametrize(
    ("dataset", "depth", "camera"),
    [
        ("kitti_raw", "lidar_forward_x", None),
        ("kitti_raw", "camera_z", None),
        ("kitti_raw", "camera_z", "image_03"),
        ("kitti_depth", "annotated_png", None),
        ("kitti_depth", "annotated_png", "image_03"),
    ],
)
def test_ground_truth_is_exported_both_ways(data, tmp_path, dataset, depth, camera):
    out = tmp_path / "gt.h5"
    export_gt(dataset, data, TEST.name, out, depth=depth, camera=camera, quiet=True)
    truth = read_hdf5(out)
    assert len(truth) == 60
    assert truth.header.depth_kind == depth
    assert (truth.shape == SIZE).all()
    assert np.abs(truth.K - rig_of(SIZE).K).max() < 1e-12
    shares = [(truth.dense(i) > 0).mean() for i in range(60)]
    low, high = (0.7, 1.0) if dataset == "kitti_depth" else (0.2, 0.7)
    assert low < min(shares)
    assert max(shares) <= high


def test_what_is_exported_is_what_was_rendered(data, tmp_path):
    export_gt("kitti_depth", data, TEST.name, tmp_path / "gt.h5", quiet=True)
    truth = read_hdf5(tmp_path / "gt.h5")
    for i in (0, 31, 59):
        frame = TEST.frames[i]
        paths = frame_paths(data, frame.drive, frame.number, part="val")
        assert (truth.dense(i) * 256 == cv2.imread(str(paths.depth_02), cv2.IMREAD_UNCHANGED)).all()


def test_exact_depth_scores_as_exact(data, tmp_path):
    """The whole road: export, score under both protocols; the LiDAR's map lies a pixel up and left, as in KITTI."""
    exact, lidar = tmp_path / "exact.h5", tmp_path / "lidar.h5"
    export_gt("kitti_depth", data, TEST.name, exact, quiet=True)
    export_gt("kitti_raw", data, TEST.name, lidar, depth="camera_z", quiet=True)
    truth = read_hdf5(exact)
    depth = np.stack([truth.dense(i) for i in range(60)])
    np.save(tmp_path / "depth.npy", np.where(depth > 0, depth, 80).astype(np.float32))
    found = {}
    for gt, protocol in ((exact, "world_exact"), (lidar, "world_lidar")):
        request = Request(tmp_path / "depth.npy", gt, protocols=(protocol,), scalings=("none",), kind="depth")
        (result,) = score(request)
        found[protocol] = result.record["metrics"]["abs_rel"]["mean"]
    assert found["world_exact"] < 1e-6
    assert found["world_lidar"] < 0.15


def test_labels_belong_to_the_depth(data):
    for frame in (TEST.frames[0], TRAIN.frames[10]):
        part = "train" if frame in TRAIN.frames else "val"
        paths = frame_paths(data, frame.drive, frame.number, part=part)
        depth = kitti_depth.read_annotated(paths.depth_02)
        classes, numbers = read_instances(paths.instance)
        _, valid = read_flow(paths.flow)
        assert (classes == 23).sum() > 0  # sky, as Cityscapes numbers it
        assert (depth[classes == 23] == 0).all()
        assert (valid <= (classes != 23)).all()
        assert valid.mean() > 0.7
        assert set(np.unique(classes[numbers > 0])) <= {24, 26}  # people and cars have numbers


def test_the_same_seed_gives_the_same_bytes_and_another_seed_another_world(tmp_path):
    two_drives = dataclasses.replace(TEST, frames=tuple(frame for frame in TEST.frames[:10] if frame.number < 2))
    for name, options in {"a": {"jobs": 1}, "b": {"jobs": 3}, "c": {"seed": 1}}.items():
        render_world(tmp_path / name, [two_drives], **{"size": (32, 64), "quiet": True, **options})
    one, two, other = (hashes(tmp_path / name) for name in "abc")
    assert one == two
    assert len(one) == 1 + 3 + 2 * 7 + 4 * 8
    same = {path for path, value in other.items() if one[path] == value}
    assert {path.parent.name for path in same} <= {DATE, "oxts", "image_02", "image_03", "velodyne_points"}
    assert not [path for path in same if path.suffix in (".bin", ".png")]


def test_the_record_says_what_is_there(data):
    content = yaml.safe_load((data / "world.yaml").read_text())
    assert (content["seed"], content["height"], content["width"]) == (0, *SIZE)
    assert sum(content["val"].values()) + sum(content["train"].values()) == 80


# Where the world may be named: the verb that renders it, and the command that shows it all.
MAY_NAME_IT = re.compile(r"benchmark/(cli|quickstart)\w*\.py")
POSES = re.compile(r"\bT_\w*world\w*")  # poses of a car or a camera in the world, whichever it is


def test_no_reader_and_no_metric_knows_of_it():
    sources = [*(ROOT / "datasets_prep").glob("*.py"), *(ROOT / "benchmark").rglob("*.py")]
    assert len(sources) > 50
    named = []
    for path in sources:
        if MAY_NAME_IT.fullmatch(path.relative_to(ROOT).as_posix()):
            continue
        for number, line in enumerate(path.read_text().splitlines(), 1):
            if re.search(r"world|synthetic|2031", POSES.sub("", line), re.IGNORECASE):
                named.append(f"{path.relative_to(ROOT)}:{number}: {line.strip()}")
    assert named == []
