"""The loop: its learning rates, that a resumed run is the run that never stopped, and that two ranks are one process."""

import csv
import dataclasses
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import tiny_training as tiny

torch = pytest.importorskip("torch", reason="needs depthbench[train]")

from torch.utils._python_dispatch import TorchDispatchMode  # noqa: E402

from baselines import retrain as road  # noqa: E402
from baselines import train as loop  # noqa: E402
from baselines.augment import Augmentation  # noqa: E402
from baselines.batches import Batches  # noqa: E402
from baselines.hardware import Hardware, open_fabric  # noqa: E402
from baselines.image_cache import open_cache  # noqa: E402
from baselines.model import build_model  # noqa: E402
from baselines.recipe import Recipe, load_recipe  # noqa: E402
from baselines.retrain import Request, Trained, retrain  # noqa: E402
from baselines.samples import find_samples  # noqa: E402
from baselines.state_files import read_state  # noqa: E402
from baselines.train import Moment, Spectator, learning_rate, objective_of, seed_noise, train  # noqa: E402
from benchmark.errors import TrainingError  # noqa: E402
from benchmark.splits import resolve_split  # noqa: E402

pytestmark = pytest.mark.usefixtures("one_thread")

CPU = Hardware("cpu")
MODES = {"s": {}, "m": tiny.MONO, "ms": tiny.BOTH, "dh": tiny.HINTED}


def go(data: Path, out: Path, mode: str = "s", *, changes=None, **options) -> Trained:
    recipe = tiny.write_recipe(data, f"tiny_{mode}", {**MODES[mode], **(changes or {})})
    hints = data / "hints" if mode == "dh" else None
    return retrain(
        Request(str(recipe), data, out, hints=hints, cache=data / "cache", **{"hardware": CPU, "quiet": True, **options})
    )


def tensors(value: object, place: str = "") -> dict[str, torch.Tensor]:
    """Every tensor of a file of torch.save by its place; other values as strings."""
    if isinstance(value, torch.Tensor):
        return {place: value}
    if isinstance(value, dict):
        return {k: v for key, one in value.items() for k, v in tensors(one, f"{place}.{key}").items()}
    if isinstance(value, list | tuple):
        return {k: v for i, one in enumerate(value) for k, v in tensors(one, f"{place}.{i}").items()}
    return {place: torch.tensor([float(value)])} if isinstance(value, int | float) else {}


def same_checkpoint(one: Path, other: Path) -> None:
    """Weights, buffers, moments and the state of the training, to the last bit."""
    assert {path.name for path in one.iterdir()} == {path.name for path in other.iterdir()}
    for path in one.iterdir():
        a, b = tensors(read_state(path)), tensors(read_state(other / path.name))
        assert a.keys() == b.keys()
        assert a, path
        different = [name for name in a if not torch.equal(a[name], b[name])]
        assert different == []


def logged(run: Path) -> list[list[str]]:
    """The log without what a clock measures."""
    return [row for row in csv.reader((run / "log.csv").read_text().splitlines()) if row[2] != "images_per_s"]


def batches_of(data: Path, recipe: Recipe, *, hints: Path | None = None, rank: int = 0, ranks: int = 1) -> Batches:
    """What a training by the recipe sees."""
    samples = find_samples(resolve_split(recipe.data.split), data, context=recipe.data.context, stereo=recipe.data.stereo)
    cache = open_cache(data / "cache", samples, size=tiny.SIZE, hints=hints, quiet=True)
    augmentation = Augmentation(recipe.data.flip, recipe.data.jitter)
    return Batches(
        samples, cache, batch=4, seed=recipe.seed, augmentation=augmentation, rank=rank, ranks=ranks, levels=2
    )  # fmt: skip


# Learning rate


@pytest.mark.parametrize(("name", "by_epoch"), [
    ("monodepth2_m", {0: 1e-4, 13: 1e-4, 14: 1e-5, 19: 1e-5}),
    ("monodepth2_m_no_pt", {13: 1e-4, 14: 1e-5, 28: 1e-5, 29: 1e-6}),
    ("monodepth2_ms_1024x320", {0: 1e-5, 4: 1e-5}),
    ("depth_hints_r50", {0: 1e-4, 3: 1e-4, 4: 1e-5, 8: 1e-5, 9: 1e-6, 13: 1e-6, 14: 1e-7, 18: 1e-7, 19: 1e-8}),
])  # fmt: skip
def test_the_published_learning_rates(name, by_epoch):
    recipe = load_recipe(name)
    for epoch, rate in by_epoch.items():
        for step in (3317 * epoch, 3317 * epoch + 3316):
            assert learning_rate(recipe, step, 3317) == pytest.approx(rate, rel=1e-12)


