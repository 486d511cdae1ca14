"""Which semantic ids of a data set count as which class of an evaluator: data in classes/*.yaml."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmark.errors import ProtocolError
from benchmark.strict_yaml import build, read_yaml

FOLDER = Path(__file__).parent / "classes"
NO_CLASS = 255


@dataclass(frozen=True)
class Label:
    """A semantic id: its name, the class it counts as (None: not scored), and whether the evaluator was run on it."""

    name: str
    counts_as: str | None
    verified: bool


@dataclass(frozen=True)
class ClassTable:
    """The scored classes in the order of the evaluator, those that get a metric of their own, and every id."""

    title: str
    source: str
    scored: tuple[str, ...]
    headline: dict[str, str]
    ids: dict[int, Label]

    @property
    def mapping(self) -> dict[str, str | None]:
        """What could change a number: class by id."""
        return {str(number): label.counts_as for number, label in self.ids.items()}

    def index(self, ids: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Position in `scored` of semantic ids (n,); NO_CLASS where none."""
        table = np.full(256, NO_CLASS, np.uint8)
        for number, label in self.ids.items():
            table[number] = NO_CLASS if label.counts_as is None else self.scored.index(label.counts_as)
        return table[ids]

    def unverified(self, ids: NDArray[np.uint8]) -> tuple[str, ...]:
        """One warning that counts the pixels (n,) of ids that the evaluator was never run on; none without any."""
        counts = np.bincount(ids, minlength=256)
        found = [n for n in np.flatnonzero(counts).tolist() if n not in self.ids or not self.ids[n].verified]
        if not found:
            return ()
        listed = ", ".join(f"{n} ({self._words(n)}): {counts[n]:,}" for n in found)
        return (
            f"{int(counts[found].sum()):,} of {len(ids):,} ground-truth pixels have semantic ids whose class is not held to "
            f"the evaluator, by id: {listed}",
        )

    def _words(self, number: int) -> str:
        label = self.ids.get(number)
        return "unknown, not scored" if label is None else f"{label.name} as {label.counts_as or 'no class'}"


@cache
def load_classes(name: str) -> ClassTable:
    """The table of that name.

    Raises:
        ProtocolError: no such table, or it contradicts itself.
    """
    path = FOLDER / f"{name}.yaml"
    known = sorted(p.stem for p in FOLDER.glob("*.yaml"))
    if name not in known:
        raise ProtocolError(f"unknown table of classes {name!r}; known: {', '.join(known)}")
    table = build(ClassTable, read_yaml(path, ProtocolError), source=str(path), error=ProtocolError)
    stray = {*table.headline.values(), *(c for c in table.mapping.values() if c)} - {*table.scored}
    if stray or not all(0 <= number < NO_CLASS for number in table.ids):
        raise ProtocolError(f"{path}: expected ids from 0 to {NO_CLASS - 1} and scored classes; not scored: {', '.join(stray)}")
    return table
