"""`depthbench retrain`, as a user meets it: that it learns, what it leaves, and every refusal."""

import json
import os
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
import small_world as world
import tiny_training as tiny
import yaml
from command import Run
from dgp_scene import write_dataset
from kitti_tree import DATE, DRIVE

torch = pytest.importorskip("torch", reason="needs depthbench[train]")

from baselines.predict import predict  # noqa: E402
from baselines.recipe import recipe_path  # noqa: E402
from baselines.run_folder import read_log  # noqa: E402
from baselines.state_files import read_state  # noqa: E402
from benchmark.score import Request, score  # noqa: E402
from benchmark.splits import load_split, read_list  # noqa: E402
from datasets_prep.world.make import render_world  # noqa: E402

pytestmark = pytest.mark.usefixtures("one_thread")

STREETS = (64, 192)
LEARNS = {
    "data.size": list(STREETS), "depth.width": 0.5, "optimiser.lr": 7.0e-4, "schedule.length": 100, "schedule.drops": [],
    "seed": 0,
}  # fmt: skip


@pytest.fixture
def retrain(run: Run, data: Path, tmp_path: Path):
    """The command on the tiny data; a recipe is a name or changes of the tiny one."""

    def command(recipe="tiny", *options, out="run", **more):
        name = recipe if isinstance(recipe, str) else "tiny"
        file = tiny.write_recipe(data, "tiny", recipe if isinstance(recipe, dict) else {}) if name == "tiny" else name
        where = ["--data", more.get("data", data), "--out", tmp_path / out, "--cache", data / "cache", "--device", "cpu"]
        return run("retrain", file, *where, *options)

    return command


def streets(path: Path, drives: range, frames: int, cameras=("image_02", "image_03")) -> Path:
    rows = [f"2031_05_01_drive_{d:04d}_sync,{c},0-{frames - 1}\n" for d in drives for c in cameras]
    path.write_text("drive,camera,frames\n" + "".join(rows))
    return path


def test_it_learns_and_every_door_to_the_score_gives_the_same_number(run, tmp_path):
    """Half a minute on one core: six streets to learn from, twelve that it has never seen."""
    world, test = tmp_path / "a world", "world_small/test"
    train = streets(tmp_path / "train.csv", range(101, 107), 12)
    render_world(world, [read_list(train), load_split(test)], size=STREETS, quiet=True)
    scored = {"protocol": "world_exact", "scalings": ["median", "factor=5.327"]}
    recipe = tiny.write_recipe(tmp_path, "learns", {
        **LEARNS, "data.split": str(train), "evaluate": scored,
        "validate": {"split": test, "protocol": "world_exact", "frames": 60, "every": 100},
    })  # fmt: skip
    done = run("retrain", recipe, "--data", world, "--out", tmp_path / "run", "--device", "cpu", "--then-evaluate")
    assert done.code == 0, done.err
    log = read_log(tmp_path / "run" / "log.csv")
    losses = [value for _, value in log["train/loss"]]
    assert len(losses) == 5
    assert losses[4] < losses[2] < losses[0]
    assert losses[4] < 0.8 * losses[0]

    # predict and evaluate by hand, the validation while it trained, and --then-evaluate
    done = run("predict", tmp_path / "run", "--split", test, "--data", world, "--out", tmp_path / "pred.npy", "--device", "cpu")
    assert done.code == 0
    truth = tmp_path / "run" / "evaluation" / "gt.h5"
    by_hand = score(Request(tmp_path / "pred.yaml", truth, ("world_exact",), ("median", "factor=5.327"), method="learns"))
    records = {}
    for path in (tmp_path / "run" / "evaluation").rglob("*.json"):
        record = json.loads(path.read_text())
        records[record["scaling"]] = record
    for one in by_hand:
        for name, values in one.table.values.items():
            assert log[f"val/{one.protocol.scaling}/{name}"] == [(100, pytest.approx(values.mean(), rel=1e-12))]
            assert records[one.protocol.scaling]["metrics"][name] == one.record["metrics"][name]
    abs_rel = float(by_hand[0].table.values["abs_rel"].mean())

    predict("ground_plane", test, world, tmp_path / "plane.npy", size=STREETS, clip=20.0, quiet=True)
    [plane] = score(Request(tmp_path / "plane.yaml", truth, ("world_exact",), ("median",)))
    assert abs_rel < 0.8 * float(plane.table.values["abs_rel"].mean())


