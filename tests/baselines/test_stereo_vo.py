"""Stereo odometry on the street world: what it reaches, that it repeats, what it does without texture, and its files."""

import dataclasses

import cv2
import numpy as np
import pytest

from baselines.predict_poses import predict_poses
from baselines.stereo_vo import Stereo, trajectory
from benchmark.errors import DatasetError, OptionError
from benchmark.io.trajectories import read_trajectory
from benchmark.splits import load_split
from datasets_prep import kitti_odometry
from datasets_prep.images import read_image
from datasets_prep.world.make import render_world

FRAMES = 30


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """The first thirty frames of the world's sequence, about 30 m."""
    out = tmp_path_factory.mktemp("world")
    split = load_split("world_odometry/test")
    render_world(out, [dataclasses.replace(split, frames=split.frames[:FRAMES])], size=(96, 320), quiet=True)
    return out


@pytest.fixture(scope="module")
def listed(data):
    path = data / "list.csv"
    path.write_text("drive,camera,frames\n" + f"55,image_2,0-{FRAMES - 1}\n")
    return str(path)


def test_it_finds_the_motion(data, listed, tmp_path):
    made = predict_poses(listed, data, tmp_path / "55.txt", quiet=True)
    assert (made.sequences, made.poses) == (("55",), FRAMES)
    found = read_trajectory(tmp_path / "55.txt", form="kitti").poses
    truth = read_trajectory(data / "kitti_odometry" / "poses" / "55.txt").poses
    assert (found[0] == np.eye(4)).all()
    path = np.linalg.norm(np.diff(truth[:, :3, 3], axis=0), axis=1).sum()
    error = np.linalg.inv(truth[-1]) @ found[-1]
    assert path > 25
    assert np.linalg.norm(error[:3, 3]) < 0.02 * path
    assert np.degrees(np.arccos((np.trace(error[:3, :3]) - 1) / 2)) < 0.02 * path
    steps = np.linalg.norm((np.linalg.inv(found[:-1]) @ found[1:] - np.linalg.inv(truth[:-1]) @ truth[1:])[:, :3, 3], axis=1)
    assert np.median(steps) < 0.03


def test_the_same_images_give_the_same_bytes(data, listed, tmp_path):
    for name in ("a", "b"):
        predict_poses(listed, data, tmp_path / name, quiet=True)
    assert (tmp_path / "a" / "55.txt").read_bytes() == (tmp_path / "b" / "55.txt").read_bytes()


def test_a_list_that_begins_later_keeps_its_numbers(data, tmp_path):
    (tmp_path / "list.csv").write_text("drive,camera,frames\n55,image_2,4-7\n")
    predict_poses(str(tmp_path / "list.csv"), data, tmp_path / "55.txt", quiet=True)
    found = read_trajectory(tmp_path / "55.txt")
    assert (found.form, found.frame.tolist()) == ("kitti13", [4, 5, 6, 7])


def test_without_texture_it_goes_on_as_before(data):
    """A lens cap in the middle of the drive: no pose is missing, none jumps."""
    root = data / "kitti_odometry"
    calibration = kitti_odometry.load_calibration(root, "55")
    names = [kitti_odometry.list_frames(root, "55", camera)[:6] for camera in ("image_2", "image_3")]
    left, right = (
        [cv2.cvtColor(read_image(kitti_odometry.image_path(root, one)), cv2.COLOR_RGB2GRAY) for one in own] for own in names
    )
    left[3], right[3] = np.zeros_like(left[3]), np.zeros_like(right[3])
    stereo = Stereo(calibration.K("image_2"), calibration.baseline())
    poses, guessed = trajectory(zip(left, right, strict=True), stereo)
    assert guessed == 2  # to the black image and from it
    steps = np.linalg.norm(np.diff(poses[:, :3, 3], axis=0), axis=1)
    assert len(poses) == 6
    assert steps.min() > 0.5
    assert steps.max() < 1.6
    black = [(np.zeros((32, 64), np.uint8),) * 2] * 3
    still, guessed = trajectory(black, stereo)
    assert (still == np.eye(4)).all()
    assert guessed == 2


def test_what_it_refuses(data, listed, tmp_path):
    with pytest.raises(DatasetError, match="stereo_vo expects one left camera"):
        predict_poses("kitti_eigen/test", data, tmp_path / "out")
    (tmp_path / "two.csv").write_text("drive,camera,frame\n55,image_2,0\n56,image_2,0\n")
    with pytest.raises(OptionError, match="has 2 sequences"):
        predict_poses(str(tmp_path / "two.csv"), data, tmp_path / "out.txt")
    with pytest.raises(DatasetError, match="kitti_odom_10/test"):
        predict_poses("kitti_odom_10/test", data, tmp_path / "out")
    (tmp_path / "holes.csv").write_text("drive,camera,frames\n55,image_2,0-3 6-9\n")
    with pytest.raises(DatasetError, match=r"sequence 55 goes from frame 3 to 6 \(1 such holes\)"):
        predict_poses(str(tmp_path / "holes.csv"), data, tmp_path / "out")
    assert not list(tmp_path.glob("out*"))


def test_guesses_are_counted_and_a_drive_of_guesses_is_refused(data, tmp_path, monkeypatch):
    (tmp_path / "list.csv").write_text("drive,camera,frames\n55,image_2,0-5\n")
    real = read_image

    def read(path):
        return np.zeros_like(real(path)) if path.stem in black else real(path)

    monkeypatch.setattr("baselines.predict_poses.read_image", read)
    black = {"000005"}
    made = predict_poses(str(tmp_path / "list.csv"), data, tmp_path / "55.txt", quiet=True)
    assert "1 of the steps could not be measured and repeat the one before" in made.text()
    black = {f"{i:06d}" for i in range(6)}
    with pytest.raises(DatasetError, match="nothing could be tracked from here to the end of sequence 55"):
        predict_poses(str(tmp_path / "list.csv"), data, tmp_path / "56.txt", quiet=True)
    assert not (tmp_path / "56.txt").exists()


def test_the_command(data, listed, tmp_path, run):
    done = run("predict", "stereo_vo", "--split", listed, "--data", data, "--out", tmp_path / "55.txt")
    assert done.code == 0, done.err
    assert "stereo_vo on 30 frames of 55" in done.err
    done = run("predict", "stereo_vo", "--split", listed, "--out", tmp_path / "x", "--depth", "3")
    assert done.code == 2
    assert "stereo_vo takes --split, --data and --out, not depth" in done.err
