"""The front door: `depthbench <verb>`. Each verb parses, makes one call and prints."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from benchmark import __version__


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="depthbench")
@click.option("--debug", is_flag=True, help="Show the traceback of an error.")
@click.pass_context
def main(context: click.Context, debug: bool) -> None:
    """Load, score, compare and publish monocular depth and ego-motion under protocols that cannot be confused."""
    if context.obj is not None:
        context.obj["debug"] = debug


def _print_table(rows: Sequence[Sequence[object]], header: Sequence[str]) -> None:
    from benchmark.text_table import text_table

    click.echo(text_table(rows, header))


@main.group()
def splits() -> None:
    """The frame lists: list, show, verify, export, overlap."""


@splits.command("list")
def splits_list() -> None:
    """List all splits with what each must hold."""
    from benchmark.splits import read_index

    rows = [
        (name, entry.dataset, entry.role, entry.frames, entry.drives or "", (entry.sha256 or "needs data")[:12])
        for name, entry in read_index().items()
    ]
    _print_table(rows, ("split", "data set", "role", "frames", "drives", "sha256"))


@splits.command("show")
@click.argument("split")
def splits_show(split: str) -> None:
    """Show one split, or a list in a file, in any of the field's forms."""
    from benchmark.splits import describe_split

    _print_table(describe_split(split), ())


@splits.command("verify")
@click.argument("names", nargs=-1, metavar="[SPLIT]...")
def splits_verify(names: tuple[str, ...]) -> None:
    """Hold every split to its published counts and sha256; exit 1 if one differs."""
    from benchmark.errors import SplitError
    from benchmark.splits import read_index, verify_split

    rows = [verify_split(name) for name in names or read_index()]
    _print_table(rows, ("split", "status", "found"))
    wrong = [row.name for row in rows if row.status == "mismatch"]
    if wrong:
        raise SplitError(f"{len(wrong)} of {len(rows)} splits are not the published ones: {', '.join(wrong)}")


@splits.command("export")
@click.argument("split")
@click.option("--format", "form", type=click.Choice(["monodepth2", "frame_ids", "csv"]), required=True)
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), required=True, help="The file to write.")
def splits_export(split: str, form: str, out: Path) -> None:
    """Write a split, or convert a list in a file, to one of the field's text forms."""
    from benchmark.splits import export_split, resolve_split

    frames = resolve_split(split)
    lines = export_split(frames, form, out)
    click.echo(f"{out}: {lines} lines for {len(frames.frames)} frames", err=True)


@splits.command("overlap")
@click.argument("lists", nargs=-1, required=True, metavar="LIST...")
@click.option("--against", multiple=True, metavar="SPLIT", help="A split or list; default: every test split.")
@click.option("--neighbours", type=click.IntRange(0, 1_000_000), default=10, show_default=True, metavar="K")
@click.option("--json", "as_json", is_flag=True, help="Print the rows as JSON.")
def splits_overlap(lists: tuple[str, ...], against: tuple[str, ...], neighbours: int, as_json: bool) -> None:
    """Find the images that training lists share with the test splits, or nearly share."""
    import dataclasses
    import json

    from benchmark import overlap as leakage

    tests = leakage.open_lists(against) if against else leakage.all_test_splits()
    rows = leakage.overlap(leakage.open_lists(lists), tests, neighbours=neighbours)
    if as_json:
        click.echo(json.dumps([dataclasses.asdict(row) for row in rows], indent=2))
        return
    _print_table(leakage.table_rows(rows), leakage.TABLE_HEADER)
    for sentence in leakage.findings(rows):
        click.echo(f"\n{sentence}")


@main.group()
def protocols() -> None:
    """The published evaluation settings: list, show."""


@main.group()
def datasets() -> None:
    """The raw data: list, show, verify, download."""


@datasets.command("list")
def datasets_list() -> None:
    """The data sets that have a card."""
    from datasets_prep.cards import card_names, load_card

    cards = [load_card(name) for name in card_names()]
    _print_table([(card.name, card.title, card.licence) for card in cards], ("name", "title", "licence"))


@datasets.command("show")
@click.argument("name")
def datasets_show(name: str) -> None:
    """Licence, citation, how to obtain it, layout, depth, counts and quirks of a data set."""
    from datasets_prep.cards import describe, load_card

    click.echo(describe(load_card(name)))


