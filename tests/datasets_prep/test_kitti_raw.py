import json

import numpy as np
import pytest
from kitti_tree import DATE, DRIVE, SHAPE, write_calibration, write_scans

from benchmark.errors import DatasetError
from benchmark.splits import Frame
from datasets_prep import kitti_raw
from datasets_prep.lidar import project_scan
from datasets_prep.scan_end import end_elevation
from datasets_prep.verify import wholeness

REAL = "2011_09_26_drive_0001_sync"


def test_paths(tmp_path):
    frame = Frame(DRIVE, "image_03", 7)
    drive = tmp_path / DATE / DRIVE
    assert kitti_raw.velodyne_path(tmp_path, frame) == drive / "velodyne_points" / "data" / "0000000007.bin"
    assert kitti_raw.oxts_path(tmp_path, frame) == drive / "oxts" / "data" / "0000000007.txt"
    png = drive / "image_03" / "data" / "0000000007.png"
    assert kitti_raw.image_path(tmp_path, frame) == png
    png.parent.mkdir(parents=True)
    png.with_suffix(".jpg").touch()
    assert kitti_raw.image_path(tmp_path, frame) == png.with_suffix(".jpg")
    png.touch()
    assert kitti_raw.image_path(tmp_path, frame) == png


@pytest.mark.parametrize("drive", ["09", "../../etc", "2011_09_26", "2011_09_26_drive_0001_sync/..", ""])
def test_other_drives_are_refused(drive, tmp_path):
    with pytest.raises(DatasetError, match="not a KITTI raw drive"):
        kitti_raw.velodyne_path(tmp_path, Frame(drive, "image_02", 0))


def test_unknown_camera_is_refused(tmp_path):
    with pytest.raises(DatasetError, match=r"frame 3: unknown camera '\.\./x'; known: image_00"):
        kitti_raw.image_path(tmp_path, Frame(DRIVE, "../x", 3))


def test_calibration_splits_on_the_first_colon_only(tmp_path):
    path = tmp_path / "calib.txt"
    path.write_text("calib_time: 09-Jan-2012 13:57:47\nA: 1.5 -2e-1\nB:3\nno colon\nC: 1 x\nD:\n\nA2: 1:2\n")
    found = kitti_raw.read_calibration(path)
    assert {key: value.tolist() for key, value in found.items()} == {"A": [1.5, -0.2], "B": [3.0]}
    assert found["A"].dtype == np.float64


def test_missing_key_names_file_and_key(tmp_path):
    write_calibration(tmp_path)
    path = tmp_path / DATE / "calib_cam_to_cam.txt"
    path.write_text("".join(line for line in path.read_text().splitlines(True) if "R_rect_00" not in line))
    with pytest.raises(DatasetError, match=r"calib_cam_to_cam\.txt: the calibration has no key 'R_rect_00'; found: "):
        kitti_raw.load_calibration(tmp_path, DATE)


def test_key_with_too_few_values(tmp_path):
    write_calibration(tmp_path)
    path = tmp_path / DATE / "calib_velo_to_cam.txt"
    path.write_text("R: 0 -1 0 0 0 -1 1 0 0\nT: 0 1\n")
    with pytest.raises(DatasetError, match=r"calib_velo_to_cam\.txt: T holds 2 values .*, expected 3 finite ones"):
        kitti_raw.load_calibration(tmp_path, DATE)


@pytest.mark.parametrize("values", ["1 2 3 4 5 6 7 8 9 10 11", "1 2 3 4 5 6 7 8 9 10 11 nan"])
def test_damaged_projection_is_one_paragraph(tmp_path, values):
    write_calibration(tmp_path)
    path = tmp_path / DATE / "calib_cam_to_cam.txt"
    path.write_text(
        "".join(line for line in path.read_text().splitlines(True) if "P_rect_02" not in line) + f"P_rect_02: {values}"
    )
    with pytest.raises(DatasetError, match=r"P_rect_02 holds 1[12] values \(1 2 3 .*\), expected 12 finite ones") as caught:
        kitti_raw.load_calibration(tmp_path, DATE)
    assert "\n" not in str(caught.value)


def test_repeated_key_is_refused(tmp_path):
    path = tmp_path / "calib.txt"
    path.write_text("T: 1 2 3\nR: 1\nT: 1 2 4\n")
    with pytest.raises(DatasetError, match=r"calib\.txt: the calibration has the key 'T' twice, expected each key once"):
        kitti_raw.read_calibration(path)


