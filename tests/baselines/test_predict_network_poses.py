"""Camera motions by a checkpoint: the networks' own numbers, their direction, both files, and what is refused."""

from __future__ import annotations

import dataclasses
import functools
import json

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs depthbench[train]")

from PIL import Image  # noqa: E402
from training_tree import pixels, write_image  # noqa: E402

from baselines import predict_network_poses as module  # noqa: E402
from baselines.checkpoints import parts_of, save_parts  # noqa: E402
from baselines.evaluate_run_poses import evaluate_run_poses, is_scored_by_poses  # noqa: E402
from baselines.geometry import pose_matrix  # noqa: E402
from baselines.networks.monodepth2_depth import Monodepth2Depth  # noqa: E402
from baselines.networks.monodepth2_pose import PoseCNNPose, SeparatePose, SharedPose  # noqa: E402
from baselines.predict_network_poses import open_predictor, predict_network_poses  # noqa: E402
from baselines.recipe import load_recipe  # noqa: E402
from baselines.run_folder import RunFolder  # noqa: E402
from benchmark.errors import DatasetError, OptionError, TrainingError  # noqa: E402
from benchmark.geometry import inverse  # noqa: E402
from benchmark.io.trajectories import read_trajectory, write_kitti  # noqa: E402
from benchmark.pose_files import score_files  # noqa: E402
from benchmark.pose_pairs import Rules  # noqa: E402
from benchmark.splits import load_split  # noqa: E402
from benchmark.trajectory import Trajectory  # noqa: E402