def test_a_schedule_in_steps():
    recipe = load_recipe("world_s")
    assert [learning_rate(recipe, step, 480) for step in (0, 1699, 1700, 2399)] == pytest.approx([7e-4, 7e-4, 7e-5, 7e-5])


def test_adam_of_a_warm_start_gets_the_recipes_rate(data, tmp_path):
    go(data, tmp_path / "tiny_s", changes={"optimiser.lr": 1e-3})
    start = {"recipe": "tiny_s", "epoch": None, "parts": ["encoder", "depth", "adam"]}
    made = go(data, tmp_path / "b", "ms", changes={
        "pose": None, "data.context": [], "initial.start": start, "optimiser.lr": 1e-5, "schedule.length": 1,
        "schedule.drops": [],
    })  # fmt: skip
    adam = read_state(made.run.last / "adam.pth")
    assert adam["param_groups"][0]["lr"] == 1e-5
    assert adam["state"][0]["step"] == 8 + 1


# Resuming


def interrupted(monkeypatch: pytest.MonkeyPatch, step: int) -> None:
    """Ctrl-C while this step is in work; steps are counted from 1."""
    real = loop.learning_rate

    def at(recipe, number, epoch_steps):
        if number == step - 1:
            signal.raise_signal(signal.SIGINT)
        return real(recipe, number, epoch_steps)

    monkeypatch.setattr(loop, "learning_rate", at)


@pytest.mark.parametrize("mode", ["s", "ms", "dh"])
def test_a_run_that_was_interrupted_twice_is_the_run_that_was_not(data, tmp_path, monkeypatch, mode):
    changes = {"schedule.length": 23, "schedule.drops": [9]}  # an epoch has 4 steps, a window of the log 20
    go(data, tmp_path / "whole", mode, changes=changes)
    for step in (6, 21):
        with monkeypatch.context() as patch:
            interrupted(patch, step)
            with pytest.raises(KeyboardInterrupt, match=f"stopped after step {step} of 23"):
                go(data, tmp_path / "parts", mode, changes=changes, resume=step > 6)
        assert read_state(tmp_path / "parts/models/last/training.pth")["steps"] == step
    go(data, tmp_path / "parts", mode, changes=changes, resume=True)
    same_checkpoint(tmp_path / "whole/models/last", tmp_path / "parts/models/last")
    same_checkpoint(tmp_path / "whole/models/weights_4", tmp_path / "parts/models/weights_4")
    assert logged(tmp_path / "whole") == logged(tmp_path / "parts")
    assert {row[0] for row in logged(tmp_path / "whole")[1:]} == {"20", "23"}


def test_a_checkpoint_at_the_end_of_every_epoch(data, tmp_path):
    run = go(data, tmp_path / "run", changes={"schedule.unit": "epochs", "schedule.length": 2, "schedule.drops": [1]}).run
    assert sorted(path.name for path in run.last.parent.iterdir()) == ["last", "weights_0", "weights_1"]
    assert [read_state(run.weights(epoch) / "training.pth")["steps"] for epoch in (0, 1)] == [4, 8]
    same_checkpoint(run.last, run.weights(1))
    # The last steps had the lower rate.
    assert read_state(run.weights(0) / "adam.pth")["param_groups"][0]["lr"] == 1e-3
    assert read_state(run.last / "adam.pth")["param_groups"][0]["lr"] == pytest.approx(1e-4)
    assert sorted(path.name for path in run.last.iterdir()) == ["adam.pth", "depth.pth", "encoder.pth", "training.pth"]


def test_a_stop_between_the_two_renames_of_the_last_checkpoint(data, tmp_path, monkeypatch, capsys):
    """Then no folder is called `last`; the weights of the latest epoch continue, to the same end."""
    changes = {"schedule.length": 10, "schedule.drops": [7]}  # an epoch has 4 steps
    whole = go(data, tmp_path / "whole", changes=changes).run
    rename = Path.rename

    def stopped(path: Path, target: Path) -> Path:
        if target.name == "last" and target.parent.parent.name == "run" and (target.parent / "weights_1").is_dir():
            raise SystemExit("killed")
        return rename(path, target)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "rename", stopped)
        with pytest.raises(SystemExit):
            go(data, tmp_path / "run", changes=changes)
    models = tmp_path / "run" / "models"
    assert not (models / "last").exists()
    assert (models / "weights_1").is_dir()
    with pytest.raises(TrainingError, match="holds a training already; continue it with --resume"):
        go(data, tmp_path / "run", changes=changes)
    capsys.readouterr()
    go(data, tmp_path / "run", changes=changes, resume=True)
    said = capsys.readouterr().err
    assert f"note: {models / 'last'} is not there, as after a stop while it was being replaced; continues from " in said
    assert f"{models / 'weights_1'}\n" in said
    same_checkpoint(whole.last, models / "last")
    assert logged(tmp_path / "whole") == logged(tmp_path / "run")


