import contextlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pose_paths import drive, trajectory, write_tum

from benchmark.errors import TrajectoryError
from benchmark.io.trajectories import read_trajectory, write_kitti

POSE = "1 0 0 0 0 1 0 0 0 0 1 0"
TUM = "0 0 0 0 0 0 1"


def written(folder: Path, text: str) -> Path:
    path = folder / "09.txt"
    path.write_bytes(text.encode())
    return path


def test_kitti_survives_a_round_trip(tmp_path: Path) -> None:
    poses = drive(30)
    write_kitti(tmp_path / "a.txt", trajectory(poses))
    back = read_trajectory(tmp_path / "a.txt")
    assert back.form == "kitti"
    assert np.array_equal(back.poses, poses)
    assert back.frame.tolist() == list(range(30))
    assert back.time is None


def test_frames_with_gaps_are_written_with_their_numbers(tmp_path: Path) -> None:
    write_kitti(tmp_path / "a.txt", trajectory(drive(3), frame=np.array([2, 3, 7])))
    back = read_trajectory(tmp_path / "a.txt")
    assert (back.form, back.frame.tolist()) == ("kitti13", [2, 3, 7])


def test_tum_is_read(tmp_path: Path) -> None:
    poses, time = drive(30), 1e9 + 0.1 * np.arange(30)
    write_tum(tmp_path / "a.txt", poses, time=time)
    back = read_trajectory(tmp_path / "a.txt")
    assert back.form == "tum"
    assert back.poses == pytest.approx(poses, abs=1e-12)
    assert back.time is not None
    assert np.array_equal(back.time, time)


@pytest.mark.parametrize(
    "text",
    [
        f"{POSE}\r\n{POSE} \r\n\r\n",
        f"\ufeff{POSE}\n{POSE}\t\n\n  \n",
        f"{POSE}\n{POSE}",
        f" # x\n{POSE}\n# y\n{POSE}",
        " " + POSE.replace(" ", "\t") + "\n" + POSE,
    ],
)
def test_blanks_and_line_endings_do_not_matter(tmp_path: Path, text: str) -> None:
    assert len(read_trajectory(written(tmp_path, text)).poses) == 2


def test_letters_of_any_script_may_stand_in_a_comment(tmp_path: Path) -> None:
    assert len(read_trajectory(written(tmp_path, f"# my_poses, v\u00e9rit\u00e9 \u0661\n{POSE}\n")).poses) == 1


def test_rotations_that_are_off_are_mended_and_rounded_ones_are_not(tmp_path: Path) -> None:
    rounded = read_trajectory(written(tmp_path, f"{POSE}\n1.0000008{POSE[1:]}\n"))
    assert (rounded.poses[1, 0, 0], rounded.mended) == (1.0000008, "")
    off = read_trajectory(written(tmp_path, f"{POSE}\n1.0000008{POSE[1:]}\n\n0.9998{POSE[1:]}".replace("\n\n", "\n# x\n")))
    assert (off.poses == np.eye(4)).all()
    assert off.mended == (
        "rotations were off by up to 0.0004 (largest entry of |R^T R - I|, line 4); all were replaced by the nearest ones. "
        "Write them with more digits"
    )
    numbered = read_trajectory(written(tmp_path, f"5 {POSE}\n8 1.0002{POSE[1:]}"))
    assert (numbered.poses == np.eye(4)).all()
    assert numbered.frame.tolist() == [5, 8]


def test_rounding_of_real_files_is_accepted(tmp_path: Path) -> None:
    assert len(read_trajectory(written(tmp_path, "1.000001" + POSE[1:])).poses) == 1


