"""Sparse maps in memory: dense and back, the promises of the layout, the content hash."""

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import small_world as world
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from benchmark.errors import GroundTruthError
from benchmark.io.ground_truth import PNG_SCALE, Part, assemble, content_sha256, from_arrays, join, sparsify

ARRAYS = ("indptr", "indices", "data", "row_start", "shape", "K")
SHAPES = st.tuples(st.integers(1, 6), st.integers(1, 9))


def sparse_maps(dtype: type, largest: float) -> st.SearchStrategy[list[NDArray[Any]]]:
    """One to five maps of different sizes, many pixels empty, some maps wholly so."""
    values = st.floats(0.5, largest, width=32) if dtype == np.float32 else st.integers(1, int(largest))
    one = SHAPES.flatmap(lambda shape: hnp.arrays(dtype, shape, elements=values, fill=st.just(dtype(0))))
    return st.lists(one, min_size=1, max_size=5)


def arrays_of(count: int = 2) -> dict[str, NDArray[Any]]:
    truth = world.tiny_truth(count)
    return {name: getattr(truth, name).copy() for name in ARRAYS}


@given(maps=sparse_maps(np.float32, 2.0**127))
def test_dense_sparse_dense_is_exact(maps: list[NDArray[np.float32]]) -> None:
    truth = assemble(world.header(world.ids_of(world.FIVE_DAYS[: len(maps)])), [sparsify([m], np.eye(3)) for m in maps])
    assert len(truth) == len(maps)
    for i, depth in enumerate(maps):
        np.testing.assert_array_equal(truth.dense(i), depth)
        row, column, metres = truth.points(i)
        np.testing.assert_array_equal(metres, depth[row, column])
        assert len(metres) == np.count_nonzero(depth)


@given(maps=sparse_maps(np.uint16, 65535))
def test_png_units_become_metres_on_reading(maps: list[NDArray[np.uint16]]) -> None:
    about = world.header(world.ids_of(world.FIVE_DAYS[: len(maps)]), scale=PNG_SCALE)
    truth = assemble(about, [sparsify(maps, np.eye(3))])
    assert truth.data.dtype == np.uint16
    for i, raw in enumerate(maps):
        np.testing.assert_array_equal(truth.dense(i), raw.astype(np.float32) / 256)


def test_negative_and_not_a_number_pixels_are_empty() -> None:
    depth = np.array([[-1, 0, np.nan], [2, 3, 4]], np.float32)
    part = sparsify([depth], np.eye(3))
    assert part.row_count.tolist() == [0, 3]
    assert part.indices.tolist() == [0, 1, 2]
    assert part.data.tolist() == [2, 3, 4]


def test_maps_of_another_rank_are_refused() -> None:
    with pytest.raises(GroundTruthError, match=r"shape \(2, 3, 1\); expected two axes"):
        sparsify([np.ones((2, 3, 1))], np.eye(3))


def set_first(name: str, value: float) -> Callable[[dict[str, NDArray[Any]]], None]:
    def change(arrays: dict[str, NDArray[Any]]) -> None:
        arrays[name].reshape(-1)[0] = value

    return change


def fall(arrays: dict[str, NDArray[Any]]) -> None:
    arrays["indptr"][5], arrays["indptr"][6] = arrays["indptr"][6] + 1, arrays["indptr"][5]


def repeat_first(arrays: dict[str, NDArray[Any]]) -> None:
    arrays["indices"][1] = arrays["indices"][0]


def swap_first(arrays: dict[str, NDArray[Any]]) -> None:
    arrays["indices"][:2] = arrays["indices"][1::-1]


def shorten(name: str) -> Callable[[dict[str, NDArray[Any]]], None]:
    def change(arrays: dict[str, NDArray[Any]]) -> None:
        arrays[name] = arrays[name][:-1]

    return change


