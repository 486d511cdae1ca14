"""The layout of KITTI odometry, on a sequence of three frames."""

from pathlib import Path

import numpy as np
import pytest

from benchmark.errors import DatasetError, TrajectoryError
from benchmark.splits import Frame, load_split
from datasets_prep import kitti_odometry

P0 = "7.0e+02 0 6.0e+02 0 0 7.0e+02 1.8e+02 0 0 0 1 0"
P2 = "7.0e+02 0 6.0e+02 4.5e+01 0 7.0e+02 1.8e+02 -0.1 0 0 1 0.005"
P3 = "7.0e+02 0 6.0e+02 -3.4e+02 0 7.0e+02 1.8e+02 2.0 0 0 1 0.003"
TR = "0 -1 0 0.1 0 0 -1 -0.2 1 0 0 -0.3"
POSES = "".join(f"1 0 0 {0.1 * i} 0 1 0 0 0 0 1 {i}\n" for i in range(3))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "sequences" / "09"
    for camera in ("image_2", "image_3"):
        (folder / camera).mkdir(parents=True)
        for number in (0, 1, 2):
            (folder / camera / f"{number:06d}.png").write_bytes(b"")
    (folder / "calib.txt").write_text(f"P0: {P0}\nP1: {P0}\nP2: {P2}\nP3: {P3}\nTr: {TR}\n")
    (folder / "times.txt").write_text("0.000000e+00\r\n1.036224e-01\r\n2.072e-01 \r\n\r\n")
    (tmp_path / "poses").mkdir()
    (tmp_path / "poses" / "09.txt").write_text(POSES)
    (tmp_path / "poses" / "10.txt").write_text(POSES)
    return tmp_path


def test_paths_and_frames(root: Path) -> None:
    frame = Frame("09", "image_3", 2)
    assert kitti_odometry.image_path(root, frame) == root / "sequences/09/image_3/000002.png"
    assert kitti_odometry.sequences(root) == ("09", "10")
    assert kitti_odometry.list_frames(root, "09", "image_3") == tuple(Frame("09", "image_3", i) for i in range(3))
    kitti_odometry.image_path(root, frame).rename(root / "sequences/09/image_3/000002.jpg")
    assert kitti_odometry.image_path(root, frame).name == "000002.jpg"


def test_calibration(root: Path) -> None:
    calibration = kitti_odometry.load_calibration(root, "09")
    assert calibration.K("image_2").tolist() == [[700, 0, 600], [0, 700, 180], [0, 0, 1]]
    assert calibration.baseline() == pytest.approx(385 / 700, rel=1e-15)
    assert calibration.P_rect["image_3"][2, 3] == 0.003
    assert calibration.T_rect_lidar is not None
    assert calibration.T_rect_lidar[:3].ravel().tolist() == [float(word) for word in TR.split()]
    path = root / "sequences/09/calib.txt"
    path.write_text(path.read_text().partition("Tr")[0])
    assert kitti_odometry.load_calibration(root, "09").T_rect_lidar is None


def test_times_and_poses(root: Path) -> None:
    assert kitti_odometry.read_times(root, "09").tolist() == [0.0, 0.1036224, 0.2072]
    poses = kitti_odometry.read_poses(root, "09")
    assert (poses.shape, poses.dtype) == ((3, 4, 4), np.float64)
    assert poses[2].tolist() == [[1, 0, 0, 0.2], [0, 1, 0, 0], [0, 0, 1, 2], [0, 0, 0, 1]]


@pytest.mark.parametrize(
    ("file", "text", "message"),
    [
        ("calib.txt", f"P0: {P0}\n", "no key 'P1'; found: P0"),
        ("calib.txt", f"P0: {P0[:-2]}\n", "P0 holds 11 values"),
        ("calib.txt", "".join(f"P{i}: {'0 ' * 12}\n" for i in range(4)), r"P0: focal lengths 0, 0"),
        ("calib.txt", "", "no key 'P0'; found: none"),
        ("times.txt", "", r"times\.txt: it is empty"),
        ("times.txt", "0\n0.1\n0.1\n", "frame 2 has the time 0.1"),
        ("times.txt", "0\nnan\n", "frame 1 has the time nan"),
        ("times.txt", "0\nx\n", "what is no number"),
    ],
)
def test_damaged_files(root: Path, file: str, text: str, message: str) -> None:
    (root / "sequences" / "09" / file).write_text(text)
    read = kitti_odometry.load_calibration if file == "calib.txt" else kitti_odometry.read_times
    with pytest.raises(DatasetError, match=message):
        read(root, "09")


def test_requests_that_make_no_sense(root: Path) -> None:
    with pytest.raises(DatasetError, match=r"11\.txt: no such file; poses are published for 00-10"):
        kitti_odometry.read_poses(root, "11")
    with pytest.raises(DatasetError, match=r"'\.\.' is no sequence"):
        kitti_odometry.sequence_folder(root, "..")
    with pytest.raises(DatasetError, match="unknown camera 'image_02'"):
        kitti_odometry.image_path(root, Frame("09", "image_02", 0))
    with pytest.raises(DatasetError, match="holds neither sequences"):
        kitti_odometry.sequences(root / "poses")
    (root / "poses" / "09.txt").write_text("1 2 3\n")
    with pytest.raises(TrajectoryError, match=r"09\.txt"):
        kitti_odometry.read_poses(root, "09")


def test_from_a_split_to_images_intrinsics_and_poses(root: Path) -> None:
    poses = kitti_odometry.read_poses(root, "09")
    calibration = kitti_odometry.load_calibration(root, "09")
    for i, frame in enumerate(load_split("kitti_odom_09/test").frames[:3]):
        left, right = (kitti_odometry.image_path(root, frame._replace(camera=camera)) for camera in ("image_2", "image_3"))
        assert kitti_odometry.image_path(root, frame) == left
        assert (left.is_file(), right.is_file(), left.name) == (True, True, f"{i:06d}.png")
        assert calibration.K(frame.camera)[0].tolist() == [700, 0, 600]
        assert poses[frame.number][2, 3] == i
    for name in ("kitti_odom/train", "kitti_odom/val", "kitti_odom_10/test"):
        split = load_split(name)
        assert set(split.drives) <= set(kitti_odometry.FRAMES)
        assert {frame.camera for frame in split.frames} <= {"image_2", "image_3"}
        assert all(frame.number < kitti_odometry.FRAMES[frame.drive] for frame in split.frames)
    for sequence in ("09", "10"):
        assert kitti_odometry.FRAMES[sequence] == len(load_split(f"kitti_odom_{sequence}/test").frames)


@pytest.mark.golden
def test_real_poses(real_data: Path) -> None:
    root = real_data / "kitti_odometry"
    lengths = [len(kitti_odometry.read_poses(root, sequence)) for sequence in kitti_odometry.sequences(root)]
    assert lengths == [4541, 1101, 4661, 801, 271, 2761, 1101, 1101, 4071, 1591, 1201] == [*kitti_odometry.FRAMES.values()]
    first = kitti_odometry.read_poses(root, "00")[0]
    np.testing.assert_allclose(first, np.eye(4), rtol=0, atol=1e-7)
