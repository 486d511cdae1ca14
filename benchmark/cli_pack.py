"""The verb about challenge servers: `depthbench pack`."""

from __future__ import annotations

from pathlib import Path

import click

FORMS = ("kitti_benchmark", "ddad_challenge")  # those of io/submissions.py, which would import numpy


@click.command("pack")
@click.argument("form", metavar="[FORMAT", required=False, type=click.Choice(FORMS))
@click.argument("pred", metavar="PRED]", required=False, type=click.Path(readable=False, path_type=Path))
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), help="The .zip to write.")
@click.option(
    "--kind", type=click.Choice(["disparity", "inverse_depth", "depth"]), help="What the file holds; default disparity."
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
@click.option(
    "--count", type=click.IntRange(1, 999_999), help="ddad_challenge, --verify: images; default: the published number."
)
@click.option("--verify", metavar="FILE.zip", type=click.Path(readable=False, path_type=Path), help="Read a pack instead.")
def pack(
    *, form: str | None, pred: Path | None, out: Path | None, kind: str | None, scaling: str, like: str | None,
    count: int | None, verify: Path | None,
) -> None:  # fmt: skip
    """Write predictions (any form that evaluate reads) as the zip that a challenge server takes, or --verify one.

    \b
    kitti_benchmark  KITTI depth prediction: 500 images, resized to 1216x352
    ddad_challenge   DDAD challenge: 3080 images, of the size that was predicted
    """
    if verify is not None:
        from benchmark.io.submissions import verify_pack

        if form or pred or out or kind or like:
            raise click.UsageError("--verify FILE.zip stands alone, or with --count")
        click.echo(verify_pack(verify, count=count).text())
        return
    if form is None or pred is None or out is None:
        raise click.UsageError("expected FORMAT PRED --out FILE.zip, or --verify FILE.zip")
    from benchmark.pack import PackRequest
    from benchmark.pack import pack as write

    click.echo(write(PackRequest(form, pred, out, kind, scaling, like, count)).text(), err=True)
    click.echo(f"next: depthbench pack --verify {out}", err=True)
