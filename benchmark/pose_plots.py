"""Figures of trajectories: the path from above, errors by the length and the speed of segments, and the drift of scale.

Arrays in, a figure out; nothing is aligned or measured here. Colours are Okabe and Ito's, which colour-blind readers tell
apart, one for each alignment in every figure. `none` and `scale_7dof` are dashed: on segments they have the errors of
`6dof` and `7dof`, and would hide them.
"""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from benchmark.errors import OptionError
from benchmark.evaluate_pose import PoseRow, SegmentTable, aligned_pred, segment_table
from benchmark.pose_pairs import PIECE_M, scale_along

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Array = NDArray[np.float64]
DPI = 150
PAPER, INK, NOTHING = "#ffffff", "#16191d", "#80858b"  # white: these go into papers
WIDTH_IN = 8.0
COLOURS = {"none": "#D55E00", "scale": "#009E73", "scale_7dof": "#CC79A7", "6dof": "#0072B2", "7dof": "#E69F00"}
DASHED = {"none", "scale_7dof"}
KMH = 3.6
# The development kit's: averages around 2, 4, ... m/s of all segments within 2 m/s, of three segments or more.
SPEED_STEP_MPS, SPEED_REACH_MPS, FEWEST_SEGMENTS = 2.0, 2.0, 3


class Curve(NamedTuple):
    """Mean errors of groups of segments: what they are grouped by, % and deg/100 m, how many segments; each (k,)."""

    at: Array
    t_err: Array
    r_err: Array
    segments: NDArray[np.int64]


def by_length(table: SegmentTable) -> Curve:
    """The mean errors of the segments of each length in metres."""
    lengths = np.unique(table.length_m)
    return _curve(table, lengths, [table.length_m == length for length in lengths])


def by_speed(table: SegmentTable) -> Curve:
    """The mean errors of the segments around each speed in km/h, as KITTI's devkit groups them.

    Its bins end at 24 m/s; they are continued as far as the segments go.
    """
    below = np.floor(table.speed_mps / SPEED_STEP_MPS)
    centres = SPEED_STEP_MPS * np.unique(np.concatenate([below, below + 1]))
    centres = centres[centres > 0]
    groups = [np.abs(table.speed_mps - centre) < SPEED_REACH_MPS for centre in centres]
    enough = [k for k, group in enumerate(groups) if group.sum() >= FEWEST_SEGMENTS]
    return _curve(table, centres[enough] * KMH, [groups[k] for k in enough])


def _curve(table: SegmentTable, at: Array, groups: Sequence[NDArray[np.bool_]]) -> Curve:
    t, r = (np.array([values[group].mean() for group in groups]) for values in (table.t_err_percent, table.r_err_deg_per_100m))
    return Curve(at, t, r, np.array([group.sum() for group in groups], np.int64))


def path_figure(gt: Array, predictions: Mapping[str, Array], *, title: str, labels: Mapping[str, str]) -> Figure:
    """The path from above in KITTI's camera axes, both in metres on one scale; starts are circles, ends are squares.

    Args:
        gt: (n, 3) positions, x to the right, z forward.
        predictions: (k, 3) aligned positions by alignment, NaN where the line is interrupted.
        title: of the figure.
        labels: the legend's text by alignment.
    """
    lines = {"": gt, **predictions}
    extent = np.ptp(np.concatenate([line[np.isfinite(line).all(axis=1)][:, [0, 2]] for line in lines.values()]), axis=0)
    shape = float(np.clip(extent[1] / max(extent[0], 1e-9), 0.45, 0.9))
    figure = _figure(WIDTH_IN * shape + 1.2, title)
    axes = _axes(figure, 111)
    for alignment, line in lines.items():
        _line(axes, line[:, [0, 2]], alignment, labels[alignment] if alignment else "ground truth")
    axes.plot([], [], "o", color=NOTHING, label="start")
    axes.plot([], [], "s", color=NOTHING, label="end")
    axes.set_aspect("equal", adjustable="datalim")
    axes.set(xlabel="x, to the right of the first predicted camera [m]", ylabel="z, forward [m]")
    _legend(figure, axes)
    return figure


