"""Files of the figures of trajectories, PNG and SVG: which there are, what they are called, and how they are written."""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from benchmark.errors import OptionError, ResultError
from benchmark.evaluate_pose import PoseRow, SegmentTable, segment_table
from benchmark.io.files import atomic_write
from benchmark.plots import png
from benchmark.pose_plots import draw_segments, draw_sequence

if TYPE_CHECKING:
    from matplotlib.figure import Figure

KINDS = ("trajectory", "errors_by_length", "errors_by_speed", "scale_drift")


def write_plots(folder: Path, rows: Sequence[PoseRow], *, alignments: Sequence[str]) -> list[Path]:
    """Write PNG and SVG of every figure of every sequence, and of the segments of all; the files that were written.

    Args:
        folder: made where it is missing; files of the same names are replaced, and those that an earlier run wrote of the
            same sequences and that do not exist under these alignments are removed.
        rows: what evaluate_pose returned; means, which have no trajectory, are passed over.
        alignments: those to draw, the headline first.

    Raises:
        OptionError: no row has a trajectory, or none has a wanted alignment.
        ResultError: the folder cannot be written.
    """
    own = [row for row in rows if row.about is not None]
    if own and not any(row.pair for row in own):
        came = ", ".join(dict.fromkeys(row.sequence for row in own))
        raise OptionError(f"--plots {folder}: {came}: snippets have no trajectory to draw; expected whole trajectories")
    wanted = [row for alignment in alignments for row in own if row.alignment == alignment]
    if not wanted:
        raise OptionError(f"nothing to plot: no sequence was scored under {', '.join(alignments)}")
    drawn, names = _draw(wanted)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        written = [_write(folder / f"{name}{end}", figure) for name, figure in drawn.items() for end in FORMS]
        for stale in {folder / f"{name}.{kind}{end}" for name in names for kind in KINDS for end in FORMS} - set(written):
            stale.unlink(missing_ok=True)
    except OSError as problem:
        raise ResultError(f"{folder}: cannot write the plots ({problem}); choose another --plots") from problem
    return written


def _draw(rows: Sequence[PoseRow]) -> tuple[dict[str, Figure], list[str]]:
    """The figures by the name of their file without its ending, and what these names begin with."""
    sequences = list(dict.fromkeys(row.sequence for row in rows))
    names = file_names(sequences)
    drawn = {
        f"{name}.{kind}": figure
        for sequence, name in zip(sequences, names, strict=True)
        for kind, figure in draw_sequence([row for row in rows if row.sequence == sequence]).items()
    }
    if len(sequences) > 1:
        tables, without = _pooled(rows)
        drawn |= {f"all.{kind}": figure for kind, figure in draw_segments("all sequences", tables, without=without).items()}
        names.append("all")
    return drawn, names


def _pooled(rows: Sequence[PoseRow]) -> tuple[dict[str, SegmentTable], dict[str, str]]:
    """The segments of all sequences by alignment, and the sequences where it does not exist."""
    tables, without = {}, {}
    for alignment in dict.fromkeys(row.alignment for row in rows):
        own = [row for row in rows if row.alignment == alignment]
        there = [segment_table(row) for row in own if not row.reason]
        if there:
            tables[alignment] = SegmentTable(*map(np.concatenate, zip(*there, strict=True)))
        if len(there) < len(own):
            without[alignment] = ", ".join(row.sequence for row in own if row.reason)
    return tables, without


def file_names(sequences: Sequence[str]) -> list[str]:
    """A file name for each sequence, whatever characters that has; none is `all`, and no two differ in case alone."""
    taken, names = {"all"}, []
    for sequence in sequences:
        stem = re.sub(r"[^A-Za-z0-9_-]+", "_", sequence).strip("_-")[:80] or "sequence"
        name = next(n for n in (stem, *(f"{stem}-{k}" for k in range(2, len(sequences) + 3))) if n.casefold() not in taken)
        taken.add(name.casefold())
        names.append(name)
    return names


def svg(figure: Figure) -> bytes:
    """The figure as an SVG that refers to nothing outside itself; the same figure gives the same bytes."""
    from matplotlib import rc_context

    out = io.BytesIO()
    # Text stays text, and neither the day nor the process changes a byte.
    with rc_context({"svg.fonttype": "none", "svg.hashsalt": "depthbench"}):
        nothing = dict.fromkeys(("Date", "Creator", "Format", "Type"))
        figure.savefig(out, format="svg", facecolor=figure.get_facecolor(), metadata=nothing)
    text = re.sub(rb"<!DOCTYPE[^>]*>\s*", b"", out.getvalue(), count=1)
    # Coordinates to a hundredth of a point, of six decimals: a third less.
    return re.sub(rb' d="[^"]*"', lambda path: re.sub(rb"(\.\d\d)\d+", rb"\1", path[0]), text)


def _write(path: Path, figure: Figure) -> Path:
    with warnings.catch_warnings():
        # Letters that the font lacks, in the name of a sequence, are boxes in the PNG and themselves in the SVG.
        warnings.filterwarnings("ignore", message="Glyph")
        data = FORMS[path.suffix](figure)
    with atomic_write(path) as file:
        file.write(data)
    return path


FORMS = {".png": png, ".svg": svg}
