"""How many workers a machine feeds."""

from __future__ import annotations

import os


def cpu_count() -> int:
    """The processors this process may use; a container or a job scheduler may grant fewer than the machine has."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
