"""Checkpoints from which a training continues bit for bit: the published files, and `training.pth` beside them."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch

from baselines.adam import load_adam
from baselines.atomic_folder import atomic_folder
from baselines.checkpoints import ADAM, load_parts, write_parts
from baselines.model import Model
from baselines.recipe import Recipe
from baselines.run_folder import RunFolder
from baselines.state_files import read_state
from baselines.train import Moment, Terms
from benchmark.errors import TrainingError
from benchmark.provenance import now

STATE = "training.pth"
FORMAT = 1  # of it; raised when a checkpoint of before cannot be continued

Identity = dict[str, Any]  # what must be equal for a run to continue as if it had never stopped


class Kept(NamedTuple):
    """What a checkpoint is of."""

    identity: Identity
    model: Model
    optimiser: torch.optim.Adam


def save_state(run: RunFolder, recipe: Recipe, kept: Kept, moment: Moment, recent: Sequence[Terms] = ()) -> None:
    """Write the last checkpoint, and at the end of an epoch that of the epoch before it; each appears whole."""
    height, width = recipe.data.size
    state = kept.identity | {
        "steps": moment.steps, "total": moment.total, "recipe": json.dumps(dataclasses.asdict(recipe)), "created": now(),
        "recent": [{name: term.cpu() for name, term in terms.items()} for terms in recent], "torch_rng": torch.get_rng_state(),
    }  # fmt: skip
    folders = [run.weights(moment.epoch - 1)] if moment.steps % moment.epoch_steps == 0 else []
    for folder in (*folders, run.last):
        with atomic_folder(folder) as temporary:
            write_parts(
                temporary, kept.model.parts(), height=height, width=width, use_stereo=recipe.data.stereo,
                optimizer=kept.optimiser,
            )  # fmt: skip
            torch.save(state, temporary / STATE)


def load_state(folder: Path, kept: Kept, begin: Moment) -> tuple[Moment, list[Terms]]:
    """Take over weights and moments of a checkpoint; the moment at which it was written, and the steps that no log has yet.

    Raises:
        TrainingError: a file is missing or damaged, or the checkpoint is of another training.
    """
    state, parts = _checked(folder, kept.identity), kept.model.parts()
    load_parts(folder, parts)
    load_adam(kept.optimiser, folder / ADAM, parts)
    torch.set_rng_state(state["torch_rng"])
    device = next(kept.model.parameters()).device
    recent = [{name: term.to(device) for name, term in terms.items()} for terms in state["recent"]]
    return begin._replace(steps=int(state["steps"])), recent


def is_complete(folder: Path, recipe: Recipe) -> bool:
    """Whether a checkpoint is the end of a recipe's training."""
    state = read_state(folder / STATE)
    return bool(state.get("recipe_sha256") == recipe.sha256 and state.get("steps") == state.get("total"))


def _checked(folder: Path, identity: Identity) -> dict[str, Any]:
    """What `training.pth` of a checkpoint says; an error with every difference where it is of another training."""
    state = read_state(folder / STATE)
    other = [f"{key} was {state.get(key)}, is {value}" for key, value in identity.items() if state.get(key) != value]
    if other:
        raise TrainingError(
            f"{folder}: the checkpoint is of another training: {'; '.join(other)}. Resume with the same recipe, seed and "
            "images, or start anew in another --out"
        )
    return state