def test_another_seed_is_another_training(data, tmp_path):
    runs = [go(data, tmp_path / str(seed), seed=seed, changes={"schedule.length": 2}).run for seed in (1, 2)]
    one, other = (tensors(read_state(run.last / "depth.pth")) for run in runs)
    assert not torch.equal(one[".decoder.0.conv.conv.weight"], other[".decoder.0.conv.conv.weight"])


def command(data: Path, *arguments: object, **options) -> subprocess.Popen[str]:
    """The command as a user starts it, in a process of its own."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    whole = [sys.executable, "-m", "benchmark.cli", "retrain", *map(str, arguments), "--data", data, "--device", "cpu"]
    return subprocess.Popen(whole, env=environment, stderr=subprocess.PIPE, text=True, **options)


def test_ctrl_c_on_the_command(data, tmp_path):
    recipe = tiny.write_recipe(data, "tiny_long", {"schedule.length": 60, "schedule.drops": []})
    options = ["--cache", data / "cache"]
    process = command(data, recipe, "--out", tmp_path / "a run", *options)
    log = tmp_path / "a run" / "log.csv"
    until = time.monotonic() + 120
    while not (log.is_file() and len(log.read_text().splitlines()) > 1):
        assert process.poll() is None
        assert time.monotonic() < until
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130
    where, last = said.split("\n\n")[0].splitlines()[-1], said.splitlines()[-1]
    assert last == "depthbench: interrupted"
    steps = read_state(tmp_path / "a run/models/last/training.pth")["steps"]
    assert 20 <= steps < 60
    place = f"{tmp_path}/a run/models/last"
    assert where == f"stopped after step {steps} of 60: {place} holds it, and the same command with --resume continues"
    process = command(data, recipe, "--out", tmp_path / "a run", *options, "--resume")
    _, said = process.communicate(timeout=200)
    assert process.returncode == 0
    assert f"continues after step {steps}" in said
    retrain(Request(str(recipe), data, tmp_path / "whole", cache=data / "cache", hardware=CPU, quiet=True))
    same_checkpoint(tmp_path / "whole/models/last", tmp_path / "a run/models/last")
    assert logged(tmp_path / "whole") == logged(tmp_path / "a run")


# Several ranks


@pytest.mark.parametrize("mode", ["ms", pytest.param("dh", marks=pytest.mark.slow)])
def test_two_ranks_are_one_process_that_averages_two_half_batches(data, tmp_path, mode):
    changes = {**MODES[mode], "schedule.length": 3, "schedule.drops": []}
    recipe_file = tiny.write_recipe(data, f"tiny_ranks_{mode}", changes)
    hints = ["--hints", data / "hints"] if mode == "dh" else []
    arguments = [
        "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m", "benchmark.cli", "retrain",
        recipe_file, "--data", data, "--out", tmp_path / "ranks", "--cache", data / "cache", "--device", "cpu",
        "--channels-first", *hints,
    ]  # fmt: skip
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, *map(str, arguments)], env=environment, capture_output=True, text=True, timeout=200, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "2 x cpu" in done.stderr
    assert done.stderr.count("16 samples of") == 1  # one of them speaks

    model = halves(data, str(recipe_file), data / "hints" if mode == "dh" else None)
    for name, part in model.parts().items():
        found = read_state(tmp_path / "ranks/models/last" / f"{name}.pth")
        for key, value in part.state_dict().items():
            torch.testing.assert_close(found[key], value, rtol=1e-6, atol=1e-6, msg=lambda said, key=key: f"{key}: {said}")


def halves(data: Path, recipe_name: str, hints: Path | None):
    """The same training in one process: both ranks' half batches in turn, their gradients averaged, plain PyTorch."""
    recipe = load_recipe(recipe_name)
    torch.manual_seed(recipe.seed)
    model = build_model(recipe).train()
    streams = [batches_of(data, recipe, hints=hints, rank=rank, ranks=2).stream() for rank in range(2)]
    optimiser = torch.optim.Adam([x for x in model.parameters() if x.requires_grad], lr=recipe.optimiser.lr, fused=True)
    for step in range(3):
        optimiser.zero_grad()
        buffers = {}
        for rank, stream in enumerate(streams):
            batch = next(stream)
            before = {name: one.clone() for name, one in model.named_buffers()}
            seed_noise(recipe.seed, step, rank)
            total, _, _ = objective_of(recipe, model, batch, model(batch.inputs))
            (total / 2).backward()
            buffers[rank] = {name: one.clone() for name, one in model.named_buffers()}
            for name, one in model.named_buffers():
                one.copy_(before[name])
        for name, one in model.named_buffers():  # what is saved are the statistics of the first rank
            one.copy_(buffers[0][name])
        optimiser.step()
    return model


