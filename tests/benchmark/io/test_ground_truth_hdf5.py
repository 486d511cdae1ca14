"""The ground-truth file: exact, deterministic, whole, and refused when it is anything else."""

import errno
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import small_world as world
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from benchmark.errors import GroundTruthError
from benchmark.io import files, ground_truth_hdf5
from benchmark.io.ground_truth import PNG_SCALE, sparsify
from benchmark.io.ground_truth_hdf5 import read_hdf5, write_hdf5

IDS = world.ids_of(world.FIVE_DAYS[:3])


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A valid file of three frames, in a folder with a space in its name."""
    folder = tmp_path / "my data"
    folder.mkdir()
    world.write_tiny_hdf5(folder / "gt.h5")
    return folder / "gt.h5"


def refusal(path: Path) -> str:
    with pytest.raises(GroundTruthError) as caught:
        read_hdf5(path)
    message = str(caught.value)
    assert message.startswith(f"{path}: ")
    assert "\n" not in message
    return message


@settings(max_examples=25)
@given(seed=st.integers(0, 2**31), count=st.integers(1, 5), share=st.sampled_from([0.0, 0.05, 1.0]), raw=st.booleans())
def test_what_is_written_is_read(
    tmp_path_factory: pytest.TempPathFactory, seed: int, count: int, share: float, raw: bool
) -> None:
    path = tmp_path_factory.getbasetemp() / "gt.h5"
    random = np.random.default_rng(seed)
    metres = [m for i in range(count) for m in world.depth_maps(1, height=3 + i, width=40 - i, seed=seed + i, share=share)]
    maps = [(m * 256).astype(np.uint16) for m in metres] if raw else metres
    K = random.normal(size=(count, 3, 3))
    about = world.header(world.ids_of(world.FIVE_DAYS[:count]), scale=PNG_SCALE if raw else None)
    cut = int(random.integers(0, count))
    write_hdf5(path, about, [sparsify(maps[a:b], K[a:b]) for a, b in ((0, cut), (cut, count)) if b > a])
    truth = read_hdf5(path)
    assert truth.header == about
    assert not truth.order_assumed
    np.testing.assert_array_equal(truth.K, K)
    for i, depth in enumerate(maps):
        expected = depth.astype(np.float32) / 256 if raw else depth
        np.testing.assert_array_equal(truth.dense(i), expected)


def test_an_error_while_a_part_is_made_is_not_one_of_the_output(tmp_path: Path) -> None:
    def parts() -> Iterator[Any]:
        yield sparsify(world.depth_maps(2), np.full((2, 3, 3), np.nan))
        raise PermissionError(errno.EACCES, "Permission denied", "scan.npz")

    with pytest.raises(GroundTruthError, match=r"a frame could not be read: .*Permission denied: 'scan\.npz'") as caught:
        write_hdf5(tmp_path / "gt.h5", world.header(IDS), parts())
    assert "Free some space" not in str(caught.value)
    assert world.names_in(tmp_path) == []


def test_more_points_than_a_chunk_holds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ground_truth_hdf5, "CHUNK", 1000)
    maps = world.depth_maps(3, share=0.9)
    write_hdf5(tmp_path / "gt.h5", world.header(IDS), [sparsify([m], np.eye(3)) for m in maps])
    truth = read_hdf5(tmp_path / "gt.h5")
    assert len(truth.data) > 3000
    for i, depth in enumerate(maps):
        np.testing.assert_array_equal(truth.dense(i), depth)


def test_equal_content_gives_equal_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ground_truth_hdf5, "CHUNK", 1000)
    maps = world.depth_maps(3, share=0.9)
    write_hdf5(tmp_path / "one.h5", world.header(IDS), [sparsify(maps, np.eye(3))])
    write_hdf5(tmp_path / "two.h5", world.header(IDS), [sparsify([m], np.eye(3)) for m in maps])
    assert (tmp_path / "one.h5").read_bytes() == (tmp_path / "two.h5").read_bytes()
    assert read_hdf5(tmp_path / "one.h5").content_sha256 == read_hdf5(tmp_path / "two.h5").content_sha256


def test_other_programs_may_repack_it(path: Path) -> None:
    """Other chunks and filters are read by the HDF5 library and give the same content."""
    before = read_hdf5(path)
    for name, options in {
        "indptr": {"compression": "lzf"},
        "indices": {"chunks": (7,), "fletcher32": True},
        "data": {},
        "K": {"compression": "gzip", "shuffle": True},
    }.items():
        with h5py.File(path, "r+") as file:
            values = file[name][...]
            del file[name]
            file.create_dataset(name, data=values, **options)
    after = read_hdf5(path)
    assert after.content_sha256 == before.content_sha256
    np.testing.assert_array_equal(after.data, before.data)


def external_link(file: h5py.File) -> None:
    del file["data"]
    file["data"] = h5py.ExternalLink("elsewhere.h5", "/data")


def soft_link(file: h5py.File) -> None:
    file["again"] = h5py.SoftLink("/data")


def dangling_link(file: h5py.File) -> None:
    file["nothing"] = h5py.SoftLink("/nowhere")


def virtual_dataset(file: h5py.File) -> None:
    shape = file["data"].shape
    del file["data"]
    layout = h5py.VirtualLayout(shape, "f4")
    layout[:] = h5py.VirtualSource("elsewhere.h5", "data", shape)
    file.create_virtual_dataset("data", layout)


def external_storage(file: h5py.File) -> None:
    n = len(file["data"])
    del file["data"]
    file.create_dataset("data", (n,), "f4", external=[("elsewhere.bin", 0, 4 * n)])


def a_group(file: h5py.File) -> None:
    file.create_group("group")


@pytest.mark.parametrize(
    ("link", "said"),
    [
        (external_link, "'data' is an ExternalLink, which could point outside the file; expected plain arrays only"),
        (soft_link, "'again' is a SoftLink, which could point outside"),
        (dangling_link, "'nothing' is a SoftLink, which could point outside"),
        (virtual_dataset, "'data' is a group or keeps its data in other files; expected plain arrays only"),
        (external_storage, "'data' is a group or keeps its data in other files; expected plain arrays only"),
        (a_group, "'group' is a group or keeps its data in other files"),
    ],
)
def test_what_leaves_the_file_is_refused(path: Path, link: Callable[[h5py.File], None], said: str) -> None:
    with h5py.File(path, "r+") as file:
        link(file)
    (path.parent / "elsewhere.bin").write_bytes(bytes(10**6))
    assert said in refusal(path)


def test_an_unknown_filter_is_refused_before_any_plugin_is_looked_for(path: Path) -> None:
    with h5py.File(path, "r+") as file:
        n = len(file["data"])
        del file["data"]
        properties = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        properties.set_chunk((n,))
        properties.set_filter(32015, h5py.h5z.FLAG_OPTIONAL, ())
        space = h5py.h5s.create_simple((n,))
        h5py.h5d.create(file.id, b"data", h5py.h5t.IEEE_F32LE, space, properties)
    assert "'data' uses the HDF5 filter 32015, which would load a plugin; known are shuffle, deflate" in refusal(path)


@pytest.mark.parametrize(
    ("name", "shape", "dtype"),
    [
        ("data", (10**12,), "f4"),
        ("indptr", (10**12,), "i8"),
        ("shape", (10**11, 2), "i8"),
        ("K", (10**11, 3, 3), "f8"),
        ("frame_id", (10**10,), "S100"),
        ("frame_id", (3,), "S1000000000"),
    ],
)
def test_a_header_that_declares_what_was_never_written(path: Path, name: str, shape: tuple[int, ...], dtype: str) -> None:
    with h5py.File(path, "r+") as file:
        del file[name]
        file.create_dataset(name, shape, dtype, chunks=(1, *shape[1:]))
    message = refusal(path)
    assert f"{name} declares " in message or "frame_id is |S1000000000 (3,); expected 3 texts of fixed length" in message


def test_a_chunk_far_larger_than_its_array_is_refused(path: Path) -> None:
    with h5py.File(path, "r+") as file:
        values = file["data"][...]
        del file["data"]
        properties = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        properties.set_chunk((2**29,))
        properties.set_deflate(1)
        space = h5py.h5s.create_simple((len(values),), (h5py.h5s.UNLIMITED,))
        data = h5py.h5d.create(file.id, b"data", h5py.h5t.IEEE_F32LE, space, properties)
        data.write_direct_chunk((0,), b"x" * 1000)
    assert "data declares 2147483648 bytes but stores 1000; no file packs that tightly" in refusal(path)


def test_more_frames_than_the_caller_allows(path: Path) -> None:
    assert len(read_hdf5(path, max_frames=3)) == 3
    with pytest.raises(GroundTruthError, match="declares 3 frames; the split holds 2"):
        read_hdf5(path, max_frames=2)


@pytest.mark.parametrize(
    ("name", "values", "said"),
    [
        ("data", np.ones(5, np.float64), "data is float64; expected <f4 or <u2"),
        ("data", np.ones(5, ">f4"), "data is >f4; expected <f4 or <u2"),
        ("indices", np.ones(5, np.uint32), "indices is uint32; expected <u2"),
        ("indptr", np.zeros(5, np.int32), "indptr is int32; expected <i8"),
        ("data", np.ones(10, np.float32), "declares (10,) depths and (61,) row starts; its 3 images have 60 rows"),
        ("shape", np.ones((2, 2), np.int64), "shape, K and row_start do not have one entry for each of the 3 frames"),
        ("shape", np.array([[20, 60], [20, 60], [20, 0]]), "image sizes must lie in 1..16384"),
        ("shape", np.array([[20, 60], [20, 60], [20, 99999]]), "image sizes must lie in 1..16384"),
        ("shape", np.array([[20, 60], [20, 60], [20, -60]]), "image sizes must lie in 1..16384"),
        ("shape", np.array([[20, 60], [20, 60], [21, 60]]), "its 3 images have 61 rows"),
        ("frame_id", np.array([b"a", b"a", b"b"]), "expected unique frame ids"),
        ("frame_id", np.array([b"a", b"\xff", b"b"]), "cannot be read as a depthbench ground-truth file ('utf-8' codec"),
        ("frame_id", np.arange(3), "frame_id is int64 (3,); expected 3 texts of fixed length"),
        ("frame_id", np.array([b"a", b"b"]), "do not have one entry for each of the 2 frames"),
    ],
)
def test_arrays_that_contradict_each_other(path: Path, name: str, values: NDArray[Any], said: str) -> None:
    world.alter(path, name, values)
    assert said in refusal(path)


@pytest.mark.parametrize(
    ("attribute", "value", "said"),
    [
        ("format_version", 2, "format version 2; this depthbench reads 1"),
        ("format_version", np.array([1, 1]), "the attribute format_version is int64 (2,); expected one number or text"),
        ("depth_kind", np.bytes_("radar"), "expected a known depth kind"),
        ("depth_kind", "radar", "the attribute depth_kind is object (); expected one number or text of fixed length"),
        ("data_scale", 1 / 256, "expected a data_scale above zero with uint16 depths, none with float32"),
        ("data_scale", np.bytes_("text"), "cannot be read as a depthbench ground-truth file"),
        ("depth_kind", None, "cannot be read as a depthbench ground-truth file"),
    ],
)
def test_bad_attributes(path: Path, attribute: str, value: Any, said: str) -> None:
    with h5py.File(path, "r+") as file:
        if value is None:
            del file.attrs[attribute]
        else:
            file.attrs[attribute] = value
    assert said in refusal(path)


def test_an_edited_depth_is_found_by_the_hash(path: Path) -> None:
    with h5py.File(path, "r+") as file:
        values = file["data"][...]
    values[7] += 1
    world.alter(path, "data", values)
    assert "it was altered after export: export it again with `depthbench export_gt`" in refusal(path)


@pytest.mark.parametrize("name", ["data", "indptr"])
def test_damage_inside_a_chunk(path: Path, name: str) -> None:
    with h5py.File(path, "r") as file:
        info = file[name].id.get_chunk_info(0)
    content = bytearray(path.read_bytes())
    middle = info.byte_offset + info.size // 2
    content[middle : middle + 8] = bytes(255 - byte for byte in content[middle : middle + 8])
    path.write_bytes(content)
    assert "the file is damaged" in refusal(path) or "altered after export" in refusal(path)


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.9, 0.999])
def test_a_file_cut_short(path: Path, share: float) -> None:
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    message = refusal(path)
    assert "cut short or of another kind: export it again with `depthbench export_gt`" in message


def test_other_files_are_refused(tmp_path: Path) -> None:
    (tmp_path / "text.h5").write_text("depth")
    assert "cannot be read as a depthbench ground-truth file" in refusal(tmp_path / "text.h5")
    with h5py.File(tmp_path / "empty.h5", "w"):
        pass
    assert "format_version" in refusal(tmp_path / "empty.h5")


@settings(max_examples=150)
@given(data=st.data())
def test_damage_anywhere_never_escapes_as_another_error(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    valid = tmp_path_factory.getbasetemp() / "valid.h5"
    if not valid.exists():
        world.write_tiny_hdf5(valid)
    content = bytearray(valid.read_bytes())
    for _ in range(data.draw(st.integers(1, 3))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path = tmp_path_factory.getbasetemp() / "damaged.h5"
    path.write_bytes(content)
    with world.only_refusals_of(path):
        np.testing.assert_array_equal(read_hdf5(path).dense(0), world.depth_maps(3)[0])


def test_a_full_disk_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: Path) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(files, "_sync", full)
    with pytest.raises(
        GroundTruthError, match=r"gt\.h5: cannot write the ground truth: .*No space left on device.*Free some space"
    ):
        world.write_tiny_hdf5(tmp_path / "gt.h5")
    assert world.names_in(tmp_path) == []


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no limit on the size of a file")
def test_the_library_cannot_extend_the_file(tmp_path: Path) -> None:
    """A limit on the size of files fails inside the HDF5 library, as a full disk does."""
    code = """
