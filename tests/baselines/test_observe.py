"""What people see of a training: lines, log, TensorBoard."""

import json

import pytest
import tiny_training as tiny

torch = pytest.importorskip("torch", reason="needs depthbench[train]")

from baselines.model import build_model  # noqa: E402
from baselines.observe import Observer, announce  # noqa: E402
from baselines.recipe import load_recipe  # noqa: E402
from baselines.run_folder import RunFolder, read_log  # noqa: E402
from baselines.train import Moment  # noqa: E402

ABOUT = {
    "samples": 16, "image_format": "jpg", "seed": 3, "ranks": 2, "device": "cuda", "precision": "bf16", "hardware": {},
    "notes": ["two frames are left out"], "split": "all",
}  # fmt: skip


def observed(tmp_path, begin=0, **options) -> tuple[Observer, RunFolder, list]:
    recipe = load_recipe(
        str(tiny.write_recipe(tmp_path, changes={"optimiser.lr": 1e-3, "schedule.length": 60, "schedule.drops": [30]}))
    )
    run, saved = RunFolder(tmp_path / "run"), []
    run.path.mkdir(exist_ok=True)
    observer = Observer(
        recipe, run, Moment(begin, 60, 15), build_model(recipe), validation=None, save=lambda *state: saved.append(state),
        **options,
    )  # fmt: skip
    return observer, run, saved


def test_log_and_events_hold_the_same_numbers(tmp_path):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    observer, run, _ = observed(tmp_path, quiet=True)
    observer.log(Moment(20, 60, 15), {"loss": 0.25, "smoothness": 0.5})
    observer.log(Moment(40, 60, 15), {"loss": 0.125, "smoothness": 0.5})
    observer.close()
    log = read_log(run.log)
    assert log["train/loss"] == [(20, 0.25), (40, 0.125)]
    assert log["lr"] == [(20, 1e-3), (40, pytest.approx(1e-4))]  # the rate of the step that was just done
    assert [line.split(",")[1] for line in run.log.read_text().splitlines() if ",lr," in line] == ["1", "2"]
    events = EventAccumulator(str(run.tensorboard))
    events.Reload()
    assert set(events.Tags()["scalars"]) == {"train/loss", "train/smoothness", "lr", "images_per_s"}
    assert [(one.step, one.value) for one in events.Scalars("train/loss")] == [(20, 0.25), (40, 0.125)]


def test_the_events_of_the_last_step_outlive_a_resumption(tmp_path):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    for begin, end in ((0, 20), (20, 40), (40, 60)):
        observer, run, _ = observed(tmp_path, quiet=True, begin=begin)
        observer.log(Moment(end, 60, 15), {"loss": 0.25})
        if begin == 20:
            observer.log(Moment(60, 60, 15), {"loss": 9.0})  # after the last checkpoint: lost
        observer.close()
    events = EventAccumulator(str(run.tensorboard))
    events.Reload()
    assert [(one.step, one.value) for one in events.Scalars("train/loss")] == [(20, 0.25), (40, 0.25), (60, 0.25)]


def test_the_speed_is_that_since_the_last_log(tmp_path, monkeypatch):
    clock = iter([100.0, 104.0, 104.0, 112.0, 112.0])
    monkeypatch.setattr("baselines.observe.time.perf_counter", lambda: next(clock))
    observer, run, _ = observed(tmp_path, quiet=True)
    observer.log(Moment(20, 60, 15), {"loss": 1.0})
    observer.log(Moment(40, 60, 15), {"loss": 1.0})
    observer.close()
    assert read_log(run.log)["images_per_s"] == [(20, 20.0), (40, 10.0)]  # 80 images in 4 s, then in 8 s


def test_checkpoints_are_passed_on(tmp_path):
    observer, _, saved = observed(tmp_path, quiet=True)
    observer.save(Moment(4, 60, 15), [{"loss": torch.tensor(1.0)}])
    observer.close()
    assert saved == [(Moment(4, 60, 15), [{"loss": torch.tensor(1.0)}])]


def test_the_progress_line(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("datasets_prep.progress.LINE_EVERY_S", 0.0)
    observer, _, _ = observed(tmp_path)
    observer.progress(Moment(30, 60, 15), {"loss": 0.123456})
    observer.close()
    *_, line = capsys.readouterr().err.splitlines()
    assert line.startswith("train: 120 of 240 images (50%), ")
    assert " images/s, " in line
    assert line.endswith(" s left, loss 0.1235")


def test_compiling_is_announced(tmp_path, capsys):
    announce(RunFolder(tmp_path), load_recipe("world_s"), "", {**ABOUT, "hardware": {"compile": True}}, Moment(0, 2400, 480))
    assert "compiling: the first steps take minutes\n" in capsys.readouterr().err


def test_what_is_said_and_written_first(tmp_path, capsys):
    recipe = load_recipe("world_s")
    run = RunFolder(tmp_path)
    announce(run, recipe, "the text\n", ABOUT, Moment(0, 2400, 480))
    said = capsys.readouterr().err.splitlines()
    assert said[:4] == [
        "world_s: Monodepth2, stereo, on the street world",
        "16 samples of world_drives/train, jpg images, batch 4, 2400 steps (5.0 epochs), seed 3, 2 x cuda, precision bf16",
        "two frames are left out",
        "differs from monodepth2_s in:",
    ]
    assert "  depth.width: 1.0 -> 0.5" in said
    assert run.recipe.read_text() == "the text\n"
    about = json.loads(run.about.read_text())
    assert (about["differs_from"], about["difference"]["depth.width"]) == ("monodepth2_s", ["1.0", "0.5"])
    announce(run, recipe, "another text\n", {**ABOUT, "ranks": 1}, Moment(480, 2400, 480), quiet=True)
    assert capsys.readouterr().err == ""
    assert run.recipe.read_text() == "the text\n"
    continued = json.loads(run.about.read_text())
    assert [(one["from_step"], one["ranks"]) for one in continued["stretches"]] == [(0, 2), (480, 1)]
    assert {**continued, "stretches": about["stretches"]} | {"stretches": continued["stretches"]} == continued
