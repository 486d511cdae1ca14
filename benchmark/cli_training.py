"""The verb about training: `depthbench retrain`; and the recipes that it knows."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import click
from click.core import ParameterSource

from benchmark.text_table import print_table

MAX_SEED = 2**63 - 1  # as in recipes: torch takes 64 bits
# What there is for the authors' code to follow.
WITH_REFERENCE = (
    "recipe", "--reference", "--python", "--data", "--out", "--hints", "--start", "--device", "--then-evaluate", "--gt",
)  # fmt: skip


@click.command("retrain")
@click.argument("recipe", metavar="RECIPE|FILE")
@click.option("--data", type=click.Path(path_type=Path), help="Folder of the data sets; default: $DEPTHBENCH_DATA.")
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Folder of the run.")
@click.option("--resume", is_flag=True, help="Continue from the last checkpoint in --out.")
@click.option("--then-evaluate", is_flag=True, help="Predict and score the recipe's test split at the end.")
@click.option("--gt", type=click.Path(path_type=Path), help="Ground truth for --then-evaluate; default: exported from --data.")
@click.option("--seed", type=click.IntRange(0, MAX_SEED), help="Of weights, order and augmentation; default: the recipe's.")
@click.option(
    "--hints", type=click.Path(path_type=Path), help="The folder of `depthbench hints`, for recipes with depth hints."
)
@click.option("--start", type=click.Path(path_type=Path), help="The checkpoint that the recipe starts from, if it does.")
@click.option("--imagenet", type=click.Path(path_type=Path), help="A file of torchvision's ImageNet weights; default: fetched.")
@click.option("--cache", type=click.Path(path_type=Path), help="Folder of decoded images; default: `cache` beside --out.")
@click.option("--no-validation", is_flag=True, help="Look at no validation frames while it trains.")
@click.option("--device", type=click.Choice(["auto", "cpu", "cuda"]), default="auto", show_default=True)
@click.option("--precision", type=click.Choice(["32", "bf16"]), default="32", show_default=True, help="Of the networks.")
@click.option("--resident", is_flag=True, help="Keep all images in the memory of the device.")
@click.option("--compile", "compiled", is_flag=True, help="Fuse networks and losses with torch.compile.")
@click.option("--channels-last/--channels-first", default=True, show_default=True, help="Order of the networks' memory.")
@click.option(
    "--reference", metavar="CODE=DIR", help="Train with the authors' own code: monodepth2= or depth_hints=, a checkout."
)
@click.option("--python", metavar="EXE", help="With --reference: the Python that has what that code needs; default: this one.")
@click.pass_context
def retrain(
    context: click.Context, *, recipe: str, data: Path | None, out: Path, resume: bool, then_evaluate: bool, gt: Path | None,
    seed: int | None, hints: Path | None, start: Path | None, imagenet: Path | None, cache: Path | None, no_validation: bool,
    device: Literal["auto", "cpu", "cuda"], precision: Literal["32", "bf16"], resident: bool, compiled: bool,
    channels_last: bool, reference: str | None, python: str | None,
) -> None:  # fmt: skip
    """Train a baseline by its recipe; `depthbench recipes list` names them.

    Several GPUs: torchrun --nproc-per-node 4 -m benchmark.cli retrain ...; they share the recipe's batch.
    """
    if gt is not None and not then_evaluate:
        raise click.UsageError("--gt goes with --then-evaluate")
    if reference is not None:
        _refuse_all_but(WITH_REFERENCE, context)
        _by_reference(
            recipe, reference, data=data, out=out, python=python, hints=hints, start=start, cpu=device == "cpu",
            then_evaluate=then_evaluate, gt=gt,
        )  # fmt: skip
        return
    if python is not None:
        raise click.UsageError("--python is about --reference: pass both or neither")
    from baselines.recipe import load_recipe, refuse_unused
    from baselines.training_extra import require_training

    require_training("retrain")
    refuse_unused(load_recipe(recipe), hints=hints, start=start, imagenet=imagenet)
    from baselines.hardware import Hardware
    from baselines.retrain import Request, retrain

    hardware = Hardware(device=device, precision=precision, resident=resident, compile=compiled, channels_last=channels_last)
    request = Request(
        recipe=recipe, data=data, out=out, resume=resume, seed=seed, hints=hints, start=start, imagenet=imagenet, cache=cache,
        validation=not no_validation, then_evaluate=then_evaluate, gt=gt, hardware=hardware,
    )  # fmt: skip
    trained = retrain(request)
    if trained.lead:
        click.echo(trained.text(), err=True)
    if trained.table:
        click.echo(trained.table)


def _refuse_all_but(known: tuple[str, ...], context: click.Context) -> None:
    """Raise the UsageError that names every option of the command line that --reference has no use for."""
    given = [
        "/".join([*option.opts, *option.secondary_opts])
        for option in context.command.params
        if option.name is not None and context.get_parameter_source(option.name) is ParameterSource.COMMANDLINE
    ]
    others = [name for name in given if name not in known]
    if others:
        raise click.UsageError(
            f"{', '.join(others)} cannot go with --reference: the authors' code has no seed, cannot resume and has none of our "
            f"ways to run; what goes is {', '.join(known[1:])}"
        )


def _by_reference(
    recipe: str, reference: str, *, data: Path | None, out: Path, python: str | None, hints: Path | None, start: Path | None,
    cpu: bool, then_evaluate: bool, gt: Path | None,
) -> None:  # fmt: skip
    """`retrain --reference`: the recipe with the authors' own code; what scores it is opened before hours of training."""
    from baselines.recipe import load_recipe, refuse_unused
    from baselines.reference.run import named_checkout, run_reference

    code, checkout = named_checkout(reference)
    loaded = load_recipe(recipe)
    refuse_unused(loaded, hints=hints, start=start, imagenet=None)
    evaluate = None
    if then_evaluate:
        from baselines.evaluate_run import open_evaluation
        from baselines.run_folder import RunFolder

        evaluate = open_evaluation(RunFolder(out), loaded, data, gt=gt)
    checkpoint = run_reference(loaded, code, checkout, data=data, out=out, python=python, hints=hints, start=start, cpu=cpu)
    click.echo(f"{checkpoint}: {recipe} by {code}'s own code", err=True)
    if evaluate is not None:
        click.echo(evaluate(checkpoint))


