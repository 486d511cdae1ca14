"""The verb about trajectories: `depthbench evaluate_pose`."""

from __future__ import annotations

import shutil
from pathlib import Path

import click

ALIGNMENTS = ("none", "scale", "scale_7dof", "6dof", "7dof")  # those of align_poses.py, which would import numpy
DIRECTIONS = ("next_from_this", "this_from_next")  # those of pose_directions.py


def directory(text: str) -> Path:
    """A folder to write into; wrong usage where it is nothing, which pathlib takes for the current folder, or a file."""
    if not text or Path(text).is_file():
        raise click.BadParameter(f"{text or 'nothing'}: expected a folder, . is the current one")
    return Path(text)


@click.command("evaluate_pose")
@click.argument("pred", type=click.Path(readable=False, path_type=Path))
@click.option(
    "--gt", type=click.Path(readable=False, path_type=Path), required=True, help="A file, or a folder of <sequence>.txt."
)
@click.option("--protocol", default="kitti_odometry", show_default=True, metavar="NAME|FILE", help="One of ego-motion.")
@click.option(
    "--align", "alignments", multiple=True, type=click.Choice(ALIGNMENTS), help="Repeatable; default: all that change a number."
)
@click.option(
    "--direction",
    type=click.Choice(DIRECTIONS),
    help="What the relative 4x4 of a .npy are; default: as the ground truth shows.",
)
@click.option("--method", metavar="NAME", help="Default: the name of the folder or file.")
@click.option(
    "--allow-missing",
    type=click.IntRange(0),
    default=0,
    metavar="N",
    help="Average although N sequences have no score; a file that is damaged or too short is refused all the same.",
)
@click.option("--out", type=directory, help="Folder for the records (JSON), the sequences and the segments (CSV).")
@click.option("--plots", type=directory, help="Folder for plots (PNG and SVG).")
@click.option("--json", "as_json", is_flag=True, help="Print the list of records instead of the tables.")
def evaluate_pose(
    *, pred: Path, gt: Path, protocol: str, alignments: tuple[str, ...], direction: str | None, method: str | None,
    allow_missing: int, out: Path | None, plots: Path | None, as_json: bool,
) -> None:  # fmt: skip
    """Score camera poses under every alignment (KITTI's 12 or 13 columns, TUM, Monodepth2's .npy, 5-frame snippets; a file,
    or a folder with one for each sequence)."""
    from benchmark.io.pose_results import pose_records_json
    from benchmark.score_poses import PoseRequest, score_poses

    scored = score_poses(PoseRequest(pred, gt, protocol, alignments, direction, method, allow_missing))
    records = scored.records() if out or as_json else []
    written = scored.write(out, records) if out else []
    width = max(shutil.get_terminal_size((100, 0)).columns, 40)
    click.echo(pose_records_json(records) if as_json else scored.tables(width=width), nl=False)
    if plots:
        from benchmark.pose_plot_files import write_plots

        written += write_plots(plots, scored.scores.rows, alignments=alignments or (scored.protocol.alignment,))
    for folder in dict.fromkeys(path.parent for path in written):
        click.echo(f"wrote {sum(path.parent == folder for path in written)} files to {folder}", err=True)
