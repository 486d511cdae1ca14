"""The verb about depth hints: `depthbench hints`."""

from __future__ import annotations

from pathlib import Path

import click

from benchmark.cli_values import image_size


@click.command("hints")
@click.option(
    "--split", "names", multiple=True, required=True, metavar="SPLIT", help="A split or a list file of KITTI raw; repeatable."
)
@click.option("--data", type=click.Path(path_type=Path), help="Folder of the data sets; default: $DEPTHBENCH_DATA.")
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), required=True, help="The folder of the hints.")
@click.option(
    "--size", type=image_size, default="320x1024", show_default=True, metavar="HxW", help="At which the images are matched."
)
@click.option("--jobs", type=click.IntRange(1, 1024), help="Threads; default: one for each core.")
@click.option("--overwrite", is_flag=True, help="Make also the hints that are there.")
def hints(
    *, names: tuple[str, ...], data: Path | None, out: Path, size: tuple[int, int], jobs: int | None, overwrite: bool
) -> None:  # fmt: skip
    """Write the depth hints of a split: semi-global matching of its stereo pairs; an interrupted run continues.

    Each is a .npy (1, h, w) at OUT/<date>/<drive>/image_02/<frame>.npy, depth in units of a baseline of 0.1 (times 5.4: metres
    of KITTI), 0 where nothing matches, as Depth Hints trains on.
    """
    from baselines.hints import make_hints

    click.echo(make_hints(names, data, out, size=size, jobs=jobs, overwrite=overwrite).text(), err=True)
