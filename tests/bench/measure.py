"""Seconds and peak memory: of commands, of calls, and of two sides in turn."""

import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

ROOT = Path(__file__).parents[2]
REPETITIONS = 5
Sample = tuple[float, float]  # seconds, MB (NaN inside one process)


# A process of its own measures each command: the peak of a child starts at the size of whoever started it.
TIMER = """
import os, subprocess, sys, time
start = time.perf_counter()
child = subprocess.Popen(sys.argv[1:], stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
noise = child.stdout.read()
_, status, usage = os.wait4(child.pid, 0)
if status:
    sys.exit(noise.decode())
print(time.perf_counter() - start, usage.ru_maxrss / 1024, (noise.split() or [b""])[-1].decode())
"""


def command(*arguments: object) -> Sample:
    """Run a Python process to its end; wall seconds and peak resident MB."""
    line = [sys.executable, "-S", "-c", TIMER, sys.executable, *map(str, arguments)]
    timer = subprocess.run(line, cwd=ROOT, capture_output=True, text=True, check=False)
    if timer.returncode:
        raise SystemExit(f"bench: {' '.join(map(str, arguments))} failed: {timer.stderr}")
    seconds, megabytes = timer.stdout.split()[:2]
    return float(seconds), float(megabytes)


def inside(*arguments: object) -> Sample:
    """The same for a process that prints, as its last word, the seconds of the work alone."""
    line = [sys.executable, "-S", "-c", TIMER, sys.executable, *map(str, arguments)]
    _, megabytes, seconds = subprocess.run(line, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    return float(seconds), float(megabytes)


def call(function: Callable[[], object]) -> Sample:
    """Run a function; wall seconds."""
    start = time.perf_counter()
    function()
    return time.perf_counter() - start, float("nan")


def alternate(name: str, ours: Callable[[], Sample], theirs: Callable[[], Sample], note: str) -> dict[str, object]:
    """One row of bench.json; the first pair warms the caches and is not counted."""
    ours(), theirs()
    pairs = [(ours(), theirs()) for _ in range(REPETITIONS)]
    times = [a[0] / b[0] for a, b in pairs]
    row = {
        "name": name,
        "ours_s": statistics.median(a[0] for a, _ in pairs),
        "reference_s": statistics.median(b[0] for _, b in pairs),
        "time_ratio": statistics.median(times),
        "time_ratio_range": [min(times), max(times)],
        "ours_mb": statistics.median(a[1] for a, _ in pairs),
        "reference_mb": statistics.median(b[1] for _, b in pairs),
        "note": note,
    }
    row["memory_ratio"] = row["ours_mb"] / row["reference_mb"]
    row = {key: None if isinstance(value, float) and np.isnan(value) else value for key, value in row.items()}
    spread = f"{_ratio(min(times))} .. {_ratio(max(times))}"
    memory = "" if row["memory_ratio"] is None else f"   {row['ours_mb']:.0f} MB / {row['reference_mb']:.0f} MB"
    print(
        f"{name:14} {row['ours_s']:.3f} s / {row['reference_s']:.3f} s = {_ratio(row['time_ratio'])} ({spread}){memory}",
        flush=True,
    )
    return row


def _ratio(value: float) -> str:
    return f"1/{1 / value:.1f}" if value < 1 else f"{value:.2f}"


def skipped(name: str, reason: str) -> dict[str, object]:
    """The row of what could not be measured here."""
    print(f"{name:14} skipped: {reason}", flush=True)
    measures = ("ours_s", "reference_s", "time_ratio", "ours_mb", "reference_mb", "memory_ratio")
    return {"name": name, **dict.fromkeys(measures), "note": f"skipped: {reason}"}
