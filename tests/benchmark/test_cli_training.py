"""What `depthbench retrain` hands to our training, and to the authors' own code with --reference."""

import dataclasses
import json
from pathlib import Path

import pytest
import yaml
from stub_checkout import write_checkout
from tiny_training import content, write_data

from baselines import recipe_values
from baselines.recipe import load_recipe
from benchmark.cli_training import MAX_SEED

REFERENCE = ("--reference", "monodepth2=checkout")


@pytest.mark.parametrize(("words", "named"), [
    (["--resume"], "--resume"), (["--seed", "0"], "--seed"), (["--imagenet", "r.pth"], "--imagenet"),
    (["--cache", "c"], "--cache"), (["--no-validation"], "--no-validation"), (["--precision", "32"], "--precision"),
    (["--resident"], "--resident"), (["--compile"], "--compile"), (["--channels-last"], "--channels-last/--channels-first"),
    (["--channels-first", "--resident"], "--resident, --channels-last/--channels-first"),
])  # fmt: skip
def test_every_option_that_the_authors_code_cannot_follow_is_refused(run, tmp_path, words, named):
    done = run("retrain", "monodepth2_m", *REFERENCE, "--out", tmp_path / "run", *words)
    assert done.code == 2
    said = " ".join(done.err.split())
    assert f"Error: {named} cannot go with --reference" in said
    assert "what goes is --reference, --python, --data, --out, --hints, --start, --device, --then-evaluate, --gt" in said
    assert not (tmp_path / "run").exists()


def test_options_that_go_in_pairs(run, tmp_path):
    out = ("--out", tmp_path / "run")
    for words in (("--gt", "gt.h5"), ("--gt", "gt.h5", *REFERENCE)):
        done = run("retrain", "monodepth2_m", *out, *words)
        assert (done.code, "--gt goes with --then-evaluate" in done.err) == (2, True)
    done = run("retrain", "monodepth2_m", *out, "--python", "python3")
    assert (done.code, "--python is about --reference" in done.err) == (2, True)


def test_the_authors_code_gets_what_the_command_says(run, tmp_path, monkeypatch):
    calls: list[tuple] = []

    def follow(recipe, code, checkout, **options):
        calls.append((recipe.name, code, checkout, options))
        return tmp_path / "weights_19"

    def open_evaluation(folder, recipe, data, *, gt):
        calls.append((folder.path, recipe.name, data, gt))
        return lambda checkpoint: f"table of {checkpoint.name}"

    def refuse_unused(recipe, *, hints, start, imagenet):
        assert (recipe.name, hints, start, imagenet) == ("monodepth2_m", Path("h"), Path("s"), None)

    monkeypatch.setattr("baselines.reference.run.run_reference", follow)
    monkeypatch.setattr("baselines.recipe.refuse_unused", refuse_unused)
    words = ["--data", "d", "--out", tmp_path / "run", "--python", "p", "--hints", "h", "--start", "s", "--device", "cpu"]
    options = {
        "data": Path("d"), "out": tmp_path / "run", "python": "p", "hints": Path("h"), "start": Path("s"), "cpu": True
    }  # fmt: skip
    done = run("retrain", "monodepth2_m", *REFERENCE, *words)
    assert (done.code, done.out) == (0, "")
    assert f"{tmp_path / 'weights_19'}: monodepth2_m by monodepth2's own code" in done.err
    training = ("monodepth2_m", "monodepth2", Path("checkout"), options)
    assert calls == [training]

    pytest.importorskip("torch", reason="needs depthbench[train]")
    monkeypatch.setattr("baselines.evaluate_run.open_evaluation", open_evaluation)
    done = run("retrain", "monodepth2_m", *REFERENCE, *words, "--then-evaluate", "--gt", "gt.h5")
    assert (done.code, done.out) == (0, "table of weights_19\n")
    # Data or ground truth that are missing are found out before the training.
    assert calls == [training, (tmp_path / "run", "monodepth2_m", Path("d"), Path("gt.h5")), training]


def test_a_training_by_a_checkout(run, tmp_path, monkeypatch):
    data = write_data(tmp_path / "data")
    checkout = write_checkout(tmp_path / "checkout")
    monkeypatch.setenv("STUB_REPORT", str(tmp_path / "report.json"))
    made = json.loads(json.dumps(dataclasses.asdict(load_recipe("monodepth2_m"))))
    made["data"] |= {"split": str(data / "few.txt")}
    made["schedule"] |= {"batch": 2}
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump(made))
    where = ("--data", data, "--out", tmp_path / "run", "--device", "cpu")
    done = run("retrain", tmp_path / "mine.yaml", "--reference", f"monodepth2={checkout}", *where)
    assert done.code == 0, done.err
    assert "by monodepth2's own code" in done.err
    seen = json.loads((tmp_path / "report.json").read_text())
    assert (seen["options"]["no_cuda"], seen["options"]["batch_size"], len(seen["lists"]["train"])) == (True, 2, 4)


def test_our_training_gets_what_the_command_says(run, tmp_path, monkeypatch):
    pytest.importorskip("torch", reason="needs depthbench[train]")
    from baselines.hardware import Hardware
    from baselines.retrain import Request

    asked: list[Request] = []

    class Trained:
        table, lead = "table", True

        def text(self) -> str:
            return "trained"

    made = content({"data.hints": True, "initial.encoders": "imagenet"})
    made["initial"]["start"] = {"recipe": "world_s", "epoch": None, "parts": ["encoder"]}
    path = tmp_path / "mine.yaml"
    path.write_text(yaml.safe_dump(made))
    monkeypatch.setattr("baselines.retrain.retrain", lambda request: asked.append(request) or Trained())
    out = tmp_path / "run"
    done = run("retrain", "world_s", "--out", out)
    assert (done.code, done.out, done.err) == (0, "table\n", "trained\n")
    assert asked.pop() == Request(recipe="world_s", data=None, out=out)
    done = run(
        "retrain", path, "--out", out, "--data", "d", "--resume", "--seed", "3", "--hints", "h", "--start", "s",
        "--imagenet", "i", "--cache", "c", "--no-validation", "--then-evaluate", "--gt", "g", "--device", "cuda",
        "--precision", "bf16", "--resident", "--compile", "--channels-first",
    )  # fmt: skip
    assert done.code == 0, done.err
    assert asked.pop() == Request(
        recipe=str(path), data=Path("d"), out=out, resume=True, seed=3, hints=Path("h"), start=Path("s"), imagenet=Path("i"),
        cache=Path("c"), validation=False, then_evaluate=True, gt=Path("g"),
        hardware=Hardware(device="cuda", precision="bf16", resident=True, compile=True, channels_last=False),
    )  # fmt: skip


@pytest.mark.parametrize("words", [[], REFERENCE])
def test_options_that_the_recipe_has_no_use_for(run, tmp_path, words):
    pytest.importorskip("torch", reason="needs depthbench[train]")
    done = run("retrain", "world_s", "--out", tmp_path / "run", "--start", "nosuch", "--hints", "nosuch", *words)
    assert done.code == 2
    assert "--hints has no meaning" in done.err
    assert "--start has no meaning" in done.err
    assert not (tmp_path / "run").exists()


def test_a_seed_that_torch_cannot_take(run, tmp_path):
    assert MAX_SEED == recipe_values.MAX_SEED
    done = run("retrain", "world_s", "--out", tmp_path / "run", "--seed", MAX_SEED + 1)
    assert done.code == 2
    assert "9223372036854775808 is not in the range" in " ".join(done.err.split())