def test_what_a_training_leaves(retrain, tmp_path, data):
    done = retrain({"scales_down": None, "schedule.length": 4})
    assert done.code == 0
    assert done.out == ""
    assert "tiny: A tiny one\n" in done.err
    assert (
        f"16 samples of {data}/all.txt, png images, batch 4, 4 steps (1.0 epochs), seed 5, 1 x cpu, precision 32\n" in done.err
    )
    assert f"{tmp_path}/run/models/last: tiny after 4 steps, " in done.err
    left = sorted(path.relative_to(tmp_path / "run").as_posix() for path in (tmp_path / "run").iterdir())
    assert left == ["log.csv", "models", "recipe.yaml", "run.json", "tensorboard"]
    assert (tmp_path / "run/recipe.yaml").read_text() == (data / "tiny.yaml").read_text()
    about = json.loads((tmp_path / "run/run.json").read_text())
    assert (about["samples"], about["seed"], about["recipe"], about["difference"]) == (16, 5, "tiny", {})
    [stretch] = about["stretches"]
    assert (stretch["from_step"], stretch["ranks"], stretch["environment"]["torch"]) == (0, 1, torch.__version__)
    assert read_log(tmp_path / "run/log.csv").keys() == {
        "train/loss", "train/reprojection", "train/smoothness", "lr", "images_per_s",
    }  # fmt: skip
    state = read_state(tmp_path / "run/models/last/training.pth")
    assert (state["steps"], state["total"], state["epoch_steps"], state["seed"]) == (4, 4, 4, 5)
    assert json.loads(state["recipe"])["optimiser"] == {"name": "adam", "lr": 1e-3}


def test_a_run_that_continues_is_one_more_stretch(retrain, tmp_path):
    assert retrain({"schedule.length": 4}).code == 0
    done = retrain({"schedule.length": 4}, "--resume")
    assert done.code == 0
    assert "continues after step 4\n" in done.err
    assert [one["from_step"] for one in json.loads((tmp_path / "run/run.json").read_text())["stretches"]] == [0, 4]


def test_the_difference_to_the_published_recipe_is_said(run, tmp_path, data):
    made = yaml.safe_load(tiny.write_recipe(data, "mine").read_text())
    recipe = yaml.safe_load(recipe_path("monodepth2_s").read_text())
    recipe["data"] |= {"split": made["data"]["split"], "size": [64, 96], "neighbours": "available"}
    recipe |= {
        "name": "mine", "scales_down": "monodepth2_s", "initial": made["initial"], "evaluate": None,
        "schedule": {**made["schedule"], "length": 1, "drops": []},
    }  # fmt: skip
    recipe["depth"] |= {"width": 0.25, "bias": -3.0, "scales": [0, 1]}
    (data / "mine.yaml").write_text(yaml.safe_dump(recipe))
    done = run("retrain", data / "mine.yaml", "--data", data, "--out", tmp_path / "run", "--device", "cpu")
    assert done.code == 0
    assert "differs from monodepth2_s in:\n" in done.err
    assert "  depth.width: 1.0 -> 0.25\n" in done.err
    assert "  data.size: (192, 640) -> (64, 96)\n" in done.err
    assert "data.flip" not in done.err
    assert json.loads((tmp_path / "run/run.json").read_text())["difference"]["depth.bias"] == ["0.0", "-3.0"]


# Refusals: each one paragraph, and the folder can be used again


def refused(outcome, code=1) -> str:
    assert outcome.code == code
    last = [line for line in outcome.err.splitlines() if line][-1]
    assert last.startswith("depthbench: ") or code == 2
    return last


def test_a_gpu_that_is_not_there(retrain, run, data, tmp_path):
    if torch.cuda.is_available():
        pytest.skip("there is a GPU")
    file = tiny.write_recipe(data)
    said = refused(run("retrain", file, "--data", data, "--out", tmp_path / "run", "--device", "cuda"), code=2)
    assert "pass --device cpu" in said
    assert not (tmp_path / "run").exists()


def test_a_folder_with_a_training(retrain):
    assert retrain({"schedule.length": 1}).code == 0
    assert "holds a training already; continue it with --resume, or choose another --out" in refused(retrain())


