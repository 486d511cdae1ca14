"""A per-image table -> the result record: means over images, their provenance, and what to be careful about."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmark.errors import ResultError
from benchmark.evaluate_depth import NO_GROUND_TRUTH, ImageTable
from benchmark.metrics.depth import DEPTH_METRICS
from benchmark.parts import Summary, class_means, summarize_parts
from benchmark.protocol import DepthProtocol
from benchmark.provenance import environment, now

RECORD_VERSION = 1
LARGE_SCALE_SPREAD = 0.5


@dataclass(frozen=True, kw_only=True)
class Inputs:
    """sha256 of the split, of the ground truth's content, and of the prediction files; what was declared of them."""

    split: str
    ground_truth: str
    predictions: str
    flipped: str | None
    kind: str
    pred_split: str
    surplus_predictions: int


Record = dict[str, Any]
Mask = NDArray[np.bool_]


def summarize(
    table: ImageTable,
    protocol: DepthProtocol,
    *,
    method: str,
    inputs: Inputs,
    allow_missing: int = 0,
    warnings: Sequence[str] = (),
) -> Record:
    """The record of one setting. Means are over the scored images, in float64.

    Args:
        allow_missing: how many frames without a score the summary may leave out.

    Raises:
        ResultError: more frames than that have no score, or none has one.
    """
    scored, counted, dropped, missing = _sort(table, protocol)
    if missing.sum() > allow_missing or not scored.any():
        raise ResultError(_missing_message(table, protocol, missing, allow_missing))
    _refuse_no_numbers(table, protocol, scored)
    scale = _scale(table.scale[scored])
    means = {name: _quantity(name, values[counted].mean(), protocol) for name, values in table.values.items()}
    parts, over_classes, blank = _parts(table, protocol)
    return {
        "record_version": RECORD_VERSION,
        "method": method,
        "protocol": {"name": protocol.name, "version": protocol.version, "sha256": protocol.sha256},
        "scaling": protocol.scaling,
        "inputs": dict(vars(inputs)),
        "n_images": int(counted.sum()),
        "n_missing": int(missing.sum()),
        "n_pixels": int(table.n_valid.sum()),
        "metrics": means | over_classes,
        "scale": scale,
        **({"parts": parts} if parts else {}),
        "warnings": [*warnings, *_notes(scale["cv"], int(dropped.sum())), *blank],
        "claimed": None,
        "status": "measured",
        "environment": environment(),
        "created": now(),
    }


def _sort(table: ImageTable, protocol: DepthProtocol) -> tuple[Mask, Mask, Mask, Mask]:
    """Which frames have a score, count in the mean, are left out as the evaluator does, and lack a score."""
    scored = np.array([not reason for reason in table.reason])
    empty = np.array([reason == NO_GROUND_TRUTH for reason in table.reason])
    counted = scored | (empty if protocol.empty_image == "zero" else False)
    dropped = empty & (protocol.empty_image == "drop")
    return scored, counted, dropped, ~counted & ~dropped


def _parts(table: ImageTable, protocol: DepthProtocol) -> tuple[Summary, dict[str, Any], list[str]]:
    """The parts that were tabled, the quantities over classes made from them, and which of these are empty."""
    if table.parts is None:
        return {}, {}, []
    parts = summarize_parts(table.parts, protocol)
    if protocol.class_table is None:
        return parts, {}, []
    means, empty = class_means(parts, protocol.class_table)
    return parts, {name: _quantity("abs_rel", mean, protocol) for name, mean in means.items()}, empty


def _quantity(metric: str, mean: float | None, protocol: DepthProtocol) -> dict[str, Any]:
    """A mean of a metric, None where it is one over nothing."""
    return {
        "mean": None if mean is None else float(mean),
        "ci95": None,
        "unit": protocol.metrics[metric],
        "better": DEPTH_METRICS[metric].better,
    }


def _scale(scale: NDArray[np.float64]) -> dict[str, float]:
    """The median factor and the standard deviation of the factors over it, as Monodepth2 prints them."""
    centre = float(np.median(scale))
    return {"median": centre, "cv": float(np.std(scale / centre)) if centre else 0.0}


def _notes(spread: float, dropped: int) -> list[str]:
    notes = []
    if spread > LARGE_SCALE_SPREAD:
        notes.append(f"the scale varies by {spread:.0%} of its median between images: depth is not consistent over the split")
    if dropped:
        notes.append(f"{dropped} images without scored pixels are left out, as this protocol's evaluator does")
    return notes


def _has_value(table: ImageTable) -> Mask:
    return np.asarray(np.isfinite(np.array([*table.values.values()])).all(axis=0))


def _refuse_no_numbers(table: ImageTable, protocol: DepthProtocol, scored: Mask) -> None:
    bad = np.flatnonzero(scored & ~(_has_value(table) & np.isfinite(table.scale)))
    if len(bad):
        i = bad[0]
        values = {"scale": table.scale, **table.values}
        wrong = ", ".join(f"{name} {column[i]}" for name, column in values.items() if not np.isfinite(column[i]))
        raise ResultError(
            f"{protocol.name}, scaling {protocol.scaling}: {len(bad)} frames have no finite score, the first is "
            f"{table.frame_id[i]} ({wrong}); expected finite numbers: its predictions are too near zero or too large for "
            f"{protocol.dtype}, or are no depth after this scaling. Mend them, or choose a scaling that suits them"
        )


def _missing_message(table: ImageTable, protocol: DepthProtocol, missing: Mask, allowed: int) -> str:
    rows = np.flatnonzero(missing)
    if len(rows) == 0:
        return f"{protocol.name}: no image has a scored pixel; there is nothing to average"
    first = rows[0]
    return (
        f"{protocol.name}: {len(rows)} of {len(table.reason)} frames have no score ({allowed} allowed); the first is "
        f"{table.frame_id[first]}: {table.reason[first]}. A mean over the others is another benchmark: predict the missing "
        f"frames, or say `--allow-missing {len(rows)}` and the record says so too"
    )
