"""What people see of a training: the progress line, `log.csv`, TensorBoard, and the scores of the validation frames."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch

from baselines.model import Model
from baselines.panels import panels
from baselines.recipe import Recipe, difference, load_recipe
from baselines.run_folder import Log, RunFolder, describe, read_about
from baselines.train import Moment, Spectator, Terms, learning_rate
from baselines.validation import UNSCORED, Validation, validate
from baselines.views import Views
from benchmark.io.files import atomic_write
from benchmark.provenance import environment, now
from datasets_prep.progress import Progress, say


def announce(
    run: RunFolder, recipe: Recipe, text: str, about: Mapping[str, Any], begin: Moment, *, quiet: bool = False
) -> None:
    """Say and write down what is trained, on what, and how it differs from what was published.

    Args:
        run: gets `recipe.yaml` and `run.json`; one that continues keeps what they say, and `run.json` gets one more stretch.
        recipe: that is trained.
        text: of its file.
        about: whatever identifies the training, how many samples it has, notes, and the hardware of this stretch.
        begin: where the training stands.
        quiet: nothing is said.
    """
    changed = difference(recipe, load_recipe(recipe.scales_down)) if recipe.scales_down else {}
    changed = {key: pair for key, pair in changed.items() if key not in {"name", "title", "scales_down"}}
    lines = [
        f"{recipe.name}: {recipe.title}",
        f"{about['samples']} samples of {recipe.data.split}, {about['image_format']} images, batch {recipe.schedule.batch}, "
        f"{begin.total} steps ({begin.total / begin.epoch_steps:.1f} epochs), seed {about['seed']}, {about['ranks']} x "
        f"{about['device']}, precision {about['precision']}",
        *([f"continues after step {begin.steps}"] if begin.steps else []),
        *(["compiling: the first steps take minutes"] if about["hardware"].get("compile") else []),
        *about["notes"],
        *([f"differs from {recipe.scales_down} in:"] if changed else []),
        *(f"  {key}: {old} -> {new}" for key, (old, new) in changed.items()),
    ]
    for line in [] if quiet else lines:
        say(line)
    stretch = {key: about[key] for key in ("hardware", "device", "ranks")}
    stretch |= {"from_step": begin.steps, "started": now(), "environment": environment() | {"torch": torch.__version__}}
    if begin.steps:
        known = read_about(run)
        describe(run, {**known, "stretches": [*known.get("stretches", ()), stretch]})
        return
    with atomic_write(run.recipe) as file:
        file.write(text.encode())
    describe(run, {
        **{key: value for key, value in about.items() if key not in {"hardware", "device", "ranks", "precision"}},
        "recipe": recipe.name, "differs_from": recipe.scales_down,
        "difference": {key: [str(old), str(new)] for key, (old, new) in changed.items()}, "stretches": [stretch],
    })  # fmt: skip


class Observer(Spectator):
    """Looks on; `close` it at the end."""

    def __init__(
        self, recipe: Recipe, run: RunFolder, begin: Moment, model: Model, *, validation: Validation | None,
        save: Callable[[Moment, Sequence[Terms]], None], quiet: bool = False,
    ) -> None:  # fmt: skip
        from torch.utils.tensorboard import SummaryWriter

        self._recipe, self._model, self._quiet = recipe, model, quiet
        self._save, self._validation = save, validation
        self._log = Log(run, upto=begin.steps)
        self._writer = SummaryWriter(str(run.tensorboard), purge_step=begin.steps + 1)
        self._progress = Progress("train", unit="image", quiet=quiet)
        self._since, self._logged = time.perf_counter(), begin.steps
        self._progress(begin.steps * recipe.schedule.batch, begin.total * recipe.schedule.batch)

    def progress(self, at: Moment, means: dict[str, float]) -> None:
        """The line with images, images/s, the time left and the loss."""
        batch = self._recipe.schedule.batch
        self._progress(at.steps * batch, at.total * batch, note=f"loss {means['loss']:.4f}")

    def log(self, at: Moment, means: dict[str, float]) -> None:
        """Mean terms of the last steps, learning rate and speed."""
        seconds = time.perf_counter() - self._since
        rate = (at.steps - self._logged) * self._recipe.schedule.batch / max(seconds, 1e-9)
        self._since, self._logged = time.perf_counter(), at.steps
        lr = learning_rate(self._recipe, at.steps - 1, at.epoch_steps)
        self._write(at, {**{f"train/{name}": value for name, value in means.items()}, "lr": lr, "images_per_s": rate})

    def panels(self, at: Moment, views: Views) -> None:
        """Pictures of one batch."""
        for name, picture in panels(self._recipe, views).items():
            self._writer.add_image(f"panels/{name}", picture, at.steps, dataformats="HWC")

    def validate(self, at: Moment) -> None:
        """Scores of the validation frames, at the steps of the recipe and at the end."""
        settings = self._recipe.validate
        if self._validation is None or settings is None or (at.steps % settings.every and at.steps != at.total):
            return
        scores = validate(self._validation, self._model.depth_network)
        self._write(at, {f"val/{name}": value for name, value in scores.items()})
        if not self._quiet:
            shown = [f"{name} {value:.3f}" for name, value in scores.items() if name.endswith("abs_rel")]
            shown += [f"{name} {value:.0f} frames" for name, value in scores.items() if name.endswith(UNSCORED)]
            say(f"step {at.steps}: {settings.split} {', '.join(shown)}")

    def save(self, at: Moment, recent: Sequence[Terms]) -> None:
        """Write a checkpoint."""
        self._save(at, recent)

    def close(self) -> None:
        """End the progress line and the events."""
        self._progress.close()
        self._writer.close()

    def _write(self, at: Moment, values: dict[str, float]) -> None:
        self._log.write(at.steps, at.epoch, values)
        for name, value in values.items():
            self._writer.add_scalar(name, value, at.steps)