def test_nothing_to_resume(retrain, tmp_path):
    assert "models/last: no checkpoint to resume from; leave out --resume" in refused(retrain("tiny", "--resume"))
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(("changes", "options", "said"), [
    ({"optimiser.lr": 2.0e-3, "depth.bias": -1.0}, [], ": depth.bias was -3.0, is -1.0, optimiser.lr was 0.001, is 0.002. "),
    ({}, ["--seed", "7"], "seed was 5, is 7"),
])  # fmt: skip
def test_another_training_cannot_be_resumed(retrain, changes, options, said):
    assert retrain({"schedule.length": 1}).code == 0
    text = refused(retrain({"schedule.length": 1, **changes}, "--resume", *options))
    assert "the checkpoint is of another training: " in text
    assert said in text
    assert "Resume with the same recipe, seed and images, or start anew in another --out" in text


def test_a_disk_that_is_full_at_the_second_checkpoint(retrain, tmp_path, monkeypatch):
    save, files = torch.save, []

    def fill(content, path):
        files.append(path)
        if len(files) > 8:
            raise RuntimeError("[enforce fail at inline_container.cc:672] . unexpected pos 84352 vs 84248")
        save(content, path)

    monkeypatch.setattr(torch, "save", fill)
    said = refused(retrain({"schedule.length": 6}))
    assert "models/last could not be written: the disk takes no more (" in said
    assert said.endswith(f"continue with --resume: {tmp_path}/run/models/last is whole and was kept")
    monkeypatch.setattr(torch, "save", save)
    assert retrain({"schedule.length": 6}, "--resume").code == 0
    assert retrain({"schedule.length": 6}, out="whole").code == 0
    one, other = (read_state(tmp_path / run / "models/last/depth.pth") for run in ("run", "whole"))
    assert all(torch.equal(one[key], other[key]) for key in one)


