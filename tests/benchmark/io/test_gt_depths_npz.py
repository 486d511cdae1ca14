"""The field's `gt_depths.npz`: three layouts, pickles of every age, and hostile ones of which nothing is executed."""

import io
import os
import pickle
import struct
import sys
import types
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import small_world as world
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.lib import format as npy_format
from numpy.typing import NDArray

from benchmark.errors import GroundTruthError
from benchmark.io.gt_depths_npz import read_gt_depths

MAPS = [*world.depth_maps(1), *world.depth_maps(1, width=50, seed=1), *world.depth_maps(1, seed=2)]
EXECUTED: list[object] = []


def ragged(maps: list[NDArray[Any]]) -> NDArray[Any]:
    """An object array as the field builds it; np.array(maps, dtype=object) fails where heights agree."""
    out = np.empty(len(maps), object)
    out[:] = maps
    return out


def object_npz(path: Path, pickled: bytes, shape: tuple[int, ...] = (3,)) -> None:
    """An archive whose array `data` is said to hold objects, with any pickle in it."""
    stream = io.BytesIO()
    npy_format.write_array_header_1_0(stream, {"descr": "|O", "fortran_order": False, "shape": shape})
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("data.npy", stream.getvalue() + pickled)


def same(found: list[NDArray[Any]], expected: list[NDArray[Any]]) -> None:
    assert len(found) == len(expected)
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_array_equal(one, other)


def refusal(path: Path, frames: int = 3) -> str:
    with pytest.raises(GroundTruthError) as caught:
        read_gt_depths(path, frames)
    message = str(caught.value)
    assert message.startswith(f"{path}: ")
    assert "\n" not in message
    assert len(message) < 700
    return message


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("compressed", [True, False])
def test_objects_of_maps(tmp_path: Path, dtype: str, compressed: bool) -> None:
    maps = [m.astype(dtype) for m in MAPS]
    (np.savez_compressed if compressed else np.savez)(tmp_path / "gt.npz", data=ragged(maps))
    found = read_gt_depths(tmp_path / "gt.npz", 3)
    same(found, maps)
    assert {m.dtype for m in found} == {np.dtype(dtype)}


def test_maps_in_columns_and_of_another_byte_order(tmp_path: Path) -> None:
    maps = [np.asfortranarray(MAPS[0]), MAPS[1].astype(">f4"), MAPS[2][:, ::2]]
    np.savez(tmp_path / "gt.npz", data=ragged(maps))
    same(read_gt_depths(tmp_path / "gt.npz", 3), maps)


def test_one_array_of_maps(tmp_path: Path) -> None:
    stack = np.stack(world.depth_maps(3))
    np.savez(tmp_path / "gt.npz", data=stack)
    same(read_gt_depths(tmp_path / "gt.npz", 3), list(stack))
    np.savez(tmp_path / "other.npz", depth=stack, K=np.zeros((3, 4, 4)))
    same(read_gt_depths(tmp_path / "other.npz", 3), list(stack))


def test_objects_of_numbers(tmp_path: Path) -> None:
    """What np.array(maps, dtype=object) makes of maps of one size."""
    stack = np.stack(world.depth_maps(3))
    numbers = np.array(list(stack), dtype=object)
    assert numbers.shape == stack.shape
    np.savez(tmp_path / "gt.npz", data=numbers)
    same(read_gt_depths(tmp_path / "gt.npz", 3), list(stack))


def test_bare_npy(tmp_path: Path) -> None:
    np.save(tmp_path / "gt.npy", ragged(MAPS), allow_pickle=True)
    same(read_gt_depths(tmp_path / "gt.npy", 3), MAPS)
    np.save(tmp_path / "gt.npy", np.stack(world.depth_maps(3)))
    same(read_gt_depths(tmp_path / "gt.npy", 3), world.depth_maps(3))


@pytest.mark.parametrize("protocol", [2, 3, 4])
@pytest.mark.parametrize("module", ["numpy.core.multiarray", "numpy._core.multiarray"])
def test_pickles_of_every_numpy(tmp_path: Path, protocol: int, module: str) -> None:
    """NumPy 2 renamed numpy.core; protocol 2 spells bytes through _codecs.encode."""
    pickled = pickle.dumps(ragged(MAPS), protocol=protocol)
    for other in (b"numpy._core.multiarray", b"numpy.core.multiarray"):
        size = struct.pack("<B", len(other))
        pickled = pickled.replace(b"c" + other, b"c" + module.encode())
        pickled = pickled.replace(b"\x8c" + size + other, b"\x8c" + struct.pack("<B", len(module)) + module.encode())
    if protocol == 4:  # the frame's length has changed with the name
        at = pickled.index(b"\x95")
        pickled = pickled[:at] + pickled[at + 9 :]
    object_npz(tmp_path / "gt.npz", pickled)
    same(read_gt_depths(tmp_path / "gt.npz", 3), MAPS)