WIDTH, SIZE = 1 / 8, (64, 96)
FRAMES = 20  # more than two passes of the network


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Two sequences of noise, with lists of them."""
    folder = tmp_path_factory.mktemp("data")
    for sequence in ("03", "04"):
        for number in range(FRAMES):
            path = folder / "kitti_odometry" / "sequences" / sequence / "image_2" / f"{number:06d}.png"
            write_image(path, pixels(number, "image_02", SIZE))
    (folder / "one.csv").write_text(f"drive,camera,frames\n03,image_2,0-{FRAMES - 1}\n")
    (folder / "two.csv").write_text(f"drive,camera,frames\n03,image_2,5-{FRAMES - 1}\n04,image_2,0-6\n")
    return folder


def networks(kind, **options):
    torch.manual_seed(0)
    depth, pose = Monodepth2Depth(width=WIDTH), kind(width=WIDTH, **options)
    for part in (depth, pose):
        part.eval()
    return depth, pose


def save(folder, depth, pose):
    save_parts(folder, parts_of(depth, pose), height=SIZE[0], width=SIZE[1], use_stereo=False)
    return folder


def image(number):
    return torch.tensor(pixels(number, "image_02", SIZE)).permute(2, 0, 1)[None].float() / 255


@pytest.mark.parametrize("kind", [SeparatePose, SharedPose, PoseCNNPose])
def test_the_motions_are_those_of_the_networks(data, tmp_path, kind):
    depth, pose = networks(kind)
    for parameter in pose.pose.parameters():
        parameter.data *= 2  # motions that differ from each other
    predict_network_poses(save(tmp_path / "net", depth, pose), str(data / "one.csv"), data, tmp_path / "r.npy", quiet=True)
    found = np.load(tmp_path / "r.npy")
    assert found.shape == (FRAMES - 1, 4, 4)
    assert found.dtype == np.float32
    with torch.no_grad():
        for t in range(FRAMES - 1):
            first, second = image(t), image(t + 1)
            if kind is SharedPose:
                axisangle, translation = pose.pose([depth.encoder(first)[-1], depth.encoder(second)[-1]])
            elif kind is PoseCNNPose:
                axisangle, translation = pose.pose(torch.cat([first, second], 1))
                translation = translation * depth.inverse_depth(depth(first).sigmoids[0]).mean()
            else:
                axisangle, translation = pose.pose([pose.pose_encoder(torch.cat([first, second], 1))[-1]])
            expected = pose_matrix(axisangle[:, 0, 0], translation[:, 0, 0], invert=False)[0]
            np.testing.assert_allclose(found[t], expected, atol=1e-6)
    assert np.abs(np.diff(found, axis=0)).max() > 1e-5


def test_a_forward_drive_goes_forward(data, tmp_path):
    """Driving on, points come nearer: a network that always says z - 0.18 leads to z = 0.18, 0.36, ..."""
    depth, pose = networks(PoseCNNPose, forward_tz=-0.18)
    pose.pose.pose_conv.weight.data.zero_()
    pose.pose.pose_conv.bias.data[:5].zero_()
    pose.pose.pose_conv.bias.data[5] = -0.18 / 0.01
    depth.depth.decoder[10].conv.weight.data.zero_()
    depth.depth.decoder[10].conv.bias.data.fill_(torch.logit(torch.tensor((0.5 - 0.01) / 9.99)))  # 2 m everywhere
    predict_network_poses(save(tmp_path / "net", depth, pose), str(data / "one.csv"), data, tmp_path / "03.txt", quiet=True)
    found = read_trajectory(tmp_path / "03.txt", form="kitti").poses
    np.testing.assert_allclose(found[:, 2, 3], 0.5 * 0.18 * np.arange(FRAMES), rtol=1e-5)
    np.testing.assert_allclose(found[:, :3, :3], np.tile(np.eye(3), (FRAMES, 1, 1)), atol=1e-6)


def drive(n):
    """A winding road: n poses (n, 4, 4)."""
    poses, angle = np.tile(np.eye(4), (n, 1, 1)), 0.3 * np.sin(np.arange(n) / 4)
    poses[:, 0, 0] = poses[:, 2, 2] = np.cos(angle)
    poses[:, 0, 2], poses[:, 2, 0] = np.sin(angle), -np.sin(angle)
    poses[1:, :3, 3] = np.cumsum(poses[:-1, :3, 2], axis=0)
    return poses


def test_true_motions_make_the_true_path_in_both_files(data, tmp_path, monkeypatch):
    """A network that knows the ground truth, by the number that its images are filled with."""
    truth = drive(FRAMES)
    for number in range(FRAMES):
        path = tmp_path / "kitti_odometry" / "sequences" / "03" / "image_2" / f"{number:06d}.png"
        write_image(path, np.full((*SIZE, 3), number, np.uint8))
    network = open_predictor(save(tmp_path / "net", *networks(PoseCNNPose))).network

    class Knowing:
        def __init__(self):
            self.network = network

        def __call__(self, images):
            poses = truth[images[:, 0, 0, 0]]
            return (inverse(poses[1:]) @ poses[:-1]).astype(np.float32)

    monkeypatch.setattr(module, "open_predictor", lambda *_, **__: Knowing())
    gt = tmp_path / "03.gt.txt"
    write_kitti(gt, Trajectory(truth, np.arange(FRAMES), None, "", "kitti"))
    scores = {}
    for name in ("03.npy", "03.txt"):
        made = predict_network_poses(tmp_path / "net", str(data / "one.csv"), tmp_path, tmp_path / name, quiet=True)
        assert "in units of the network" in made.text()
        (row,) = score_files(tmp_path / name, gt, ["none"], rules=Rules((), 1)).rows
        scores[name] = row
        assert row.metrics["ate_rmse"] < 1e-5
    assert scores["03.npy"].about.direction.name == "next_from_this"
    assert scores["03.npy"].metrics == pytest.approx(scores["03.txt"].metrics, abs=1e-7, nan_ok=True)
    np.testing.assert_allclose(read_trajectory(tmp_path / "03.txt").poses, truth, atol=1e-5)


def test_a_folder_has_a_file_for_each_sequence(data, tmp_path):
    folder = save(tmp_path / "net", *networks(SeparatePose))
    made = predict_network_poses(folder, str(data / "two.csv"), data, tmp_path / "out", quiet=True)
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["03.txt", "04.txt"]
    first, second = (read_trajectory(tmp_path / "out" / f"{name}.txt") for name in ("03", "04"))
    assert (first.form, first.frame.tolist()) == ("kitti13", list(range(5, FRAMES)))
    assert (second.form, len(second.poses)) == ("kitti", 7)
    assert made.frames == FRAMES - 5 + 7


def test_a_checkpoint_of_ours_says_its_scale(tmp_path):
    depth, pose = networks(SeparatePose)
    pose.pose.scale = 0.5
    options = {"network": "separate_resnet", "layers": 18, "width": WIDTH, "scale": 0.5, "forward_tz": 0.0}
    folder = save(tmp_path / "run" / "models" / "last", depth, pose)
    recipe = {
        "depth": {"network": "monodepth2", "width": WIDTH},
        "pose": options,
        "data": {"size": SIZE, "resampler": "lanczos"},
    }
    torch.save({"recipe": json.dumps(recipe), "split": "kitti_odom/train"}, folder / "training.pth")
    predictor = open_predictor(tmp_path / "run")
    assert predictor.pose.pose.scale == 0.5
    images = np.stack([pixels(number, "image_02", SIZE) for number in (0, 1)])
    with torch.no_grad():
        expected = pose({0: image(0), 1: image(1)})[1]
    np.testing.assert_allclose(predictor(images), expected, atol=1e-6)


def test_the_command_chooses_between_depth_and_poses(data, tmp_path, run):
    folder = save(tmp_path / "net", *networks(SeparatePose))
    options = ("--split", data / "one.csv", "--data", data)
    for arguments in ((tmp_path / "m.npy", "--poses"), (tmp_path / "03.txt",)):
        outcome = run("predict", folder, *options, "--out", *arguments)
        assert outcome.code == 0, outcome.stderr
    assert np.load(tmp_path / "m.npy").shape == (FRAMES - 1, 4, 4)
    assert len(read_trajectory(tmp_path / "03.txt", form="kitti").poses) == FRAMES
    assert run("predict", folder, "--images", data, "--out", tmp_path / "x", "--poses").code == 2
    assert run("predict", "sgm", *options, "--out", tmp_path / "x.npy", "--poses").code == 2


def test_what_it_refuses(data, tmp_path):
    folder, out = save(tmp_path / "net", *networks(SeparatePose)), tmp_path / "out.npy"
    for split, message in (
        ("kitti_eigen/test", "frames of kitti_raw, .*; poses are predicted for one camera of kitti_odometry"),
        ("kitti_odom_09/test", "1591 of the 1591 frames of kitti_odom_09/test have no image"),
    ):
        with pytest.raises(DatasetError, match=message):
            predict_network_poses(folder, split, data, out)
    (tmp_path / "holes.csv").write_text("drive,camera,frames\n03,image_2,0-3 6-9\n")
    with pytest.raises(DatasetError, match="sequence 03 goes from frame 3 to 6; expected every frame between"):
        predict_network_poses(folder, str(tmp_path / "holes.csv"), data, out)
    (tmp_path / "single.csv").write_text("drive,camera,frames\n03,image_2,3\n")
    with pytest.raises(DatasetError, match="sequence 03 has one frame"):
        predict_network_poses(folder, str(tmp_path / "single.csv"), data, out)
    with pytest.raises(OptionError, match="has 2 sequences; choose a folder"):
        predict_network_poses(folder, str(data / "two.csv"), data, out)
    (folder / "pose_encoder.pth").unlink()
    with pytest.raises(TrainingError, match=r"is the checkpoint of another network: pose\.pth"):
        predict_network_poses(folder, str(data / "one.csv"), data, out)
    torch.save({"a": torch.zeros(1)}, folder / "pose.pth")
    with pytest.raises(TrainingError, match=r"not of a Monodepth2 pose network: expected net.0.weight, ...; it has 1 \(a\)"):
        predict_network_poses(folder, str(data / "one.csv"), data, out)
    (folder / "pose.pth").unlink()
    with pytest.raises(
        TrainingError, match=r"holds no pose network; expected a checkpoint that learnt from neighbours in time"
    ):
        predict_network_poses(folder, str(data / "one.csv"), data, out)
    assert not out.exists()


def test_images_are_resized_as_in_the_training(data, tmp_path):
    """The recipe of a checkpoint says how, and which network it is."""
    depth, pose = networks(SeparatePose)
    folder = save(tmp_path / "net", depth, pose)
    predict = functools.partial(predict_network_poses, folder, str(data / "one.csv"), data, quiet=True)
    predict(tmp_path / "lanczos.npy", size=(64, 64))
    recipe = {
        "depth": {"network": "monodepth2", "width": WIDTH}, "pose": {"network": "separate_resnet", "width": WIDTH},
        "data": {"resampler": "nearest", "size": [64, 64]},
    }  # fmt: skip
    torch.save({"recipe": json.dumps(recipe)}, folder / "training.pth")
    predict(tmp_path / "nearest.npy")
    found = np.load(tmp_path / "nearest.npy")
    assert np.abs(found - np.load(tmp_path / "lanczos.npy")).max() > 1e-6
    pair = [
        torch.tensor(np.asarray(Image.fromarray(pixels(n, "image_02", SIZE)).resize((64, 64), Image.Resampling.NEAREST)))
        for n in (0, 1)
    ]  # fmt: skip
    images = {source: one.permute(2, 0, 1)[None].float() / 255 for source, one in enumerate(pair)}
    with torch.no_grad():
        np.testing.assert_allclose(found[0], pose(images)[1][0].numpy(), atol=1e-6)


def test_recipes_of_odometry_are_scored_by_their_poses(tmp_path):
    """A run of the odometry recipe is scored by Monodepth2's protocol, on sequences as long as the published ones."""
    recipe = load_recipe("monodepth2_m_odom")
    assert is_scored_by_poses(recipe)
    assert not is_scored_by_poses(load_recipe("monodepth2_m"))
    root = tmp_path / "data" / "kitti_odometry"
    for name in ("09", "10"):
        frames = load_split(f"kitti_odom_{name}/test").frames
        first = root / "sequences" / name / frames[0].camera / f"{0:06d}.png"
        write_image(first, pixels(0, "image_02", SIZE))
        for frame in frames[1:]:
            (first.parent / f"{frame.number:06d}.png").symlink_to(first)
        (root / "poses").mkdir(exist_ok=True)
        write_kitti(root / "poses" / f"{name}.txt", Trajectory(drive(len(frames)), np.arange(len(frames)), None, "", "kitti"))
    run = RunFolder(tmp_path / "run")
    save(run.last, *networks(PoseCNNPose, forward_tz=-0.3))
    scored = evaluate_run_poses(run, recipe, tmp_path / "data", quiet=True)
    (record,) = scored.records()
    assert record["protocol"]["name"] == "odom_snippet5_monodepth2"
    assert sorted(path.name for path in (run.evaluation / "poses").iterdir()) == ["09.npy", "10.npy"]
    assert any(path.suffix == ".json" for path in run.evaluation.iterdir())
    other = dataclasses.replace(recipe, evaluate=dataclasses.replace(recipe.evaluate, protocol="kitti_odometry"))
    with pytest.raises(OptionError, match=r"scores sequences 00, 01, .*, which no test split has"):
        evaluate_run_poses(run, other, tmp_path / "data", quiet=True)
