"""A recipe and data -> a trained run: `depthbench retrain`. Everything around the loop of `train.py`."""

from __future__ import annotations

import contextlib
import dataclasses
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import torch

from baselines.adam import load_adam
from baselines.augment import Augmentation
from baselines.batches import Batches
from baselines.checkpoints import ADAM, load_parts
from baselines.evaluate_run import Evaluation, open_evaluation
from baselines.faults import out_of_memory
from baselines.hardware import Hardware, open_fabric
from baselines.image_cache import open_cache
from baselines.model import Model, build_model
from baselines.networks.resnet import ResnetEncoder
from baselines.observe import Observer, announce
from baselines.predict_network import checkpoint_folder
from baselines.recipe import Recipe, load_recipe, recipe_path
from baselines.run_folder import RunFolder, claim
from baselines.samples import Samples, find_samples, find_split
from baselines.train import Moment, Spectator, Terms, train
from baselines.training_state import FORMAT, Identity, Kept, how_to_continue, load_state, save_state
from baselines.validation import Validation, open_validation
from benchmark.errors import TrainingError
from datasets_prep.progress import say

if TYPE_CHECKING:
    from lightning.fabric import Fabric

DEFAULT = Hardware()


@dataclass(frozen=True)
class Request:
    """What a user asks `retrain` for. `start`: the checkpoint that the recipe's warm start names. `again`: what continues it
    after an interrupt, in words. None takes the default."""

    recipe: str
    data: Path | None
    out: Path
    resume: bool = False
    seed: int | None = None
    hints: Path | None = None
    start: Path | None = None
    imagenet: Path | None = None
    cache: Path | None = None
    validation: bool = True
    then_evaluate: bool = False
    gt: Path | None = None
    hardware: Hardware = DEFAULT
    quiet: bool = False
    again: str = "the same command with --resume"


class Trained(NamedTuple):
    """What was trained: where, how far, how fast; with --then-evaluate the table of its scores. `lead`: whether this is the
    first rank, which speaks for all."""

    run: RunFolder
    recipe: Recipe
    steps: int
    images: int
    seconds: float
    table: str = ""
    lead: bool = True

    def text(self) -> str:
        """One line for people."""
        rate = f"{self.images / self.seconds:.1f} images/s, " if self.seconds and self.images else ""
        return f"{self.run.last}: {self.recipe.name} after {self.steps} steps, {rate}{self.seconds:.0f} s"


class _Plan(NamedTuple):
    """What can be settled, and refused, before an image is decoded."""

    model: Model
    samples: Samples
    seed: int
    notes: tuple[str, ...]
    validation: Validation | None
    evaluation: Evaluation | None


class _Setup(NamedTuple):
    """What the loop takes, and what tells its checkpoints from those of another training."""

    batches: Batches
    optimiser: torch.optim.Adam
    begin: Moment
    recent: list[Terms]
    identity: Identity


def retrain(request: Request) -> Trained:
    """Train a recipe from its beginning, or from the last checkpoint of its folder, and score it where that is asked for.

    Raises:
        InputError: the recipe, the data, a checkpoint, the options or the loss is at fault.
        KeyboardInterrupt: after a checkpoint was written.
    """
    recipe = load_recipe(request.recipe)
    fabric = open_fabric(request.hardware)
    lead, run = fabric.is_global_zero, RunFolder(request.out)
    with claim(run, resume=request.resume) if lead else contextlib.nullcontext():
        with out_of_memory(recipe):
            plan = _plan(recipe, request, run, lead=lead)
            setup = _set_up(recipe, request, run, plan, fabric)
            started = time.perf_counter()
            with _observed(recipe, request, plan, setup, fabric) as spectator:
                end = train(
                    fabric, recipe, plan.model, setup.optimiser, setup.batches.stream(setup.begin.steps), begin=setup.begin,
                    seed=plan.seed, spectator=spectator, recent=setup.recent, compiled=request.hardware.compile,
                )  # fmt: skip
        images, seconds = (end.steps - setup.begin.steps) * recipe.schedule.batch, time.perf_counter() - started
        table = plan.evaluation(run.last) if plan.evaluation else ""
    return Trained(run, recipe, end.steps, images, seconds, table, lead)


def _plan(recipe: Recipe, request: Request, run: RunFolder, *, lead: bool) -> _Plan:
    data, seed = recipe.data, recipe.seed if request.seed is None else request.seed
    torch.manual_seed(seed)
    model = build_model(recipe)  # first: it is quick to refuse a wrong recipe
    if data.hints and request.hints is None:
        raise TrainingError(
            f"{recipe.name} learns from depth hints: pass --hints DIR, the folder of `depthbench hints --split {data.split}`"
        )
    samples = find_samples(
        find_split(data.split, request.data), request.data, context=data.context, stereo=data.stereo,
        intrinsics=data.intrinsics, neighbours=data.neighbours,
    )  # fmt: skip
    notes = () if request.resume else _initialise(recipe, request, model)
    validation = open_validation(recipe, request.data, run.validation) if lead and request.validation else None
    evaluation = None
    if lead and request.then_evaluate:
        evaluation = open_evaluation(run, recipe, request.data, gt=request.gt, quiet=request.quiet)
    return _Plan(model, samples, seed, (*samples.notes, *notes), validation, evaluation)


