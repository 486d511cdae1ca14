"""Whole files only: what is left behind after success, failure and a full disk."""

import errno
import hashlib
import os
import stat
from pathlib import Path

import pytest
import small_world as world

from benchmark.io import files
from benchmark.io.files import atomic_path, atomic_write, sha256_of


def test_the_file_appears_whole_and_alone(tmp_path: Path) -> None:
    path = tmp_path / "a b.txt"
    with atomic_write(path) as file:
        file.write(b"new")
        assert not path.exists()
    assert path.read_bytes() == b"new"
    assert world.names_in(tmp_path) == ["a b.txt"]
    assert sha256_of(path) == hashlib.sha256(b"new").hexdigest()


@pytest.mark.skipif(os.name == "nt", reason="Windows has no permission bits")
def test_permissions_follow_the_umask(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        with atomic_write(tmp_path / "a") as file:
            file.write(b"x")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o640


@pytest.mark.parametrize("failure", [ValueError, KeyboardInterrupt])
def test_a_failure_keeps_the_old_file_and_nothing_else(tmp_path: Path, failure: type[BaseException]) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"old")

    def fail() -> None:
        with atomic_path(path) as temporary:
            temporary.write_bytes(b"half")
            raise failure

    with pytest.raises(failure):
        fail()
    assert path.read_bytes() == b"old"
    assert world.names_in(tmp_path) == ["a"]


def test_a_full_disk_at_the_last_moment_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: Path) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(files, "_sync", full)
    with pytest.raises(OSError, match="No space left"), atomic_write(tmp_path / "a") as file:
        file.write(b"x")
    assert world.names_in(tmp_path) == []


def test_a_folder_that_cannot_be_written_is_an_oserror(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.EROFS, "Read-only file system")

    with pytest.raises(FileNotFoundError), atomic_write(tmp_path / "no" / "a"):
        pass
    monkeypatch.chdir(tmp_path)
    for folder in (Path(), tmp_path, Path("..")):
        with pytest.raises(OSError, match=r"^\[Errno"), atomic_write(folder):
            pass
    assert world.names_in(tmp_path) == []
    monkeypatch.setattr(Path, "touch", refuse)
    with pytest.raises(OSError, match="Read-only"), atomic_write(tmp_path / "a"):
        pass
