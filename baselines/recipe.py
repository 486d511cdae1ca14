"""A recipe: everything that makes one training, in one YAML file. Complete and without inheritance, so that the difference of
two recipes is the difference of two methods."""

from __future__ import annotations

import dataclasses
import difflib
import hashlib
import json
from dataclasses import dataclass
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any, Literal

from baselines.recipe_values import problems_of
from benchmark.errors import OptionError, TrainingError
from benchmark.strict_yaml import build, read_yaml

FOLDER = files("baselines") / "recipes"
# What a recipe for small machines may change of the published one that it `scales_down`; the rest is the method.
SMALLER = (
    "name", "title", "scales_down", "data.split", "data.size", "data.neighbours", "depth.width", "depth.scales", "depth.bias",
    "pose.width", "pose.forward_tz", "pose.scale", "initial.", "schedule.", "optimiser.lr", "evaluate.", "validate.",
)  # fmt: skip


@dataclass(frozen=True)
class Jitter:
    """Colour jitter of an item with this `probability`: factors in 1 +- each strength, hue shifted by +- `hue` turns."""

    probability: float
    brightness: float
    contrast: float
    saturation: float
    hue: float


@dataclass(frozen=True)
class Data:
    """Which images, at which size (height, width), and what becomes of them.

    `context`: temporal neighbours as offsets. `stereo`: whether the pair's other camera is a source. `neighbours`: whether a
    frame without one is an error or left out. `intrinsics`: the field's normalised ones for all of KITTI, or the calibrated.
    `flip`: probability that an item is mirrored.
    """

    split: str
    size: tuple[int, ...]
    context: tuple[int, ...]
    stereo: bool
    hints: bool
    neighbours: Literal["required", "available"]
    resampler: str
    intrinsics: Literal["kitti", "calibrated"]
    jitter: Jitter
    flip: float


@dataclass(frozen=True)
class Synthesis:
    """How the target is made from the sources: each scale at its own size or all at full size, and the standard deviation of
    the noise that breaks the auto-mask's ties."""

    native_scales: bool
    noise: float


@dataclass(frozen=True)
class WarmStart:
    """The run of another recipe whose weights of an epoch (None: the last) are the start; `parts` are its files."""

    recipe: str
    epoch: int | None
    parts: tuple[str, ...]


@dataclass(frozen=True)
class Initial:
    """Where the weights come from: ImageNet for the encoders or torch's default everywhere; then, if any, another run."""

    encoders: Literal["imagenet", "scratch"]
    start: WarmStart | None


@dataclass(frozen=True)
class Schedule:
    """How long, in epochs or steps, and after how many of them the learning rate falls by `factor`."""

    batch: int
    unit: Literal["epochs", "steps"]
    length: int
    drops: tuple[int, ...]
    factor: float


@dataclass(frozen=True)
class Optimiser:
    """Adam without weight decay, one group of parameters."""

    name: Literal["adam"]
    lr: float


@dataclass(frozen=True)
class Validate:
    """What is scored by the engine while it trains: so many frames of a split, every so many steps."""

    split: str
    protocol: str
    frames: int
    every: int


@dataclass(frozen=True)
class Evaluate:
    """What `--then-evaluate` scores, and with which scalings."""

    protocol: str
    scalings: tuple[str, ...]


@dataclass(frozen=True)
class Recipe:
    """One complete training; `depth`, `pose` and `losses` hold the keywords of the network or loss that they name."""

    name: str
    title: str
    paper: str
    scales_down: str | None
    seed: int
    data: Data
    depth: dict[str, Any]
    pose: dict[str, Any] | None
    synthesis: Synthesis
    losses: dict[str, dict[str, Any]]
    initial: Initial
    schedule: Schedule
    optimiser: Optimiser
    validate: Validate | None
    evaluate: Evaluate | None

    @property
    def sha256(self) -> str:
        """Hash of every value."""
        return hashlib.sha256(json.dumps(dataclasses.asdict(self), sort_keys=True).encode()).hexdigest()


def recipe_names() -> tuple[str, ...]:
    """The shipped recipes."""
    return tuple(sorted(path.name.removesuffix(".yaml") for path in FOLDER.iterdir() if path.name.endswith(".yaml")))


def load_recipe(name: str) -> Recipe:
    """A shipped recipe by name, or the one in a file.

    Raises:
        TrainingError: unknown; one paragraph with every unknown, missing and mistyped key, or with every value that makes no
            sense; or it changes more than sizes of the recipe that it scales down.
    """
    recipe = _read(name)
    problems = problems_of(recipe)
    if recipe.scales_down is not None:
        problems += _beyond_size(recipe, _read(recipe.scales_down))
    if problems:
        raise TrainingError(f"{recipe_path(name)}: {'; '.join(problems)}")
    return recipe


def refuse_unused(recipe: Recipe, *, hints: Path | None, start: Path | None, imagenet: Path | None) -> None:
    """Nothing, where the recipe has a use for each of these files and folders that is given.

    Raises:
        OptionError: names those that would be ignored, and why.
    """
    unused = [
        why
        for given, used, why in (
            (hints, recipe.data.hints, "--hints has no meaning, it learns from no depth hints (data.hints is false)"),
            (start, recipe.initial.start, "--start has no meaning, it starts from no other run (initial.start is null)"),
            (imagenet, recipe.initial.encoders == "imagenet", "--imagenet has no meaning, its encoders start from scratch"),
        )
        if given is not None and not used
    ]
    if unused:
        raise OptionError(f"recipe {recipe.name}: {'; '.join(unused)}. Leave that out, or take a recipe that has a use for it")


def recipe_path(name: str) -> Traversable:
    """The file of a shipped recipe, or the file of that name.

    Raises:
        TrainingError: there is none.
    """
    path: Traversable = Path(name) if name.endswith((".yaml", ".yml")) else FOLDER / f"{name}.yaml"
    if not path.is_file():
        near = difflib.get_close_matches(name, recipe_names(), 3)
        hint = f"did you mean {' or '.join(near)}?" if near else f"known: {', '.join(recipe_names())}"
        raise TrainingError(f"no recipe is called {name!r}, and no file; {hint}")
    return path


def difference(recipe: Recipe, published: Recipe) -> dict[str, tuple[Any, Any]]:
    """Every key whose value differs: (published, own); nested keys are joined by dots."""
    own, other = (flat(dataclasses.asdict(one)) for one in (recipe, published))
    keys = dict.fromkeys([*other, *own])
    return {key: (other.get(key), own.get(key)) for key in keys if other.get(key) != own.get(key)}


def flat(content: dict[str, Any], place: str = "") -> dict[str, Any]:
    """Values by dotted key, `data.jitter.hue`."""
    values: dict[str, Any] = {}
    for key, value in content.items():
        values |= flat(value, f"{place}{key}.") if isinstance(value, dict) else {f"{place}{key}": value}
    return values


def _read(name: str) -> Recipe:
    path = recipe_path(name)
    return build(Recipe, read_yaml(path, TrainingError), source=str(path), error=TrainingError)


def _beyond_size(recipe: Recipe, published: Recipe) -> list[str]:
    """What a recipe changes of the one that it scales down, though it is part of the method."""
    changed = {key: pair for key, pair in difference(recipe, published).items() if not key.startswith(SMALLER)}
    if not changed:
        return []
    listed = ", ".join(f"{key} {old} -> {new}" for key, (old, new) in changed.items())
    return [
        f"scales_down {published.name} changes the method: {listed}; such a recipe may change {', '.join(SMALLER)} and nothing "
        "else, another method says `scales_down: null`"
    ]
