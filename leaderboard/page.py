"""Tables and pictures -> one static page: no script, no request that leaves it, the same from a disk as from a server."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from leaderboard.tables import Table, notes

TEMPLATES = Path(__file__).parent / "templates"


@dataclass(frozen=True)
class Picture:
    """A picture beside the page: its path from there in POSIX form, size in pixels, what it is for those who see it and
    for those who do not."""

    path: str
    width: int
    height: int
    title: str
    caption: str
    alt: str


@dataclass(frozen=True)
class Board:
    """One table with the sentence above it."""

    title: str
    about: str
    table: Table

    @property
    def notes(self) -> list[str]:
        """What its records warn about."""
        return notes(self.table)


@dataclass(frozen=True)
class Exhibit:
    """A section of its own: one picture and a plain table whose rows begin with their names; `header` is pairs of a title and
    a unit. A `wide` picture is scrolled where the page is narrow."""

    title: str
    about: str
    picture: Picture
    wide: bool
    caption: str
    header: Sequence[tuple[str, str]]
    rows: Sequence[Sequence[str]]


@dataclass(frozen=True)
class Page:
    """All that the page shows. `summary` is one sentence, `caution` says what the numbers are not; `scalings` explains each
    scaling in the tables; `provenance` and `commands` are pairs of a name and a value."""

    title: str
    summary: str
    caution: str
    boards: Sequence[Board]
    scalings: dict[str, str]
    hero: Picture | None
    pictures: Sequence[Picture]
    commands: Sequence[tuple[str, str]]
    provenance: Sequence[tuple[str, str]]
    exhibits: Sequence[Exhibit] = ()


def render_page(page: Page) -> str:
    """The page as HTML. Whatever it shows is escaped, so a method's name is text whatever it holds."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(TEMPLATES), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    return environment.get_template("page.html").render(page=page)
