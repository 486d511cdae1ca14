"""The verbs about released weights: `depthbench weights`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from benchmark.text_table import print_table


@click.group()
def weights() -> None:
    """Released weights of Monodepth2 and Depth Hints: list, download."""


@weights.command("list")
def weights_list() -> None:
    """The models that can be downloaded, with the scores that their authors print (KITTI Eigen)."""
    from baselines.weights import NOTICE, table

    header, rows = table()
    print_table(rows, header)
    click.echo(NOTICE, err=True)


@weights.command("download")
@click.argument("names", metavar="NAME...", nargs=-1, required=True)
@click.option("--out", type=click.Path(path_type=Path), default="weights", show_default=True, help="A folder for them.")
@click.option("--disparities", is_flag=True, help="Their predictions of the Eigen test images instead, for evaluate.")
@click.option("--accept-unverified", is_flag=True, help="Also what no checksum is published for; the sha256 is recorded.")
@click.option("--base-url", metavar="URL", help="A mirror of the authors' bucket.")
def weights_download(
    names: tuple[str, ...], out: Path, *, disparities: bool, accept_unverified: bool, base_url: str | None
) -> None:
    """Download models by name; an interrupted download continues."""
    from baselines.weights import BASE_URL, NOTICE, download, find_source, release

    how: dict[str, Any] = {
        "disparities": disparities, "accept_unverified": accept_unverified, "base_url": base_url or BASE_URL
    }  # fmt: skip
    wanted = [release(name) for name in dict.fromkeys(names)]
    for one in wanted:
        find_source(one.name, out, **how)  # what is wrong with the last is said before the first is fetched
    click.echo(NOTICE, err=True)
    for one in wanted:
        made = download(one.name, out, **how)
        click.echo(f"{made.path}: {'already there' if made.already else 'downloaded'}", err=True)
        if one.abs_rel is not None:
            expected = f"abs_rel {one.abs_rel:.3f}, δ<1.25 {one.a1:.3f} under {one.protocol} with --scaling {one.scaling}"
            click.echo(f"published ({one.source}): {expected}{f'; {one.note}' if one.note else ''}", err=True)
