"""The verbs about lists and settings: `depthbench splits ...` and `depthbench protocols ...`."""

from __future__ import annotations

from pathlib import Path

import click

from benchmark.text_table import print_table


@click.group()
def splits() -> None:
    """The frame lists: list, show, verify, export, overlap."""


@splits.command("list")
def splits_list() -> None:
    """List all splits with what each must hold."""
    from benchmark.splits import read_index

    rows = [
        (name, entry.dataset, entry.role, entry.frames, entry.counts, entry.drives or "", (entry.sha256 or "needs data")[:12])
        for name, entry in read_index().items()
    ]
    print_table(rows, ("split", "data set", "role", "holds", "", "drives", "sha256"))


@splits.command("show")
@click.argument("split")
def splits_show(split: str) -> None:
    """Show one split, or a list in a file, in any of the field's forms."""
    from benchmark.splits import describe_split

    print_table(describe_split(split), ())


@splits.command("verify")
@click.argument("names", nargs=-1, metavar="[SPLIT]...")
def splits_verify(names: tuple[str, ...]) -> None:
    """Hold every split to its published counts and sha256; exit 1 if one differs."""
    from benchmark.errors import SplitError
    from benchmark.splits import read_index, verify_split

    rows = [verify_split(name) for name in names or read_index()]
    print_table(rows, ("split", "status", "found"))
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
    print_table(leakage.table_rows(rows), leakage.TABLE_HEADER)
    for sentence in leakage.findings(rows):
        click.echo(f"\n{sentence}")


@click.group()
def protocols() -> None:
    """The published evaluation settings, of depth and of ego-motion: list, show."""


@protocols.command("list")
def protocols_list() -> None:
    """List the protocols that come with depthbench: of depth for evaluate, of poses for evaluate_pose."""
    from benchmark.pose_protocol import load_pose_protocol
    from benchmark.protocol import load_protocol, protocol_names

    depth = [load_protocol(name) for name in protocol_names()]
    poses = [load_pose_protocol(name) for name in protocol_names(ego_motion=True)]
    rows = [(p.name, "depth", p.sha256[:8], p.title) for p in depth] + [(p.name, "poses", p.sha256[:8], p.title) for p in poses]
    print_table(rows, ("protocol", "of", "sha256", "what"))


@protocols.command("show")
@click.argument("name")
@click.option("--diff", metavar="OTHER", help="Only the keys in which it differs from another protocol.")
def protocols_show(name: str, diff: str | None) -> None:
    """Every choice of a protocol, by name or file."""
    from benchmark.pose_protocol import load_any_protocol
    from benchmark.protocol import PROSE, differences, flatten

    protocol = load_any_protocol(name)
    if diff is None:
        print_table([*((k, str(v)) for k, v in flatten(protocol).items()), ("sha256", protocol.sha256)], ())
        return
    other = load_any_protocol(diff)
    rows = [(key, str(one), str(two)) for key, one, two in differences(protocol, other) if key not in PROSE]
    print_table(rows, ("key", protocol.name, other.name))
