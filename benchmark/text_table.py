"""Tables for the terminal."""

from __future__ import annotations

import re
from collections.abc import Sequence

NUMBER = re.compile(r"-?[\d,]+(\.\d+)?( %)?|")


def text_table(rows: Sequence[Sequence[object]], header: Sequence[str]) -> str:
    """A plain table, numbers and cells that look like numbers to the right; a header cell may have two lines."""
    import tabulate

    # The module's own way to drop the two spaces it adds to every narrow column.
    tabulate.MIN_PADDING = 0
    sides = ["right" if _numeric([row[k] for row in rows]) else "left" for k in range(len(rows[0]) if rows else 0)]
    return tabulate.tabulate(rows, headers=header, disable_numparse=True, colalign=sides)


def _numeric(cells: Sequence[object]) -> bool:
    return all(isinstance(cell, int | float) or (isinstance(cell, str) and NUMBER.fullmatch(cell)) for cell in cells)


def print_table(rows: Sequence[Sequence[object]], header: Sequence[str]) -> None:
    """A table to stdout, for the command's verbs."""
    import click

    click.echo(text_table(rows, header))
