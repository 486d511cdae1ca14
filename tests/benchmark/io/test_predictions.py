"""Arrays of predictions: every form that is scored, every form that is refused, with the line of numpy that mends it."""

import gc
import io
import threading
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import small_world as world
from numpy.lib import format as npy_format
from numpy.typing import NDArray

from benchmark.errors import PredictionError
from benchmark.io.files import sha256_of
from benchmark.io.predictions import ArrayPredictions, positions, read_predictions

IDS = world.ids_of(world.FIVE_DAYS)
FORMS = (".npy", ".npz")


def save(path: Path, array: NDArray[Any], *, key: str = "disp") -> Path:
    if path.suffix == ".npz":
        np.savez_compressed(path, **{key: array})
    else:
        np.save(path, array, allow_pickle=array.dtype == object)
    return path


def refusal(path: Path) -> str:
    with pytest.raises(PredictionError) as caught:
        read_predictions(path, IDS)
    message = str(caught.value)
    assert message.startswith(f"{path}: ")
    assert "\n" not in message
    return message


@pytest.mark.parametrize("suffix", FORMS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_values_come_back_untouched(tmp_path: Path, suffix: str, dtype: str) -> None:
    array = world.predictions(5, dtype=dtype)
    path = save(tmp_path / f"my disps{suffix}", array)
    found = read_predictions(path, IDS)
    assert len(found) == 5
    assert found.frame_id is None
    assert found.source == str(path)
    assert found.sha256() == sha256_of(path)
    for i in (3, 0, 4):
        assert found.load(i).dtype == dtype
        np.testing.assert_array_equal(found.load(i), array[i])


@pytest.mark.parametrize("suffix", FORMS)
def test_threads_read_at_once(tmp_path: Path, suffix: str) -> None:
    array = world.predictions(200)
    found = read_predictions(save(tmp_path / f"a{suffix}", array), IDS)
    barrier = threading.Barrier(4)

    def some(k: int) -> bool:
        barrier.wait(10)
        return all(np.array_equal(found.load(i), array[i]) for i in range(k, 200, 4))

    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(some, range(4)))


def test_no_file_is_left_open(tmp_path: Path) -> None:
    found = read_predictions(save(tmp_path / "a.npy", world.predictions(3)), IDS)
    found.load(0)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        del found
        gc.collect()
    assert [str(w.message) for w in caught if issubclass(w.category, ResourceWarning)] == []


@pytest.mark.parametrize("suffix", FORMS)
@pytest.mark.parametrize("dtype", ["float16", "int32", "int64", "uint16", "uint8", "bool", "complex64", "U3", "V4"])
def test_other_types_are_refused(tmp_path: Path, suffix: str, dtype: str) -> None:
    path = save(tmp_path / f"a{suffix}", np.ones((5, 6, 20)).astype(dtype) if dtype != "V4" else np.zeros((5, 6, 20), dtype))
    assert f"holds {np.dtype(dtype)}; expected float32 or float64. Nothing is cast silently" in refusal(path)


@pytest.mark.parametrize("suffix", FORMS)
def test_objects_are_never_unpickled(tmp_path: Path, suffix: str) -> None:
    array = np.empty(5, object)
    array[:] = list(world.predictions(5))
    message = refusal(save(tmp_path / f"a{suffix}", array))
    assert "holds Python objects (a list of arrays was saved), which are never unpickled" in message
    assert "np.save(path, np.stack(list))" in message


@pytest.mark.parametrize("suffix", FORMS)
def test_the_byte_order_of_another_machine(tmp_path: Path, suffix: str) -> None:
    message = refusal(save(tmp_path / f"a{suffix}", world.predictions(5).astype(">f8")))
    assert "holds >f8, the byte order of another machine; expected float32 or float64 of this one" in message
    assert "save it with .astype(np.float64)" in message


