"""What `depthbench evaluate` prints: tables for people, rounded here and nowhere else."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import Any

from benchmark.metrics.depth import DEPTH_METRICS
from benchmark.summarize import Record

DECIMALS = 3
Align = tuple[str, ...]


def metric_title(name: str, unit: str) -> str:
    """The printed name of a metric, with its unit where it has one."""
    return DEPTH_METRICS[name].title + ("" if unit == "1" else f" [{unit}]")


def render(records: Sequence[Record]) -> str:
    """One table per metric set (a row per protocol and scaling), then what the numbers were made from."""
    blocks = [_table(list(group)) for _, group in groupby(records, key=_columns)]
    return "\n\n".join([*blocks, _provenance(records)])


def _columns(record: Record) -> tuple[tuple[str, str], ...]:
    return tuple((name, metric["unit"]) for name, metric in record["metrics"].items())


def _table(records: list[Record]) -> str:
    from tabulate import tabulate

    columns = _columns(records[0])
    header = ["protocol", "scaling", *(metric_title(*c) for c in columns), "scale", "spread", "frames", "pixels"]
    rows = [
        [
            f"{r['protocol']['name']} v{r['protocol']['version']}",
            r["scaling"],
            *(f"{r['metrics'][name]['mean']:.{DECIMALS}f}" for name, _ in columns),
            f"{r['scale']['median']:.3f}",
            f"{100 * r['scale']['cv']:.1f} %",
            _frames(r),
            f"{r['n_pixels']:,}",
        ]
        for r in records
    ]
    sides = ["left", "left", *["right"] * (len(header) - 2)]
    return tabulate(rows, headers=header, disable_numparse=True, colalign=sides)


def _frames(record: Record) -> str:
    return f"{record['n_images']}" + (f" ({record['n_missing']} missing)" if record["n_missing"] else "")


def _provenance(records: Sequence[Record]) -> str:
    from tabulate import tabulate

    inputs = records[0]["inputs"]
    protocols = {r["protocol"]["name"]: r["protocol"]["sha256"] for r in records}
    rows: list[tuple[str, str, str]] = [
        ("predictions", f"{records[0]['method']} ({inputs['kind']}{_surplus(inputs)})", inputs["predictions"][:16]),
        *([("mirrored", "fused by flip", inputs["flipped"][:16])] if inputs["flipped"] else []),
        ("ground truth", "", inputs["ground_truth"][:16]),
        ("split", inputs["pred_split"], inputs["split"][:16]),
        *(("protocol", name, sha[:16]) for name, sha in protocols.items()),
    ]
    warnings = dict.fromkeys(w for r in records for w in r["warnings"])
    return tabulate(rows, headers=("", "", "sha256"), tablefmt="plain", disable_numparse=True) + "".join(
        f"\nwarning: {w}" for w in warnings
    )


def _surplus(inputs: dict[str, Any]) -> str:
    surplus = inputs["surplus_predictions"]
    return f", {surplus} not in this protocol" if surplus else ""