def test_pickles_of_python_2(tmp_path: Path) -> None:
    """Python 2 wrote names and bytes alike as SHORT_BINSTRING and BINSTRING."""

    def text(content: bytes) -> bytes:
        return (
            b"U" + bytes([len(content)]) + content if len(content) < 256 else b"T" + struct.pack("<i", len(content)) + content
        )

    def array(shape: tuple[int, ...], dtype: bytes, content: bytes) -> bytes:
        sides = b"(" + b"".join(b"K" + bytes([side]) for side in shape) + b"t"
        kind = b"cnumpy\ndtype\n(" + text(dtype) + b"K\x00K\x01tR"
        kind += b"(K\x03" + text(b"|" if dtype == b"O8" else b"<") + b"NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"
        start = b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(K\x00t" + text(b"b") + b"tR"
        return start + b"(K\x01" + sides + kind + b"\x89" + content + b"tb"

    inner = b"".join(array(m.shape, b"f4", text(m.astype("<f4").tobytes())) for m in MAPS)
    object_npz(tmp_path / "gt.npz", b"\x80\x02" + array((3,), b"O8", b"](" + inner + b"e") + b".")
    same(read_gt_depths(tmp_path / "gt.npz", 3), MAPS)


class Calls:
    """Pickles to a call of anything."""

    def __init__(self, function: Callable[..., Any], *arguments: Any) -> None:
        self.call = (function, arguments)

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return self.call


class WithState:
    def __reduce__(self) -> tuple[Any, ...]:
        return (WithState, (), {"a": 1})


def mark(*arguments: object) -> object:
    EXECUTED.append(arguments)
    return np.zeros((2, 2), np.float32)


hostile_module = types.ModuleType("hostile_module")
hostile_module.mark = mark  # type: ignore[attr-defined]
mark.__module__ = "hostile_module"


@pytest.fixture
def importable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "hostile_module", hostile_module)
    EXECUTED.clear()


@pytest.mark.usefixtures("importable")
@pytest.mark.parametrize(
    ("inside", "named"),
    [
        (lambda marker: Calls(os.system, f"touch {marker}"), "posix.system|nt.system"),
        (lambda marker: Calls(eval, f"open({str(marker)!r}, 'w')"), "builtins.eval"),
        (lambda marker: Calls(exec, f"open({str(marker)!r}, 'w')"), "builtins.exec"),
        (lambda marker: Calls(open, str(marker), "w"), "io.open|_io.open"),
        (lambda marker: Calls(np.save, str(marker), np.zeros(2)), "numpy.save"),
        (
            lambda marker: Calls(np.fromfile, str(marker)),
            "numpy.fromfile|numpy.core.multiarray.fromfile|numpy._core.multiarray.fromfile",
        ),
        (
            lambda _: Calls(np.frombuffer, b"1234", np.float32),
            "numpy.frombuffer|numpy.core.multiarray.frombuffer|numpy._core.multiarray.frombuffer",
        ),
        (lambda marker: Calls(mark, Calls(os.system, f"touch {marker}")), "hostile_module.mark"),
        (lambda _: Calls(mark), "hostile_module.mark"),
    ],
)
def test_calls_are_refused_by_name_and_not_made(tmp_path: Path, inside: Callable[[Path], Any], named: str) -> None:
    marker = tmp_path / "executed"
    path = tmp_path / "gt depths.npz"
    for content in (ragged([inside(marker)] * 3), inside(marker), [inside(marker)]):
        object_npz(path, pickle.dumps(content))
        message = refusal(path)
        assert any(f"it wants to load {name};" in message for name in named.split("|")), message
        assert "Nothing of the file was executed" in message
    assert not marker.exists()
    assert EXECUTED == []


def nested_tuples(depth: int) -> bytes:
    """A tuple of twice a tuple of twice ...: small to write, 2**depth steps to print, compare or hash."""
    out = b"\x80\x04K\x01\x94"
    for k in range(depth):
        out += b"h" + bytes([k]) + b"\x86\x94"
    return out


MULTIARRAY = b"cnumpy.core.multiarray\n"
EMPTY_ARRAY = MULTIARRAY + b"_reconstruct\n(cnumpy\nndarray\n(K\x00tC\x01btR"
FLOAT32 = b"cnumpy\ndtype\n(X\x02\x00\x00\x00f4\x89\x88tR(K\x03X\x01\x00\x00\x00<NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"


