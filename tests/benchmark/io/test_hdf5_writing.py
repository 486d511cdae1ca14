"""The file that the HDF5 library writes to: nothing of a full disk reaches the library, everything the caller."""

import contextlib
import errno
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from benchmark.io.hdf5_writing import PatientFile


class Full:
    """A raw file with room for so many bytes."""

    def __init__(self, path: Path, room: int) -> None:
        self._file = path.open("w+b", buffering=0)
        self.room = room

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)

    def write(self, content: Any) -> int:
        left = self.room - self._file.tell()
        if left <= 0:
            raise OSError(errno.ENOSPC, "No space left on device")
        return self._file.write(content[:left])

    def truncate(self, size: int) -> int:
        if size > self.room:
            raise OSError(errno.ENOSPC, "No space left on device")
        return self._file.truncate(size)


@pytest.mark.parametrize("room", [0, 10, 700, 3000, 9000, 40_000, 79_000])
def test_a_library_that_hears_of_no_error(tmp_path: Path, room: int) -> None:
    values = np.arange(10_000, dtype=np.float64)
    raw = Full(tmp_path / "a.h5", room)
    file = PatientFile(raw)  # type: ignore[arg-type]
    with contextlib.closing(raw), h5py.File(file, "w") as written:
        for k in range(4):
            written[f"part {k}"] = values + k
        for k in range(4):  # read back, also what found no room
            np.testing.assert_array_equal(written[f"part {k}"][:], values + k)
        written.attrs["name"] = "x"
    with pytest.raises(OSError, match="No space left"):
        file.raise_error()


def test_a_file_with_room_is_as_the_library_writes_it(tmp_path: Path) -> None:
    values = np.arange(10_000, dtype=np.float64)
    with (tmp_path / "a.h5").open("w+b", buffering=0) as raw:
        file = PatientFile(raw)
        with h5py.File(file, "w") as written:
            written["values"] = values
        file.raise_error()
    with h5py.File(tmp_path / "a.h5") as found:
        np.testing.assert_array_equal(found["values"][:], values)


def test_what_is_kept_is_read_back_piece_by_piece(tmp_path: Path) -> None:
    with contextlib.closing(Full(tmp_path / "a", 4)) as raw:
        file = PatientFile(raw)  # type: ignore[arg-type]
        for at, content in ((0, b"abcdefgh"), (6, b"XYZ"), (1, b"-")):
            file.seek(at)
            assert file.write(content) == len(content)
            assert file.tell() == at + len(content)
        file.seek(0)
        assert file.read(12) == b"a-cdefXYZ\0\0\0"