@pytest.mark.parametrize("suffix", FORMS)
@pytest.mark.parametrize(
    ("shape", "said"),
    [
        ((6, 20), "has shape (6, 20); expected (N, h, w). One image only: save (N, h, w), or evaluate a folder"),
        ((5, 1, 6, 20), "has shape (5, 1, 6, 20); expected (N, h, w). Drop the axis of length 1: np.squeeze(array, axis=1)"),
        ((5, 6, 20, 1), "has shape (5, 6, 20, 1); expected (N, h, w). Drop the axis of length 1: np.squeeze(array, axis=3)"),
        ((5, 3, 6, 20), "has shape (5, 3, 6, 20); expected (N, h, w). One channel is scored: save only that one"),
        ((120,), "has shape (120,); expected (N, h, w). Expected three axes"),
        ((), "has shape (); expected (N, h, w). Expected three axes"),
        ((0, 6, 20), "has shape (0, 6, 20); expected (N, h, w), there is nothing in it"),
        ((5, 0, 20), "has shape (5, 0, 20); expected (N, h, w), there is nothing in it"),
        ((5, 1, 20), "has shape (5, 1, 20); expected (N, h, w) with images of 2x2 to 16384x16384 pixels"),
        ((5, 6, 1), "has shape (5, 6, 1); expected (N, h, w) with images of 2x2 to 16384x16384 pixels"),
        ((1, 2, 20000), "has shape (1, 2, 20000); expected (N, h, w) with images of 2x2 to 16384x16384 pixels"),
    ],
)
def test_other_axes_are_refused(tmp_path: Path, suffix: str, shape: tuple[int, ...], said: str) -> None:
    assert said in refusal(save(tmp_path / f"a{suffix}", np.ones(shape, np.float32)))


def test_columns_first_is_refused_where_frames_are_read_one_by_one(tmp_path: Path) -> None:
    array = np.asfortranarray(world.predictions(5))
    message = refusal(save(tmp_path / "a.npy", array))
    assert "stored in Fortran order, whose frames are not contiguous; save it with np.ascontiguousarray first" in message
    found = read_predictions(save(tmp_path / "a.npz", array), IDS)
    np.testing.assert_array_equal(found.load(2), array[2])


def write_header(path: Path, shape: tuple[int, ...], body: bytes) -> None:
    stream = io.BytesIO()
    npy_format.write_array_header_1_0(stream, {"descr": "<f4", "fortran_order": False, "shape": shape})
    path.write_bytes(stream.getvalue() + body)


@pytest.mark.parametrize("kept", [0.999, 0.5, 0.15])
def test_a_file_cut_short(tmp_path: Path, kept: float) -> None:
    path = save(tmp_path / "a.npy", world.predictions(5))
    content = path.read_bytes()
    assert len(content) == 128 + 5 * 6 * 20 * 4
    path.write_bytes(content[: int(len(content) * kept)])
    message = refusal(path)
    assert f"{int(len(content) * kept)} bytes, but its header declares (5, 6, 20) float32, 2528 bytes" in message
    assert "the file is cut short or was still being written: copy or save it again" in message


@pytest.mark.parametrize("shape", [(697, 16384, 16384), (2**62, 6, 20), (2**40, 16384, 16384)])
def test_a_header_that_lies_takes_no_memory(tmp_path: Path, shape: tuple[int, ...]) -> None:
    write_header(tmp_path / "a.npy", shape, b"1234")
    assert f"its header declares {shape} float32" in refusal(tmp_path / "a.npy")


def test_negative_sides_whose_product_fits(tmp_path: Path) -> None:
    write_header(tmp_path / "a.npy", (-5, -6, 20), bytes(5 * 6 * 20 * 4))
    assert "its header declares the shape (-5, -6, 20)" in refusal(tmp_path / "a.npy")


def test_trailing_bytes_are_refused(tmp_path: Path) -> None:
    path = save(tmp_path / "a.npy", world.predictions(5))
    path.write_bytes(path.read_bytes() + b"more")
    assert "2532 bytes, but its header declares (5, 6, 20) float32, 2528 bytes" in refusal(path)


