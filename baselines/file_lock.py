"""One process at a time makes a file that several want, as the ranks of a training do."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import IO

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


class TakenError(Exception):
    """Another process, which still runs, holds the lock."""


@contextlib.contextmanager
def alone_or_refused(path: Path) -> Iterator[None]:
    """Hold the lock that is this file, which is removed at the end; what a killed process has left of it locks nobody out.

    Raises:
        TakenError: another process holds it.
        OSError: the file cannot be made.
    """
    with path.open("wb") as lock:
        _take(lock, path)
        try:
            yield
        finally:
            path.unlink(missing_ok=True)


def _take(lock: IO[bytes], path: Path) -> None:
    try:
        import fcntl

        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise TakenError from error
    except (ImportError, OSError):  # Windows, and file systems without locks
        return
    # Who held it may have removed it after it was opened here: the name would be free for a third one.
    if not path.exists() or not os.path.samestat(os.fstat(lock.fileno()), path.stat()):
        raise TakenError