# Numbers that must not change, and time that must not be lost


def test_channels_last_gives_the_same_numbers(data):
    recipe = load_recipe(str(tiny.write_recipe(data, "tiny_last", tiny.BOTH)))
    batch = next(batches_of(data, recipe).epoch(0))
    torch.manual_seed(0)
    model = build_model(recipe).train()
    losses, gradients = [], []
    for order in (torch.contiguous_format, torch.channels_last):
        model.to(memory_format=order)
        model.zero_grad()
        total, _, _ = objective_of(recipe, model, batch, model(batch.inputs))
        total.backward()
        losses.append(total.item())
        gradients.append([x.grad.clone() for x in model.parameters() if x.grad is not None])
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)
    for one, other in zip(*gradients, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-5)


def test_channels_last_is_saved_as_ever(data, tmp_path):
    run = go(data, tmp_path / "run", changes={"schedule.length": 1}, hardware=Hardware("cpu", channels_last=True)).run
    assert read_state(run.last / "depth.pth")["decoder.0.conv.conv.weight"].is_contiguous()
    resumed = go(data, tmp_path / "run", changes={"schedule.length": 1}, resume=True)  # nothing is left to do
    assert (resumed.steps, resumed.images) == (1, 0)


def test_resident_images_make_the_same_training(data, tmp_path):
    changes = {"schedule.length": 2, "schedule.drops": []}
    lent = go(data, tmp_path / "lent", "dh", changes=changes).run
    kept = go(data, tmp_path / "kept", "dh", changes=changes, hardware=Hardware("cpu", resident=True)).run
    same_checkpoint(lent.last, kept.last)


def test_bf16_learns_nearly_the_same(data, tmp_path):
    changes = {"schedule.length": 4, "schedule.drops": []}
    losses = []
    for precision in ("32", "bf16"):
        run = go(data, tmp_path / precision, "ms", changes=changes, hardware=Hardware("cpu", precision)).run
        losses += [float(row[3]) for row in logged(run.path) if row[2] == "train/loss"]
        assert read_state(run.last / "depth.pth")["decoder.0.conv.conv.weight"].dtype == torch.float32
    assert losses[0] != losses[1]
    assert losses[1] == pytest.approx(losses[0], rel=0.02)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning")  # of torch.compile's own code
def test_compiled_steps_are_the_same_training(data, tmp_path):
    changes = {"schedule.length": 2, "schedule.drops": []}
    losses = []
    for compiled in (False, True):
        run = go(data, tmp_path / str(compiled), changes=changes, hardware=Hardware("cpu", compile=compiled)).run
        losses += [float(row[3]) for row in logged(run.path) if row[2] == "train/loss"]
    assert losses[1] == pytest.approx(losses[0], rel=1e-4)


class Looks(TorchDispatchMode):
    """Counts how often a number is taken off its device, which on a GPU waits for all that was asked of it."""

    count = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        self.count += func is torch.ops.aten._local_scalar_dense.default
        return func(*args, **(kwargs or {}))


def test_the_loop_looks_at_no_number_between_its_looks(data, tmp_path, monkeypatch):
    recipe = load_recipe(str(tiny.write_recipe(data, "tiny_looks", {**tiny.BOTH, "schedule.length": 100})))
    stream = batches_of(data, recipe).stream()
    model = build_model(recipe)
    # On the CPU Adam itself looks at its counters; that a GPU's does not is PyTorch's business.
    optimiser = torch.optim.SGD(model.parameters(), lr=1e-4)
    monkeypatch.setattr(loop, "PANELS_EVERY", 1000)
    counts = {}
    for total in (10, 19):
        with Looks() as looks:
            train(
                open_fabric(CPU), recipe, model, optimiser, stream, begin=Moment(0, total, 1000), seed=0, spectator=Spectator()
            )
        counts[total] = looks.count
    assert counts[19] == counts[10]


