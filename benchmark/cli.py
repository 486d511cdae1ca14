"""The front door: `depthbench <verb>`. Each verb parses, makes one call and prints."""

from __future__ import annotations

from pathlib import Path

import click

from benchmark import __version__
from benchmark.cli_hints import hints
from benchmark.cli_lists import protocols, splits
from benchmark.cli_pack import pack
from benchmark.cli_pose import evaluate_pose
from benchmark.cli_predict import predict
from benchmark.cli_scoring import check, evaluate
from benchmark.cli_training import recipes, retrain
from benchmark.cli_values import image_size
from benchmark.cli_weights import weights
from benchmark.text_table import print_table

LAYOUTS = ("kitti_raw", "kitti_odometry", "ddad")  # those of datasets_prep/world/make.py, which would import numpy


def offsets(text: str) -> tuple[int, ...]:
    """Whole numbers with commas between them, none for an empty text; wrong usage where it is something else."""
    try:
        return tuple(int(word) for word in text.split(",")) if text else ()
    except ValueError as error:
        raise click.BadParameter(f"{text}: expected offsets such as -1,1") from error


class Verbs(click.Group):
    """The verbs, found with hyphens too: export-gt is export_gt, though neither the help nor a suggestion says so."""

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The verb of that name, or None."""
        return super().get_command(ctx, cmd_name.replace("-", "_"))


@click.group(cls=Verbs, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="depthbench")
@click.option("--debug", is_flag=True, help="Show the traceback of an error.")
@click.pass_context
def main(context: click.Context, debug: bool) -> None:
    """Load, score, compare and publish monocular depth and ego-motion under protocols that cannot be confused."""
    if context.obj is not None:
        context.obj["debug"] = debug


for verb in (splits, protocols, evaluate, check, evaluate_pose, pack, hints, weights, predict, retrain, recipes):
    main.add_command(verb)


@main.group()
def datasets() -> None:
    """The raw data: list, show, verify, download, jpg, render."""


@datasets.command("list")
def datasets_list() -> None:
    """The data sets that have a card."""
    from datasets_prep.cards import card_names, load_card

    cards = [load_card(name) for name in card_names()]
    print_table([(card.name, card.title, card.licence) for card in cards], ("name", "title", "licence"))


@datasets.command("show")
@click.argument("name")
def datasets_show(name: str) -> None:
    """Licence, citation, how to obtain it, layout, depth, counts and quirks of a data set."""
    from datasets_prep.cards import describe, load_card

    click.echo(describe(load_card(name)))


@main.command("export_gt")
@click.option("--dataset", type=click.Choice(["kitti_raw", "kitti_depth", "packnet_kitti", "ddad"]), required=True)
@click.option("--data", type=click.Path(path_type=Path), help="Folder of the data sets; default: $DEPTHBENCH_DATA.")
@click.option("--split", metavar="SPLIT", help="A split or a list file; default: the data set's test split.")
@click.option("--out", type=click.Path(path_type=Path), required=True, help="The HDF5 file to write.")
@click.option("--depth", type=click.Choice(["lidar_forward_x", "camera_z"]), help="kitti_raw: default lidar_forward_x.")
@click.option("--camera", metavar="CAMERA", help="Replaces every frame's camera, as image_03; ddad: a choice, default all.")
@click.option("--depth-rule", type=click.Choice(["last_point", "nearest_point"]), help="ddad: default last_point.")
@click.option("--ego-masks", type=click.Path(path_type=Path), metavar="DIR", help="ddad: drop points on the car, by PNG masks.")
@click.option(
    "--context", type=offsets, default="", metavar="N,N", help="ddad: only frames with these neighbours in time, as -1,1."
)
@click.option("--npz", type=click.Path(path_type=Path), help="Also write the field's gt_depths.npz there.")
@click.option("--jobs", type=click.IntRange(1, 1024), help="Workers; default: one for each core.")
def export_gt(
    *, dataset: str, data: Path | None, split: str | None, out: Path, depth: str | None, camera: str | None,
    depth_rule: str | None, ego_masks: Path | None, context: tuple[int, ...], npz: Path | None, jobs: int | None,
) -> None:  # fmt: skip
    """Write the ground truth of a split; an interrupted export resumes."""
    from datasets_prep import export_gt as exporter

    made = exporter.export_gt(
        dataset, data, split, out, depth=depth, camera=camera, depth_rule=depth_rule, ego_masks=ego_masks, context=context,
        npz=npz, jobs=jobs,
    )  # fmt: skip
    click.echo(made.summary(), err=True)


@datasets.command("download")
@click.argument("dataset", type=click.Choice(["kitti_raw", "kitti_depth"]))
@click.option("--for", "names", multiple=True, required=True, metavar="SPLIT", help="A split or list; repeatable.")
@click.option("--data", type=click.Path(path_type=Path), help="Folder of the data sets; default: $DEPTHBENCH_DATA.")
@click.option("--dry-run", is_flag=True, help="List the archives; no network, nothing written.")
@click.option("--only-needed", is_flag=True, help="Unpack only frames of the splits, images with their neighbours.")
@click.option("--keep-zip", is_flag=True, help="Keep each archive after it was unpacked.")
@click.option("--again", is_flag=True, help="Unpack also what is complete, downloading it where its archive is gone.")
@click.option("--base-url", metavar="URL", help="A mirror of KITTI's bucket.")
def datasets_download(
    *, dataset: str, names: tuple[str, ...], data: Path | None, dry_run: bool, only_needed: bool, keep_zip: bool,
    again: bool, base_url: str | None,
) -> None:  # fmt: skip
    """Download the archives that splits need; an interrupted download continues where it stopped."""
    from benchmark.splits import resolve_split
    from datasets_prep import archives, download
    from datasets_prep.roots import new_data_root

    click.echo(archives.LICENCE, err=True)
    wanted = [resolve_split(name) for name in names]
    plan = download.plan_download(dataset, wanted, new_data_root(dataset, data), again=again)
    if dry_run:
        header, rows = download.table(plan)
        print_table(rows, header)
    elif plan.pending:
        base = base_url or archives.BASE_URL
        download.download(plan, base_url=base, keep_zip=keep_zip, only_needed=only_needed)
    click.echo(download.summary(plan, dry_run=dry_run), err=True)


@datasets.command("verify")
@click.option("--split", required=True, metavar="SPLIT", help="A split, or a file with a list of frames.")
@click.option("--data", type=click.Path(path_type=Path), help="Folder of the data sets; default: $DEPTHBENCH_DATA.")
@click.option("--dataset", type=click.Choice(["kitti_raw", "kitti_depth", "kitti_odometry"]), help="Default: the split's own.")
@click.option(
    "--need", metavar="KINDS", help="A choice of velodyne,image,oxts,calib; of odometry image,calib,times,poses; default: all."
)
@click.option("--json", "as_json", is_flag=True, help="Print counts and paths as JSON.")
def datasets_verify(split: str, data: Path | None, dataset: str | None, need: str | None, as_json: bool) -> None:
    """Look for every file of a split: found, missing or truncated; exit 1 unless all are there and whole."""
    import json

    from benchmark.splits import resolve_split
    from datasets_prep import verify
    from datasets_prep.roots import data_root

    frames = resolve_split(split)
    root = data_root(dataset or frames.dataset, data)
    reports = verify.verify(frames, root, dataset=dataset, need=need.split(",") if need else None)
    if as_json:
        click.echo(json.dumps({"split": split, "root": str(root), **verify.as_json(reports)}, indent=2))
    else:
        header, rows = verify.table(reports)
        print_table(rows, header)
    if not verify.complete(reports):
        raise verify.shortfall(reports, split, root)


@datasets.command("jpg")
@click.option("--split", "names", multiple=True, metavar="SPLIT", help="Its frames, neighbours and pairs; repeatable.")
@click.option("--dataset", type=click.Choice(["kitti_raw", "kitti_odometry"]), help="Without --split: all its colour images.")
@click.option("--data", type=click.Path(path_type=Path), help="Folder of the data sets; default: $DEPTHBENCH_DATA.")
@click.option("--out", type=click.Path(path_type=Path), required=True, help="A folder of its own, or that of the data.")
@click.option("--context", type=offsets, default="-1,1", show_default=True, metavar="N,N", help="Neighbours of a frame.")
@click.option("--jobs", type=click.IntRange(1, 1024), help="Threads; default: one for each core.")
def datasets_jpg(
    *, names: tuple[str, ...], dataset: str | None, data: Path | None, out: Path, context: tuple[int, ...], jobs: int | None
) -> None:
    """Convert PNGs to JPEGs (quality 92, 4:2:0), as the field does before it trains on KITTI; no PNG is touched."""
    from benchmark.splits import resolve_split
    from datasets_prep.jpg import convert

    splits = [resolve_split(name) for name in names]
    if not splits and dataset is None:
        raise click.UsageError("pass --split with what to convert, or --dataset to convert all of it")
    made = convert(dataset or splits[0].dataset, splits, data, out, context=context, jobs=jobs)
    click.echo(made.summary(), err=True)


@datasets.command("render")
@click.option("--out", type=click.Path(path_type=Path), required=True, help="The folder; later commands take it as --data.")
@click.option(
    "--layout", "layouts", multiple=True, type=click.Choice([*LAYOUTS, "all"]), help="Repeatable; default: kitti_raw."
)
@click.option("--split", "names", multiple=True, metavar="SPLIT", help="Repeatable; default: all splits of the layout.")
@click.option("--size", type=image_size, metavar="HxW", help="Height and width of the images; default 192x640, ddad 192x320.")
@click.option("--seed", type=int, default=0, show_default=True, help="Of the streets; the same seed gives the same bytes.")
@click.option("--jobs", type=click.IntRange(1, 1024), help="Threads; default: one for each core.")
@click.option("--force", is_flag=True, help="Start over where another world is; write beside files that are not ours.")
def datasets_render(
    *, out: Path, layouts: tuple[str, ...], names: tuple[str, ...], size: tuple[int, int] | None, seed: int, jobs: int | None,
    force: bool,
) -> None:  # fmt: skip
    """Render the synthetic street world, in the layouts of KITTI and DDAD; an interrupted run continues.

    \b
    kitti_raw       stereo, LiDAR, GPS/IMU, annotated depth, flow, instances
    kitti_odometry  a longer stereo sequence with its poses
    ddad            six cameras around the car and a LiDAR, as DGP scenes
    """
    from benchmark.splits import resolve_split
    from datasets_prep.world.make import SPLITS, render_world

    if layouts and names:
        raise click.UsageError("--layout is that of the splits where --split names them; pass one of the two")
    chosen = LAYOUTS if "all" in layouts else layouts or LAYOUTS[:1]
    wanted = [resolve_split(name) for name in names or (name for layout in dict.fromkeys(chosen) for name in SPLITS[layout])]
    made = render_world(out, wanted, size=size, seed=seed, jobs=jobs, force=force)
    click.echo("\n".join([made.summary(), *(f"next: {command}" for command in made.next_steps())]), err=True)


@main.command("quickstart")
@click.option("--out", type=click.Path(path_type=Path), default="depthbench-quickstart", show_default=True, help="A folder.")
@click.option(
    "--size", type=image_size, default="192x640", show_default=True, metavar="HxW", help="Height and width of the images."
)
@click.option("--seed", type=int, default=0, show_default=True, help="Of the streets.")
@click.option("--force", is_flag=True, help="Render anew in an earlier run's folder; write beside files that are not ours.")
@click.option(
    "--train",
    is_flag=True,
    help="Then train the smallest network and show it too: five minutes, 3 GB; needs the extra [train].",
)
def quickstart(*, out: Path, size: tuple[int, int], seed: int, force: bool, train: bool) -> None:
    """Render a small world, export its ground truth, score predictions without learning, and show it all on a page."""
    from benchmark.quickstart import quickstart

    made = quickstart(out, size=size, seed=seed, force=force, train=train, say=lambda line: click.echo(line, err=True))
    click.echo(made.text)


def entry_point() -> None:
    """The console command."""
    from benchmark.entry_point import run

    run(main)


if __name__ == "__main__":
    entry_point()
