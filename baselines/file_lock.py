"""One process at a time makes a file that several want, as the ranks of a training do."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from datasets_prep.progress import say


@contextlib.contextmanager
def alone(path: Path, *, quiet: bool) -> Iterator[None]:
    """Wait until no other process makes this file. Where locks do not work, two may make one, each of them whole."""
    try:
        import fcntl
    except ImportError:  # Windows
        yield
        return
    with path.with_suffix(".lock").open("wb") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if not quiet:
                say(f"{path}: another process makes or checks it; waiting")
            fcntl.flock(lock, fcntl.LOCK_EX)
        except OSError:  # a file system without locks
            pass
        yield
