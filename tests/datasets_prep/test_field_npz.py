import numpy as np
import pytest

from benchmark.errors import GroundTruthError
from datasets_prep.field_npz import write_field_npz


def maps(sizes):
    rng = np.random.default_rng(0)
    return [np.where(rng.random(size) < 0.1, rng.random(size) * 80, 0).astype(np.float32) for size in sizes]


@pytest.mark.parametrize("sizes", [[(5, 7)], [(5, 7), (5, 9)], [(5, 7), (6, 7), (1, 1)], [(4, 4)] * 3])
def test_reads_back_as_what_numpy_writes(tmp_path, sizes):
    expected = maps(sizes)
    write_field_npz(tmp_path / "gt_depths.npz", iter(expected), len(expected))
    with np.load(tmp_path / "gt_depths.npz", allow_pickle=True, encoding="latin1", fix_imports=True) as file:
        assert file.files == ["data"]
        found = file["data"]
    assert found.dtype == object
    assert found.shape == (len(sizes),)
    for a, b in zip(found, expected, strict=True):
        assert a.dtype == np.float32
        assert np.array_equal(a, b)
        assert a.flags.writeable


def test_names_only_what_every_numpy_knows(tmp_path):
    import pickletools
    import zipfile

    write_field_npz(tmp_path / "a.npz", maps([(5, 7), (5, 9)]), 2)
    with zipfile.ZipFile(tmp_path / "a.npz") as archive:
        raw = archive.read("data.npy")
    opcodes = list(pickletools.genops(raw[10 + int.from_bytes(raw[8:10], "little") :]))
    names = {argument for opcode, argument, _ in opcodes if opcode.name == "GLOBAL"}
    assert names == {"numpy.core.multiarray _reconstruct", "numpy ndarray", "numpy dtype"}
    assert not [opcode for opcode, _, _ in opcodes if opcode.name == "STACK_GLOBAL"]


def test_same_maps_same_bytes(tmp_path):
    for name in ("a", "b"):
        write_field_npz(tmp_path / f"{name}.npz", maps([(5, 7), (5, 9)]), 2)
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()


def test_wrong_count_leaves_nothing(tmp_path):
    with pytest.raises(ValueError, match="2 maps were given, 3 were declared"):
        write_field_npz(tmp_path / "a.npz", maps([(5, 7), (5, 9)]), 3)
    assert list(tmp_path.iterdir()) == []


def test_unwritable_folder(tmp_path):
    with pytest.raises(GroundTruthError, match=r"a\.npz: cannot write"):
        write_field_npz(tmp_path / "none" / "a.npz", maps([(5, 7)]), 1)
