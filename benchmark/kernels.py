"""Compiled loops: numba with the options that all of ours share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from numba import njit

Loop = Callable[..., Any]


def kernel(**options: Any) -> Callable[[Loop], Loop]:
    """Decorator: compile at the first call, keep the result on disk, run without the interpreter lock, divide as numpy does.

    Where no folder can keep compiled code (a read-only installation and no home), it is compiled in every process.
    """

    def compile_(function: Loop) -> Loop:
        shared = {"nogil": True, "error_model": "numpy", **options}
        try:
            compiled: Loop = njit(cache=True, **shared)(function)
        except RuntimeError:  # numba: "cannot cache function: no locator available"
            compiled = njit(**shared)(function)
        return compiled

    return compile_
