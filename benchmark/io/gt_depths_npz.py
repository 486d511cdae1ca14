"""The field's `gt_depths.npz` (also a bare `.npy`): dense maps in one of three layouts, read without trusting the pickle.

Layouts: float (N, H, W); object (N,) of float (H, W); object (N, H, W) of numbers, which NumPy makes of maps of one size.
The pickle is read by the interpreter of `pickle` in Python with a table of the few operations that arrays need, and with
stand-ins for the few names: any other operation or name is refused before anything is called, and a shape is checked
against its bytes before an array is made. (The one in C takes memory for any index that a file names.)
"""

from __future__ import annotations

import contextlib
import math
import pickle
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np
from numpy.typing import NDArray

from benchmark.errors import GroundTruthError
from benchmark.io.npy import MAX_SIDE, NpyHeader, open_array, read_header, read_values

MAX_BYTES_PER_FRAME = 9 * 2048 * 2048  # a number among objects takes 9 bytes
MAX_TEXT = 1024
KEYS = ("data", "depth")
ABOUT = ("frame_id", "depth_kind", "dataset")


class _ForeignError(Exception):
    """The pickle asks for something that no array of maps needs; an honest file that is damaged fails otherwise."""


class _Dtype:
    """Stand-in for numpy.dtype: the name it was built with and the byte order of its state."""

    def __init__(self, name: str, *_: Any) -> None:
        if not isinstance(name, str) or name not in ("f4", "f8", "O8", "O"):
            raise _ForeignError(f"it holds arrays of {name if isinstance(name, str) else type(name).__name__}")
        self.name, self.order = name, "="

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        self.order = {"<": "<", ">": ">"}.get(state[1], "=")

    def resolve(self) -> np.dtype[Any]:
        return np.dtype(object) if self.name.startswith("O") else np.dtype(self.order + self.name)


class _Array:
    """Stand-in for numpy.ndarray while it is rebuilt; `values` is the checked array or, for objects, a list."""

    values: Any = None
    shape: tuple[int, ...] = ()

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        _, sides, dtype, fortran, raw = state
        sides = tuple(int(side) for side in sides)
        if not 1 <= len(sides) <= 3 or min(sides) < 1 or max(sides) > 1_000_000:
            raise _ForeignError(f"it declares an array of shape {sides}")
        kind, count = dtype.resolve(), math.prod(sides)
        if kind.kind == "O":
            if not isinstance(raw, list) or len(raw) != count or (fortran and len(sides) > 1):
                raise _ForeignError(f"it declares {sides} objects and holds others")
            self.values = raw
        else:
            # Python 2 spells bytes as text.
            data = raw.encode("latin1") if isinstance(raw, str) else raw
            if not isinstance(data, bytes) or len(data) != count * kind.itemsize:
                raise _ForeignError(f"it declares an array of shape {sides} {kind} and holds {len(data)} bytes")
            self.values = np.frombuffer(data, kind).reshape(sides, order="F" if fortran else "C")
        self.shape = sides


def _reconstruct(*_: Any) -> _Array:
    return _Array()


def _encode(text: str, codec: str) -> bytes:
    # How protocol 2 spells the bytes of an array.
    if not isinstance(text, str) or codec != "latin1":
        raise _ForeignError("it wants to encode text that is no array")
    return text.encode("latin1")


def _scalar(dtype: _Dtype, raw: bytes) -> float:
    kind = dtype.resolve()
    if kind.hasobject or len(raw) != kind.itemsize:
        raise _ForeignError("it holds a scalar that is no number")
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


def _reduce(reader: Any) -> None:
    """Call a stand-in; nothing else on the stack can be called."""
    arguments = reader.stack.pop()
    if not any(reader.stack[-1] is known for known in ALLOWED.values()):
        raise _ForeignError(f"it wants to call a {type(reader.stack[-1]).__name__}")
    reader.stack[-1] = reader.stack[-1](*arguments)


def _build(reader: Any) -> None:
    """Give a stand-in its state, and nothing else: pickle would set any attribute of anything."""
    state = reader.stack.pop()
    if not isinstance(reader.stack[-1], _Array | _Dtype):
        raise _ForeignError(f"it wants to change a {type(reader.stack[-1]).__name__}")
    reader.stack[-1].__setstate__(state)


