"""What `depthbench evaluate_pose` prints of scores: the tables, and the lines around them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from textwrap import fill, shorten

from benchmark.evaluate_pose import PoseRow
from benchmark.metrics.pose import POSE_METRICS
from benchmark.pose_directions import Direction
from benchmark.pose_files import PoseScores
from benchmark.split_formats import format_ranges
from benchmark.text_table import text_table

WIDTH = 120
TITLES = {"mean": "mean over the sequences", "all": "over all segments, frames and snippets"}
# What changes with the alignment, as tables of the field print it; the other metrics are in the JSON.
COLUMNS = ["t_err", "r_err", "ate_rmse", "rpe_trans_mean", "rpe_trans_rmse", "rpe_rot_mean", "rpe_rot_rmse"]
SNIPPETS = {"snippet5_monodepth2": "Monodepth2", "snippet5_sfmlearner": "SfMLearner", "snippet5_rmse": "RMSE"}


def render_poses(scores: PoseScores, *, columns: Sequence[str] = COLUMNS) -> str:
    """A table for each sequence, one line for each alignment, between what was compared and what is odd about it.

    The 5-frame errors, which no alignment changes, have a line of their own and no columns.
    """
    sequences = dict.fromkeys(row.sequence for row in scores.rows)
    blocks = [_block([row for row in scores.rows if row.sequence == sequence], columns) for sequence in sequences]
    if scores.unpredicted:
        blocks.append(f"no prediction for {', '.join(scores.unpredicted)}")
    return "\n\n".join(blocks) + "\n"


def _block(rows: Sequence[PoseRow], columns: Sequence[str]) -> str:
    first = rows[0]
    snippets_only = math.isnan(first.path_length_m)
    counts = [f"{first.n_poses} {'snippets' if snippets_only else 'poses'}", f"{first.n_missing} missing"]
    counts += [] if snippets_only else [f"{first.path_length_m:.1f} m", f"{first.n_segments} segments"]
    head = [f"{TITLES.get(first.sequence, first.sequence)}: {', '.join(counts)}"]
    if first.about is not None:
        head.append(f"prediction: {first.about.pred_form}; ground truth: {first.about.gt_form}")
        head += [_direction(first.about.direction)] if first.about.direction else []
    snippets = _snippets(next((row for row in rows if not row.reason), first))
    return "\n".join([*head, *([] if snippets_only else [_table(rows, columns)]), *snippets, *_remarks(rows)])


def _table(rows: Sequence[PoseRow], columns: Sequence[str]) -> str:
    header = ["alignment", "scale", "scale\ndrift %", *(POSE_METRICS[name].title for name in columns)]
    lines = []
    for row in rows:
        drift = "" if math.isnan(row.scale_drift) else f"{row.scale_drift:.2f}"
        lines.append([row.alignment, _number(row.scale), drift, *(_number(row.metrics[name]) for name in columns)])
    return text_table(lines, header)


def _snippets(row: PoseRow) -> list[str]:
    """The 5-frame errors, each `mean ± std`; no alignment changes them."""
    found = [
        f"{title} {row.metrics[name]:.4f} ± {row.metrics[f'{name}_std']:.4f}"
        for name, title in SNIPPETS.items()
        if not math.isnan(row.metrics[name])
    ]
    return [f"5-frame errors in m, each snippet scaled: {', '.join(found)}"] if found else []


def _remarks(rows: Sequence[PoseRow]) -> list[str]:
    about = rows[0].about
    made = [f"{row.alignment}: {row.reason}" for row in rows if row.reason]
    made += [f"{row.alignment}: the scale is negative; are the translations inverted?" for row in rows if row.scale < 0]
    if about is not None and len(about.missing):
        ranges = format_ranges(about.missing.tolist()).replace(" ", ", ")
        made.append(shorten(f"missing: {ranges}", WIDTH, placeholder=" ..."))
    made += [f"note: {note}" for note in (about.notes if about else ())]
    return [fill(line, WIDTH, subsequent_indent="  ", break_long_words=False) for line in made]


def _direction(direction: Direction) -> str:
    if not direction.detected:
        return f"direction: {direction.name}"
    return (
        f"direction: {direction.name}, detected: its translations agree with the ground truth to {direction.agreement:.2f}, "
        f"the other's to {direction.other:.2f}"
    )


def _number(value: float) -> str:
    return "" if math.isnan(value) else f"{value:.4f}"
