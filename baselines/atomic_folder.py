"""Folders that appear whole or not at all."""

from __future__ import annotations

import contextlib
import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

from benchmark.errors import TrainingError
from benchmark.io.files import ABANDONED_S, is_temporary, temporary_beside


@contextlib.contextmanager
def atomic_folder(folder: Path) -> Iterator[Path]:
    """A temporary folder beside it that takes the name, its files synced, when the block ends without an error.

    An earlier folder is replaced if it holds no other files than the new one; one that cannot be ours stays. What a process
    that was killed has left beside it is removed.

    Raises:
        TrainingError: the folder holds something else, or cannot be written.
    """
    temporary = temporary_beside(folder)
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        _sweep(folder.parent)
        temporary.mkdir()
        try:
            yield temporary
            for path in [*temporary.rglob("*"), temporary]:
                _sync(path)
            _replace(folder, temporary)
            _sync(folder.parent)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
    except OSError as error:
        raise TrainingError(
            f"{folder} could not be written: {error}. Make room or correct the permissions, and run the same command again."
        ) from error


def _replace(folder: Path, new: Path) -> None:
    """Rename `new`; for a moment no folder has the name, since a folder with files cannot be renamed over."""
    if not folder.exists():
        new.rename(folder)
        return
    if not folder.is_dir():
        raise TrainingError(f"{folder} is a file; expected a folder to write to. Choose another name.")
    foreign = sorted({path.name for path in folder.iterdir()} - {path.name for path in new.iterdir()})
    if foreign:
        raise TrainingError(
            f"{folder} holds {', '.join(foreign[:10])}, which would be lost. Move them, or choose another name."
        )
    old = temporary_beside(folder)
    folder.rename(old)
    new.rename(folder)
    shutil.rmtree(old)


def _sweep(parent: Path) -> None:
    before = time.time() - ABANDONED_S
    for path in parent.iterdir():
        if path.is_dir() and is_temporary(path) and path.stat().st_mtime < before:
            shutil.rmtree(path, ignore_errors=True)


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
