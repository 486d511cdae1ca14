"""What `depthbench evaluate_pose` prints of scores: the tables, and the lines around them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from textwrap import fill, shorten

from benchmark.evaluate_pose import PoseRow
from benchmark.metrics.pose import POSE_METRICS
from benchmark.pose_directions import Direction
from benchmark.pose_files import PoseScores
from benchmark.pose_records import NEGATIVE_SCALE, NO_STEPS
from benchmark.split_formats import format_ranges
from benchmark.text_table import text_table

WIDTH = 120  # of what is no table, at most
TITLES = {"mean": "mean over the sequences", "all": "over all segments, frames and snippets"}
# What changes with the alignment, as tables of the field print it; the other metrics are in the JSON.
COLUMNS = ["t_err", "r_err", "ate_rmse", "rpe_trans_mean", "rpe_trans_rmse", "rpe_rot_mean", "rpe_rot_rmse"]
SNIPPETS = {"snippet5_monodepth2": "Monodepth2", "snippet5_sfmlearner": "SfMLearner", "snippet5_rmse": "RMSE"}


def render_poses(scores: PoseScores, *, columns: Sequence[str] = COLUMNS, width: int = WIDTH) -> str:
    """A table for each sequence, one line for each alignment, between what was compared and what is odd about it.

    The 5-frame errors, which no alignment changes, have a line of their own and no columns. Tables are as wide as they are,
    the lines around them are filled to the width.
    """
    kinds = dict.fromkeys((row.sequence, row.about is None) for row in scores.rows)  # a sequence may be called `all`
    blocks = [
        _block([row for row in scores.rows if (row.sequence, row.about is None) == kind], columns, scores.left_out, width)
        for kind in kinds
    ]
    if scores.unpredicted:
        blocks.append(wrapped(f"no prediction for {', '.join(scores.unpredicted)}", width))
    return "\n\n".join(blocks) + "\n"


def wrapped(line: str, width: int) -> str:
    """The line filled to the width, further lines indented; neither names of files nor ranges of frames are broken."""
    return fill(line, min(width, WIDTH), subsequent_indent="  ", break_long_words=False, break_on_hyphens=False)


def _block(rows: Sequence[PoseRow], columns: Sequence[str], left_out: Mapping[str, str], width: int) -> str:
    about, without = rows[0].about, {} if rows[0].about else left_out
    first = next((row for row in rows if row.alignment not in without), rows[0])
    head = [f"{first.sequence if about else TITLES[first.sequence]}: {_counts(first)}"]
    if about is not None:
        head.append(f"prediction: {about.pred_form}; ground truth: {about.gt_form}")
        head += [_direction(about.direction)] if about.direction else []
    table = [] if math.isnan(first.path_length_m) else [_table(rows, columns)]
    below = [*_snippets(next((row for row in rows if not row.reason), first)), *_partial(rows, without), *_remarks(rows, width)]
    return "\n".join([*(wrapped(line, width) for line in head), *table, *(wrapped(line, width) for line in below)])


def _counts(row: PoseRow) -> str:
    if math.isnan(row.path_length_m):
        return f"{row.n_poses} snippets, {row.n_missing} missing"
    return f"{row.n_poses} poses, {row.n_missing} missing, {row.path_length_m:.1f} m, {row.n_segments} segments"


def _partial(rows: Sequence[PoseRow], without: Mapping[str, str]) -> list[str]:
    """Which means are not over all sequences, and over how much they are."""
    over = {row.alignment: f"over {_counts(row)}" for row in rows}
    said: dict[str, list[str]] = {}
    for alignment, names in without.items():
        said.setdefault(f"without {names}, {over.get(alignment, 'so that none is left')}", []).append(alignment)
    return [f"{', '.join(alignments)}: {text}" for text, alignments in said.items()]


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


def _remarks(rows: Sequence[PoseRow], width: int) -> list[str]:
    about = rows[0].about
    made = [f"{row.alignment}: {row.reason}" for row in rows if row.reason]
    made += [f"{row.alignment}: {NEGATIVE_SCALE}" for row in rows if row.scale < 0]
    if about is not None and len(about.missing):
        ranges = format_ranges(about.missing.tolist()).replace(" ", ", ")
        made.append(shorten(f"missing: {ranges}", min(width, WIDTH), placeholder=" ...", break_on_hyphens=False))
    if about is not None and any(row.pair and row.errors and not len(row.errors.step_t) for row in rows):
        made.append(f"note: {NO_STEPS}, so that neither RPE nor the 5-frame errors exist")
    return made + [f"note: {note}" for note in (about.notes if about else ())]


def _direction(direction: Direction) -> str:
    if not direction.detected:
        return f"direction: {direction.name}"
    return (
        f"direction: {direction.name}, detected: its translations agree with the ground truth to {direction.agreement:.2f}, "
        f"the other's to {direction.other:.2f}"
    )


def _number(value: float) -> str:
    return "" if math.isnan(value) else f"{value:.4f}"
