"""What an HDF5 file from outside may contain: plain arrays inside the file, known filters, no more than its bytes can hold."""

from __future__ import annotations

import math
from pathlib import Path

import h5py

from benchmark.errors import InputError
from benchmark.io.npy import MAX_EXPANSION

MAX_TEXT = 1024
KNOWN_FILTERS = {h5py.h5z.FILTER_SHUFFLE, h5py.h5z.FILTER_DEFLATE, h5py.h5z.FILTER_FLETCHER32, h5py.h5z.FILTER_LZF}


def refuse_links(path: Path, file: h5py.File, error: type[InputError]) -> None:
    """Only plain arrays with known filters, all inside the file.

    Raises:
        error: naming the first entry that is something else.
    """
    for name in file:
        shown = repr(name[:80])
        link = file.get(name, getlink=True)
        if not isinstance(link, h5py.HardLink):
            raise error(
                f"{path}: {shown} is {_a(type(link).__name__)}, which could point outside the file; expected plain arrays "
                "only: write the file again with its arrays inside, do not link it together"
            )
        entry = file[name]
        if not isinstance(entry, h5py.Dataset) or entry.is_virtual or entry.external:
            raise error(
                f"{path}: {shown} is a group or keeps its data in other files; expected plain arrays only: write the file "
                "again with its arrays inside"
            )
        unknown = [code for code in filters(entry) if code not in KNOWN_FILTERS]
        if unknown:
            raise error(
                f"{path}: {shown} uses the HDF5 filter {unknown[0]}, which would load a plugin; known are shuffle, deflate, "
                "fletcher32 and lzf: repack it with `h5repack -f GZIP=1`"
            )


def filters(dataset: h5py.Dataset) -> list[int]:
    """The codes of a dataset's filters, in the order of writing."""
    properties = dataset.id.get_create_plist()
    return [properties.get_filter(i)[0] for i in range(properties.get_nfilters())]


def check_bytes(path: Path, name: str, dataset: h5py.Dataset, error: type[InputError]) -> None:
    """A dataset and each of its chunks are no larger than what is stored can unpack to.

    Raises:
        error: a header that declares more; memory for it would be taken in vain.
    """
    stored, itemsize = dataset.id.get_storage_size(), dataset.dtype.itemsize
    size = math.prod(dataset.shape)
    declared = max(size, math.prod(dataset.chunks or ())) * itemsize if size else 0
    if declared > MAX_EXPANSION * stored:
        raise error(
            f"{path}: {name} declares {declared} bytes but stores {stored}; no file packs that tightly: it is damaged or was "
            "never filled, write it again"
        )


def attribute(path: Path, file: h5py.File, name: str, error: type[InputError]) -> float | str:
    """A number or a text of fixed length; KeyError where there is none.

    Texts of variable length are refused unread: they lie in a heap in which the library runs in circles when it is damaged.
    """
    stored = file.attrs.get_id(name)
    if stored.shape != () or stored.dtype.kind not in "iufS" or stored.dtype.itemsize > MAX_TEXT:
        raise error(
            f"{path}: the attribute {name} is {stored.dtype} {stored.shape}; expected one number or text of fixed length"
        )
    value = file.attrs[name]
    return value.decode() if isinstance(value, bytes) else value.item()


def read_ids(path: Path, stored: h5py.Dataset, count: int | None, error: type[InputError]) -> tuple[str, ...]:
    """Frame ids: texts of fixed length, as many as `count` where it is given.

    Raises:
        error: another type, shape or length; see `attribute` for texts of variable length.
    """
    expected = stored.size if count is None else count
    if stored.dtype.kind != "S" or stored.dtype.itemsize > MAX_TEXT or stored.shape != (expected,):
        raise error(
            f"{path}: frame_id is {stored.dtype} {stored.shape}; expected {expected} texts of fixed length, one a frame: save "
            'np.array(ids, "S")'
        )
    check_bytes(path, "frame_id", stored, error)
    return tuple(text.decode() for text in stored[:])


def _a(name: str) -> str:
    return f"{'an' if name[0] in 'AEIOU' else 'a'} {name}"
