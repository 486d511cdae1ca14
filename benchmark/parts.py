"""Parts of images: cameras, semantic classes, and ranges of true depth, each with the metrics of the protocol.

The bounds of the ranges are our own; no evaluator of the field publishes bins. A range holds its lower bound and not its upper
one: `range_20_40` is 20 <= depth < 40 metres. Within a range the scale is that of the image; within a class too, unless the
protocol aligns classes one by one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from benchmark.errors import OptionError
from benchmark.measure import Depths, Measured, measure, metric_values
from benchmark.metrics.depth import IMAGE_SCALE
from benchmark.protocol import DepthProtocol
from benchmark.semantic_classes import NO_CLASS, ClassTable

KINDS = ("camera", "class", "range")
RANGE_BOUNDS_M = (0, 20, 40, 60, 80, 100, 200)
UNDER_IMAGE_SCALE = f"abs_rel{IMAGE_SCALE}"

Summary = dict[str, dict[str, dict[str, Any]]]


class PartRow(NamedTuple):
    """One part of one image: scored pixels (at least one), scale, metrics as in `columns`."""

    kind: str
    part: str
    n_valid: int
    scale: float
    values: tuple[float, ...]


@dataclass(frozen=True)
class PartTable:
    """One row per image and part with a scored pixel: `frame_id`, `kind`, `part`, `n_valid` (R,), `scale` (R,), `values`
    {metric: (R,)}; NaN where a metric is not of that kind of part. `kinds` are those that were asked for."""

    kinds: tuple[str, ...]
    frame_id: tuple[str, ...]
    kind: tuple[str, ...]
    part: tuple[str, ...]
    n_valid: NDArray[np.int64]
    scale: NDArray[np.float64]
    values: dict[str, NDArray[np.float64]]


def kinds(protocol: DepthProtocol, by: Sequence[str]) -> tuple[str, ...]:
    """The kinds of parts that a protocol tables, those asked for included.

    Raises:
        OptionError: classes, of a protocol without any.
    """
    if "class" in by and protocol.classes is None:
        raise OptionError(
            f"--by class: {protocol.name} knows no classes, and its ground truth none either; leave it out, or choose "
            "ddad_challenge_semi or ddad_challenge_self"
        )
    wanted = {*by, *protocol.by, *(["class"] if protocol.classes else [])}
    return tuple(kind for kind in KINDS if kind in wanted)


def columns(protocol: DepthProtocol) -> tuple[str, ...]:
    """The metrics of a part. A class that is aligned on its own also has its abs_rel under the scale of its image."""
    own = protocol.classes is not None and protocol.classes.scaling == "per_class"
    return (*protocol.metrics, *([UNDER_IMAGE_SCALE] if own else []))


def score_parts(
    found: Depths, whole: Measured, protocol: DepthProtocol, *, wanted: Sequence[str], ids: NDArray[np.uint8] | None
) -> tuple[PartRow, ...]:
    """The parts of one image, cameras aside, from its scored pixels (n,).

    Args:
        found: as `whole` was measured from.
        wanted: kinds.
        ids: semantic ids (n,), where the ground truth has them.
    """
    rows = []
    n_columns = len(columns(protocol))
    for kind, part, inside in _cuts(found.gt, protocol, wanted, ids):
        gt, pred = found.gt[inside], whole.pred[inside]
        scale, values = whole.alignment.scale, metric_values(gt, pred, protocol)
        if kind == "class" and len(values) < n_columns:
            under_image_scale = values[[*protocol.metrics].index("abs_rel")]
            own = measure(Depths(gt, found.pred[inside]), protocol)
            scale, values = own.alignment.scale, (*own.values, under_image_scale)
        rows.append(PartRow(kind, part, len(gt), scale, values))
    return tuple(rows)


def _cuts(
    gt: NDArray[Any], protocol: DepthProtocol, wanted: Sequence[str], ids: NDArray[np.uint8] | None
) -> Iterator[tuple[str, str, NDArray[np.bool_]]]:
    """Kind, name and pixels of every part that has some."""
    table = protocol.class_table
    if "class" in wanted and table is not None and ids is not None:
        of_class = table.index(ids)
        for k in np.unique(of_class[of_class != NO_CLASS]).tolist():
            yield "class", table.scored[k], of_class == k
    if "range" in wanted:
        of_range = np.searchsorted(np.array(RANGE_BOUNDS_M, gt.dtype), gt, side="right") - 1
        for k in np.unique(of_range).tolist():
            yield "range", _range_name(k, protocol), of_range == k


def _range_name(k: int, protocol: DepthProtocol) -> str:
    """The bounds of range k; the upper one is the protocol's own maximum where that lies inside."""
    lower, upper = (*RANGE_BOUNDS_M, float("inf"))[k : k + 2]
    maximum = protocol.depth_range.max_m
    if maximum is not None and lower < maximum < upper:
        upper = maximum
    return f"range_{lower}_{'up' if upper == float('inf') else f'{upper:g}'}"


