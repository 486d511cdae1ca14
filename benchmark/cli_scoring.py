"""The verbs about predictions: `depthbench evaluate` and `depthbench check`."""

from __future__ import annotations

import shutil
from pathlib import Path

import click

from benchmark.checks.finding import OVERRULABLE


@click.command("evaluate")
@click.argument("pred", type=click.Path(readable=False, path_type=Path))
@click.option(
    "--gt", type=click.Path(readable=False, path_type=Path), required=True, help="gt.h5, gt_depths.npz, or a folder of maps."
)
@click.option(
    "--protocol",
    "names",
    multiple=True,
    default=["kitti_eigen"],
    show_default=True,
    metavar="NAME|FILE",
    help="Repeatable; all on one split.",
)
@click.option(
    "--scaling",
    "scalings",
    multiple=True,
    metavar="RULE",
    help="median, stereo (x5.4), none, lstsq_depth, lstsq_disparity or factor=X; repeatable. Default: the protocol's, none.",
)
@click.option(
    "--kind", type=click.Choice(["disparity", "inverse_depth", "depth"]), help="What the file holds; default disparity."
)
@click.option("--pred-split", metavar="SPLIT", help="The frames that a bare array was predicted for; default: the protocol's.")
@click.option(
    "--flipped", type=click.Path(path_type=Path), help="Predictions of the mirrored images, mirrored back, for flip fusion."
)
@click.option("--method", metavar="NAME", help="Default: the file's name.")
@click.option(
    "--allow-missing", type=click.IntRange(0), default=0, metavar="N", help="Average although N frames have no score."
)
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder for the records (JSON) and per-image tables (CSV).",
)
@click.option(
    "--by",
    multiple=True,
    type=click.Choice(["camera", "class", "range"]),
    help="Table these parts too (ranges of true depth: 0-20-40-60-80-100-200 m); repeatable.",
)
@click.option(
    "--despite", multiple=True, type=click.Choice(OVERRULABLE), help="Score although this check refuses; repeatable, recorded."
)
@click.option("--json", "as_json", is_flag=True, help="Print the list of records instead of the table.")
def evaluate(
    *, pred: Path, gt: Path, names: tuple[str, ...], scalings: tuple[str, ...], kind: str | None, pred_split: str | None,
    flipped: Path | None, method: str | None, allow_missing: int, out: Path | None, by: tuple[str, ...],
    despite: tuple[str, ...], as_json: bool,
) -> None:  # fmt: skip
    """Score somebody's predictions (.npy, .npz, .h5, a folder, or a .yaml manifest)."""
    from benchmark.io.results import records_json, write_result
    from benchmark.report import render
    from benchmark.score import Request, score

    scores = score(Request(pred, gt, names, scalings, kind, pred_split, flipped, method, allow_missing, despite, by))
    written = [path for s in scores if out for path in write_result(out, s.record, s.table)]
    records = [s.record for s in scores]
    click.echo(records_json(records) if as_json else render(records), nl=not as_json)
    if written:
        click.echo(f"wrote {len(written)} files to {out}", err=True)


@click.command("check")
@click.argument("pred", type=click.Path(readable=False, path_type=Path))
@click.option(
    "--gt",
    type=click.Path(readable=False, path_type=Path),
    help="gt.h5, gt_depths.npz, or a folder of maps; a challenge server's .zip needs none.",
)
@click.option("--protocol", show_default="kitti_eigen", metavar="NAME|FILE", help="Whose frames and pixels.")
@click.option(
    "--scaling", "scalings", multiple=True, metavar="RULE", help="As in evaluate: whether a wrong factor matters; repeatable."
)
@click.option(
    "--kind", type=click.Choice(["disparity", "inverse_depth", "depth"]), help="What the file holds; default disparity."
)
@click.option("--pred-split", metavar="SPLIT", help="The frames that a bare array was predicted for; default: the protocol's.")
@click.option("--flipped", type=click.Path(path_type=Path), help="Predictions of the mirrored images, mirrored back.")
@click.option("--count", type=click.IntRange(1, 999_999), help="Images that a .zip must hold; default: the published number.")
@click.option("--json", "as_json", is_flag=True, help="Print the findings as JSON instead of the table.")
def check(
    *, pred: Path, gt: Path | None, protocol: str | None, scalings: tuple[str, ...], kind: str | None, pred_split: str | None,
    flipped: Path | None, count: int | None, as_json: bool,
) -> None:  # fmt: skip
    """Look for what would make a score meaningless: one line a defect; exit 1 if one refuses."""
    from benchmark import check as linter
    from benchmark.report import render_findings
    from benchmark.score import Request

    if gt is not None and count:
        raise click.UsageError("--count is about a challenge server's .zip without --gt: leave it out")
    if gt is not None:
        findings = linter.check(Request(pred, gt, (protocol or "kitti_eigen",), scalings, kind, pred_split, flipped))
    elif pred.suffix.lower() != ".zip" or protocol or scalings or kind or pred_split or flipped:
        raise click.UsageError("--gt FILE is missing: a challenge server's .zip is checked without, and with --count alone")
    else:
        from benchmark.check_pack import check_pack

        findings = check_pack(pred, count=count)
    width = shutil.get_terminal_size((100, 0)).columns
    click.echo(linter.findings_json(findings) if as_json else render_findings(findings, width), nl=not as_json)
    linter.raise_verdict(findings, pred)
