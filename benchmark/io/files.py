"""Whole files only: atomic writes and content hashes."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

HASH_BLOCK = 1 << 24
ABANDONED_S = 60.0
TEMPORARY = re.compile(r"\..+\.[0-9a-f]{16}\.tmp")


@contextlib.contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """A temporary path in the same folder, synced and renamed to `path` on success, removed on any failure.

    Raises:
        OSError: the folder cannot be written or the disk is full; the caller says which verb failed.
    """
    temporary = temporary_beside(path)
    # Not tempfile, whose files are private: a result is as readable as any other file the user writes.
    temporary.touch(exist_ok=False)
    try:
        yield temporary
        _sync(temporary)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


@contextlib.contextmanager
def atomic_write(path: Path) -> Iterator[BinaryIO]:
    """A binary file that becomes `path` only when the block ends without an error."""
    with atomic_path(path) as temporary, temporary.open("wb") as file:
        yield file


def sweep_abandoned(folder: Path, *, of: str = "") -> None:
    """Remove the temporary files in a folder that a process which was killed has left, of all files or of the one with that
    name; younger ones may be in use."""
    before = time.time() - ABANDONED_S
    for path in folder.iterdir() if folder.is_dir() else ():
        if is_temporary(path) and path.name.startswith(f".{of}") and path.stat().st_mtime < before:
            path.unlink(missing_ok=True)


def is_temporary(path: Path) -> bool:
    """Whether the name is one that `temporary_beside` gives."""
    return TEMPORARY.fullmatch(path.name) is not None


def temporary_beside(path: Path) -> Path:
    """A hidden name in the same folder that no other process uses."""
    return path.parent / f".{path.name}.{os.urandom(8).hex()}.tmp"


def sha256_of(path: Path) -> str:
    """The sha256 of a file's bytes, in hexadecimal."""
    digest = hashlib.sha256()
    # Large blocks: each one has to wait for the interpreter lock, 5 ms while another thread imports.
    block = memoryview(bytearray(min(HASH_BLOCK, max(1, path.stat().st_size))))
    with path.open("rb", buffering=0) as file:
        while size := file.readinto(block):
            digest.update(block[:size])
    return digest.hexdigest()


def _sync(path: Path) -> None:
    with path.open("rb+") as file:
        os.fsync(file.fileno())
