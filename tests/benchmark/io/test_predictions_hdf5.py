"""Predictions in HDF5: with and without names, and what is refused."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import small_world as world
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmark.errors import PredictionError
from benchmark.io.files import sha256_of
from benchmark.io.predictions import read_predictions

IDS = world.ids_of(world.FIVE_DAYS)
ARRAY = world.predictions(5)


def save(path: Path, data: Any = ARRAY, frame_id: Any = None, **options: Any) -> Path:
    with h5py.File(path, "w") as file:
        file.create_dataset("data", data=data, **options)
        if frame_id is not None:
            file["frame_id"] = frame_id
    return path


def refusal(path: Path) -> str:
    with pytest.raises(PredictionError) as caught:
        read_predictions(path, IDS)
    assert str(caught.value).startswith(f"{path}: ")
    assert "ground truth" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("frame_id", [None, np.array(IDS, "S"), np.array(IDS, "S200")])
@pytest.mark.parametrize(
    "options", [{}, {"compression": "gzip", "shuffle": True}, {"chunks": (1, 6, 20), "compression": "lzf"}]
)
def test_values_and_names_come_back(tmp_path: Path, frame_id: Any, options: dict[str, Any]) -> None:
    path = save(tmp_path / "my preds.h5", frame_id=frame_id, **options)
    found = read_predictions(path, IDS)
    assert found.frame_id == (None if frame_id is None else IDS)
    assert (len(found), found.shape, found.surplus) == (5, (5, 6, 20), 0)
    assert found.sha256() == sha256_of(path)
    with ThreadPoolExecutor(4) as pool:
        for i, one in enumerate(pool.map(found.load, range(5))):
            np.testing.assert_array_equal(one, ARRAY[i])


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (ARRAY.astype(np.float16), "holds float16; expected float32 or float64"),
        (ARRAY.astype(">f4"), "holds >f4, the byte order of another machine"),
        ((ARRAY * 256).astype(np.uint16), "holds uint16; expected float32 or float64"),
        (ARRAY[:, None], "Drop the axis of length 1: np.squeeze(array, axis=1)"),
        (ARRAY[0], "One image only"),
        (np.float32(1), "has shape ()"),
        (h5py.Empty("f4"), "cannot be read as HDF5 predictions"),
        (np.array([b"a", b"b"]), "holds |S1; expected float32 or float64"),
        (["a", "b"], "holds Python objects"),
    ],
)
def test_other_arrays_are_refused(tmp_path: Path, data: Any, said: str) -> None:
    assert said in refusal(save(tmp_path / "a.h5", data))


@pytest.mark.parametrize(
    ("frame_id", "said"),
    [
        (list(IDS), 'frame_id is object (5,); expected 5 texts of fixed length, one a frame: save np.array(ids, "S")'),
        (np.array(IDS[:4], "S"), "frame_id is |S46 (4,); expected 5 texts of fixed length"),
        (np.arange(5), "frame_id is int64 (5,); expected 5 texts of fixed length"),
        (np.array([[b"a"]] * 5), "frame_id is |S1 (5, 1); expected 5 texts of fixed length"),
        (np.array([*IDS[:4], IDS[0]], "S"), f"4 different frame ids for 5 predictions, {IDS[0]} repeats; name each once"),
        (np.array([b"\xff", b"b", b"c", b"d", b"e"]), "cannot be read as HDF5 predictions ('utf-8' codec"),
    ],
)
def test_other_names_are_refused(tmp_path: Path, frame_id: Any, said: str) -> None:
    assert said in refusal(save(tmp_path / "a.h5", frame_id=frame_id))


def external_link(file: h5py.File) -> None:
    file["data"] = h5py.ExternalLink("/etc/passwd", "/data")


def external_names(file: h5py.File) -> None:
    file["data"] = ARRAY
    file["frame_id"] = h5py.ExternalLink("names.h5", "/frame_id")


def soft_link(file: h5py.File) -> None:
    file["data"] = h5py.SoftLink("/elsewhere")


def external_storage(file: h5py.File) -> None:
    file.create_dataset("data", (5, 6, 20), "f4", external=[("/etc/passwd", 0, h5py.h5f.UNLIMITED)])


def never_written(file: h5py.File) -> None:
    file.create_dataset("data", (697, 16000, 16000), "f4", chunks=(1, 100, 100))


def names_never_written(file: h5py.File) -> None:
    file["data"] = ARRAY
    file.create_dataset("frame_id", (5,), "S1000", chunks=(5,))


def names_of_a_gigabyte(file: h5py.File) -> None:
    file["data"] = ARRAY
    file.create_dataset("frame_id", (5,), "S1000000000", chunks=(1,))


def nothing(file: h5py.File) -> None:
    file["other"] = ARRAY


def a_group(file: h5py.File) -> None:
    file.create_group("data")["data"] = ARRAY


@pytest.mark.parametrize(
    ("fill", "said"),
    [
        (external_link, "'data' is an ExternalLink, which could point outside the file"),
        (external_names, "'frame_id' is an ExternalLink, which could point outside the file"),
        (soft_link, "'data' is a SoftLink"),
        (external_storage, "'data' is a group or keeps its data in other files"),
        (never_written, "data declares 713728000000 bytes but stores 0; no file packs that tightly"),
        (names_never_written, "frame_id declares 5000 bytes but stores 0"),
        (names_of_a_gigabyte, "frame_id is |S1000000000 (5,); expected 5 texts"),
        (nothing, "expected an array `data` (N, h, w) and, optionally, `frame_id` (N,)"),
        (a_group, "'data' is a group"),
    ],
)
def test_what_is_refused_before_memory_is_taken(tmp_path: Path, fill: Callable[[h5py.File], None], said: str) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        fill(file)
    assert said in refusal(tmp_path / "a.h5")


def test_a_refused_file_is_closed(tmp_path: Path) -> None:
    path = save(tmp_path / "a.h5", ARRAY[0])
    refusal(path)
    with h5py.File(path, "w") as file:  # HDF5 would refuse to write to an open file
        file["data"] = ARRAY


def test_other_files_and_files_cut_short(tmp_path: Path) -> None:
    (tmp_path / "a.h5").write_bytes(b"text")
    assert "cannot be read as HDF5 predictions" in refusal(tmp_path / "a.h5")
    path = save(tmp_path / "b.h5", compression="gzip")
    path.write_bytes(path.read_bytes()[:-100])
    assert "the file is damaged or of another kind: save it again" in refusal(path)


def test_a_damaged_chunk_names_the_prediction(tmp_path: Path) -> None:
    path = save(tmp_path / "a.h5", chunks=(1, 6, 20), compression="gzip")
    with h5py.File(path, "r") as file:
        info = file["data"].id.get_chunk_info(3)
    content = bytearray(path.read_bytes())
    content[info.byte_offset : info.byte_offset + 50] = bytes(50)
    path.write_bytes(content)
    found = read_predictions(path, IDS)
    np.testing.assert_array_equal(found.load(0), ARRAY[0])
    with pytest.raises(PredictionError, match=r"a\.h5: prediction 3 cannot be read \(.*\); the file is damaged"):
        found.load(3)


@settings(max_examples=100)
@given(data=st.data())
def test_damage_never_escapes_as_another_error(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    valid = tmp_path_factory.getbasetemp() / "valid predictions.h5"
    if not valid.exists():
        save(valid, frame_id=np.array([i.encode() for i in IDS]), chunks=(1, 6, 20), compression="gzip")
    content = bytearray(valid.read_bytes())
    for _ in range(data.draw(st.integers(1, 3))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path = tmp_path_factory.getbasetemp() / "damaged predictions.h5"
    path.unlink(missing_ok=True)
    path.write_bytes(content)
    with world.only_refusals_of(path):
        found = read_predictions(path, IDS)
        assert len(found) == 5
        assert {found.load(i).shape for i in range(5)} == {(6, 20)}