@pytest.mark.parametrize(
    ("pickled", "said"),
    [
        # Persistent references, extension codes, classes and dictionaries.
        (b"\x80\x04X\x01\x00\x00\x00aQ.", "the pickle operation 'Q'"),
        (b"Pname\n.", "the pickle operation 'P'"),
        (b"\x80\x04\x82\x01.", "the pickle operation '\\x82'"),
        (b"(iposix\nsystem\n.", "the pickle operation 'i'"),
        (b"(cposix\nsystem\no.", "wants to load posix.system"),
        (b"cnumpy\nndarray\n)\x81.", "the pickle operation '\\x81'"),
        (b"\x80\x04}K\x01K\x02s.", "the pickle operation '}'"),
        # A name in a name, which pickle would resolve attribute by attribute.
        (b"\x80\x04\x8c\x05numpy\x8c\x0endarray.tofile\x93.", "wants to load numpy.ndarray.tofile"),
        (b"\x80\x04K\x01K\x02\x93.", "STACK_GLOBAL requires str"),
        # Calls of what is no function, state for what takes none.
        (b"\x80\x04K\x01)R.", "wants to call a int"),
        (MULTIARRAY + b"_reconstruct\n(X\x08\x00\x00\x00__code__K\x01tb.", "wants to change a function"),
        (b"cnumpy\ndtype\nNb.", "wants to change a type"),
        # Shapes that the bytes do not fill.
        (
            EMPTY_ARRAY + b"(K\x01(J\x00\x00\x00\x7ft" + FLOAT32 + b"\x89C\x04aaaatb.",
            "declares an array of shape (2130706432,)",
        ),
        (
            EMPTY_ARRAY + b"(K\x01(M\xff\xffM\xff\xfft" + FLOAT32 + b"\x89C\x04aaaatb.",
            "shape (65535, 65535) float32 and holds 4 bytes",
        ),
        (EMPTY_ARRAY + b"(K\x01(K\x03t" + FLOAT32 + b"\x89]tb.", "not enough values|holds|cannot be read"),
        (EMPTY_ARRAY + b"(K\x01(J\xff\xff\xff\xfft" + FLOAT32 + b"\x89C\x04aaaatb.", "declares an array of shape (-1,)"),
        # Numbers that are none.
        (b"cnumpy\ndtype\n(X\x03\x00\x00\x00U99\x89\x88tR.", "holds arrays of U99"),
        (b"cnumpy\ndtype\n(X\x02\x00\x00\x00f2\x89\x88tR.", "holds arrays of f2"),
        (b"c_codecs\nencode\n(X\x01\x00\x00\x00aX\x05\x00\x00\x00idna\x00tR.", "cannot be read|encode"),
        # Bombs: a memo index, a length and a frame that would take memory; tuples that take time.
        (b"\x80\x04Nr\xff\xff\xff\x7f.", "does not hold 3 maps"),
        (b"\x80\x04\x8e" + b"\xff" * 7 + b"\x00.", "cannot be read as .npz"),
        (b"\x80\x04\x95" + b"\xff" * 7 + b"\x00N.", "does not hold 3 maps|cannot be read as .npz"),
        (nested_tuples(200) + b".", "does not hold 3 maps"),
        (nested_tuples(200) + b"\x85cnumpy\ndtype\nh\xc8\x85R.", "holds arrays of tuple"),
        (nested_tuples(200) + b"cnumpy\ndtype\n(h\xc8tR.", "holds arrays of tuple"),
        (nested_tuples(200) + b"c_codecs\nencode\n(h\xc8h\xc8tR.", "wants to encode text that is no array"),
        # Cut short, empty, and not a pickle at all.
        (b"\x80\x04", "cannot be read as .npz (EOFError"),
        (b"", "cannot be read as .npz (EOFError"),
        (b"\x80\x09.", "unsupported pickle protocol"),
        (b".", "cannot be read as .npz (IndexError"),
        (b"\x80\x040.", "the pickle operation '0'"),
        (pickle.dumps(ragged(MAPS))[:-400], "cannot be read as .npz"),
    ],
)
def test_hostile_and_damaged_pickles(tmp_path: Path, pickled: bytes, said: str) -> None:
    object_npz(tmp_path / "gt.npz", pickled)
    message = refusal(tmp_path / "gt.npz")
    assert any(part in message for part in said.split("|")), message


@pytest.mark.parametrize(
    "content",
    [
        ragged([None, None, None]),
        ragged(["a", "b", "c"]),
        ragged([[1.0], [2.0], [3.0]]),
        ragged([np.zeros(3, np.float32)] * 3),
        ragged([np.zeros((2, 2, 2), np.float32)] * 3),
        ragged([ragged([1.0])] * 3),
    ],
)
def test_objects_that_are_no_maps(tmp_path: Path, content: NDArray[Any]) -> None:
    np.savez(tmp_path / "gt.npz", data=content)
    assert "map 0 is " in refusal(tmp_path / "gt.npz")
    assert "expected float (H, W) in metres" in refusal(tmp_path / "gt.npz")


