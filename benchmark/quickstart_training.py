"""What `quickstart --train` adds: the smallest recipe trained on other streets, and scored among the others."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from benchmark.quickstart_folder import Places
from benchmark.quickstart_pictures import Seen
from benchmark.quickstart_sections import Section, write_figure
from benchmark.splits import resolve_split

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from benchmark.score import Score

RECIPE = "world_s"
# Training calls the distance of a stereo pair 0.1 (monodepth2 kitti_utils.py and README: x5.4 for KITTI); here it is 0.5327 m.
FACTOR = 5.327
SCALINGS = ("median", f"factor={FACTOR}")
ABOUT_FACTOR = (
    f"each prediction was multiplied by {FACTOR}, whatever the ground truth: the distance of the two cameras, which training "
    "calls 0.1, is 0.5327 m, so these are metres, as under none"
)
UNUSED = ("name", "title", "paper", "scales_down", "evaluate.", "validate.")  # keys that say nothing of this training
SMOOTH = 15  # logged losses, each the mean of 20 steps, that a point of the curve is the mean of


class Learnt(NamedTuple):
    """A trained network: its name, its checkpoint, what is said of it, its scores, and its section of the page."""

    name: str
    run: Path
    seen: Seen
    scores: list[Score]
    section: Section


def learn(
    here: Places, *, protocols: Mapping[str, str], size: tuple[int, int], seed: int, quiet: bool, step: Callable[[str], None]
) -> Learnt:
    """Render the streets of the recipe, train it on them, predict the streets of the protocols and score that.

    Args:
        here: the folder, with the world and the ground truth in it.
        protocols: and the key of each one's ground truth.
        size: of the images in pixels, height and width.
        seed: of the streets; that of the training is the recipe's.
        quiet: nothing of its own on stderr.
        step: is told of each step when it is done.

    Raises:
        InputError: the disk is full, the loss is not finite, or a checkpoint in the folder is of another training.
        KeyboardInterrupt: after a checkpoint was written, from which the next run continues.
    """
    from baselines.recipe import load_recipe

    recipe = load_recipe(RECIPE)
    _render(here, recipe, size, seed, quiet=quiet, step=step)
    run = here["runs"] / recipe.name
    _train(here, recipe, run, quiet=quiet, step=step)
    scores = _score(here, recipe, run, protocols)
    step(f"predicted and scored by {recipe.name}")
    schedule = recipe.schedule
    about = (
        f"{recipe.title}: a network, trained here for {schedule.length:,} {schedule.unit} of {schedule.batch} images "
        f"of other streets, from the two views of each and without any depth. Shown are the metres {FACTOR} / disparity."
    )
    return Learnt(recipe.name, run, Seen(about, FACTOR), scores, _section(here, recipe, run))


def forget(here: Places) -> None:
    """Remove what was trained on another world, and what was made of it."""
    for run in sorted(here["runs"].iterdir()) if here["runs"].is_dir() else []:
        for folder in (here["predictions"], here["results"], here["panels"]):
            for path in folder.glob(f"{run.name}.*"):
                path.unlink()
    shutil.rmtree(here["runs"], ignore_errors=True)
    here["training"].unlink(missing_ok=True)


def _render(
    here: Places, recipe: Any, size: tuple[int, int], seed: int, *, quiet: bool, step: Callable[[str], None]
) -> None:  # fmt: skip
    from datasets_prep.world.make import render_world

    split = resolve_split(recipe.data.split)
    made = render_world(here["data"], [split], size=size, seed=seed, quiet=quiet)
    step(f"rendered {made.made} stereo frames to learn from, {made.found} found: {split.name}")


def _train(here: Places, recipe: Any, run: Path, *, quiet: bool, step: Callable[[str], None]) -> None:
    """Train, or continue, or find that it is done."""
    from baselines.retrain import Request, retrain
    from baselines.run_folder import RunFolder
    from baselines.training_state import is_complete

    newest = RunFolder(run).newest
    if newest is not None and is_complete(newest, recipe):
        step(f"found {recipe.name} trained")
        return
    asked = Request(
        RECIPE, here["data"], run, resume=newest is not None, validation=False, quiet=quiet, again="the same command"
    )  # fmt: skip
    made = retrain(asked)
    step(f"trained {recipe.name}: {made.steps} steps, {made.images / made.seconds:.0f} images/s")


def _score(here: Places, recipe: Any, run: Path, protocols: Mapping[str, str]) -> list[Score]:
    """Predict the frames of the protocols and score them under each; records and tables are written."""
    from baselines.predict_network import predict_split
    from benchmark.io.results import write_result
    from benchmark.protocol import load_protocol
    from benchmark.score import Request, score

    predictions = here["predictions"] / f"{recipe.name}.npy"
    (split,) = {load_protocol(protocol).split for protocol in protocols}
    predict_split(run, split, here["data"], predictions, quiet=True)
    described = predictions.with_suffix(".yaml")
    scores = [
        one
        for protocol, truth in protocols.items()
        for one in score(Request(described, here[truth], (protocol,), SCALINGS, method=recipe.name))
    ]
    for one in scores:
        write_result(here["results"], one.record, one.table)
    return scores


def _section(here: Places, recipe: Any, run: Path) -> Section:
    """The curve of the loss, and what the recipe changes of the published one."""
    from baselines.recipe import load_recipe
    from baselines.run_folder import RunFolder, read_about, read_log

    losses = read_log(RunFolder(run).log)["train/loss"]
    published = load_recipe(str(recipe.scales_down))
    about = read_about(RunFolder(run))
    stretch = about.get("stretches", [{}])[-1]
    return Section(
        title="The training of the network",
        about=f"{recipe.name} is the published {published.name} ({recipe.paper}), made small enough for a processor; the table "
        "shows all that differs. It is given pairs of images and no depth. The loss says how badly the depth that it sees "
        "turns one image of a pair into the other.",
        name=f"{recipe.name}, trained on {recipe.data.split}",
        header=["key", published.name, recipe.name],
        rows=_changes(recipe, published),
        picture=here["training"],
        size=write_figure(here["training"], _curve(losses)),
        caption=f"The loss while it learns; {losses[-1][0]:,} steps of {recipe.schedule.batch} images.",
        alt=f"A curve of the training loss that falls from {losses[0][1]:.3f} to {losses[-1][1]:.3f}",
        wide=False,
        provenance=[
            (f"recipe {recipe.name}", f"sha256 {recipe.sha256}"),
            (f"training of {recipe.name}", ", ".join([
                f"split {recipe.data.split}, sha256 {about.get('split_sha256')}", f"seed {about.get('seed')}",
                f"{stretch.get('device')}, torch {stretch.get('environment', {}).get('torch')}",
            ])),
        ],
        step="",
    )  # fmt: skip


def _changes(recipe: Any, published: Any) -> list[list[str]]:
    """Key, published value and own value of all that shapes the training and differs."""
    from baselines.recipe import difference

    changed = {key: pair for key, pair in difference(recipe, published).items() if not key.startswith(UNUSED)}
    return [[key, *(_plain(value) for value in pair)] for key, pair in changed.items()]


def _plain(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else f"{value}"


def _curve(losses: Sequence[tuple[int, float]]) -> Figure:
    """The loss over the steps, and its mean around each step."""
    from matplotlib.figure import Figure
    from matplotlib.ticker import NullFormatter, StrMethodFormatter

    steps, values = zip(*losses, strict=True)
    width = max(1, min(SMOOTH, len(losses) // 4))
    means = [sum(values[i - width : i]) / width for i in range(width, len(values) + 1)]
    figure = Figure(figsize=(6.8, 4.2), dpi=150, layout="constrained")
    axes = figure.add_subplot()
    axes.plot(steps, values, color="#0072B2", alpha=0.3, linewidth=0.8)
    axes.plot(steps[width // 2 :][: len(means)], means, color="#0072B2", linewidth=2)
    axes.set(xlabel="step", ylabel="loss", yscale="log")
    axes.yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
    axes.yaxis.set_minor_formatter(StrMethodFormatter("{x:g}") if max(values) < 10 * min(values) else NullFormatter())
    axes.grid(alpha=0.3, which="both")
    axes.spines[["top", "right"]].set_visible(False)
    return figure
