"""NumPy's containers as hostile data: headers that lie, archives that expand, damage anywhere."""

import io
import zipfile
from pathlib import Path

import numpy as np
import pytest
import small_world as world
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from benchmark.errors import PredictionError
from benchmark.io.npy import open_array, read_header, read_values


def raw_npy(header: str, body: bytes = b"", *, version: int = 1) -> bytes:
    """A `.npy` stream with any header."""
    text = header.encode("latin1") + b"\n"
    length = len(text).to_bytes(2 if version == 1 else 4, "little")
    return b"\x93NUMPY" + bytes([version, 0]) + length + text + body


def test_what_the_system_refuses_is_not_called_damaged(tmp_path: Path) -> None:
    for name in ("a.npz", "a.npy"):
        (tmp_path / name).mkdir()
        with pytest.raises(PredictionError, match=r"a\.np[zy]: cannot be read \(Is a directory\); see whether"):
            read(tmp_path / name)


def read(path: Path) -> NDArray[np.float32]:
    with open_array(path, ("data",), PredictionError) as (stream, size):
        header = read_header(stream, size, str(path), PredictionError)
        return read_values(stream, header, str(path), PredictionError)


@given(array=hnp.arrays(st.sampled_from([np.float32, np.float64]), hnp.array_shapes(max_dims=3)), fortran=st.booleans())
def test_arrays_come_back(tmp_path_factory: pytest.TempPathFactory, array: NDArray[np.float32], fortran: bool) -> None:
    path = tmp_path_factory.getbasetemp() / "array.npz"
    stored = np.asfortranarray(array) if fortran else array
    np.savez_compressed(path, data=stored)
    found = read(path)
    assert found.dtype == array.dtype
    assert found.flags.c_contiguous
    np.testing.assert_array_equal(found, array)


def test_python_2_header_is_read_without_a_warning() -> None:
    content = raw_npy("{'descr': '<f4', 'fortran_order': False, 'shape': (2L, 3L), }", b"\0" * 24)
    assert read_header(io.BytesIO(content), len(content), "old.npy", PredictionError) == ((2, 3), False, np.dtype("<f4"))


@pytest.mark.parametrize(
    "header",
    [
        "{'descr': '<f4', 'fortran_order': False, 'shape': (2, ",  # the tokenizer fails, not the parser
        "{'descr': '<f4', 'fortran_order': False, 'shape': (-2, 3)}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': [2, 3]}",
        "{'descr': 'nonsense', 'fortran_order': False, 'shape': (2, 3)}",
        "{'descr': '<f4', 'fortran_order': 1, 'shape': (2, 3)}",
        "{'descr': '<f4', 'shape': (2, 3)}",
        "{1: 2, 'descr': '<f4', 'fortran_order': False}",
        "__import__('os').system('touch executed')",
        "(" * 3000,
        "",
    ],
)
def test_bad_headers_are_refused(header: str) -> None:
    with pytest.raises(PredictionError, match=r"^x.npy: not a NumPy array file \(.+; save it with np.save$"):
        read_header(io.BytesIO(raw_npy(header)), 200, "x.npy", PredictionError)


def test_unknown_format_version_and_other_files_are_refused() -> None:
    for content in (raw_npy("{}", version=9), b"PK\x03\x04", b"", b"\x93NUM"):
        with pytest.raises(PredictionError, match=r"^x.npy: not a NumPy array file"):
            read_header(io.BytesIO(content), len(content), "x.npy", PredictionError)


def test_a_stream_that_ends_early_names_both_sizes() -> None:
    content = raw_npy("{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3)}", b"\0" * 20)
    stream = io.BytesIO(content)
    header = read_header(stream, len(content) + 4, "x.npy", PredictionError)  # as an archive may say
    with pytest.raises(PredictionError, match=r"declares \(2, 3\) float32, 24 bytes, but it ends after 20"):
        read_values(stream, header, "x.npy", PredictionError)


def test_sizes_are_exact_beyond_64_bits() -> None:
    content = raw_npy("{'descr': '<f4', 'fortran_order': False, 'shape': (4294967296, 4294967296, 4)}")
    found = read_header(io.BytesIO(content), len(content) + 2**68, "x.npy", PredictionError)
    assert found.nbytes == 2**68


