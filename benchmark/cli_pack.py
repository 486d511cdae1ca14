"""The verb about challenge servers: `depthbench pack`."""

from __future__ import annotations

from pathlib import Path

import click

FORMS = ("kitti_benchmark", "ddad_challenge")  # those of io/submissions/formats.py, which lies beside what imports numpy


@click.command("pack")
@click.argument("form", metavar="FORMAT", type=click.Choice(FORMS))
@click.argument("pred", type=click.Path(readable=False, path_type=Path))
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), required=True, help="The .zip to write.")
@click.option(
    "--kind",
    type=click.Choice(["disparity", "inverse_depth", "depth"]),
    help="What the file holds; default disparity, and of ddad_challenge none: say it.",
)
@click.option(
    "--scaling",
    type=click.Choice(["none", "stereo"]),
    default="none",
    show_default=True,
    help="kitti_benchmark: stereo multiplies by 5.4, for networks trained on stereo pairs with a baseline of 0.1.",
)
@click.option(
    "--like",
    type=click.Choice(["monodepth2"]),
    help="kitti_benchmark: as that code does; always times 5.4, clipped to [0, 80] m, truncated.",
)
@click.option("--count", type=click.IntRange(1, 999_999), help="ddad_challenge: images; default: the published number.")
def pack(
    *, form: str, pred: Path, out: Path, kind: str | None, scaling: str, like: str | None, count: int | None
) -> None:  # fmt: skip
    """Write predictions (any form that evaluate reads) as the zip that a challenge server takes.

    \b
    kitti_benchmark  KITTI depth prediction: 500 images, resized to 1216x352
    ddad_challenge   DDAD challenge: 3080 images, of the size that was predicted
    """
    import shlex

    from benchmark.pack import PackRequest
    from benchmark.pack import pack as write

    click.echo(write(PackRequest(form, pred, out, kind, scaling, like, count)).text(), err=True)
    words = ["depthbench", "check", str(out), *(["--count", str(count)] if count else [])]
    click.echo(f"next: {shlex.join(words)}", err=True)
