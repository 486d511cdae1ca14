"""What computed a number, and when: the end of every record."""

from __future__ import annotations

import datetime
import platform

import numpy as np

from benchmark import __version__


def environment() -> dict[str, str]:
    """What computed the numbers."""
    return {
        "depthbench": __version__,
        "python": platform.python_version(),
        "numpy": np.__version__,
        "platform": f"{platform.system()} {platform.machine()}",
    }


def now() -> str:
    """The time in UTC, to the second."""
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
