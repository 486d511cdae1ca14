"""The field's `gt_depths.npz`: key `data`, a 1-D object array of dense float32 (H, W) maps, as Monodepth2 stores it.

The field's readers take `data` alone; beside it lie `frame_id`, `depth_kind` and `dataset`, by which depthbench knows a file.
Maps are written one after another, so a whole split never lies in memory (it is 1.3 GB, and NumPy's own writer holds
it twice). An object array in an `.npy` file is a pickle; its few instructions are written here with the module names
that every NumPy knows, because files from NumPy 2 do not open in the older ones that the field's scripts need.
"""

from __future__ import annotations

import io
import pickle
import struct
import zipfile
from collections.abc import Iterable
from pathlib import Path
from typing import IO

import numpy as np
import numpy.typing as npt

from benchmark.errors import GroundTruthError
from benchmark.io.files import atomic_path
from benchmark.io.ground_truth import Header

RECONSTRUCT = pickle.GLOBAL + b"numpy.core.multiarray\n_reconstruct\n" + pickle.GLOBAL + b"numpy\nndarray\n"
RECONSTRUCT += pickle.BININT1 + b"\0" + pickle.TUPLE1 + pickle.SHORT_BINBYTES + b"\1b" + pickle.TUPLE3 + pickle.REDUCE


def write_field_npz(path: Path, maps: Iterable[npt.NDArray[np.float32]], count: int, *, header: Header | None = None) -> None:
    """Write `count` maps (H, W) float32 to `path`, which appears only whole.

    Args:
        path: the `.npz`.
        maps: in metres, in order.
        count: how many there are.
        header: whose frame ids, depth kind and data set are stored beside the maps; None stores none.

    Raises:
        GroundTruthError: the file cannot be written.
    """
    try:
        with atomic_path(path) as temporary, zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED) as archive:
            with archive.open(_member("data"), "w", force_zip64=True) as file:
                _write_npy(file, maps, count)
            for name, text in _texts(header).items():
                with archive.open(_member(name), "w") as file:
                    np.lib.format.write_array(file, text, allow_pickle=False)
    except OSError as error:
        raise GroundTruthError(
            f"{path}: cannot write ({error.strerror or error}); free some space or choose another --npz. "
            "The ground truth itself is complete"
        ) from error


def _member(name: str) -> zipfile.ZipInfo:
    # A fixed date, so that the same maps give the same bytes.
    member = zipfile.ZipInfo(f"{name}.npy", date_time=(1980, 1, 1, 0, 0, 0))
    member.compress_type = zipfile.ZIP_DEFLATED
    return member


def _texts(header: Header | None) -> dict[str, npt.NDArray[np.bytes_]]:
    if header is None:
        return {}
    about = {name: np.array(getattr(header, name).encode()) for name in ("depth_kind", "dataset")}
    return {"frame_id": np.array([text.encode() for text in header.frame_id]), **about}


def _write_npy(file: IO[bytes], maps: Iterable[npt.NDArray[np.float32]], count: int) -> None:
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "|O", "fortran_order": False, "shape": (count,)})
    file.write(header.getvalue() + pickle.PROTO + b"\4" + RECONSTRUCT)
    file.write(pickle.MARK + _integer(1) + _integer(count) + pickle.TUPLE1 + _dtype("O8", "|", 63) + pickle.NEWFALSE)
    file.write(pickle.EMPTY_LIST + pickle.MARK)
    written = 0
    for depth in maps:
        raw = np.ascontiguousarray(depth, "<f4")
        shape = b"".join(_integer(side) for side in raw.shape) + pickle.TUPLE2
        file.write(RECONSTRUCT + pickle.MARK + _integer(1) + shape + _dtype("f4", "<", 0) + pickle.NEWFALSE)
        file.write(pickle.BINBYTES8 + struct.pack("<Q", raw.nbytes))
        file.write(raw.data)
        file.write(pickle.TUPLE + pickle.BUILD)
        written += 1
    if written != count:
        raise ValueError(f"{written} maps were given, {count} were declared")
    file.write(pickle.APPENDS + pickle.TUPLE + pickle.BUILD + pickle.STOP)


def _integer(value: int) -> bytes:
    return pickle.BININT + struct.pack("<i", value)


def _text(value: str) -> bytes:
    return pickle.BINUNICODE + struct.pack("<I", len(value)) + value.encode()


def _dtype(name: str, order: str, flags: int) -> bytes:
    """A dtype as NumPy pickles it: dtype(name, False, True), then its version 3 state with byte order and flags."""
    call = pickle.GLOBAL + b"numpy\ndtype\n" + _text(name) + pickle.NEWFALSE + pickle.NEWTRUE + pickle.TUPLE3
    state = _integer(3) + _text(order) + pickle.NONE * 3 + _integer(-1) + _integer(-1) + _integer(flags)
    return call + pickle.REDUCE + pickle.MARK + state + pickle.TUPLE + pickle.BUILD
