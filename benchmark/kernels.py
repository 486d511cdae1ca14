"""Compiled loops: numba with the options that all of ours share."""

from __future__ import annotations

import contextlib
import hashlib
import shutil
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import numba
from numba import njit

Loop = Callable[..., Any]


def kernel(*, allocates: bool = True, **options: Any) -> Callable[[Loop], Loop]:
    """Decorator: compile at the first call, keep the result on disk, run without the interpreter lock, divide as numpy does.

    A kernel may call kernels of its own folder. Where no folder can keep compiled code (a read-only installation and no
    home), it is compiled in every process.

    Args:
        allocates: False for a function that makes no array: then nobody counts references to those it is given, which
            costs more than the arithmetic where a function is called for each pixel.
    """

    def compile_(function: Loop) -> Loop:
        shared = {"nogil": True, "error_model": "numpy", "_nrt": allocates, **options}
        with _cache_of(Path(function.__code__.co_filename).parent):
            try:
                compiled: Loop = njit(cache=True, **shared)(function)
            except RuntimeError:  # numba: "cannot cache function: no locator available"
                compiled = njit(**shared)(function)
        return compiled

    return compile_


@contextlib.contextmanager
def _cache_of(folder: Path) -> Iterator[None]:
    """Let numba keep code in a place that a change of any source file of the folder replaces.

    By itself numba looks at the file of the kernel alone: after a change in a kernel that others call, these would go on
    with the old code.
    """
    config: Any = numba.config  # a module whose names are made at run time
    named = config.CACHE_DIR
    config.CACHE_DIR = str(Path(named or folder / "__pycache__") / f"kernels-{_stamp(folder)}")
    try:
        yield
    finally:
        config.CACHE_DIR = named


@cache
def _stamp(folder: Path) -> str:
    states = [(path.name, path.stat().st_size, path.stat().st_mtime_ns) for path in sorted(folder.glob("*.py"))]
    stamp = hashlib.sha256(repr(states).encode()).hexdigest()[:12]
    for old in folder.glob("__pycache__/kernels-*"):
        if old.name != f"kernels-{stamp}":
            shutil.rmtree(old, ignore_errors=True)
    return stamp