def _set_up(recipe: Recipe, request: Request, run: RunFolder, plan: _Plan, fabric: Fabric) -> _Setup:
    data, schedule, model, (height, width) = recipe.data, recipe.schedule, plan.model, recipe.data.size
    cache = open_cache(
        request.cache or request.out.parent / "cache", plan.samples, size=(height, width), resampler=data.resampler,
        hints=request.hints if data.hints else None, quiet=request.quiet or not fabric.is_global_zero,
    )  # fmt: skip
    levels = max(model.depth_network.scales) + 1
    batches = Batches(
        plan.samples, cache, batch=schedule.batch, seed=plan.seed, device=fabric.device, rank=fabric.global_rank,
        ranks=fabric.world_size, levels=levels, source_levels=levels if recipe.synthesis.native_scales else 1,
        resident=request.hardware.resident, augmentation=Augmentation(data.flip, data.jitter),
    )  # fmt: skip
    begin = Moment(0, schedule.length * (len(batches) if schedule.unit == "epochs" else 1), len(batches))
    if request.hardware.channels_last:
        model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    model.to(fabric.device)
    parts = model.parts()
    parameters = [x for part in parts.values() for x in part.parameters()]
    optimiser = torch.optim.Adam(parameters, lr=recipe.optimiser.lr, fused=True)
    split = plan.samples.split
    identity = {
        "format": FORMAT, "recipe_sha256": recipe.sha256, "seed": plan.seed, "split": split.name,
        "split_sha256": split.sha256, "epoch_steps": begin.epoch_steps, "image_format": plan.samples.image_format,
        "images": cache.content,
    }  # fmt: skip
    recent: list[Terms] = []
    checkpoint = run.newest if request.resume else None
    if checkpoint is not None:
        if checkpoint != run.last and fabric.is_global_zero:
            say(f"note: {run.last} is not there, as after a stop while it was being replaced; continues from {checkpoint}")
        begin, recent = load_state(checkpoint, recipe, Kept(identity, model, optimiser), begin)
    elif recipe.initial.start is not None and "adam" in recipe.initial.start.parts:
        load_adam(optimiser, _start_folder(recipe, request) / ADAM, parts)
    return _Setup(batches, optimiser, begin, recent, identity)


@contextlib.contextmanager
def _observed(recipe: Recipe, request: Request, plan: _Plan, setup: _Setup, fabric: Fabric) -> Iterator[Spectator]:
    """Who looks on: on the first rank the terminal, the logs and the checkpoints, elsewhere nobody."""
    if not fabric.is_global_zero:
        yield Spectator()
        return
    run = RunFolder(request.out)
    about = {
        **setup.identity, "samples": len(plan.samples), "precision": request.hardware.precision, "ranks": fabric.world_size,
        "device": fabric.device.type, "hardware": dataclasses.asdict(request.hardware), "notes": list(plan.notes),
    }  # fmt: skip
    announce(run, recipe, recipe_path(request.recipe).read_text(encoding="utf-8"), about, setup.begin, quiet=request.quiet)
    kept = Kept(setup.identity, plan.model, setup.optimiser)
    save = partial(save_state, run, recipe, kept)
    observer = Observer(recipe, run, setup.begin, plan.model, validation=plan.validation, save=save, quiet=request.quiet)
    try:
        with contextlib.closing(observer):
            yield observer
    except KeyboardInterrupt as stop:
        if stop.args and not request.quiet:
            say(f"{stop}: {run.last} holds it, and {request.again} continues")
        raise
    except OSError as error:  # a full disk shows in the logs as well as in a checkpoint
        raise TrainingError(
            f"{error.filename or run.path}: could not be read or written ({error.strerror or error}). Make room or correct the "
            f"permissions, and {how_to_continue(run)}"
        ) from error


def _initialise(recipe: Recipe, request: Request, model: Model) -> tuple[str, ...]:
    """Give the networks the weights that the training begins with; a line for each source of them."""
    parts, notes = model.parts(), []
    if recipe.initial.encoders == "imagenet":
        from baselines.imagenet import load_imagenet

        for name, part in parts.items():
            if isinstance(part, ResnetEncoder):
                source = load_imagenet(part, request.imagenet)
                notes.append(f"{name}: ImageNet weights {source.file}, sha256 {source.sha256}")
    if recipe.initial.start is not None:
        folder = _start_folder(recipe, request)
        loaded = load_parts(folder, {name: parts[name] for name in recipe.initial.start.parts if name != "adam"})
        notes += [f"weights of {', '.join(recipe.initial.start.parts)} from {folder}", *loaded.notes]
    return tuple(notes)


def _start_folder(recipe: Recipe, request: Request) -> Path:
    """The checkpoint of the recipe's warm start: as given, or of the run that is given or lies beside this one."""
    start = recipe.initial.start
    assert start is not None
    beside = RunFolder(request.out.parent / start.recipe)
    given = request.start
    if given is not None and not (given / "models").is_dir():
        folder = checkpoint_folder(given)
    else:
        run = beside if given is None else RunFolder(given)
        folder = run.last if start.epoch is None else run.weights(start.epoch)
    if not folder.is_dir():
        which = "the last weights" if start.epoch is None else f"the weights after epoch {start.epoch}, counted from 0,"
        raise TrainingError(
            f"{folder}: no such folder; {recipe.name} starts from {which} of {start.recipe}. Train that first "
            f"(`depthbench retrain {start.recipe} --out {beside.path}`), or pass --start FOLDER, a checkpoint of it"
        )
    return folder
