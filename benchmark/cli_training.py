"""The verb about training: `depthbench retrain`; and the recipes that it knows."""

from __future__ import annotations

from pathlib import Path

import click

from benchmark.text_table import print_table


@click.command("retrain")
@click.argument("recipe", metavar="RECIPE|FILE")
@click.option("--data", type=click.Path(path_type=Path), help="Folder of the data sets; default: $DEPTHBENCH_DATA.")
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Folder of the run.")
@click.option("--resume", is_flag=True, help="Continue from the last checkpoint in --out.")
@click.option("--then-evaluate", is_flag=True, help="Predict and score the recipe's test split at the end.")
@click.option("--gt", type=click.Path(path_type=Path), help="Ground truth for --then-evaluate; default: exported from --data.")
@click.option("--seed", type=click.IntRange(0), help="Of weights, order and augmentation; default: the recipe's.")
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
def retrain(
    *, recipe: str, data: Path | None, out: Path, resume: bool, then_evaluate: bool, gt: Path | None, seed: int | None,
    hints: Path | None, start: Path | None, imagenet: Path | None, cache: Path | None, no_validation: bool, device: str,
    precision: str, resident: bool, compiled: bool, channels_last: bool, reference: str | None, python: str | None,
) -> None:  # fmt: skip
    """Train a baseline by its recipe; `depthbench recipes list` names them.

    Several GPUs: torchrun --nproc-per-node 4 -m benchmark.cli retrain ...; they share the recipe's batch.
    """
    if reference is not None:
        if resume or seed is not None or imagenet or cache or precision != "32" or resident or compiled:
            raise click.UsageError(
                "with --reference go --python, --data, --out, --hints, --start, --device, --gt and --then-evaluate: the "
                "authors' code has no seed, cannot resume, and knows none of the other options"
            )
        from baselines.recipe import load_recipe
        from baselines.reference.run import named_checkout, run_reference

        code, checkout = named_checkout(reference)
        checkpoint = run_reference(
            load_recipe(recipe), code, checkout, data=data, out=out, python=python, hints=hints, start=start,
            cpu=device == "cpu",
        )  # fmt: skip
        click.echo(f"{checkpoint}: {recipe} by {code}'s own code", err=True)
        if then_evaluate:
            from baselines.evaluate_run import open_evaluation
            from baselines.run_folder import RunFolder

            click.echo(open_evaluation(RunFolder(out), load_recipe(recipe), data, gt=gt)(checkpoint))
        return
    if python is not None:
        raise click.UsageError("--python is about --reference: pass both or neither")
    from baselines.hardware import Hardware
    from baselines.retrain import Request, retrain

    if gt is not None and not then_evaluate:
        raise click.UsageError("--gt goes with --then-evaluate")
    hardware = Hardware(device, precision, resident, compiled, channels_last)  # type: ignore[arg-type]
    trained = retrain(
        Request(
            recipe, data, out, resume, seed, hints, start, imagenet, cache, not no_validation, then_evaluate, gt, hardware
        )
    )  # fmt: skip
    click.echo(trained.text(), err=True)
    if trained.table:
        click.echo(trained.table)


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
    print_table(rows, ("key", other.name, recipe.name))