def range_names(protocol: DepthProtocol) -> tuple[str, ...]:
    """The ranges that a protocol scores any of."""
    low, high = protocol.depth_range.min_m or 0, protocol.depth_range.max_m
    upper = (*RANGE_BOUNDS_M[1:], float("inf"))
    return tuple(
        _range_name(k, protocol)
        for k, lower in enumerate(RANGE_BOUNDS_M)
        if upper[k] > low and (high is None or lower < high or (lower == high and not protocol.depth_range.max_open))
    )


def camera_of(frame_id: str) -> str:
    """The camera in a frame id `<drive>/<camera>/<number>`."""
    return frame_id.rpartition("/")[0].rpartition("/")[2]


def part_table(rows: Sequence[tuple[str, PartRow]], protocol: DepthProtocol, wanted: tuple[str, ...]) -> PartTable:
    """(frame id, row) of a setting as columns."""
    names = columns(protocol)
    values = np.full((len(rows), len(names)), np.nan)
    for i, (_, row) in enumerate(rows):
        values[i, : len(row.values)] = row.values
    return PartTable(
        wanted,
        tuple(frame for frame, _ in rows),
        tuple(row.kind for _, row in rows),
        tuple(row.part for _, row in rows),
        np.array([row.n_valid for _, row in rows], np.int64),
        np.array([row.scale for _, row in rows], np.float64),
        dict(zip(names, values.T, strict=True)),
    )


def summarize_parts(table: PartTable, protocol: DepthProtocol) -> Summary:
    """{kind: {part: n_images, n_pixels, metrics}}: plain means over the images that have a scored pixel of the part.

    A part that no image has is listed; a mean over nothing, or one that is not finite, is None.
    """
    kind, part = np.array(table.kind, str), np.array(table.part, str)
    classes = protocol.class_table
    listed = {
        "camera": tuple(sorted(set(part[kind == "camera"].tolist()))),
        "class": classes.scored if classes else (),
        "range": range_names(protocol),
    }
    summary: Summary = {}
    for each in table.kinds:
        names = [name for name in table.values if name in protocol.metrics or each == "class"]
        summary[each] = {}
        for name in listed[each]:
            here = (kind == each) & (part == name)
            summary[each][name] = {
                "n_images": int(here.sum()),
                "n_pixels": int(table.n_valid[here].sum()),
                "metrics": {metric: _mean(table.values[metric][here]) for metric in names},
            }
    return summary


def class_means(summary: Summary, table: ClassTable) -> tuple[dict[str, float | None], list[str]]:
    """The quantities over classes that the record reports, with what to know of them: `car_abs_rel`, `m_abs_rel` (the mean
    over the classes that any image has), and `m_abs_rel_image_scale` where classes are aligned on their own."""
    classes = summary["class"]
    found: dict[str, float | None] = {
        f"{prefix}_abs_rel": classes[name]["metrics"]["abs_rel"] for prefix, name in table.headline.items()
    }
    for metric in ("abs_rel", UNDER_IMAGE_SCALE):
        values = [v for one in classes.values() if (v := one["metrics"].get(metric)) is not None]
        if metric in classes[table.scored[0]]["metrics"]:
            found[f"m_{metric}"] = _mean(np.array(values))
    absent = [name for name, one in classes.items() if one["n_images"] == 0]
    if not absent:
        return found, []
    empty = [name for name, value in found.items() if value is None]
    return found, [
        f"no image has a scored pixel of {len(absent)} of the {len(classes)} classes ({', '.join(absent)}): m_abs_rel is the "
        f"mean over the other {len(classes) - len(absent)}" + (f", and {', '.join(empty)} is empty" if empty else "")
    ]


def _mean(values: NDArray[np.float64]) -> float | None:
    mean = float(values.mean()) if len(values) else float("nan")
    return mean if np.isfinite(mean) else None