@pytest.mark.parametrize("key", ["disp", "pred", "depth", "data", "arr_0", "anything"])
def test_a_single_array_may_have_any_name(tmp_path: Path, key: str) -> None:
    array = world.predictions(5)
    np.testing.assert_array_equal(read_predictions(save(tmp_path / "a.npz", array, key=key), IDS).load(4), array[4])


def test_among_several_arrays_the_known_name_counts(tmp_path: Path) -> None:
    array = world.predictions(5)
    np.savez(tmp_path / "a.npz", disp=array, ids=np.arange(5))
    np.testing.assert_array_equal(read_predictions(tmp_path / "a.npz", IDS).load(0), array[0])
    np.savez(tmp_path / "b.npz", disp=array, depth=array)
    assert "holds disp, depth; expected one array, or exactly one called disp, pred, depth, data" in refusal(tmp_path / "b.npz")
    np.savez(tmp_path / "c.npz", one=array, two=array)
    assert "holds one, two; expected one array" in refusal(tmp_path / "c.npz")


def test_an_archive_cut_short_or_damaged(tmp_path: Path) -> None:
    path = save(tmp_path / "a.npz", world.predictions(200))
    content = path.read_bytes()
    path.write_bytes(content[:-30])
    assert "cannot be read as .npz (BadZipFile" in refusal(path)
    damaged = bytearray(content)
    damaged[60_000:60_100] = bytes(100)
    path.write_bytes(damaged)
    found = read_predictions(path, IDS)
    with pytest.raises(PredictionError, match=r"a\.npz: cannot be read as \.npz \((error|BadZipFile): .*; the file is damaged"):
        found.load(0)


def test_an_archive_takes_memory_only_when_it_is_read(tmp_path: Path) -> None:
    """The number of frames is held to the split's between opening and the first load."""
    path = save(tmp_path / "a.npz", world.predictions(5))
    found = read_predictions(path, IDS)
    path.unlink()
    assert len(found) == 5
    with pytest.raises(PredictionError, match=r"a\.npz: cannot be read \(No such file"):
        found.load(0)


def test_other_paths_are_refused(tmp_path: Path) -> None:
    assert "no such file or folder" in refusal(tmp_path / "a.npy")
    (tmp_path / "disps.pth").write_bytes(b"")
    assert "unknown kind of file; predictions are .npy, .npz, .h5, .zip, a folder, or a .yaml manifest" in refusal(
        tmp_path / "disps.pth"
    )
    (tmp_path / "b.npy").write_bytes(b"")
    assert "not a NumPy array file" in refusal(tmp_path / "b.npy")
    np.savez(tmp_path / "c.npz", world.predictions(5))
    (tmp_path / "c.npz").rename(tmp_path / "c.npy")
    assert "not a NumPy array file" in refusal(tmp_path / "c.npy")


def test_a_file_that_shrinks_while_it_is_scored(tmp_path: Path) -> None:
    path = save(tmp_path / "a.npy", world.predictions(5))
    found = read_predictions(path, IDS)
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(PredictionError, match="prediction 4 could not be read in full; the file changed while it was scored"):
        found.load(4)


def test_arrays_in_memory_are_held_to_the_same_rules() -> None:
    found = ArrayPredictions(world.predictions(5))
    assert (len(found), found.shape, found.surplus) == (5, (5, 6, 20), 0)
    assert found.sha256() == ArrayPredictions(np.asfortranarray(world.predictions(5))).sha256()
    with pytest.raises(PredictionError, match=r"array: has shape \(6, 20\)"):
        ArrayPredictions(world.predictions(5)[0])


def test_positions_are_joined_by_name() -> None:
    named = ArrayPredictions(world.predictions(3), frame_id=("c", "a", "x"))
    assert positions(named, ("ignored",), ("a", "b", "c")) == [1, None, 0]
    bare = ArrayPredictions(world.predictions(3))
    assert positions(bare, ("c", "a", "x"), ("a", "b", "c")) == [1, None, 0]