def _line(axes: Axes, line: Array, alignment: str, label: str) -> None:
    """A path with its two ends, and a dot for each pose between two gaps, which a line would not show."""
    colour, width = COLOURS.get(alignment, INK), 1.5 if alignment else 2.6
    axes.plot(*line.T, color=colour, linewidth=width, linestyle=_dashes(alignment), label=label)
    there = np.flatnonzero(np.isfinite(line[:, 0]))
    for end, marker in zip(there[[0, -1]] if len(there) else (), "os", strict=False):
        axes.plot(*line[end], marker, color=colour, markersize=7, markeredgecolor=PAPER)
    gap = np.isnan(np.pad(line[:, 0], 1, constant_values=np.nan))
    alone = ~gap[1:-1] & gap[:-2] & gap[2:]
    axes.plot(*line[alone].T, ".", color=colour, markersize=3)


def _dashes(alignment: str) -> Any:
    return (0, (3, 1.5)) if alignment in DASHED else "-"


def errors_figure(curves: Mapping[str, Curve], *, title: str, xlabel: str, labels: Mapping[str, str]) -> Figure:
    """Translation above rotation error of groups of segments, one curve for each alignment, and how many segments."""
    figure = _figure(6.4, title)
    upper = _axes(figure, 211)
    lower = _axes(figure, 212, sharex=upper)
    for axes, errors in ((upper, [c.t_err for c in curves.values()]), (lower, [c.r_err for c in curves.values()])):
        for (alignment, curve), error in zip(curves.items(), errors, strict=True):
            colour, dashed = COLOURS[alignment], alignment in DASHED
            (line,) = axes.plot(
                curve.at, error, color=colour, linestyle=_dashes(alignment), marker="o", label=labels[alignment]
            )
            line.set(markersize=9 if dashed else 6, markerfacecolor="none" if dashed else colour)
        axes.set_ylim(0, 1.08 * max(float(error.max(initial=0.0)) for error in errors) or 1.0)
    every = next(iter(curves.values()))
    counts = upper.secondary_xaxis("top")
    counts.set_xticks(every.at, [f"{count:,}" for count in every.segments])
    counts.set_xlabel("segments", color=NOTHING)
    counts.tick_params(colors=NOTHING, length=0)
    counts.spines["top"].set_visible(False)
    upper.set(ylabel="translation error [%]")
    upper.tick_params(labelbottom=False)
    lower.set(ylabel="rotation error [°/100 m]", xlabel=xlabel)
    if len(curves) > 1:
        _legend(figure, upper)
    return figure


def scale_figure(distance_m: Array, scale: Array, *, title: str) -> Figure:
    """The scale of pieces of the path (k,) by its mean, in %, over the metres (k,) to their middles; NaN ends a line."""
    figure = _figure(4.2, title)
    axes = _axes(figure, 111)
    there = np.isfinite(scale)
    drift = 100 * (scale / scale[there].mean() - 1) if there.any() else scale
    axes.axhline(0, color=INK, linewidth=1)
    axes.plot(distance_m, drift, "o-", color=COLOURS["7dof"], linewidth=1.8, markersize=4)
    limit = max(1.0, 1.1 * float(np.abs(drift[there]).max(initial=0.0)))
    axes.set(xlabel="distance travelled [m]", ylabel="scale factor of each 100 m,\nagainst the mean [%]", ylim=(-limit, limit))
    axes.set_xlim(0, None)
    return figure


def _figure(height_in: float, title: str) -> Figure:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(WIDTH_IN, height_in), dpi=DPI, facecolor=PAPER, layout="constrained")
    # A sequence is called after its file, and file names hold anything: dollars, line ends, what is no Unicode.
    printable = "".join(letter if letter.isprintable() else "?" for letter in title)
    figure.suptitle(textwrap.fill(printable, 80), color=INK, size=13, parse_math=False)
    return figure


def _axes(figure: Figure, place: int, *, sharex: Axes | None = None) -> Axes:
    axes = figure.add_subplot(place, facecolor=PAPER, sharex=sharex)
    axes.grid(color=NOTHING, alpha=0.25, linewidth=0.6)
    axes.set_axisbelow(True)
    axes.tick_params(colors=INK)
    axes.xaxis.label.set_color(INK)
    axes.yaxis.label.set_color(INK)
    for side, spine in axes.spines.items():
        spine.set(color=NOTHING, visible=side in {"left", "bottom"})
    return axes