def test_a_log_that_cannot_be_written(retrain, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("baselines.run_folder.Log.write", full)
    said = refused(retrain({"schedule.length": 1}))
    assert "could not be read or written (No space left on device). Make room" in said
    assert said.endswith("run the same command again: no checkpoint was written before")


def test_changed_images_cannot_be_resumed(run, tmp_path):
    data = tiny.write_data(tmp_path / "data")
    recipe = tiny.write_recipe(data, changes={"schedule.length": 1})
    command = ["retrain", recipe, "--data", data, "--out", tmp_path / "run", "--device", "cpu"]
    assert run(*command).code == 0
    image = data / "kitti_raw" / DATE / DRIVE / "image_02" / "data" / "0000000003.png"
    cv2.imwrite(str(image), 255 - cv2.imread(str(image)))
    assert "of another training: the images have changed since: other files, or " in refused(run(*command, "--resume"))


def test_copied_images_can_be_resumed(run, tmp_path):
    data = tiny.write_data(tmp_path / "data")
    recipe = tiny.write_recipe(data, changes={"schedule.length": 1})
    command = ["retrain", recipe, "--data", data, "--out", tmp_path / "run", "--device", "cpu"]
    assert run(*command).code == 0
    image = data / "kitti_raw" / DATE / DRIVE / "image_02" / "data" / "0000000003.png"
    os.utime(image, (0, 10**9))
    assert run(*command, "--resume").code == 0


@pytest.mark.parametrize("name", ["encoder.pth", "adam.pth", "training.pth"])
def test_a_truncated_checkpoint(retrain, tmp_path, name):
    assert retrain({"schedule.length": 1}).code == 0
    path = tmp_path / "run/models/last" / name
    path.write_bytes(path.read_bytes()[:-100])
    said = refused(retrain({"schedule.length": 1}, "--resume"))
    assert str(path) in said
    assert "truncated, damaged or something else" in said


def test_a_checkpoint_of_another_network(retrain, tmp_path):
    assert retrain({"schedule.length": 1}, out="wide").code == 0
    start = {"recipe": "wide", "epoch": None, "parts": ["encoder", "depth"]}
    said = refused(retrain({"depth.width": 0.5, "depth.scales": [0, 1, 2], "initial.start": start}))
    assert "is the checkpoint of another network: encoder.pth has other shapes " in said
    assert "depth.pth lacks 2 (decoder.12.conv.weight, decoder.12.conv.bias), has other shapes" in said


def test_a_warm_start_that_is_not_there(retrain, tmp_path):
    start = {"recipe": "before", "epoch": 3, "parts": ["encoder", "depth"]}
    said = refused(retrain({"initial.start": start}))
    assert f"{tmp_path}/before/models/weights_3: no such folder; tiny starts from the weights after epoch 3" in said
    assert f"`depthbench retrain before --out {tmp_path}/before`" in said
    assert "--start FOLDER" in said
    assert "--start" in refused(retrain({"initial.start": start}, "--start", tmp_path / "nowhere"))


def test_a_warm_start_beside_the_run_and_one_that_is_named(retrain, tmp_path):
    assert retrain({"schedule.length": 4}, out="before").code == 0
    start = {"recipe": "before", "epoch": 0, "parts": ["encoder", "depth"]}
    made = {"initial.start": start, "schedule.length": 1, "optimiser.lr": 1.0e-30}
    done = retrain(made)
    assert f"weights of encoder, depth from {tmp_path}/before/models/weights_0\n" in done.err
    shutil.move(tmp_path / "before", tmp_path / "elsewhere")
    done = retrain(made, "--start", tmp_path / "elsewhere", out="of the run")
    assert f"weights of encoder, depth from {tmp_path}/elsewhere/models/weights_0\n" in done.err
    latest = {**made, "initial.start": {**start, "epoch": None}}
    done = retrain(latest, "--start", tmp_path / "elsewhere", out="the last")
    assert f"weights of encoder, depth from {tmp_path}/elsewhere/models/last\n" in done.err
    assert retrain(made, "--start", tmp_path / "elsewhere/models/weights_0", out="named").code == 0
    for run in ("run", "named"):
        one = read_state(tmp_path / run / "models/last/depth.pth")
        other = read_state(tmp_path / "elsewhere/models/weights_0/depth.pth")
        assert all(torch.equal(one[key], other[key]) for key in one)


def test_hints_that_are_missing(retrain, tmp_path, data):
    assert "tiny learns from depth hints: pass --hints DIR" in refused(retrain(tiny.HINTED))
    shutil.copytree(data / "hints", tmp_path / "hints")
    gone = sorted((tmp_path / "hints").rglob("*.npy"))[1:14]
    for path in gone:
        path.unlink()
    said = refused(retrain(tiny.HINTED, "--hints", tmp_path / "hints"))
    # Of the 16 targets; the first and the last image of each camera are nobody's.
    assert "hints: 11 of the 16 targets have no depth hint" in said
    assert said.count(f"{DATE}/{DRIVE}/image_0") <= 10


def test_images_that_are_missing(run, tmp_path):
    data = tiny.write_data(tmp_path / "data")
    shutil.rmtree(data / "kitti_raw" / DATE / DRIVE / "image_03")
    (data / "many.txt").write_text("".join(f"{DRIVE[:10]}/{DRIVE} {n} l\n" for n in range(30)))
    command = ["--data", data, "--out", tmp_path / "run", "--device", "cpu"]
    said = refused(run("retrain", tiny.write_recipe(data, changes={"data.split": str(data / "many.txt")}), *command))
    assert "20 of the 30 frames of many have no image" in said
    assert "and 10 more" in said
    said = refused(run("retrain", tiny.write_recipe(data, changes={"data.split": str(data / "few.txt")}), *command))
    assert "4 of the 4 frames of few have no image of the other camera" in said
    required = {**tiny.MONO, "data.split": str(data / "ends.txt"), "data.neighbours": "required"}
    (data / "ends.txt").write_text(f"{DRIVE[:10]}/{DRIVE} 0 l\n{DRIVE[:10]}/{DRIVE} 1 l\n")
    assert "1 of the 2 frames of ends lack their neighbour" in refused(
        run("retrain", tiny.write_recipe(data, changes=required), *command)
    )


def test_a_published_recipe_without_its_data(run, tmp_path):
    (tmp_path / "data/kitti_raw").mkdir(parents=True)
    said = refused(run("retrain", "monodepth2_s", "--data", tmp_path / "data", "--out", tmp_path / "run"))
    assert "45200 of the 45200 frames of kitti_eigen_full/train have no image" in said
    assert "and 45190 more" in said


def test_fewer_samples_than_a_batch(retrain):
    assert "16 samples are fewer than one batch of 17" in refused(retrain({"schedule.batch": 17}))


def test_a_wrong_recipe_and_wrong_usage(retrain, run, tmp_path):
    assert "recipe tiny: losses.edges is unknown" in refused(retrain({"losses": {"edges": {"weight": 1.0}}}))
    assert "no recipe is called 'monodepth2_x'" in refused(retrain("monodepth2_x"))
    assert "multiples of 32" in refused(retrain({"data.size": [64, 100]}))
    assert run("retrain", "world_s", "--out", tmp_path / "a", "--gt", "gt.h5").code == 2
    assert "--gt goes with --then-evaluate" in run("retrain", "world_s", "--out", tmp_path / "a", "--gt", "gt.h5").err
    assert run("retrain", "world_s").code == 2
    assert not (tmp_path / "a").exists()


def test_a_failed_beginning_can_be_repeated(retrain):
    lost = {"validate": {"split": "world_drives/val", "protocol": "world_exact", "frames": 3, "every": 4}}
    said = refused(retrain(lost))
    assert "validation on world_drives/val: " in said
    assert said.endswith("Or train with --no-validation")
    assert retrain({**lost, "schedule.length": 1}, "--no-validation").code == 0


def test_imagenet_weights_that_are_missing(retrain, tmp_path):
    said = refused(retrain({"initial.encoders": "imagenet", "depth.width": 1.0}, "--imagenet", tmp_path / "resnet18.pth"))
    assert str(tmp_path / "resnet18.pth") in said


# Evaluation


def test_evaluation_that_cannot_be_is_refused_before_the_training(retrain, tmp_path, data):
    assert "names no protocol to evaluate under" in refused(retrain("tiny", "--then-evaluate"), code=2)
    scored = {"evaluate": {"protocol": "world_exact", "scalings": ["median"]}}
    said = refused(retrain(scored, "--then-evaluate"))
    assert said.startswith("depthbench: --then-evaluate: ")
    assert "60 of the 60 frames of world_small/test have no image" in said
    poses = {"evaluate": {"protocol": "odom_snippet5_monodepth2", "scalings": []}, **tiny.MONO}
    assert "kitti_odometry" in refused(retrain(poses, "--then-evaluate"))
    assert not (tmp_path / "run" / "models").exists()
    assert retrain({"schedule.length": 1}).code == 0  # and the folder is still free


def test_ground_truth_of_other_frames_is_refused_before_the_training(retrain, tmp_path, monkeypatch):
    monkeypatch.setattr("baselines.evaluate_run.find_images", lambda *_: None)
    world.write_tiny_hdf5(tmp_path / "gt.h5")
    scored = {"evaluate": {"protocol": "kitti_eigen", "scalings": ["median"]}}
    said = refused(retrain(scored, "--then-evaluate", "--gt", tmp_path / "gt.h5"))
    assert f"{tmp_path}/gt.h5: the ground truth (custom/test, 3 frames) lacks 694 of the 697 frames of kitti_eigen/test" in said
    assert not (tmp_path / "run" / "models").exists()


# Other data sets


def test_ddad_by_a_recipe_of_ones_own(run, tmp_path):
    root = write_dataset(tmp_path / "data" / "ddad")
    changes = {
        **tiny.MONO, "data.split": "ddad/val@CAMERA_01", "data.intrinsics": "calibrated", "schedule.batch": 1,
        "schedule.length": 2, "schedule.drops": [],
    }  # fmt: skip
    recipe = tiny.write_recipe(root.parent, "mine", changes)
    command = ["--data", root.parent, "--device", "cpu", "--out", tmp_path / "run"]
    done = run("retrain", recipe, *command)
    assert done.code == 0, done.err
    assert "1 samples of ddad/val" in done.err
    changes |= {"data.context": [], "pose": None, "data.stereo": True}
    said = refused(run("retrain", tiny.write_recipe(root.parent, "pairs", changes), *command[:-1], tmp_path / "b"), code=2)
    assert "ddad has no stereo pairs" in said
    changes |= {**tiny.MONO, "data.intrinsics": "kitti"}
    said = refused(run("retrain", tiny.write_recipe(root.parent, "fixed", changes), *command[:-1], tmp_path / "c"), code=2)
    assert "intrinsics 'calibrated'" in said


def test_the_help(run):
    done = run("retrain", "--help")
    assert done.code == 0
    for option in ("--resume", "--then-evaluate", "--hints", "--start", "--precision", "--compile", "--device"):
        assert option in done.out
    assert np.max([len(line) for line in done.out.splitlines()]) <= 100