OPERATIONS = (
    pickle.PROTO, pickle.FRAME, pickle.STOP, pickle.GLOBAL, pickle.STACK_GLOBAL, pickle.MARK, pickle.NONE,
    pickle.NEWTRUE, pickle.NEWFALSE, pickle.INT, pickle.BININT, pickle.BININT1, pickle.BININT2, pickle.LONG, pickle.LONG1,
    pickle.FLOAT, pickle.BINFLOAT, pickle.STRING, pickle.BINSTRING, pickle.SHORT_BINSTRING, pickle.BINBYTES,
    pickle.SHORT_BINBYTES, pickle.BINBYTES8, pickle.UNICODE, pickle.BINUNICODE, pickle.SHORT_BINUNICODE,
    pickle.BINUNICODE8, pickle.EMPTY_TUPLE, pickle.TUPLE, pickle.TUPLE1, pickle.TUPLE2, pickle.TUPLE3, pickle.EMPTY_LIST,
    pickle.LIST, pickle.APPEND, pickle.APPENDS, pickle.PUT, pickle.BINPUT, pickle.LONG_BINPUT, pickle.MEMOIZE, pickle.GET,
    pickle.BINGET, pickle.LONG_BINGET,
)  # fmt: skip


class _Operations(dict[int, Any]):
    def __missing__(self, code: int) -> Any:
        raise _ForeignError(f"it uses the pickle operation {chr(code)!r}, which no array needs")


class _Unpickler(pickle._Unpickler):
    dispatch = _Operations(
        {code[0]: pickle._Unpickler.dispatch[code[0]] for code in OPERATIONS}
        | {pickle.REDUCE[0]: _reduce, pickle.BUILD[0]: _build}
    )

    def find_class(self, module: str, name: str) -> Any:
        try:
            return ALLOWED[module, name]
        except KeyError:
            raise _ForeignError(f"it wants to load {module}.{name}"[:200]) from None


class About(NamedTuple):
    """What an archive says of its maps: frame ids in order, depth kind and data set."""

    frame_id: tuple[str, ...]
    depth_kind: str
    dataset: str


def read_about(path: Path) -> About | None:
    """What `depthbench export_gt --npz` stores beside the maps; None in the field's own files, which have the maps alone.

    Raises:
        GroundTruthError: damaged, or some of it without the rest.
    """
    if path.suffix != ".npz":
        return None
    with _members(path) as names:
        found = [name for name in ABOUT if name in names]
    if not found:
        return None
    if len(found) < len(ABOUT):
        raise GroundTruthError(
            f"{path}: holds {', '.join(found)} without the rest of {', '.join(ABOUT)}; expected all of them or none: export "
            "it again with `depthbench export_gt --npz`"
        )
    ids, kind, dataset = (_read_texts(path, name, axes) for name, axes in zip(ABOUT, (1, 0, 0), strict=True))
    return About(ids, kind[0], dataset[0])


@contextlib.contextmanager
def _members(path: Path) -> Iterator[set[str]]:
    try:
        with zipfile.ZipFile(path) as archive:
            yield {name.removesuffix(".npy") for name in archive.namelist()}
    except (OSError, ValueError, zipfile.BadZipFile, NotImplementedError):
        yield set()  # `open_array` says what is wrong with it


def _read_texts(path: Path, name: str, axes: int) -> tuple[str, ...]:
    """The texts of fixed length in one array of the archive, which has `axes` axes."""
    with open_array(path, (name,), GroundTruthError, any_lone=False) as (stream, size):
        header = read_header(stream, size, str(path), GroundTruthError)
        if header.dtype.kind != "S" or len(header.shape) != axes or not 0 < header.dtype.itemsize <= MAX_TEXT:
            raise GroundTruthError(
                f"{path}: {name} is {header.dtype} {header.shape}; expected {'texts' if axes else 'one text'} of fixed length: "
                "export it again with `depthbench export_gt --npz`"
            )
        return tuple(text.decode() for text in read_values(stream, header, str(path), GroundTruthError).ravel())