def test_missing_camera_and_missing_file(tmp_path):
    write_calibration(tmp_path)
    calibration = kitti_raw.load_calibration(tmp_path, DATE)
    with pytest.raises(DatasetError, match=r"calib_cam_to_cam\.txt: .* no key 'P_rect_00', .*; found: image_02, image_03"):
        calibration.K("image_00")
    with pytest.raises(DatasetError, match=r"2031_01_03/calib_cam_to_cam\.txt: cannot be read"):
        kitti_raw.load_calibration(tmp_path, "2031_01_03")


def test_miniature_calibration(tmp_path):
    write_calibration(tmp_path)
    calibration = kitti_raw.load_calibration(tmp_path, DATE)
    assert calibration.shape == SHAPE
    assert calibration.K("image_03").tolist() == [[20, 0, 16], [0, 20, 12], [0, 0, 1]]
    # A point 10.3 m ahead of the LiDAR is 10 m ahead of the camera and 0.1 m above it; P adds its fourth column.
    uvw = calibration.M_image_lidar("image_02") @ [10.3, 0, 0, 1]
    assert uvw == pytest.approx([16 * 10 + 1.5, 12 * 10 - 20 * 0.1 + 0.25, 10.003])
    assert calibration.T_cam_lidar("image_02") @ [10.3, 0, 0, 1] == pytest.approx([1.5 / 20, -0.1, 10, 1])
    assert kitti_raw.load_T_lidar_imu(tmp_path, DATE)[:, 3].tolist() == [-0.8, 0.3, -0.8, 1]


def test_known_days_are_held_to_their_size(tmp_path):
    write_calibration(tmp_path, "2011_09_28", shape=(370, 1226))
    with pytest.raises(DatasetError, match=r"calib_cam_to_cam\.txt: 370x1226 .* expected 370x1224, the size of 2011_09_28"):
        kitti_raw.load_calibration(tmp_path, "2011_09_28")
    write_calibration(tmp_path, "2011_09_28", shape=(370, 1224))
    assert kitti_raw.load_calibration(tmp_path, "2011_09_28").shape == (370, 1224)


def test_velodyne(tmp_path):
    scan = write_scans(tmp_path, [3])[3]
    path = kitti_raw.velodyne_path(tmp_path, Frame(DRIVE, "image_02", 3))
    found = kitti_raw.read_velodyne(path)
    assert found.dtype == np.float32
    assert np.array_equal(found, scan)
    raw = path.read_bytes()
    path.write_bytes(raw[:-5])
    with pytest.raises(DatasetError, match=r"0000000003\.bin: the LiDAR scan is truncated: 9595 bytes, expected a pos"):
        kitti_raw.read_velodyne(path)
    path.write_bytes(b"")
    with pytest.raises(DatasetError, match="the LiDAR scan is empty: 0 bytes"):
        kitti_raw.read_velodyne(path)
    path.write_bytes(raw[:16] + np.float32(np.nan).tobytes() * 4)
    with pytest.raises(DatasetError, match="NaN"):
        kitti_raw.read_velodyne(path)
    path.unlink()
    with pytest.raises(DatasetError, match="cannot be read"):
        kitti_raw.read_velodyne(path)


def test_a_file_that_is_no_scan_is_not_read(tmp_path):
    path = tmp_path / "a.bin"
    with path.open("wb") as file:
        file.truncate((1 << 26) + 16)
    with pytest.raises(DatasetError, match=r"a\.bin: 67108880 bytes are no LiDAR scan, expected about 2 MB"):
        kitti_raw.read_velodyne(path)


def made_up_beams() -> np.ndarray:
    elevation, azimuth = np.meshgrid(np.deg2rad(np.linspace(2, -24, 64)), np.linspace(0, 6, 300), indexing="ij")
    points = [np.cos(elevation) * np.cos(azimuth), np.cos(elevation) * np.sin(azimuth), np.sin(elevation), 0 * azimuth]
    return (10 * np.stack(points, -1)).reshape(-1, 4).astype("<f4")


@pytest.mark.parametrize(("date", "held"), [("2011_09_26", True), ("2011_10_03", True), (DATE, False)])
def test_scan_cut_between_two_points(tmp_path, date, held):
    path = tmp_path / date / f"{date}_drive_0001_sync" / "velodyne_points" / "data" / "0000000000.bin"
    path.parent.mkdir(parents=True)
    scan = made_up_beams()
    scan.tofile(path)
    assert len(kitti_raw.read_velodyne(path)) == 64 * 300
    assert wholeness(path) == "found"
    path.write_bytes(path.read_bytes()[: 4096 * 40])
    assert wholeness(path) == ("truncated" if held else "found")
    if held:
        with pytest.raises(
            DatasetError, match=r"truncated: its 10240 points end at an elevation of -1\d\.\d degrees, expected"
        ):
            kitti_raw.read_velodyne(path)
    else:
        assert len(kitti_raw.read_velodyne(path)) == 10240


