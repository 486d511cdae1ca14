"""Result records -> one table: the arrows, the units, the order and the best of each group are decided here and nowhere else.

A table holds one protocol. Within it every scaling is a group of its own, because a prediction that was scaled by the
ground truth competes with no prediction in metres.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby

from benchmark.errors import ResultError
from benchmark.metrics.depth import title
from benchmark.summarize import Record

DECIMALS = 3
ARROWS = {"lower": "↓", "higher": "↑"}


@dataclass(frozen=True)
class Column:
    """A metric as tables head it: `SqRel`, `m` (empty for a pure number), which way is better."""

    name: str
    title: str
    unit: str
    better: str

    @property
    def arrow(self) -> str:
        """The way to better numbers."""
        return ARROWS[self.better]

    @property
    def heading(self) -> str:
        """`SqRel [m] ↓`."""
        return " ".join([self.title, *([f"[{self.unit}]"] if self.unit else []), self.arrow])


@dataclass(frozen=True)
class Row:
    """One method: its rounded numbers, whether each is the best of its group, and how much was scored."""

    method: str
    cells: tuple[str, ...]
    best: tuple[bool, ...]
    images: str
    pixels: str
    warnings: tuple[str, ...]


@dataclass(frozen=True)
class Group:
    """The methods under one scaling, the best by the first metric on top."""

    scaling: str
    rows: tuple[Row, ...]


@dataclass(frozen=True)
class Table:
    """One protocol with all that makes its numbers comparable."""

    protocol: str
    version: int
    sha256: str
    split_sha256: str
    columns: tuple[Column, ...]
    groups: tuple[Group, ...]


def make_table(records: Sequence[Record], *, unranked: Collection[str] = ()) -> Table:
    """The records of one protocol as a table; scalings in the order of their first record, methods by the first metric.

    Args:
        records: of one protocol.
        unranked: methods that do not compete (they have seen the answers): below the others, and never the best.

    Raises:
        ResultError: no records, or records whose numbers may not stand in one table.
    """
    if not records:
        raise ResultError("a table of no records was asked for; score something first with `depthbench evaluate --out DIR`")
    first = records[0]
    for record in records:
        _refuse_mixture(first, record)
    columns = tuple(
        Column(name, title(name), "" if metric["unit"] == "1" else metric["unit"], metric["better"])
        for name, metric in first["metrics"].items()
    )
    scalings = dict.fromkeys(record["scaling"] for record in records)
    groups = [_group(scaling, [r for r in records if r["scaling"] == scaling], columns, unranked) for scaling in scalings]
    protocol = first["protocol"]
    return Table(
        protocol["name"], protocol["version"], protocol["sha256"], first["inputs"]["split"], columns, tuple(groups)
    )  # fmt: skip


def tables_by_protocol(records: Iterable[Record], *, unranked: Collection[str] = ()) -> list[Table]:
    """One table for each protocol, in the order of their first record; `unranked` as for `make_table`."""
    listed = list(records)
    order = list(dict.fromkeys(record["protocol"]["name"] for record in listed))
    ranked = sorted(listed, key=lambda record: order.index(record["protocol"]["name"]))
    groups = groupby(ranked, key=lambda record: record["protocol"]["name"])
    return [make_table(list(group), unranked=unranked) for _, group in groups]


def markdown(table: Table) -> str:
    """The table in GitHub's Markdown, best numbers bold, with the protocol's hash below."""
    header = ["method", "scaling", *(column.heading for column in table.columns), "images", "pixels"]
    rows = [
        [
            escape(row.method),
            escape(group.scaling),
            *(f"**{cell}**" if best else cell for cell, best in zip(row.cells, row.best, strict=True)),
            row.images,
            row.pixels,
        ]
        for group in table.groups
        for row in group.rows
    ]
    rule = ["---", "---", *["---:"] * (len(header) - 2)]
    lines = ["| " + " | ".join(cells) + " |" for cells in (header, rule, *rows)]
    about = (
        f"Protocol `{table.protocol}` v{table.version}, sha256 `{table.sha256[:16]}`; split sha256 "
        f"`{table.split_sha256[:16]}`. Best of each scaling in bold; ↓ lower is better, ↑ higher is better."
    )
    listed = [f"- {escape(note)}" for note in notes(table)]
    return "\n".join([*lines, "", about, *(["", *listed] if listed else [])]) + "\n"


def terminal(table: Table) -> str:
    """The table in plain text, an empty line between scalings."""
    from benchmark.text_table import text_table

    header = [
        "method",
        "scaling",
        *(column.title + f"\n[{column.unit}]" * bool(column.unit) for column in table.columns),
        "pixels",
    ]
    rows = [(group.scaling, row) for group in table.groups for row in group.rows]
    lines = text_table([[row.method, scaling, *row.cells, row.pixels] for scaling, row in rows], header).split("\n")
    body = lines[-len(rows) :]
    for group in reversed(table.groups[1:]):
        body.insert([scaling for scaling, _ in rows].index(group.scaling), "")
    return "\n".join([f"{table.protocol} v{table.version}", *lines[: -len(rows)], *body])


def notes(table: Table) -> list[str]:
    """What the records of a table warn about: each warning once, after the methods and, unless it is all, the scalings."""
    about: dict[str, dict[str, list[str]]] = {}
    for group in table.groups:
        for row in group.rows:
            for warning in row.warnings:
                about.setdefault(warning, {}).setdefault(row.method, []).append(group.scaling)
    return [f"{', '.join(_where(table, *item) for item in methods.items())}: {warning}" for warning, methods in about.items()]


def _where(table: Table, method: str, scalings: Sequence[str]) -> str:
    scored = [group.scaling for group in table.groups if method in {row.method for row in group.rows}]
    return method if scored == scalings else f"{method} (scaling {', '.join(scalings)})"


def escape(text: str) -> str:
    """Text that Markdown shows as it is: no emphasis, no cell border, no HTML, no link."""
    return re.sub(r"([\\`*_{}\[\]<>|#~&])", r"\\\1", " ".join(text.split()))


def _group(scaling: str, records: Sequence[Record], columns: Sequence[Column], unranked: Collection[str]) -> Group:
    def first_metric(record: Record) -> tuple[bool, float, str]:
        value = record["metrics"][columns[0].name]["mean"]
        return record["method"] in unranked, value if columns[0].better == "lower" else -value, record["method"]

    ordered = sorted(records, key=first_metric)
    # The best is the best number that can be seen: equal after rounding is equally good.
    cells = [tuple(_cell(record["metrics"][column.name]["mean"]) for column in columns) for record in ordered]
    ranked = [row for row, record in zip(cells, ordered, strict=True) if record["method"] not in unranked]
    tops = [
        (min if column.better == "lower" else max)((row[k] for row in ranked if row[k]), key=float, default="")
        for k, column in enumerate(columns)
    ]
    rows = [
        Row(
            record["method"],
            row,
            tuple(record["method"] not in unranked and bool(cell) and cell == top for cell, top in zip(row, tops, strict=True)),
            _images(record),
            f"{record['n_pixels']:,}",
            tuple(record["warnings"]),
        )
        for row, record in zip(cells, ordered, strict=True)
    ]
    return Group(scaling, tuple(rows))


def _cell(mean: float | None) -> str:
    return "" if mean is None else f"{mean:.{DECIMALS}f}"


def _images(record: Record) -> str:
    return f"{record['n_images']}" + (f" ({record['n_missing']} missing)" if record["n_missing"] else "")


def _refuse_mixture(first: Record, record: Record) -> None:
    """Numbers share a table when protocol, version, hash, split and units agree."""
    for what, one, other in (
        ("protocol", *(f"{r['protocol']['name']} v{r['protocol']['version']}" for r in (first, record))),
        ("protocol sha256", *(r["protocol"]["sha256"][:16] for r in (first, record))),
        ("split sha256", *(r["inputs"]["split"][:16] for r in (first, record))),
        ("metrics", *(", ".join(f"{n} [{m['unit']}]" for n, m in r["metrics"].items()) for r in (first, record))),
    ):
        if one != other:
            raise ResultError(
                f"{record['method']}: its {what} is {other}, that of {first['method']} is {one}; numbers of two settings are "
                "never put into one table: make a table for each"
            )