def read_gt_depths(
    path: Path,
    frames: int,
    *,
    whose: str = "the split has",
    check_size: Callable[[int, tuple[int, ...]], None] = lambda i, shape: None,
) -> list[NDArray[Any]]:
    """The dense maps (H, W) of the file, in its order.

    Args:
        path: `gt_depths.npz` or `.npy`.
        frames: how many maps it must hold; a file that declares another number is refused before memory is taken.
        whose: who says so, for that refusal.
        check_size: raises where map i may not have the shape; maps of one size are judged before they are read.

    Raises:
        GroundTruthError: another count, damaged, or a pickle of anything but numeric arrays (nothing of it is executed).
    """
    with open_array(path, KEYS, GroundTruthError) as (stream, size):
        header = read_header(stream, size, str(path), GroundTruthError)
        _check_header(path, header, frames, size, whose)
        if len(header.shape) == 3:
            for i in range(frames):
                check_size(i, header.shape[1:])
        if header.dtype.kind != "O":
            return [_checked(path, i, one) for i, one in enumerate(_dense_maps(path, stream, header))]
        try:
            maps = [_checked(path, i, one) for i, one in enumerate(_unpickle_maps(path, stream, header.shape))]
        except _ForeignError as problem:
            raise GroundTruthError(
                f"{path}: {problem}; the field's ground truth is an object array of float depth maps and nothing else. "
                "Nothing of the file was executed. Get it from its authors again or export it with `depthbench export_gt`"
            ) from problem
        for i, depth in enumerate(maps):
            check_size(i, depth.shape)
        return maps


def _check_header(path: Path, header: NpyHeader, frames: int, size: int, whose: str) -> None:
    shape, fortran, dtype = header
    if not shape or shape[0] != frames:
        raise GroundTruthError(
            f"{path}: holds {shape[0] if shape else 'no'} maps; {whose} {frames} frames, in that order: take the file "
            "made for this split, or export it with `depthbench export_gt`"
        )
    if size > frames * MAX_BYTES_PER_FRAME:
        raise GroundTruthError(f"{path}: {size} bytes for {frames} maps; no camera of these data sets is that large")
    if dtype.kind == "O" and len(shape) in (1, 3):
        return
    if len(shape) != 3 or dtype not in (np.float32, np.float64) or fortran:
        raise GroundTruthError(
            f"{path}: holds {dtype} {shape}; expected float (N, H, W) or an object array of float maps, in metres"
        )


def _dense_maps(path: Path, stream: BinaryIO, header: NpyHeader) -> Iterator[NDArray[Any]]:
    one = header.nbytes // header.shape[0]
    for i in range(header.shape[0]):
        data = stream.read(one)
        if len(data) != one:
            raise GroundTruthError(f"{path}: ends inside map {i} of {header.shape[0]}; the file is cut short: copy it again")
        yield np.frombuffer(data, header.dtype).reshape(header.shape[1:])


def _unpickle_maps(path: Path, stream: BinaryIO, shape: tuple[int, ...]) -> list[NDArray[Any]]:
    content = _Unpickler(stream, encoding="latin1").load()
    if not isinstance(content, _Array) or not isinstance(content.values, list) or content.shape != shape:
        raise GroundTruthError(f"{path}: its object array does not hold {shape[0]} maps; the file is damaged: copy it again")
    if len(shape) == 1:
        return [entry.values if isinstance(entry, _Array) else np.empty(0) for entry in content.values]
    if not all(type(entry) in (int, float) for entry in content.values):
        raise _ForeignError("it holds objects that are no numbers")
    return list(np.array(content.values, np.float64).reshape(shape))


def _checked(path: Path, i: int, depth: Any) -> NDArray[Any]:
    if not isinstance(depth, np.ndarray) or depth.ndim != 2 or max(depth.shape) > MAX_SIDE:
        what = f"{depth.dtype} {depth.shape}" if isinstance(depth, np.ndarray) else "no array of numbers"
        raise GroundTruthError(
            f"{path}: map {i} is {what}; expected float (H, W) in metres: export it with `depthbench export_gt`"
        )
    if not np.isfinite(depth).all():
        raise GroundTruthError(
            f"{path}: map {i} holds NaN or inf; empty pixels are 0 in the field's files: export it with `depthbench export_gt`"
        )
    return depth