def _legend(figure: Figure, axes: Axes) -> None:
    """Below the axes, where it covers no curve."""
    handles, labels = axes.get_legend_handles_labels()
    columns = 2 if len(labels) < 5 else 3
    figure.legend(handles, labels, loc="outside lower center", ncols=columns, frameon=False, labelcolor=INK, fontsize=10)


def draw_sequence(rows: Sequence[PoseRow]) -> dict[str, Figure]:
    """The figures of one sequence, by kind; rows are the alignments to draw, the headline first."""
    head, pair = rows[0], rows[0].pair
    if pair is None:
        raise OptionError(f"{head.sequence}: has no trajectory to draw: plots show whole trajectories, and this is snippets")
    ates = {row.alignment: f"{row.alignment}: " + ("undefined" if row.reason else f"ATE {_ate(row)}") for row in rows}
    poses = f"{head.n_poses:,} poses" + (f", {head.n_missing:,} missing" if head.n_missing else "")
    title = f"sequence {head.sequence}: ATE {_ate(head)} ({head.alignment}), {poses}, {head.path_length_m:,.0f} m"
    lines = {row.alignment: interrupted(aligned_pred(row)[:, :3, 3], pair.at) for row in rows}
    figures = {"trajectory": path_figure(pair.gt[:, :3, 3], lines, title=title, labels=ates)}
    figures |= draw_segments(f"sequence {head.sequence}", {row.alignment: segment_table(row) for row in rows if not row.reason})
    distance_m, scale = scale_along(pair)
    moving = int(np.isfinite(scale).sum())
    if not moving:
        return figures
    curve = interrupted(np.column_stack([distance_m, scale]), (distance_m // PIECE_M).astype(np.int64))
    drift = f"{head.scale_drift:.2f} % (standard deviation of {len(scale)} pieces)"
    if np.isnan(head.scale_drift):
        drift = f"undefined ({moving} of {len(scale)} pieces have a scale)"
    return figures | {"scale_drift": scale_figure(*curve.T, title=f"sequence {head.sequence}: scale drift {drift}")}


def _ate(row: PoseRow) -> str:
    return "undefined" if row.reason else f"{row.metrics['ate_rmse']:.2f} m"


def interrupted(rows: Array, at: NDArray[np.int64]) -> Array:
    """The rows (m, k) with a row of NaN wherever their places (m,) skip one: a line through them stops there."""
    gaps = np.flatnonzero(np.diff(at) != 1) + 1
    return np.insert(rows, gaps, np.nan, axis=0) if len(rows) else rows


def draw_segments(
    name: str, tables: Mapping[str, SegmentTable], *, without: Mapping[str, str] = MappingProxyType({})
) -> dict[str, Figure]:
    """The errors by length and by speed of the segments of one sequence, or of all, by alignment; none without segments.

    Args:
        name: of what the tables are of.
        tables: the segments by alignment, the headline first.
        without: by alignment, the sequences that its table lacks.
    """
    tables = {alignment: table for alignment, table in tables.items() if len(table.length_m)}
    if not tables:
        return {}
    head, table = next(iter(tables.items()))
    t_err, r_err, count = table.t_err_percent.mean(), table.r_err_deg_per_100m.mean(), len(table.length_m)
    said = {
        alignment: f"{alignment} without {without[alignment]}" if alignment in without else alignment for alignment in tables
    }
    title = f"{name}: t_err {t_err:.2f} %, r_err {r_err:.3f} °/100 m ({said[head]}), {count:,} segments"
    labels = {alignment: f"{said[alignment]}: {own.t_err_percent.mean():.2f} %" for alignment, own in tables.items()}
    return {
        kind: errors_figure({a: group(t) for a, t in tables.items()}, title=title, xlabel=xlabel, labels=labels)
        for kind, group, xlabel in (
            ("errors_by_length", by_length, "length of the segment [m]"),
            ("errors_by_speed", by_speed, "speed [km/h], each point the segments within 7.2 km/h of it"),
        )
    }
