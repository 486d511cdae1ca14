"""The field's `gt_depths.npz` (also a bare `.npy`): dense maps in one of three layouts, read without trusting the pickle.

Layouts: float (N, H, W); object (N,) of float (H, W); object (N, H, W) of numbers, which NumPy makes of maps of one size.
Only stand-ins for the few names such a file needs exist here; any other name is refused before anything is called, and a
shape is checked against its bytes before an array is made.
"""

from __future__ import annotations

import pickle
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from benchmark.errors import GroundTruthError
from benchmark.io.predictions import read_npy_header

MAX_SIDE = 16384
MAX_BYTES_PER_FRAME = 16 * 4 * 2048 * 2048
KEYS = ("data", "depth")


class _Dtype:
    """Stand-in for numpy.dtype: the name it was built with and the byte order of its state."""

    def __init__(self, name: str, *_: Any) -> None:
        self.name, self.order = name, "="

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        self.order = state[1]

    def resolve(self) -> np.dtype[Any]:
        if self.name not in ("f4", "f8", "f2", "u2", "O8", "O"):
            raise pickle.UnpicklingError(f"arrays of {self.name} are not depth maps")
        if self.name.startswith("O"):
            return np.dtype(object)
        return np.dtype(("" if self.order == "|" else self.order) + self.name)


class _Array:
    """Stand-in for numpy.ndarray while it is rebuilt; `values` is the checked array or, for objects, a list."""

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        _, shape, dtype, fortran, raw = state
        sides = [int(side) for side in shape]
        if not 1 <= len(sides) <= 3 or min(sides) < 1 or max(sides) > 1_000_000:
            raise pickle.UnpicklingError(f"an array of shape {shape} is not a depth map")
        kind = dtype.resolve()
        count = int(np.prod(sides))
        if kind.hasobject:
            if not isinstance(raw, list) or len(raw) != count:
                raise pickle.UnpicklingError(f"an object array of shape {shape} with {len(raw)} entries")
            self.values: Any = raw
            self.shape = tuple(sides)
            return
        if not isinstance(raw, bytes) or len(raw) != count * kind.itemsize:
            raise pickle.UnpicklingError(f"an array of shape {shape} {kind} with {len(raw)} bytes")
        self.values = np.frombuffer(raw, kind).reshape(sides, order="F" if fortran else "C")
        self.shape = tuple(sides)


def _reconstruct(*_: Any) -> _Array:
    return _Array()


def _encode(text: str, codec: str) -> bytes:
    # How Python 2 pickles spell the bytes of an array.
    if codec != "latin1" or not isinstance(text, str):
        raise pickle.UnpicklingError(f"_codecs.encode to {codec!r}")
    return text.encode("latin1")


def _scalar(dtype: _Dtype, raw: bytes) -> float:
    kind = dtype.resolve()
    if kind.hasobject or len(raw) != kind.itemsize:
        raise pickle.UnpicklingError("a scalar of objects")
    return float(np.frombuffer(raw, kind)[0])


ALLOWED: dict[tuple[str, str], Any] = {
    ("numpy.core.multiarray", "_reconstruct"): _reconstruct,
    ("numpy._core.multiarray", "_reconstruct"): _reconstruct,
    ("numpy.core.multiarray", "scalar"): _scalar,
    ("numpy._core.multiarray", "scalar"): _scalar,
    ("numpy", "ndarray"): _Array,
    ("numpy", "dtype"): _Dtype,
    ("_codecs", "encode"): _encode,
}


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        try:
            return ALLOWED[module, name]
        except KeyError:
            raise pickle.UnpicklingError(f"the file wants to load {module}.{name}, which is not an array") from None

    def persistent_load(self, pid: Any) -> Any:
        raise pickle.UnpicklingError(f"a persistent reference {pid!r}")


def read_gt_depths(path: Path, frames: int) -> list[NDArray[Any]]:
    """The dense maps (H, W) of the file, in its order.

    Args:
        path: `gt_depths.npz` or `.npy`.
        frames: how many maps the split has; a file that declares another number is refused before memory is taken.

    Raises:
        GroundTruthError: another count, damaged, or a pickle of anything but numeric arrays (nothing of it is executed).
    """
    try:
        if path.suffix == ".npy":
            with path.open("rb") as stream:
                return list(_read_maps(path, stream, frames, path.stat().st_size))
        with zipfile.ZipFile(path) as archive:
            names = [n for n in archive.namelist() if n.removesuffix(".npy") in KEYS]
            if len(names) != 1:
                raise GroundTruthError(
                    f"{path}: holds {', '.join(archive.namelist()) or 'nothing'}; expected an array called data"
                )
            member = archive.getinfo(names[0])
            with archive.open(member) as stream:
                return list(_read_maps(path, stream, frames, member.file_size))  # type: ignore[arg-type]
    except GroundTruthError:
        raise
    except pickle.UnpicklingError as problem:
        raise GroundTruthError(
            f"{path}: {problem}; the field's ground truth is an object array of depth maps and nothing else. Nothing of the "
            "file was executed. Get it from its authors again or export it with `depthbench export_gt`"
        ) from problem
    except Exception as problem:  # a hostile pickle can make any opcode fail in any way
        raise GroundTruthError(
            f"{path}: cannot be read as gt_depths.npz ({type(problem).__name__}: {problem}); the file is damaged or cut short"
        ) from problem


def _read_maps(path: Path, stream: BinaryIO, frames: int, size: int) -> Iterator[NDArray[Any]]:
    shape, fortran, dtype = read_npy_header(stream, str(path))
    if not shape or shape[0] != frames:
        raise GroundTruthError(f"{path}: holds {shape[0] if shape else 'no'} maps; the split has {frames} frames")
    if size > frames * MAX_BYTES_PER_FRAME:
        raise GroundTruthError(f"{path}: {size} bytes for {frames} maps; no camera of these data sets is that large")
    if dtype.kind == "O":
        yield from (_checked(path, i, m) for i, m in enumerate(_unpickle_maps(path, stream, frames)))
        return
    if len(shape) != 3 or dtype.kind not in "fu" or fortran:
        raise GroundTruthError(f"{path}: holds {dtype} {shape}; expected float (N, H, W) or an object array of maps")
    one = int(np.prod(shape[1:])) * dtype.itemsize
    for i in range(frames):
        yield _checked(path, i, np.frombuffer(stream.read(one), dtype).reshape(shape[1:]))


def _unpickle_maps(path: Path, stream: BinaryIO, frames: int) -> list[NDArray[Any]]:
    content = _Unpickler(stream, encoding="latin1").load()
    if not isinstance(content, _Array) or not isinstance(content.values, list) or content.shape[0] != frames:
        raise GroundTruthError(f"{path}: its object array does not hold {frames} maps")
    if len(content.shape) == 3:
        return list(np.array(content.values, np.float64).reshape(content.shape))
    return [entry.values if isinstance(entry, _Array) else np.empty(0) for entry in content.values]


def _checked(path: Path, i: int, depth: NDArray[Any]) -> NDArray[Any]:
    if depth.ndim != 2 or max(depth.shape) > MAX_SIDE or depth.dtype.kind not in "fu":
        raise GroundTruthError(f"{path}: map {i} is {depth.dtype} {depth.shape}; expected (H, W) metres")
    if not np.isfinite(depth).all():
        raise GroundTruthError(f"{path}: map {i} holds NaN or inf; empty pixels are 0 in the field's files")
    return depth
