"""The verb about trajectories: `depthbench evaluate_pose`."""

from __future__ import annotations

from pathlib import Path

import click

ALIGNMENTS = ("none", "scale", "scale_7dof", "6dof", "7dof")  # those of align_poses.py, which would import numpy
DIRECTIONS = ("next_from_this", "this_from_next")  # those of io/relative_poses.py


@click.command("evaluate_pose")
@click.argument("pred", type=click.Path(readable=False, path_type=Path))
@click.option(
    "--gt", type=click.Path(readable=False, path_type=Path), required=True, help="A file, or a folder of <sequence>.txt."
)
@click.option("--align", "alignments", multiple=True, type=click.Choice(ALIGNMENTS), help="Repeatable; default: all of them.")
@click.option(
    "--direction", type=click.Choice(DIRECTIONS), help="What the relative 4x4 of a .npy are; Monodepth2: next_from_this."
)
@click.option("--json", "as_json", is_flag=True, help="Print the rows as JSON instead of the tables.")
def evaluate_pose(*, pred: Path, gt: Path, alignments: tuple[str, ...], direction: str | None, as_json: bool) -> None:
    """Score camera poses (KITTI's 12 or 13 columns, TUM; a file, or a folder of <sequence>.txt) under every alignment."""
    from benchmark.pose_report import poses_json, render_poses, score_files

    rows = score_files(pred, gt, tuple(dict.fromkeys(alignments)) or ALIGNMENTS, direction=direction)
    click.echo(poses_json(rows) if as_json else render_poses(rows), nl=as_json)


evaluate_pose_alias = click.Command(
    "evaluate-pose", callback=evaluate_pose.callback, params=evaluate_pose.params, help=evaluate_pose.help, hidden=True
)
