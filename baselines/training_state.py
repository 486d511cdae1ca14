"""Checkpoints from which a training continues bit for bit: the published files, and `training.pth` beside them."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import torch

from baselines.adam import load_adam
from baselines.checkpoints import ADAM, load_parts, save_parts
from baselines.model import Model
from baselines.recipe import Recipe, flat
from baselines.run_folder import RunFolder
from baselines.state_files import read_state
from baselines.train import Moment, Terms
from benchmark.errors import TrainingError, first_of
from benchmark.provenance import now

STATE = "training.pth"
FORMAT = 2  # of it; raised when a checkpoint of before cannot be continued

Network = TypeVar("Network")

Identity = dict[str, Any]  # what must be equal for a run to continue as if it had never stopped


class Kept(NamedTuple):
    """What a checkpoint is of."""

    identity: Identity
    model: Model
    optimiser: torch.optim.Adam


def save_state(run: RunFolder, recipe: Recipe, kept: Kept, moment: Moment, recent: Sequence[Terms] = ()) -> None:
    """Write the last checkpoint, and at the end of an epoch that of the epoch before it; each appears whole.

    Raises:
        TrainingError: they cannot be written; it names the checkpoint that is kept.
    """
    height, width = recipe.data.size
    # torch's generator is kept for whoever looks into the file: each step seeds it anew (`train.seed_noise`), and whatever
    # else is drawn follows from the seed and the step, so that nothing that continues depends on it.
    state = kept.identity | {
        "steps": moment.steps, "total": moment.total, "recipe": json.dumps(dataclasses.asdict(recipe)), "created": now(),
        "recent": [{name: term.cpu() for name, term in terms.items()} for terms in recent], "torch_rng": torch.get_rng_state(),
    }  # fmt: skip
    folders = [run.weights(moment.epoch - 1)] if moment.steps % moment.epoch_steps == 0 else []
    for folder in (*folders, run.last):
        try:
            save_parts(
                folder, kept.model.parts(), height=height, width=width, use_stereo=recipe.data.stereo,
                optimizer=kept.optimiser, beside={STATE: state},
            )  # fmt: skip
        except TrainingError as error:
            if not isinstance(error.__cause__, OSError):
                raise
            raise TrainingError(
                f"step {moment.steps}: the checkpoint {folder} could not be written: {error.__cause__}. Make room or correct "
                f"the permissions, and {how_to_continue(run)}"
            ) from error


def how_to_continue(run: RunFolder) -> str:
    """What to do about a training that has stopped, in words."""
    if run.newest is None:
        return "run the same command again: no checkpoint was written before"
    return f"continue with --resume: {run.newest} is whole and was kept"


def load_state(folder: Path, recipe: Recipe, kept: Kept, begin: Moment) -> tuple[Moment, list[Terms]]:
    """Take over weights and moments of a checkpoint; the moment at which it was written, and the steps that no log has yet.

    Raises:
        TrainingError: a file is missing or damaged, or the checkpoint is of another training.
    """
    state, parts = _checked(folder, recipe, kept.identity), kept.model.parts()
    load_parts(folder, parts)
    load_adam(kept.optimiser, folder / ADAM, parts)
    torch.set_rng_state(state["torch_rng"])
    device = next(kept.model.parameters()).device
    recent = [{name: term.to(device) for name, term in terms.items()} for terms in state["recent"]]
    return begin._replace(steps=int(state["steps"])), recent


def recipe_of(folder: Path) -> dict[str, Any]:
    """The recipe that a checkpoint of ours was trained by, as its file has it; empty for a published checkpoint.

    Raises:
        TrainingError: the checkpoint is damaged.
    """
    if not (folder / STATE).is_file():
        return {}
    try:
        recipe = dict(json.loads(read_state(folder / STATE)["recipe"]))
        return recipe | {"data": dict(recipe["data"])}
    except (KeyError, TypeError, ValueError) as error:
        raise TrainingError(f"{folder / STATE}: holds no recipe ({type(error).__name__}: {error}); copy it again") from error


def network_of(folder: Path, kind: str, known: Mapping[str, Callable[..., Network]]) -> Network | None:
    """The network that a checkpoint's recipe names, without its weights; None for a published checkpoint.

    Args:
        folder: of the checkpoint.
        kind: depth or pose.
        known: the constructors by name.

    Raises:
        TrainingError: the checkpoint is damaged, or its network unknown to this version.
    """
    recipe = recipe_of(folder)
    if not recipe:
        return None
    try:
        options = dict(recipe[kind])
        return known[options.pop("network")](**options)
    except (KeyError, TypeError, ValueError) as error:
        raise TrainingError(
            f"{folder / STATE}: its recipe's {kind} is {recipe.get(kind)}, which cannot be built ({type(error).__name__}: "
            f"{error}); known: {', '.join(known)}. Use the version of depthbench that trained it"
        ) from error


def is_complete(folder: Path, recipe: Recipe) -> bool:
    """Whether a checkpoint is the end of a recipe's training."""
    state = read_state(folder / STATE)
    return bool(state.get("recipe_sha256") == recipe.sha256 and state.get("steps") == state.get("total"))


def _difference(key: str, before: object, value: object) -> str:
    if key == "images":
        return "the images have changed since: other files, or another version of OpenCV or Pillow makes other pixels of them"
    return f"{key} was {before}, is {value}"


def _checked(folder: Path, recipe: Recipe, identity: Identity) -> dict[str, Any]:
    """What `training.pth` of a checkpoint says; an error with every difference where it is of another training."""
    state = read_state(folder / STATE)
    other = [_difference(key, state.get(key), value) for key, value in identity.items() if state.get(key) != value]
    if state.get("recipe_sha256") != identity["recipe_sha256"]:
        own = flat(json.loads(json.dumps(dataclasses.asdict(recipe))))  # as the file has it, lists for tuples
        before = flat(recipe_of(folder))
        keys = [key for key in dict.fromkeys([*before, *own]) if before.get(key) != own.get(key)]
        changed = first_of([f"{key} was {before.get(key)}, is {own.get(key)}" for key in keys])
        other = [changed if changed and text.startswith("recipe_sha256") else text for text in other]
    if other:
        raise TrainingError(
            f"{folder}: the checkpoint is of another training: {'; '.join(other)}. Resume with the same recipe, seed and "
            "images, or start anew in another --out"
        )
    return state
