"""NumPy's own containers, `.npy` and `.npz`, read as data: nothing is unpickled and a header is checked against its bytes."""

from __future__ import annotations

import contextlib
import math
import warnings
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple, cast

import numpy as np
from numpy.lib import format as npy_format
from numpy.typing import NDArray

from benchmark.errors import InputError

# A deflate stream expands at most 1032 times (zlib's documentation): an archive that declares more is not honest.
MAX_EXPANSION = 1040
READERS = {(1, 0): npy_format.read_array_header_1_0, (2, 0): npy_format.read_array_header_2_0}
STEP = 1 << 20
MAX_SIDE = 16384  # pixels of an image or a map, far above any camera of the data sets


class NpyHeader(NamedTuple):
    """Shape, Fortran order and type of an array, and the bytes that its values take."""

    shape: tuple[int, ...]
    fortran: bool
    dtype: np.dtype[Any]

    @property
    def nbytes(self) -> int:
        """Bytes of all values, exact however large the sides are."""
        return math.prod(self.shape) * self.dtype.itemsize


def read_header(file: BinaryIO, size: int, source: str, error: type[InputError]) -> NpyHeader:
    """The header of the `.npy` stream at its start, which holds `size` bytes in all: no more and no less than declared.

    Raises:
        error: not the npy format, or another size; that of pickled objects follows from no header.
    """
    try:
        version = npy_format.read_magic(file)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # Python 2 wrote 3L; numpy reads it and complains
            header = NpyHeader(*READERS[version](file))
    except (OSError, zipfile.BadZipFile, zlib.error):
        raise  # the container is at fault, `open_array` says so
    except Exception as problem:  # a damaged header fails in its tokenizer, in its parser or as a type
        reason = " ".join(str(problem).split())[:200]
        raise error(f"{source}: not a NumPy array file ({reason}); save it with np.save") from problem
    if any(side < 0 for side in header.shape):
        raise error(f"{source}: not a NumPy array file (its header declares the shape {header.shape}); save it with np.save")
    declared = file.tell() + header.nbytes
    if size != declared and not header.dtype.hasobject:
        raise error(
            f"{source}: {size} bytes, but its header declares {header.shape} {header.dtype}, {declared} bytes; the file is cut "
            "short or was still being written: copy or save it again"
        )
    return header


@contextlib.contextmanager
def open_array(
    path: Path, keys: Sequence[str], error: type[InputError], *, any_lone: bool = True
) -> Iterator[tuple[BinaryIO, int]]:
    """The bytes of the array in a `.npy`, or of the one in a `.npz` (known by its key, or alone), and their number.

    Args:
        path: the file.
        keys: the names that the array of a `.npz` may have.
        error: what a refusal is raised as.
        any_lone: a lone array may also have any other name.

    Raises:
        error: whatever fails, also inside the block: damaged, cut short, or several arrays.
    """
    try:
        if path.suffix == ".npy":
            with path.open("rb") as file:
                yield file, path.stat().st_size
            return
        with zipfile.ZipFile(path) as archive:
            member = _pick(archive, path, keys, error, any_lone=any_lone)
            with archive.open(member) as stream:
                yield cast("BinaryIO", stream), member.file_size
    except InputError:
        raise
    except OSError as problem:
        raise error(
            f"{path}: cannot be read ({problem.strerror or problem}); see whether it is there and may be read"
        ) from problem
    except Exception as problem:  # zip, zlib, lzma and numpy have no common error
        reason = " ".join(str(problem).split())[:200]
        raise error(
            f"{path}: cannot be read as {path.suffix} ({type(problem).__name__}: {reason}); the file is damaged or cut "
            "short: copy or save it again"
        ) from problem


def _pick(
    archive: zipfile.ZipFile, path: Path, keys: Sequence[str], error: type[InputError], *, any_lone: bool
) -> zipfile.ZipInfo:
    names = archive.namelist()
    known = [name for name in names if name.removesuffix(".npy") in keys] or (names if any_lone else [])
    if len(known) != 1:
        listed = ", ".join(name.removesuffix(".npy")[:40] for name in names[:8]) or "nothing"
        raise error(
            f"{path}: holds {listed}; expected {'one array, or ' * any_lone}exactly one called {', '.join(keys)}: save it so"
        )
    member = archive.getinfo(known[0])
    if member.file_size > MAX_EXPANSION * member.compress_size:
        raise error(f"{path}: declares {member.file_size} bytes but stores {member.compress_size}; no array packs that tightly")
    return member


def read_values(stream: BinaryIO, header: NpyHeader, source: str, error: type[InputError]) -> NDArray[Any]:
    """The values behind a header, in C order; `read_header` has held `header.nbytes` to the size of the stream.

    Raises:
        error: the stream ends early.
    """
    values = np.empty(math.prod(header.shape), header.dtype)
    view = values.view(np.uint8)
    for at in range(0, len(view), STEP):
        block = stream.read(min(STEP, len(view) - at))
        if len(block) != min(STEP, len(view) - at):
            raise error(
                f"{source}: its header declares {header.shape} {header.dtype}, {header.nbytes} bytes, but it ends after "
                f"{at + len(block)}; the file is cut short: copy or save it again"
            )
        view[at : at + len(block)] = np.frombuffer(block, np.uint8)
    return np.ascontiguousarray(values.reshape(header.shape, order="F" if header.fortran else "C"))
