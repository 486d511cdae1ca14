"""What `depthbench evaluate` prints: tables for people, rounded here and nowhere else."""

from __future__ import annotations

import textwrap
from collections import Counter
from collections.abc import Sequence
from itertools import groupby
from typing import Any

from benchmark.checks.finding import Finding, Verdict
from benchmark.metrics.depth import title
from benchmark.parts import KINDS
from benchmark.summarize import Record
from benchmark.text_table import text_table

DECIMALS = 3
WIDTH = 100
ERROR_NOTE = "error: mean |log(predicted / true depth)| of a frame after median scaling, its median over the sampled frames"
BY = {"camera": "camera", "class": "class", "range": "range of true depth (bounds of our own)"}
VERDICTS: dict[Verdict, str] = {"refuse": "REFUSE", "warn": "warn", "fine": "fine", "not judged": "not judged"}


def metric_title(name: str, unit: str) -> str:
    """The printed name of a metric, with its unit below where it has one."""
    return title(name).replace(" ", "\n") + ("" if unit == "1" else f"\n[{unit}]")


def render(records: Sequence[Record]) -> str:
    """A table of metrics per metric set, one per protocol and kind of parts; what was scored, and what it was made from."""
    blocks = [_metrics(list(group)) for _, group in groupby(records, key=_columns)]
    by_protocol = [list(group) for _, group in groupby(records, key=_protocol)]
    blocks += [_parts(group, kind) for group in by_protocol for kind in KINDS]
    return "\n\n".join([*filter(None, blocks), _scored(records), _provenance(records)])


def render_findings(findings: Sequence[Finding], width: int) -> str:
    """What the linter says, one line a defect, the evidence wrapped to a terminal of `width` columns."""
    first = max(5, *(len(f.defect) for f in findings)) + 2
    second = max(7, *(len(f.verdict) for f in findings)) + 2
    rest = max(width - first - second, 30)
    lines = [f"{'check':{first}}{'verdict':{second}}evidence", f"{'-' * (first - 2)}  {'-' * (second - 2)}  {'-' * rest}"]
    for f in findings:
        evidence = textwrap.wrap(f.message, rest) or [""]
        lines.append(f"{f.defect:{first}}{VERDICTS[f.verdict]:{second}}{evidence[0]}")
        lines += [" " * (first + second) + line for line in evidence[1:]]
    counts = Counter(f.verdict for f in findings)
    notes = [textwrap.fill(ERROR_NOTE, width)] if any("error" in f.message for f in findings) else []
    return "\n".join([*lines, "", *notes, ", ".join(f"{counts[verdict]} {verdict}" for verdict in VERDICTS if counts[verdict])])


def _columns(record: Record) -> tuple[tuple[str, str], ...]:
    return tuple((name, metric["unit"]) for name, metric in record["metrics"].items())


def _name(record: Record) -> list[str]:
    return [_protocol(record), record["scaling"]]


def _metrics(records: list[Record]) -> str:
    columns = _columns(records[0])
    rows = [[*_name(r), *(_number(r["metrics"][name]["mean"]) for name, _ in columns)] for r in records]
    return text_table(rows, ["protocol", "scaling", *(metric_title(*c) for c in columns)])


def _number(mean: float | None) -> str:
    return "" if mean is None else f"{mean:.{DECIMALS}f}"


def _protocol(record: Record) -> str:
    return f"{record['protocol']['name']} v{record['protocol']['version']}"


def _parts(records: list[Record], kind: str) -> str:
    """The parts of one kind under each scaling; nothing where none were tabled. A part that no image has is blank."""
    rows, names = [], ["abs_rel"]
    for record in records:
        for part, found in record.get("parts", {}).get(kind, {}).items():
            names = list(found["metrics"])
            shown = part.removeprefix("range_").replace("_", "-") if kind == "range" else part
            cells = map(_number, found["metrics"].values())
            rows.append([shown, record["scaling"], found["n_images"], f"{found['n_pixels']:,}", *cells])
    if not rows:
        return ""
    units = {name: metric["unit"] for name, metric in records[0]["metrics"].items()}
    titles = [metric_title(name, units.get(name, "1")) for name in names]
    return f"{_protocol(records[0])} by {BY[kind]}\n\n" + text_table(
        rows, ["range [m]" if kind == "range" else kind, "scaling", "frames", "pixels", *titles]
    )


def _scored(records: Sequence[Record]) -> str:
    rows = [
        [
            *_name(r),
            f"{r['scale']['median']:.3f}",
            f"{100 * r['scale']['cv']:.1f} %",
            f"{r['n_images']}",
            f"{r['n_missing']}",
            f"{r['n_pixels']:,}",
        ]
        for r in records
    ]
    return text_table(rows, ["protocol", "scaling", "scale\nmedian", "scale\nspread", "frames", "missing", "pixels"])


def _provenance(records: Sequence[Record]) -> str:
    inputs = records[0]["inputs"]
    protocols = {r["protocol"]["name"]: r["protocol"]["sha256"] for r in records}
    rows: list[tuple[str, str, str]] = [
        ("predictions", f"{records[0]['method']} ({inputs['kind']}{_surplus(inputs)})", inputs["predictions"][:16]),
        *([("mirrored", "fused by flip", inputs["flipped"][:16])] if inputs["flipped"] else []),
        ("ground truth", "", inputs["ground_truth"][:16]),
        ("split", _split_name(inputs), inputs["split"][:16]),
        *(("protocol", name, sha[:16]) for name, sha in protocols.items()),
    ]
    width, second = max(len(row[0]) for row in rows), max(len(row[1]) for row in rows)
    lines = [f"{a:{width}}  {b:{second}}  sha256 {c}" for a, b, c in rows]
    warnings = dict.fromkeys(w for r in records for w in r["warnings"])
    shown = (textwrap.fill(f"warning: {w}", WIDTH, subsequent_indent="  ", break_long_words=False) for w in warnings)
    return "\n".join([*lines, *shown])


def _split_name(inputs: dict[str, Any]) -> str:
    from benchmark.splits import read_index

    known = (name for name, entry in read_index().items() if entry.sha256 == inputs["split"])
    return next(known, inputs["pred_split"])


def _surplus(inputs: dict[str, Any]) -> str:
    surplus = inputs["surplus_predictions"]
    return f", {surplus} not in this protocol" if surplus else ""
