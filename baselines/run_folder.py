"""What a training leaves: `recipe.yaml`, `run.json`, `log.csv`, `tensorboard/`, and `models/` with its checkpoints."""

from __future__ import annotations

import contextlib
import csv
import io
import json
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from baselines.file_lock import TakenError, alone_or_refused
from benchmark.errors import TrainingError
from benchmark.io.files import atomic_write

LAST = "last"


class RunFolder(NamedTuple):
    """The places in the folder of one training."""

    path: Path

    @property
    def recipe(self) -> Path:
        """A copy of the recipe that was trained."""
        return self.path / "recipe.yaml"

    @property
    def about(self) -> Path:
        """Seed, split, machine, options."""
        return self.path / "run.json"

    @property
    def log(self) -> Path:
        """A row of losses and scores for each time they were logged."""
        return self.path / "log.csv"

    @property
    def tensorboard(self) -> Path:
        """Events of TensorBoard."""
        return self.path / "tensorboard"

    @property
    def validation(self) -> Path:
        """Ground truth of the frames that are looked at while it trains."""
        return self.path / "validation"

    @property
    def evaluation(self) -> Path:
        """Predictions and records of `--then-evaluate`."""
        return self.path / "evaluation"

    @property
    def lock(self) -> Path:
        """There while a process trains."""
        return self.path / ".lock"

    @property
    def own(self) -> tuple[Path, ...]:
        """Everything that a training writes."""
        return (
            self.recipe, self.about, self.log, self.tensorboard, self.validation, self.evaluation, self.last.parent,
        )  # fmt: skip

    @property
    def last(self) -> Path:
        """The last checkpoint, from which `--resume` continues."""
        return self.path / "models" / LAST

    @property
    def newest(self) -> Path | None:
        """`last`; where a stop hit the moment in which that is replaced, the weights of the latest epoch; None without any."""
        if self.last.is_dir():
            return self.last
        epochs = {int(path.name[8:]): path for path in self.last.parent.glob("weights_*") if path.name[8:].isdecimal()}
        return epochs[max(epochs)] if epochs else None

    def weights(self, epoch: int) -> Path:
        """The checkpoint at the end of an epoch, counted from 0 as the field does."""
        return self.path / "models" / f"weights_{epoch}"


@contextlib.contextmanager
def claim(run: RunFolder, *, resume: bool) -> Iterator[None]:
    """Hold the folder for a new training, or for one that continues: no other process trains in it meanwhile.

    What a training without any checkpoint has left in it, because it failed early, is removed.

    Raises:
        TrainingError: it holds a training already, or other files, or no checkpoint to continue from, or is no folder, or
            another process trains in it.
    """
    path = run.path
    if path.exists() and not path.is_dir():
        raise TrainingError(f"{path}: is a file; expected a folder for the training: choose another --out")
    if resume and run.newest is None:
        raise TrainingError(f"{run.last}: no checkpoint to resume from; leave out --resume, or correct --out")
    with contextlib.ExitStack() as held:
        try:
            path.mkdir(parents=True, exist_ok=True)
            held.enter_context(alone_or_refused(run.lock))
            if not resume:
                _clear(run)
        except TakenError as error:
            raise TrainingError(
                f"{path}: another process is training in this folder; wait for its end, stop it (Ctrl-C keeps a checkpoint), "
                "or choose another --out"
            ) from error
        except OSError as error:
            raise TrainingError(f"{path}: cannot be written ({error.strerror or error}); choose another --out") from error
        yield


def _clear(run: RunFolder) -> None:
    found = [one for one in sorted(run.path.iterdir()) if one != run.lock]
    trained = run.last.parent.is_dir() and any(run.last.parent.iterdir())
    foreign = [one.name for one in found if one not in run.own]
    if trained or foreign:
        what = "a training" if trained else f"other files ({', '.join(foreign[:3])})"
        how = "continue it with --resume" if run.newest else "move it"
        raise TrainingError(f"{run.path}: holds {what} already; {how}, or choose another --out")
    for one in found:
        shutil.rmtree(one) if one.is_dir() else one.unlink()


def describe(run: RunFolder, about: Mapping[str, Any]) -> None:
    """Write what the training is, as JSON."""
    with atomic_write(run.about) as file:
        file.write((json.dumps(about, indent=2, sort_keys=True) + "\n").encode())


def read_about(run: RunFolder) -> dict[str, Any]:
    """What `describe` wrote; nothing where that is lost."""
    try:
        content = json.loads(run.about.read_bytes())
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


class Log:
    """`log.csv`: long form, one row a number (step, epoch, name, value), so that any name may come at any time."""

    def __init__(self, run: RunFolder, *, upto: int) -> None:
        """Open the log, without the rows after step `upto` that an interrupted run may have left."""
        self.path = run.log
        rows = list(csv.reader(run.log.read_text().splitlines()))[1:] if run.log.is_file() else []
        self._kept = [row for row in rows if len(row) == 4 and int(row[0]) <= upto]
        with atomic_write(self.path) as file:
            file.write(_csv([("step", "epoch", "name", "value"), *self._kept]).encode())

    def write(self, step: int, epoch: int, values: Mapping[str, float]) -> None:
        """Append numbers at full precision."""
        with self.path.open("a", encoding="utf-8") as file:
            file.write(_csv([(step, epoch, name, repr(value)) for name, value in values.items()]))


def read_log(path: Path) -> dict[str, list[tuple[int, float]]]:
    """(step, value) by name."""
    found: dict[str, list[tuple[int, float]]] = {}
    for step, _, name, value in list(csv.reader(path.read_text(encoding="utf-8").splitlines()))[1:]:
        found.setdefault(name, []).append((int(step), float(value)))
    return found


def _csv(rows: list[Any]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue()