@pytest.mark.parametrize(
    ("change", "promise"),
    [
        (set_first("data", np.nan), "finite depths above zero"),
        (set_first("data", np.inf), "finite depths above zero"),
        (set_first("data", -1), "finite depths above zero"),
        (set_first("data", 0), "finite depths above zero"),
        (set_first("indices", world.WIDTH), "columns inside the image"),
        (set_first("indices", 65535), "columns inside the image"),
        (repeat_first, "columns that ascend within a row"),
        (swap_first, "columns that ascend within a row"),
        (set_first("indptr", 1), "indptr from 0 to the number of points, never falling"),
        (set_first("indptr", -1), "indptr from 0 to the number of points, never falling"),
        (fall, "indptr from 0 to the number of points, never falling"),
        (shorten("data"), "indptr from 0 to the number of points, never falling"),
        (shorten("indptr"), "one indptr entry per row and one more"),
        (shorten("row_start"), "row_start counts the rows"),
        (set_first("row_start", 3), "row_start counts the rows"),
        (set_first("row_start", -3), "row_start counts the rows"),
        (shorten("K"), "one frame id per frame"),
    ],
)
def test_every_broken_promise_is_named(change: Callable[[dict[str, NDArray[Any]]], None], promise: str) -> None:
    arrays = arrays_of()
    change(arrays)
    with pytest.raises(GroundTruthError) as caught:
        from_arrays(world.header(world.ids_of(world.FIVE_DAYS[:2])), arrays, source="a b/gt.h5")
    assert str(caught.value) == (
        f"a b/gt.h5: the ground truth is inconsistent, expected {promise}; the file is damaged or was not written by "
        "depthbench: export it again with `depthbench export_gt`"
    )


@pytest.mark.parametrize(
    ("changes", "promise"),
    [
        ({"frame_id": ("a", "a")}, "unique frame ids"),
        ({"frame_id": ("a",)}, "one frame id per frame"),
        ({"depth_kind": "radar"}, "a known depth kind"),
        ({"data_scale": PNG_SCALE}, "a data_scale above zero with uint16 depths, none with float32"),
    ],
)
def test_every_broken_header_is_named(changes: dict[str, Any], promise: str) -> None:
    about = dataclasses.replace(world.header(world.ids_of(world.FIVE_DAYS[:2])), **changes)
    with pytest.raises(GroundTruthError, match=f"expected {promise};"):
        from_arrays(about, arrays_of(), source="gt.h5")


@pytest.mark.parametrize("scale", [None, 0.0, -1.0, float("nan"), float("inf")])
def test_raw_depths_need_a_scale(scale: float | None) -> None:
    about = world.header(["a"], scale=scale)
    with pytest.raises(GroundTruthError, match="expected a data_scale above zero with uint16 depths"):
        assemble(about, [sparsify([np.ones((2, 3), np.uint16)], np.eye(3))])


def test_indices_of_narrower_frames_are_held_to_their_own_width() -> None:
    """The widest frame of a file must not excuse the others."""
    about = world.header(["narrow", "wide"])
    maps = [np.ones((2, 3), np.float32), np.ones((2, 9), np.float32)]
    truth = assemble(about, [sparsify(maps, np.eye(3))])
    arrays = {name: getattr(truth, name).copy() for name in ARRAYS}
    arrays["indices"][2] = 3
    with pytest.raises(GroundTruthError, match="columns inside the image"):
        from_arrays(about, arrays, source="gt.h5")


@given(counts=st.lists(st.integers(0, 3), min_size=1, max_size=8), data=st.data())
def test_columns_ascend_exactly_where_no_row_begins(counts: list[int], data: st.DataObject) -> None:
    """Rows without points, also the first and the last, and rows that begin at or left of where the last one ended."""
    columns = [data.draw(st.lists(st.integers(0, 4), min_size=n, max_size=n)) for n in counts]
    flat = [column for row in columns for column in row]
    depth = np.ones(len(flat), np.float32)
    part = Part(np.array([[len(counts), 5]]), np.eye(3)[None], np.array(counts), np.array(flat, np.uint16), depth)
    arrays = join([part])
    if all(row == sorted(set(row)) for row in columns):
        from_arrays(world.header(["a"]), arrays, source="gt.h5")
        return
    with pytest.raises(GroundTruthError, match="expected columns that ascend within a row"):
        from_arrays(world.header(["a"]), arrays, source="gt.h5")


@pytest.mark.parametrize("name", ARRAYS)
def test_the_hash_covers_every_array(name: str) -> None:
    about, arrays = world.header(world.ids_of(world.FIVE_DAYS[:2])), arrays_of()
    before = content_sha256(about, arrays)
    arrays[name].reshape(-1)[-1] += 1
    assert content_sha256(about, arrays) != before


def test_the_hash_covers_names_kind_and_scale_but_no_prose() -> None:
    about, arrays = world.header(["a", "b"]), arrays_of()
    hashes = {
        content_sha256(one, arrays)
        for one in (
            about,
            world.header(["b", "a"]),
            world.header(["a", "b"], depth_kind="camera_z"),
            world.header(["a", "b"], scale=PNG_SCALE),
            dataclasses.replace(about, split="another name"),
        )
    }
    assert len(hashes) == 4


def test_nothing_to_assemble_is_refused() -> None:
    with pytest.raises(GroundTruthError, match=r"gt: holds no frame of custom/test; export it"):
        assemble(world.header([]), [], source="gt")
