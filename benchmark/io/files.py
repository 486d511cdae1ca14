"""Whole files only: atomic writes and content hashes."""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

HASH_BLOCK = 1 << 24


@contextlib.contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """A temporary path in the same folder, synced and renamed to `path` on success, removed on any failure.

    Raises:
        OSError: the folder cannot be written or the disk is full; the caller says which verb failed.
    """
    temporary = path.parent / f".{path.name}.{os.urandom(8).hex()}.tmp"
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
