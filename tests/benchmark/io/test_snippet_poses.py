from pathlib import Path

import numpy as np
import pytest
from pose_paths import drive
from snippet_files import five_frames, snippet_array, write_snippets

from benchmark.errors import TrajectoryError
from benchmark.io.snippet_poses import npy_shape, read_snippet_array, read_snippet_folder, snippet_files


def test_a_folder_of_snippets_is_recognised_and_read(tmp_path: Path) -> None:
    poses = drive(12)
    write_snippets(tmp_path / "09", poses)
    (tmp_path / "09/.hidden.txt").write_text("x")
    files = snippet_files(tmp_path / "09")
    assert [path.name for path in files] == [f"{k:06d}.txt" for k in range(8)]
    read = read_snippet_folder(tmp_path / "09", files)
    assert (read.first.tolist(), read.form) == (list(range(8)), "snippet_folder")
    assert read.xyz[3] == pytest.approx(five_frames(poses, 3)[:, :3, 3], abs=1e-5)
    assert read.time is not None
    assert read.time[2] == pytest.approx([0.2, 0.3, 0.4, 0.5, 0.6])


def test_the_array_is_read(tmp_path: Path) -> None:
    poses = drive(12)
    np.save(tmp_path / "predictions.npy", snippet_array(poses))
    read = read_snippet_array(tmp_path / "predictions.npy")
    assert npy_shape(tmp_path / "predictions.npy") == (8, 5, 3, 4)
    assert (read.first.tolist(), read.time, read.form) == (list(range(8)), None, "snippet_npy")
    assert read.xyz[7] == pytest.approx(five_frames(poses, 7)[:, :3, 3])


def test_snippets_are_seen_from_their_first_frame(tmp_path: Path) -> None:
    poses = drive(12)
    np.save(tmp_path / "p.npy", np.stack([poses[k : k + 5, :3] for k in range(8)]))
    assert read_snippet_array(tmp_path / "p.npy").xyz[7] == pytest.approx(five_frames(poses, 7)[:, :3, 3])


def test_rotations_that_are_off_are_mended(tmp_path: Path) -> None:
    snippets = np.stack([drive(12)[k : k + 5, :3] for k in range(8)])
    np.save(tmp_path / "p.npy", snippets)
    as_is = read_snippet_array(tmp_path / "p.npy")
    assert as_is.mended == ""
    snippets[3, 0, :, :3] *= 1.0004
    np.save(tmp_path / "p.npy", snippets)
    read = read_snippet_array(tmp_path / "p.npy")
    assert read.mended.startswith("rotations were off by up to 0.0008 (largest entry of |R^T R - I|, snippet 3); all were")
    assert read.xyz == pytest.approx(as_is.xyz, abs=1e-12)


def test_the_other_reading_is_that_of_inverse_poses(tmp_path: Path) -> None:
    np.save(tmp_path / "p.npy", snippet_array(drive(12)))
    np.save(tmp_path / "inverse.npy", np.stack([np.linalg.inv(five_frames(drive(12), k))[:, :3] for k in range(8)]))
    read, inverted = (read_snippet_array(tmp_path / name) for name in ("p.npy", "inverse.npy"))
    assert inverted.inverse_xyz == pytest.approx(read.xyz, abs=1e-12)


def test_a_standing_snippet_does_not_move_at_all(tmp_path: Path) -> None:
    np.save(tmp_path / "p.npy", np.stack([np.repeat(drive(30)[k : k + 1, :3], 5, axis=0) for k in range(30)]))
    assert (read_snippet_array(tmp_path / "p.npy").xyz == 0).all()


def test_a_folder_of_sequences_is_no_folder_of_snippets(tmp_path: Path) -> None:
    line = "1 0 0 0 0 1 0 0 0 0 1 0\n"
    assert snippet_files(tmp_path) == []
    (tmp_path / "09.txt").write_text(5 * line)
    assert snippet_files(tmp_path) == []
    (tmp_path / "09.txt").rename(tmp_path / "000009.txt")
    (tmp_path / "000009.txt").write_text(6 * line)
    assert snippet_files(tmp_path) == []


def test_a_mixture_is_refused_with_the_choices(tmp_path: Path) -> None:
    write_snippets(tmp_path / "a", drive(8))
    (tmp_path / "a/09.txt").write_text("1 0 0 0 0 1 0 0 0 0 1 0\n")
    with pytest.raises(TrajectoryError, match=r"000000.txt is named as a snippet of 5 frames, 09.txt is none; expected either"):
        snippet_files(tmp_path / "a")
    (tmp_path / "a/09.txt").unlink()
    (tmp_path / "a/000002.txt").write_text("0 0 0 0 0 0 0 1\n")
    with pytest.raises(TrajectoryError, match=r"000000.txt is named .*, 000002.txt is none"):
        snippet_files(tmp_path / "a")


def test_files_that_are_no_snippets_are_named(tmp_path: Path) -> None:
    write_snippets(tmp_path / "a", drive(8))
    (tmp_path / "a/000001.txt").write_text(5 * "1 0 0 0 0 1 0 0 0 0 1 0\n")
    with pytest.raises(TrajectoryError, match=r"000001.txt: line 1: has 12 columns; expected 8 \(tum\)"):
        read_snippet_folder(tmp_path / "a", snippet_files(tmp_path / "a"))


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.zeros((3, 4, 3, 4)), r"holds \(3, 4, 3, 4\) float64; expected \(n, 5, 3, 4\)"),
        (np.zeros((0, 5, 3, 4)), r"expected \(n, 5, 3, 4\)"),
        (np.zeros((2, 5, 3, 4), int), "int64; expected"),
        (np.full((2, 5, 3, 4), np.nan), "snippet 0 is not finite"),
        (snippet_array(drive(6)).astype(np.float16), "float16, whose three digits make no rotations"),
        (1e200 * snippet_array(drive(6)), r"snippet 0 holds a number beyond 1e\+09"),
        (np.stack([snippet_array(drive(5))[0], 1.1 * snippet_array(drive(5))[0]]), "snippet 1 holds .* off a rotation by 0.21"),
    ],
)
def test_arrays_that_are_no_snippets_are_refused(tmp_path: Path, array: np.ndarray, message: str) -> None:
    np.save(tmp_path / "p.npy", array)
    with pytest.raises(TrajectoryError, match=message):
        read_snippet_array(tmp_path / "p.npy")
    with pytest.raises(TrajectoryError, match="is not there"):
        npy_shape(tmp_path / "q.npy")
