"""The training loop: data, forward, losses, step, log, checkpoint."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from lightning.fabric import Fabric
from torch import Tensor

from baselines.batch import Batch
from baselines.faults import Interrupt, checked_means, checked_weights
from baselines.losses import LOSSES
from baselines.model import Model, Outputs
from baselines.recipe import Recipe
from baselines.views import Views, synthesise

LOOK_EVERY = 20  # steps between looks at the losses: looking waits for the GPU
PANELS_EVERY = 1000
Terms = dict[str, Tensor]  # the loss and its terms, () each, of one step


class Moment(NamedTuple):
    """Where a training stands after some steps: `steps` done of `total`, in passes of `epoch_steps`."""

    steps: int
    total: int
    epoch_steps: int

    @property
    def epoch(self) -> int:
        """Whole epochs done."""
        return self.steps // self.epoch_steps


class Spectator:
    """What happens beside the steps; nothing, unless a subclass says otherwise."""

    def progress(self, now: Moment, means: dict[str, float]) -> None:
        """At every look at the losses: the mean of each term over the steps since the last `log`."""

    def log(self, now: Moment, means: dict[str, float]) -> None:
        """Every LOOK_EVERY steps and at the end: the mean of each term over the steps since the last one."""

    def panels(self, now: Moment, views: Views) -> None:
        """After the first step, every PANELS_EVERY and at the end: the batch of that step, warped by its predictions."""

    def validate(self, now: Moment) -> None:
        """After every step, whether or not the recipe scores the network then."""

    def save(self, now: Moment, recent: Sequence[Terms]) -> None:
        """At the end of an epoch, of the training, or before an interrupt; `recent` are the steps that no log has yet."""


def train(
    fabric: Fabric, recipe: Recipe, model: Model, optimiser: torch.optim.Adam, batches: Iterator[Batch], *,
    begin: Moment, seed: int, spectator: Spectator, recent: Sequence[Terms] = (), compiled: bool = False,
) -> Moment:  # fmt: skip
    """Train from `begin` to its total; the moment at which it ended.

    Args:
        fabric: launched; says the device, the precision and the ranks.
        recipe: of the model.
        model: on any device; it is trained in place.
        optimiser: of the model's parameters, fc included, in the order of its parts.
        batches: this rank's part of each global batch, from the one after `begin` on.
        begin: where the training stands.
        seed: of the tie-break noise, which depends on it, the step and the rank alone.
        spectator: is told how it goes.
        recent: the steps before `begin` that no log has yet, as `spectator.save` was given them.
        compiled: let torch.compile fuse the networks and the losses.

    Raises:
        TrainingError: a loss or a weight is not finite.
        KeyboardInterrupt: after the checkpoint of the step that was in work; it then says which.
    """
    network, optimiser_ = fabric.setup(model, optimiser)
    objective: Callable[..., Any] = objective_of
    if compiled:
        network, objective = torch.compile(network), torch.compile(objective_of)
    model.train()
    now, window = begin, list(recent)
    with Interrupt() as interrupt:
        for step in range(begin.steps, begin.total):
            set_lr(optimiser, learning_rate(recipe, step, begin.epoch_steps))
            batch = next(batches)
            outputs = network(batch.inputs)
            seed_noise(seed, step, fabric.global_rank)
            total, terms, views = objective(recipe, model, batch, outputs)
            optimiser_.zero_grad(set_to_none=True)
            fabric.backward(total)
            optimiser_.step()

            now = begin._replace(steps=step + 1)
            window.append({"loss": total.detach(), **{name: term.detach() for name, term in terms.items()}})
            full = now.steps % LOOK_EVERY == 0
            stops = interrupt.wanted(fabric, ask=full)
            ends = now.steps == now.total
            saves = ends or stops or now.steps % now.epoch_steps == 0
            if full or saves:
                means = checked_means(window, now.steps)
                spectator.progress(now, means)
                if full or ends:
                    spectator.log(now, means)
                    window = []
            if ends or now.steps == 1 or now.steps % PANELS_EVERY == 0:
                spectator.panels(now, views)
            spectator.validate(now)
            if saves:
                checked_weights(model, now.steps)
                spectator.save(now, window)
            del batch, outputs, total, terms, views  # before the next step makes its own beside them
            if stops:
                raise KeyboardInterrupt(f"stopped after step {now.steps} of {now.total}")
    return now


def objective_of(recipe: Recipe, model: Model, batch: Batch, outputs: Outputs) -> tuple[Tensor, dict[str, Tensor], Views]:
    """The loss (), its terms, and the views that they compare."""
    views = synthesise(
        batch, outputs.sigmoids, model.inverse_depth, model.poses(outputs), masks=outputs.masks,
        **dataclasses.asdict(recipe.synthesis),
    )  # fmt: skip
    terms: dict[str, Tensor] = {}
    total = torch.zeros((), device=batch.K.device)
    for name, options in recipe.losses.items():
        weight, rest = options["weight"], {key: value for key, value in options.items() if key != "weight"}
        for term, value in LOSSES[name](views, **rest).items():
            terms[term] = value
            total = total + weight * value
    return total, terms, views


def learning_rate(recipe: Recipe, step: int, epoch_steps: int) -> float:
    """The rate of a step, counted from 0: it has fallen once for each drop of the schedule that lies behind."""
    position = step // epoch_steps if recipe.schedule.unit == "epochs" else step
    return recipe.optimiser.lr * recipe.schedule.factor ** sum(position >= drop for drop in recipe.schedule.drops)


def set_lr(optimiser: torch.optim.Optimizer, rate: float) -> None:
    """Give all parameters this learning rate."""
    for group in optimiser.param_groups:
        group["lr"] = rate


def seed_noise(seed: int, step: int, rank: int) -> None:
    """Seed what draws a step's tie-break noise, which then depends on these numbers alone: a resumed run draws the same.

    torch's own generator, because torch.compile breaks its graph at any other.
    """
    high, low = np.random.SeedSequence([seed, step, rank]).generate_state(2, np.uint32).tolist()
    torch.manual_seed(high << 32 | low)