@main.command("export_gt")
@click.option("--dataset", type=click.Choice(["kitti_raw", "kitti_depth", "packnet_kitti"]), required=True)
@click.option("--data", type=click.Path(path_type=Path), help="Folder of the data sets; default: $DEPTHBENCH_DATA.")
@click.option("--split", metavar="SPLIT", help="A split or a list file; default: the data set's test split.")
@click.option("--out", type=click.Path(path_type=Path), required=True, help="The HDF5 file to write.")
@click.option("--depth", type=click.Choice(["lidar_forward_x", "camera_z"]), help="kitti_raw: default lidar_forward_x.")
@click.option("--camera", metavar="CAMERA", help="Replaces the camera of every frame, such as image_03.")
@click.option("--npz", type=click.Path(path_type=Path), help="Also write the field's gt_depths.npz there.")
@click.option("--jobs", type=click.IntRange(1, 1024), help="Workers; default: one for each core.")
def export_gt(
    *, dataset: str, data: Path | None, split: str | None, out: Path, depth: str | None, camera: str | None,
    npz: Path | None, jobs: int | None,
) -> None:  # fmt: skip
    """Write the ground truth of a split; an interrupted export resumes."""
    from datasets_prep import export_gt as exporter

    made = exporter.export_gt(dataset, data, split, out, depth=depth, camera=camera, npz=npz, jobs=jobs)
    click.echo(made.summary(), err=True)


main.add_command(click.Command("export-gt", callback=export_gt.callback, params=export_gt.params, hidden=True))


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
        _print_table(rows, header)
    elif plan.pending:
        base = base_url or archives.BASE_URL
        download.download(plan, base_url=base, keep_zip=keep_zip, only_needed=only_needed)
    click.echo(download.summary(plan, dry_run=dry_run), err=True)


@datasets.command("verify")
@click.option("--split", required=True, metavar="SPLIT", help="A split, or a file with a list of frames.")
@click.option("--data", type=click.Path(path_type=Path), help="Folder of the data sets; default: $DEPTHBENCH_DATA.")
@click.option("--dataset", type=click.Choice(["kitti_raw", "kitti_depth"]), help="Default: the split's own.")
@click.option("--need", metavar="KINDS", help="A choice of velodyne,image,oxts,calib; default: all.")
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
        _print_table(rows, header)
    if not verify.complete(reports):
        raise verify.shortfall(reports, split, root)


@protocols.command("list")
def protocols_list() -> None:
    """List the protocols that come with depthbench."""
    from benchmark.protocol import load_protocol, protocol_names

    listed = [load_protocol(name) for name in protocol_names()]
    _print_table([(p.name, p.sha256[:8], p.title) for p in listed], ("protocol", "sha256", "what"))


@protocols.command("show")
@click.argument("name")
@click.option("--diff", metavar="OTHER", help="Only the keys in which it differs from another protocol.")
def protocols_show(name: str, diff: str | None) -> None:
    """Every choice of a protocol, by name or file."""
    from benchmark.protocol import PROSE, differences, flatten, load_protocol

    protocol = load_protocol(name)
    if diff is None:
        _print_table([*((k, str(v)) for k, v in flatten(protocol).items()), ("sha256", protocol.sha256)], ())
        return
    other = load_protocol(diff)
    rows = [(key, str(one), str(two)) for key, one, two in differences(protocol, other) if key not in PROSE]
    _print_table(rows, ("key", protocol.name, other.name))


@main.command("evaluate")
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
@click.option("--json", "as_json", is_flag=True, help="Print the list of records instead of the table.")
def evaluate(
    *, pred: Path, gt: Path, names: tuple[str, ...], scalings: tuple[str, ...], kind: str | None, pred_split: str | None,
    flipped: Path | None, method: str | None, allow_missing: int, out: Path | None, as_json: bool,
) -> None:  # fmt: skip
    """Score somebody's predictions (.npy, .npz, .h5, a folder, or a .yaml manifest)."""
    from benchmark.io.results import records_json, write_result
    from benchmark.report import render
    from benchmark.score import Request, score

    scores = score(Request(pred, gt, names, scalings, kind, pred_split, flipped, method, allow_missing))
    written = [path for s in scores if out for path in write_result(out, s.record, s.table)]
    records = [s.record for s in scores]
    click.echo(records_json(records) if as_json else render(records), nl=not as_json)
    if written:
        click.echo(f"wrote {len(written)} files to {out}", err=True)


def entry_point() -> None:
    """The console command."""
    from benchmark.entry_point import run

    run(main)


if __name__ == "__main__":
    entry_point()