@pytest.mark.golden
def test_real_scans_cut_at_a_block_are_refused_unless_nothing_of_the_image_is_lost(real_data, tmp_path):
    date, day = "2011_09_26", kitti_raw.load_calibration(real_data / "kitti_raw", "2011_09_26")
    for number in (0, 5, 25, 45):
        path = kitti_raw.velodyne_path(real_data / "kitti_raw", Frame(REAL, "image_02", number))
        scan = kitti_raw.read_velodyne(path)
        assert wholeness(path) == "found"
        passing = [n for n in range(256, len(scan), 256) if end_elevation(path, scan[:n]) is None]
        assert len(scan) - min(passing) < 30_000
        whole, cut = (
            project_scan(points, day.M_image_lidar("image_02"), shape=day.shape) for points in (scan, scan[: min(passing)])
        )
        assert np.array_equal(whole.data, cut.data)
        copy = tmp_path / date / REAL / "velodyne_points" / "data" / path.name
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes(path.read_bytes()[: 4096 * 300])
        assert wholeness(copy) == "truncated"


def test_frame_numbers_have_holes(tmp_path):
    write_scans(tmp_path, [12, 0, 5])
    folder = tmp_path / DATE / DRIVE / "velodyne_points" / "data"
    (folder / "readme.txt").touch()
    assert kitti_raw.frame_numbers(folder) == (0, 5, 12)
    with pytest.raises(DatasetError, match="cannot be listed"):
        kitti_raw.frame_numbers(folder / "none")


def test_timestamps(tmp_path):
    path = tmp_path / "timestamps.txt"
    path.write_text("2011-09-26 13:02:25.964389445\n2011-09-26 13:02:26.074347616\n\n")
    found = kitti_raw.read_timestamps(path)
    assert np.diff(found).astype(int).tolist() == [109958171]
    path.write_text("2011-09-26 13:02:25.964389445\n\n2011-09-26 13:02:26.074347616\n")
    assert np.isnat(kitti_raw.read_timestamps(path)).tolist() == [False, True, False]
    path.write_text("yesterday\n")
    with pytest.raises(DatasetError, match="not a list of time stamps"):
        kitti_raw.read_timestamps(path)


@pytest.mark.golden
def test_real_calibration_and_stamps(real_data):
    golden = json.loads((real_data / "golden.json").read_text())["kitti_oxts_and_geometry"]["results"]
    root = real_data / "kitti_raw"
    calibration = kitti_raw.load_calibration(root, "2011_09_26")
    T_lidar_imu = kitti_raw.load_T_lidar_imu(root, "2011_09_26")
    for camera in ("2", "3"):
        T = calibration.T_cam_lidar(f"image_0{camera}")
        key = next(k for k in golden if k.startswith(f"T_cam{camera}_velo"))
        assert np.allclose(T, golden[key], rtol=0, atol=1e-9)
        assert np.allclose(T @ T_lidar_imu, golden[f"T_cam{camera}_imu"], rtol=0, atol=1e-9)
    stamps = kitti_raw.read_timestamps(kitti_raw.timestamps_path(root, REAL, "oxts"))
    assert len(stamps) == golden["n_timestamp_lines"] == 108
    assert stamps[:5].tolist() == np.array(golden["timestamps"], "datetime64[ns]").tolist()
    assert kitti_raw.frame_numbers(root / "2011_09_26" / REAL / "image_02" / "data") == (0, 1, 2, 3, 4, 5, 25, 45)


@pytest.mark.golden
def test_real_intrinsics_of_the_five_days(real_data):
    expected = {
        "2011_09_26": (721.5377, 609.5593, 172.8540),
        "2011_09_28": (707.0493, 604.0814, 180.5066),
        "2011_09_29": (718.3351, 600.3891, 181.5122),
        "2011_09_30": (707.0912, 601.8873, 183.1104),
        "2011_10_03": (718.8560, 607.1928, 185.2157),
    }
    for date, (f, cx, cy) in expected.items():
        K = kitti_raw.read_K(kitti_raw.calibration_path(real_data / "kitti_raw", date, "cam_to_cam"), "image_02")
        assert np.abs(K - [[f, 0, cx], [0, f, cy], [0, 0, 1]]).max() < 1e-4
        path = kitti_raw.calibration_path(real_data / "kitti_raw", date, "cam_to_cam")
        size = kitti_raw.read_calibration(path)["S_rect_02"][::-1]
        assert tuple(size.astype(int)) == kitti_raw.DATE_SIZES[date]