REFUSED = {
    "": "is empty",
    " \n\r\n": "is empty",
    f"{POSE}\n{POSE} 1": "line 2: has 13 columns, line 1 has 12",
    f"{POSE}\n\n{POSE}": "line 2: has 0 columns",
    "# t x y z\n# only": "is empty",
    f"1{POSE[3:]}": "line 1: has 11 columns; expected 12 numbers",
    POSE.replace(" ", ","): "expected numbers",
    "\0\0\0": "expected numbers",
    f"1e200{POSE[1:]}": "line 1: holds a number beyond 1e+09",
    f"1{POSE[1:5]} 0 1e10{POSE[9:]}": "line 1: holds a number beyond",
    f"{TUM} 1e200": "line 1: holds a number beyond",
    "1 2 3": "line 1: has 3 columns; expected 12 numbers",
    f"{POSE}\nx{POSE[1:]}": "line 2: holds 'x'; expected numbers",
    f"{POSE}\n1_0{POSE[1:]}": "line 2: holds '1_0'; expected numbers",
    f"{POSE}\n\u0661{POSE[1:]}": "line 2: holds '\u0661'; expected numbers",
    f"{POSE}\nnan{POSE[1:]}": "line 2: holds nan; expected finite",
    f"{POSE}\n{POSE[:-1]}inf": "line 2: holds inf; expected finite",
    f"{POSE}\n1.002{POSE[1:]}": "line 2: its 3x3 part is off a rotation by 0.004",
    f"-1{POSE[1:]}": "line 1: its 3x3 part is a reflection",
    f"0 {POSE}\n0 {POSE}": "line 2: repeats frame 0",
    f"3 {POSE}\n1 {POSE}": "line 2: goes back to frame 1 after 3",
    f"0.5 {POSE}": "line 1: begins with 0.5; expected a frame number",
    f"-1 {POSE}": "line 1: begins with -1",
    f"1 {TUM}\n1 {TUM}": "line 2: repeats time 1",
    "1 0 0 0 0 0 0 0.9": "line 1: its quaternion has the length 0.9",
    "1 0 0 0 0 0 0 0": "line 1: its quaternion has the length 0;",
}


@pytest.mark.parametrize(("text", "message"), REFUSED.items())
def test_what_is_no_trajectory_is_refused_in_one_paragraph(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(TrajectoryError) as refused:
        read_trajectory(written(tmp_path, text))
    assert message in str(refused.value)
    assert str(refused.value).startswith(str(tmp_path / "09.txt"))
    assert "\n" not in str(refused.value)
    assert "expected" in str(refused.value)


def test_missing_files_and_binary_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(TrajectoryError, match="cannot be read"):
        read_trajectory(tmp_path / "none.txt")
    (tmp_path / "a.txt").write_bytes(b"\x93NUMPY\xff")
    with pytest.raises(TrajectoryError, match="is not text"):
        read_trajectory(tmp_path / "a.txt")


def test_a_folder_and_an_endless_file_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(TrajectoryError, match=r"cannot be read \(Is a directory\)"):
        read_trajectory(tmp_path)
    monkeypatch.setattr("benchmark.io.trajectories.MAX_BYTES", 1 << 20)
    with pytest.raises(TrajectoryError, match="zero: has more than 1 MiB"):
        read_trajectory(Path("/dev/zero"))


def test_long_files_are_read(tmp_path: Path) -> None:
    assert len(read_trajectory(written(tmp_path, f"{POSE}\n" * 100_000)).poses) == 100_000


def test_times_may_be_nanoseconds_and_a_mark_of_byte_order_may_come_first(tmp_path: Path) -> None:
    read = read_trajectory(written(tmp_path, f"\ufeff# t x y z\n1.5e18 {TUM}\n1.6e18 {TUM}\n"))
    assert read.time is not None
    assert read.time.tolist() == [1.5e18, 1.6e18]


def test_a_format_can_be_required(tmp_path: Path) -> None:
    with pytest.raises(TrajectoryError, match="has 12 columns; expected 8 \\(tum\\)"):
        read_trajectory(written(tmp_path, POSE), form="tum")


CELLS = st.one_of(st.sampled_from(["0", "1", "-1", "nan", "1e308", "-1e-308", "x", "#", "1_0", "\x00"]), st.floats().map(repr))
ROWS = st.lists(CELLS, min_size=7, max_size=14).map(" ".join)


@settings(max_examples=200)
@given(st.lists(st.one_of(ROWS, st.sampled_from([POSE, f"0 {POSE}", f"1 {POSE}", f"0 {TUM}", "", " "])), max_size=4))
def test_whatever_a_file_holds_is_read_or_refused(tmp_path_factory: pytest.TempPathFactory, rows: list[str]) -> None:
    path = tmp_path_factory.mktemp("any", numbered=True) / "a.txt"
    path.write_bytes("\n".join(rows).encode())
    with contextlib.suppress(TrajectoryError):
        assert np.isfinite(read_trajectory(path).poses).all()


@pytest.mark.golden
def test_all_sequences_of_kitti_are_read(real_data: Path) -> None:
    frames = [len(read_trajectory(path).poses) for path in sorted((real_data / "kitti_odometry/poses").glob("*.txt"))]
    assert frames == [4541, 1101, 4661, 801, 271, 2761, 1101, 1101, 4071, 1591, 1201]
