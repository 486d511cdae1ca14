"""HDF5 written part by part: compressed by threads, in order, and without a crash where the disk is full."""

from __future__ import annotations

import hashlib
import zlib
from concurrent.futures import Future, ThreadPoolExecutor
from io import FileIO, RawIOBase
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

CHUNK = 1 << 20  # few and large: every chunk waits once for the interpreter lock
DEFLATE_LEVEL = 1


class PatientFile(RawIOBase):
    """A file for the HDF5 library to write, which never hears of an error: on a full disk it could not close the file, and
    would crash when the process ends. The first error is kept for `raise_error`, and what is written after it in memory, so
    that the library reads back what it wrote; whoever writes asks often enough that this remains little."""

    def __init__(self, raw: FileIO) -> None:
        self._raw = raw
        self._error: BaseException | None = None
        self._kept: list[tuple[int, bytes]] = []

    def raise_error(self) -> None:
        """Raise what went wrong; the library must not be writing."""
        if self._error is not None:
            raise self._error

    def seek(self, offset: int, whence: int = 0) -> int:
        """Go there."""
        return self._raw.seek(offset, whence)

    def tell(self) -> int:
        """Where it is."""
        return self._raw.tell()

    def write(self, content: Any) -> int:
        """Write all of it, or keep it and the error."""
        view, start, at = memoryview(content).cast("B"), self.tell(), 0
        try:
            while at < len(view) and self._error is None:
                at += self._raw.write(view[at:])
        except BaseException as error:  # an interrupt too may come in here
            self._error = error
        if self._error is not None:
            self._kept.append((start, bytes(view)))
        self.seek(start + len(view))
        return len(view)

    def readinto(self, buffer: Any) -> int:
        """Fill the buffer, with zeros where nothing was written."""
        view, start = memoryview(buffer).cast("B"), self.tell()
        n = self._raw.readinto(view) or 0
        view[n:] = bytes(len(view) - n)
        for at, content in self._kept:
            first, last = max(start, at), min(start + len(view), at + len(content))
            if first < last:
                view[first - start : last - start] = content[first - at : last - at]
        self.seek(start + len(view))
        return len(view)

    def truncate(self, size: int | None = None) -> int:
        """Set the size, or keep the error."""
        try:
            return self._raw.truncate(size)
        except BaseException as error:
            self._error = self._error or error
            return size or 0


class ChunkStream:
    """A 1-D dataset that grows by appended arrays; full chunks are compressed by the pool and written in order."""

    def __init__(
        self, file: h5py.File, name: str, dtype: np.dtype[Any], pool: ThreadPoolExecutor, *, chunk: int = CHUNK
    ) -> None:
        self.chunk = chunk
        self.dataset = file.create_dataset(
            name, shape=(0,), maxshape=(None,), dtype=dtype.newbyteorder("<"), chunks=(chunk,),
            compression="gzip", compression_opts=DEFLATE_LEVEL, shuffle=True,
        )  # fmt: skip
        self.pool = pool
        self.digest = hashlib.sha256()
        self.rest = np.empty(0, dtype)
        self.queue: list[Future[bytes]] = []
        self.length = 0
        self.written = 0

    def append(self, array: NDArray[Any]) -> None:
        """Take the next elements."""
        self.length += len(array)
        self.digest.update(np.ascontiguousarray(array, array.dtype.newbyteorder("<")).data)
        self.rest = np.concatenate([self.rest, array])
        while len(self.rest) >= self.chunk:
            self._submit(self.rest[: self.chunk])
            self.rest = self.rest[self.chunk :]
        self._drain(keep=8)

    def close(self) -> str:
        """Write what is left, the last chunk padded with zeros, as HDF5 does; the sha256 of all elements."""
        if len(self.rest):
            self._submit(np.concatenate([self.rest, np.zeros(self.chunk - len(self.rest), self.rest.dtype)]))
        self._drain(keep=0)
        self.dataset.resize((self.length,))
        return self.digest.hexdigest()

    def _submit(self, chunk: NDArray[Any]) -> None:
        self.queue.append(self.pool.submit(deflate, chunk))

    def _drain(self, keep: int) -> None:
        while len(self.queue) > keep:
            chunk = self.queue.pop(0).result()
            self.dataset.resize((self.written + self.chunk,))
            self.dataset.id.write_direct_chunk((self.written,), chunk)
            self.written += self.chunk


def deflate(chunk: NDArray[Any]) -> bytes:
    """The bytes of a chunk as HDF5's filters shuffle and deflate make them."""
    planes = np.ascontiguousarray(chunk.view(np.uint8).reshape(-1, chunk.itemsize).T)
    # Shuffled bytes are noise or runs: looking for runs alone packs in half the time of a full search, 11 % larger.
    packer = zlib.compressobj(DEFLATE_LEVEL, strategy=zlib.Z_RLE)
    return packer.compress(planes.data) + packer.flush()