import resource, signal, sys
from pathlib import Path
import small_world as world
from benchmark.errors import GroundTruthError
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (4000, resource.RLIM_INFINITY))
try:
    world.write_tiny_hdf5(Path(sys.argv[1]))
except GroundTruthError as error:
    print(error)
"""
    root = Path(__file__).parents[3]
    found = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "gt.h5")], capture_output=True, text=True, check=False,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(root), str(root / "tests")])},
    )  # fmt: skip
    assert found.stdout.startswith(f"{tmp_path / 'gt.h5'}: cannot write the ground truth: "), found
    assert found.returncode == 0
    assert "Traceback" not in found.stderr
    assert world.names_in(tmp_path) == []


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(GroundTruthError, match=r"gt\.h5: cannot write the ground truth: .*No such file or directory"):
        world.write_tiny_hdf5(tmp_path / "no" / "gt.h5")


def test_parts_that_do_not_add_up_are_not_written(tmp_path: Path) -> None:
    path = tmp_path / "gt.h5"
    with pytest.raises(GroundTruthError) as caught:
        write_hdf5(path, world.header(IDS), [sparsify(world.depth_maps(2), np.eye(3))])
    assert str(caught.value) == f"not written: {path}: 2 frames came for 3 frame ids (3 different)"
    with pytest.raises(GroundTruthError, match=r"^not written: .*gt\.h5: "):
        write_hdf5(path, world.header([]), [])
    with pytest.raises(
        GroundTruthError, match=r"^not written: .*gt\.h5: .*unique frame ids|3 frames came for 3 frame ids \(2 "
    ):
        write_hdf5(path, world.header([IDS[0], IDS[1], IDS[0]]), [sparsify([m], np.eye(3)) for m in world.depth_maps(3)])
    bad = world.depth_maps(3)
    bad[1][3, 4] = np.inf
    with pytest.raises(GroundTruthError, match=r"^not written: .*gt\.h5: .*expected finite depths above zero"):
        write_hdf5(path, world.header(IDS), [sparsify(bad, np.eye(3))])
    assert world.names_in(tmp_path) == []
