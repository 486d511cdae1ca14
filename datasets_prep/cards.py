"""The card of a data set: licence, citation, how to obtain it, layout, depth, counts and quirks, as validated data."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from pathlib import Path

from benchmark.errors import DatasetError
from benchmark.strict_yaml import build, read_yaml

FOLDER = Path(__file__).parent / "cards"


@dataclass(frozen=True)
class DepthCard:
    """The depth that comes with a data set: what it is, its unit on disk, and the stored value of an empty pixel."""

    kind: str
    unit: str
    empty: float


@dataclass(frozen=True)
class Card:
    """One data set. `frames` by split name; `layout` is a listing of folders; `quirks` are what surprises people."""

    name: str
    title: str
    licence: str
    citation: tuple[str, ...]
    homepage: str
    obtain: str
    layout: str
    depth: DepthCard | None
    frames: dict[str, int]
    quirks: tuple[str, ...]


def card_names() -> tuple[str, ...]:
    """The data sets that have a card."""
    return tuple(sorted(path.stem for path in FOLDER.glob("*.yaml")))


def load_card(name: str) -> Card:
    """The card of a data set.

    Raises:
        DatasetError: unknown name; unknown, missing, mistyped or empty entries in the card.
    """
    if name not in card_names():
        close = difflib.get_close_matches(name, card_names(), 1)
        hint = f" (did you mean {close[0]}?)" if close else ""
        raise DatasetError(f"unknown data set {name!r}{hint}; known: {', '.join(card_names())}")
    return read_card(FOLDER / f"{name}.yaml")


def read_card(path: Path) -> Card:
    """A card from its file; every entry is there and says something."""
    card = build(Card, read_yaml(path, DatasetError), source=str(path), error=DatasetError)
    if card.name != path.stem:
        raise DatasetError(f"{path}: the file is called {path.stem}, the data set in it {card.name}; they must agree")
    empty = [key for key, value in vars(card).items() if key != "depth" and not value]
    if empty:
        raise DatasetError(f"{path}: empty entries: {', '.join(empty)}; a card says all of it or is not a card")
    return card


def describe(card: Card) -> str:
    """The card as plain text for a terminal."""
    depth = "none" if card.depth is None else f"{card.depth.kind}; {card.depth.unit}; {card.depth.empty:g} where empty"
    lines = [
        f"{card.name}: {card.title}",
        f"licence   {card.licence}",
        *_block("cite      ", card.citation),
        f"homepage  {card.homepage}",
        f"obtain    {card.obtain}",
        f"depth     {depth}",
        *_block("frames    ", [f"{split} {count}" for split, count in card.frames.items()]),
        *_block("layout    ", card.layout.rstrip().splitlines()),
        *_block("quirks    ", [f"- {quirk}" for quirk in card.quirks]),
    ]
    return "\n".join(lines)


def _block(head: str, rows: list[str] | tuple[str, ...]) -> list[str]:
    return [f"{head if i == 0 else ' ' * len(head)}{row}" for i, row in enumerate(rows)]