# What goes wrong


def test_a_rate_that_blows_up_keeps_the_last_good_checkpoint(data, tmp_path, monkeypatch):
    changes = {"optimiser.lr": 1e-3, "schedule.length": 12, "schedule.drops": [4]}

    def rising(name: str) -> Recipe:
        recipe = load_recipe(name)  # which refuses such a factor
        return dataclasses.replace(recipe, schedule=dataclasses.replace(recipe.schedule, factor=1e36))

    monkeypatch.setattr("baselines.retrain.load_recipe", rising)
    with pytest.raises(TrainingError, match=r"^step \d+: ") as caught:
        go(data, tmp_path / "run", changes=changes)
    assert "--resume continues from the last of them" in str(caught.value)
    assert "optimiser.lr" in str(caught.value)
    state = read_state(tmp_path / "run/models/last/training.pth")
    assert state["steps"] == 4
    for part in ("encoder", "depth"):
        values = tensors(read_state(tmp_path / f"run/models/last/{part}.pth"))
        assert all(one.isfinite().all() for one in values.values())


def test_a_loss_that_is_no_number_names_the_step_and_the_term(data, tmp_path, monkeypatch):
    real = loop.LOSSES["smoothness"]
    calls = []

    def poisoned(views, **options):
        calls.append(0)
        return {name: value * (float("nan") if len(calls) == 7 else 1) for name, value in real(views, **options).items()}

    monkeypatch.setitem(loop.LOSSES, "smoothness", poisoned)
    with pytest.raises(TrainingError, match=r"^step 7: the loss is not finite: loss = nan, smoothness = nan\. "):
        go(data, tmp_path / "run")
    assert read_state(tmp_path / "run/models/last/training.pth")["steps"] == 4
    monkeypatch.undo()
    go(data, tmp_path / "run", resume=True)
    go(data, tmp_path / "whole")
    same_checkpoint(tmp_path / "run/models/last", tmp_path / "whole/models/last")


@pytest.mark.parametrize("error", [
    torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB\nmore"), MemoryError("no memory"),
    RuntimeError("[enforce fail at alloc_cpu.cpp:117] DefaultCPUAllocator: can't allocate memory"),
    RuntimeError("cuDNN error: CUDNN_STATUS_ALLOC_FAILED"),
])  # fmt: skip
def test_a_full_memory_says_what_to_lower(data, tmp_path, monkeypatch, error):
    def full(*args, **options):
        raise error

    monkeypatch.setattr(loop, "synthesise", full)
    with pytest.raises(TrainingError, match="the memory does not suffice to train tiny_s") as caught:
        go(data, tmp_path / "run")
    said = str(caught.value)
    assert "\n" not in said
    for advice in ("schedule.batch (4)", "data.size (64x96)", "--precision bf16", "--resident"):
        assert advice in said


def test_other_errors_stay_what_they_are(data, tmp_path, monkeypatch):
    def broken(*args, **options):
        raise RuntimeError("shapes do not match")

    monkeypatch.setattr(loop, "synthesise", broken)
    with pytest.raises(RuntimeError, match="shapes do not match"):
        go(data, tmp_path / "run")


def test_a_full_memory_while_images_are_copied_to_the_device(data, tmp_path, monkeypatch):
    def full(*args, **options):
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(road, "Batches", full)
    with pytest.raises(TrainingError, match="leave out --resident"):
        go(data, tmp_path / "run")


def test_noise_depends_on_seed_step_and_rank():
    draws = set()
    for key in [(0, 0, 0), (1, 0, 0), (0, 1, 0), (0, 0, 1), (0, 0, 0)]:
        seed_noise(*key)
        draws.add(tuple(torch.randn(3).tolist()))
    assert len(draws) == 4


def test_the_total_is_the_weighted_sum_of_the_terms(data):
    recipe = load_recipe(str(tiny.write_recipe(data, "tiny_sum", {"losses.smoothness.weight": 0.5})))
    batch = next(batches_of(data, recipe).epoch(0))
    model = build_model(recipe)
    with torch.no_grad():
        total, terms, views = objective_of(recipe, model, batch, model(batch.inputs))
    assert set(terms) == {"reprojection", "smoothness"}
    np.testing.assert_allclose(float(total), float(terms["reprojection"] + 0.5 * terms["smoothness"]), rtol=1e-6)
    assert views.sources == ["s"]