@pytest.mark.parametrize("surplus", [-24, -1, 1, 4, 2**40])
def test_another_size_than_declared_is_refused(surplus: int) -> None:
    content = raw_npy("{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3)}", b"\0" * 24)
    size = len(content) + surplus
    said = rf"^x.npy: {size} bytes, but its header declares \(2, 3\) float32, {len(content)} bytes; the file is cut short"
    with pytest.raises(PredictionError, match=said):
        read_header(io.BytesIO(content), size, "x.npy", PredictionError)


def test_pickled_objects_take_what_they_take() -> None:
    content = raw_npy("{'descr': '|O', 'fortran_order': False, 'shape': (2,)}", b"pickle")
    assert read_header(io.BytesIO(content), len(content), "x.npy", PredictionError).dtype == object


def test_an_archive_that_expands_too_far_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "bomb.npz"
    np.savez_compressed(path, data=np.zeros(1000, np.float32))
    content = path.read_bytes()
    at = content.index(b"PK\x01\x02") + 24  # the uncompressed size in the central directory
    path.write_bytes(content[:at] + (2**31).to_bytes(4, "little") + content[at + 4 :])
    with pytest.raises(PredictionError, match=r"bomb.npz: declares 2147483648 bytes but stores \d+; no array packs"):
        read(path)


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_damaged_streams_of_other_methods_are_refused(tmp_path: Path, method: int) -> None:
    path = tmp_path / "a.npz"
    with zipfile.ZipFile(path, "w", method) as archive:
        archive.writestr("data.npy", raw_npy("{'descr': '<f4', 'fortran_order': False, 'shape': (50,)}", bytes(range(200))))
    content = bytearray(path.read_bytes())
    content[80:110] = b"\xff" * 30
    path.write_bytes(content)
    with pytest.raises(PredictionError, match=r"a\.npz: "):
        read(path)


def test_an_encrypted_archive_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    np.savez(path, data=np.zeros(3, np.float32))
    content = bytearray(path.read_bytes())
    content[6] |= 1
    content[content.index(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(content)
    with pytest.raises(PredictionError, match=r"cannot be read as \.npz \(RuntimeError: .*password"):
        read(path)


def test_the_keys_decide_between_several_arrays(tmp_path: Path) -> None:
    one = np.ones((2, 2), np.float32)
    np.savez(tmp_path / "two.npz", data=one, K=np.eye(3))
    np.testing.assert_array_equal(read(tmp_path / "two.npz"), one)
    np.savez(tmp_path / "other.npz", one)
    np.testing.assert_array_equal(read(tmp_path / "other.npz"), one)
    np.savez(tmp_path / "neither.npz", a=one, b=one)
    with pytest.raises(
        PredictionError, match=r"neither.npz: holds a, b; expected one array, or exactly one called data: save it so$"
    ):
        read(tmp_path / "neither.npz")
    with (
        pytest.raises(PredictionError, match=r"other.npz: holds arr_0; expected exactly one called data: save it so$"),
        open_array(tmp_path / "other.npz", ("data",), PredictionError, any_lone=False),
    ):
        pass
    with zipfile.ZipFile(tmp_path / "empty.npz", "w"):
        pass
    with pytest.raises(PredictionError, match=r"holds nothing; expected one array"):
        read(tmp_path / "empty.npz")


@pytest.mark.parametrize("suffix", [".npy", ".npz"])
@given(data=st.data())
def test_damage_never_escapes_as_another_error(
    tmp_path_factory: pytest.TempPathFactory, suffix: str, data: st.DataObject
) -> None:
    folder = tmp_path_factory.getbasetemp()
    stream = io.BytesIO()
    array = np.linspace(0, 1, 24, dtype=np.float32).reshape(2, 3, 4)
    if suffix == ".npy":
        np.save(stream, array)
    else:
        np.savez_compressed(stream, data=array)
    content = bytearray(stream.getvalue())
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    content = content[: data.draw(st.integers(0, len(content)))] if data.draw(st.booleans()) else content
    path = folder / f"damaged{suffix}"
    path.write_bytes(content)
    with world.only_refusals_of(path), open_array(path, ("data",), PredictionError) as (opened, size):
        header = read_header(opened, size, str(path), PredictionError)
        if not header.dtype.hasobject:  # as every caller asks
            read_values(opened, header, str(path), PredictionError)
