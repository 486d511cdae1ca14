"""Values of options that several verbs take."""

from __future__ import annotations

import re

import click


def image_size(text: str) -> tuple[int, int]:
    """Height and width in pixels of `192x640`; wrong usage where it is something else."""
    match = re.fullmatch(r"([0-9]{1,6})x([0-9]{1,6})", text)
    if match is None:
        raise click.BadParameter(f"{text}: expected a height and a width in pixels, such as 192x640")
    return int(match[1]), int(match[2])