def test_objects_of_text_in_a_box(tmp_path: Path) -> None:
    content = np.empty((3, 2, 2), object)
    content[...] = "2.5"
    np.savez(tmp_path / "gt.npz", data=content)
    assert "it holds objects that are no numbers" in refusal(tmp_path / "gt.npz")


@pytest.mark.parametrize("dtype", ["float16", "uint16", "int32", "uint8", "bool"])
def test_other_types_are_refused(tmp_path: Path, dtype: str) -> None:
    np.savez(tmp_path / "gt.npz", data=np.ones((3, 4, 5), dtype))
    assert f"holds {dtype} (3, 4, 5); expected float (N, H, W)" in refusal(tmp_path / "gt.npz")
    np.savez(tmp_path / "gt.npz", data=ragged([np.ones((4, 5), dtype)] * 3))
    assert "it holds arrays of " in refusal(tmp_path / "gt.npz")


@pytest.mark.parametrize("layout", [ragged, np.stack])
def test_another_count_is_refused(tmp_path: Path, layout: Callable[[Any], NDArray[Any]]) -> None:
    np.savez(tmp_path / "gt.npz", data=layout(world.depth_maps(3)))
    assert "holds 3 maps; the split has 4 frames, in that order" in refusal(tmp_path / "gt.npz", 4)


def test_a_count_in_the_header_that_the_pickle_does_not_keep(tmp_path: Path) -> None:
    object_npz(tmp_path / "gt.npz", pickle.dumps(ragged(MAPS[:2])))
    assert "its object array does not hold 3 maps" in refusal(tmp_path / "gt.npz")


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("layout", [ragged, np.stack, lambda maps: np.array(list(maps), object)])
def test_not_a_number_is_refused(tmp_path: Path, bad: float, layout: Callable[[Any], NDArray[Any]]) -> None:
    maps = world.depth_maps(3)
    maps[1][2, 3] = bad
    np.savez(tmp_path / "gt.npz", data=layout(maps))
    assert "map 1 holds NaN or inf; empty pixels are 0 in the field's files" in refusal(tmp_path / "gt.npz")


def test_a_dense_file_that_declares_more_than_it_holds(tmp_path: Path) -> None:
    stream = io.BytesIO()
    npy_format.write_array_header_1_0(stream, {"descr": "<f4", "fortran_order": False, "shape": (3, 2**40, 2**40)})
    (tmp_path / "gt.npy").write_bytes(stream.getvalue() + b"abcd")
    assert f"132 bytes, but its header declares (3, {2**40}, {2**40}) float32" in refusal(tmp_path / "gt.npy")
    np.save(tmp_path / "gt.npy", np.stack(world.depth_maps(3)))
    content = (tmp_path / "gt.npy").read_bytes()
    (tmp_path / "gt.npy").write_bytes(content[:-40])
    assert "cut short" in refusal(tmp_path / "gt.npy")
    (tmp_path / "gt.npy").write_bytes(content[: 128 + 100])
    assert "cut short" in refusal(tmp_path / "gt.npy")


def test_files_larger_than_any_camera_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from benchmark.io import gt_depths_npz

    np.savez(tmp_path / "gt.npz", data=ragged(MAPS))
    monkeypatch.setattr(gt_depths_npz, "MAX_BYTES_PER_FRAME", 1000)
    assert "bytes for 3 maps; no camera of these data sets is that large" in refusal(tmp_path / "gt.npz")


def test_other_archives_are_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "gt.npz", a=np.zeros(3), b=np.zeros(3))
    assert "holds a, b; expected one array, or exactly one called data, depth" in refusal(tmp_path / "gt.npz")
    (tmp_path / "gt.npz").write_bytes(b"not a zip file")
    assert "cannot be read as .npz (BadZipFile" in refusal(tmp_path / "gt.npz")


@settings(max_examples=200)
@given(data=st.data())
def test_damage_never_escapes_as_another_error(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    pickled = bytearray(pickle.dumps(ragged([m[:3, :4] for m in MAPS]), protocol=data.draw(st.sampled_from([2, 4]))))
    for _ in range(data.draw(st.integers(1, 3))):
        pickled[data.draw(st.integers(0, len(pickled) - 1))] = data.draw(st.integers(0, 255))
    path = tmp_path_factory.getbasetemp() / "damaged.npz"
    object_npz(path, bytes(pickled))
    with world.only_refusals_of(path):
        assert len(read_gt_depths(path, 3)) == 3