@click.group()
def recipes() -> None:
    """The trainings that `retrain` knows: list, show."""


@recipes.command("list")
def recipes_list() -> None:
    """Every recipe, its images and its length."""
    from baselines.recipe import load_recipe, recipe_names

    rows = []
    for recipe in map(load_recipe, recipe_names()):
        height, width = recipe.data.size
        long = f"{recipe.schedule.length} {recipe.schedule.unit}"
        rows.append((recipe.name, recipe.title, recipe.data.split, f"{width}x{height}", str(recipe.schedule.batch), long))
    print_table(rows, ("recipe", "title", "trained on", "size", "batch", "length"))


@recipes.command("show")
@click.argument("name", metavar="RECIPE|FILE")
@click.option("--diff", metavar="RECIPE|FILE", help="Only the keys whose values differ from this recipe's.")
def recipes_show(name: str, diff: str | None) -> None:
    """A recipe as it is, or what makes it differ from another."""
    from baselines.recipe import difference, load_recipe, recipe_path

    recipe = load_recipe(name)
    if diff is None:
        click.echo(recipe_path(name).read_text(encoding="utf-8"), nl=False)
        return
    other = load_recipe(diff)
    rows = [(key, str(theirs), str(own)) for key, (theirs, own) in difference(recipe, other).items()]
    if not rows:
        click.echo(f"{name} and {diff}: no value differs")
        return
    print_table(rows, ("key", other.name, recipe.name))
