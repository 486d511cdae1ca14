import cv2
import numpy as np
import pytest

from benchmark.splits import Frame
from datasets_prep import kitti_depth, kitti_raw
from datasets_prep.images import read_image
from datasets_prep.oxts import OXTS_FIELDS, oxts_poses, read_oxts, rotation_x, rotation_y, rotation_z
from datasets_prep.world import layout
from datasets_prep.world.rig import BASELINE_M, DATE, T_LIDAR_IMU, T_RECT_LIDAR, T_world_camera, T_world_lidar, rig_of

DRIVE = f"{DATE}_drive_0001_sync"
RIG = rig_of((192, 640))


def write(texts):
    for path, content in texts.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def pose(frame):
    """A car on a bend of 40 m radius at 9 m/s, nodding and rolling a little; metres east, north, up."""
    yaw, pitch, roll = 0.4 + 0.0225 * frame, 0.01 * np.sin(frame), 0.02 * np.cos(0.7 * frame)
    T = np.eye(4)
    angles = (np.array([angle]) for angle in (yaw, pitch, roll))
    T[:3, :3] = (rotation_z(next(angles)) @ rotation_y(next(angles)) @ rotation_x(next(angles)))[0]
    T[:3, 3] = 12 + 40 * np.sin(yaw), -5 - 40 * np.cos(yaw), 0.93 + 0.02 * np.sin(frame)
    return T


def straight(frame):
    """10 m/s to the north, upright: the front of the car points north, yaw pi / 2."""
    T = np.eye(4)
    T[:3, :3] = rotation_z(np.array([np.pi / 2]))[0]
    T[:3, 3] = 0, frame, 0.93
    return T


def packets(tmp_path, path_of_imu, numbers):
    for number in numbers:
        file = tmp_path / f"{number:010d}.txt"
        file.write_bytes(layout.encode_packet(layout.oxts_packet(path_of_imu, number)))
    return np.stack([read_oxts(tmp_path / f"{number:010d}.txt") for number in numbers])


def test_packets_give_the_exact_poses_back(tmp_path):
    poses = oxts_poses(packets(tmp_path, pose, range(60)))
    truth = np.stack([pose(frame) for frame in range(60)])
    there = np.linalg.inv(truth[:1]) @ truth
    back = np.linalg.inv(poses[:1]) @ poses
    assert np.abs(truth[-1, :3, 3] - truth[0, :3, 3]).max() > 40
    assert np.abs(back[:, :3, 3] - there[:, :3, 3]).max() < 1e-7
    assert np.abs(back[:, :3, :3] - there[:, :3, :3]).max() < 1e-12
    # Started elsewhere, a reader takes its Mercator scale from there, which is off by some parts in a million.
    later = oxts_poses(packets(tmp_path, pose, range(40, 45)))
    there = np.linalg.inv(truth[40]) @ truth[44]
    assert np.abs((np.linalg.inv(later[0]) @ later[4])[:3, 3] - there[:3, 3]).max() < 1e-3


def test_a_packet_says_how_the_car_moves(tmp_path):
    values = dict(zip(OXTS_FIELDS, packets(tmp_path, straight, [7])[0], strict=True))
    expected = {"vn": 10, "ve": 0, "vf": 10, "vl": 0, "vu": 0, "ax": 0, "ay": 0, "az": 9.81, "au": 9.81, "wz": 0}
    assert {name: values[name] for name in expected} == pytest.approx(expected, abs=1e-9)
    assert (values["yaw"], values["navstat"], values["numsats"]) == (pytest.approx(np.pi / 2), 4, 11)
    assert values["alt"] == pytest.approx(115.93)


@pytest.mark.parametrize("number", [0, 1, 30])
def test_rates_and_accelerations_of_a_bend(tmp_path, number):
    values = dict(zip(OXTS_FIELDS, packets(tmp_path, pose, [number])[0], strict=True))
    # 9 m/s on a radius of 40 m: 0.225 rad/s to the left and v^2 / r; a finite difference of the nodding is coarse.
    assert values["vf"] == pytest.approx(9, abs=0.01)
    assert values["wu"] == pytest.approx(0.225, abs=0.02)
    assert values["al"] == pytest.approx(9**2 / 40, abs=0.05)
    assert np.hypot(values["vn"], values["ve"]) == pytest.approx(9, abs=0.01)


def test_the_first_packet_is_at_the_origin(tmp_path):
    first = packets(tmp_path, pose, [0])[0]
    assert first[:2].tolist() == [49.0, 8.4]
    text = (tmp_path / "0000000000.txt").read_text()
    assert text.endswith(" 0.02 0.01 4 11 6 6 6\n")
    assert len(text.split()) == len(OXTS_FIELDS) == len(layout.MEANINGS)


def test_the_calibration_comes_back_exactly(tmp_path):
    write(layout.calibration_files(tmp_path, RIG))
    root = tmp_path / "kitti_raw"
    calibration = kitti_raw.load_calibration(root, DATE)
    assert calibration.shape == (192, 640)
    for camera in kitti_raw.CAMERAS:
        assert np.abs(calibration.P_rect[camera] - RIG.P_rect(camera)).max() < 1e-12
    assert (calibration.T_rect_lidar == T_RECT_LIDAR).all()
    assert (kitti_raw.load_T_lidar_imu(root, DATE) == T_LIDAR_IMU).all()
    left, right = calibration.P_rect["image_02"], calibration.P_rect["image_03"]
    assert (left[0, 3] - right[0, 3]) / left[0, 0] == pytest.approx(BASELINE_M, abs=1e-12)


def test_the_chain_of_the_files_is_the_chain_of_the_rig(tmp_path):
    write(layout.calibration_files(tmp_path, RIG))
    root = tmp_path / "kitti_raw"
    calibration = kitti_raw.load_calibration(root, DATE)
    T_world_imu = pose(3)
    for camera in ("image_02", "image_03"):
        T_camera_imu = calibration.T_cam_lidar(camera) @ kitti_raw.load_T_lidar_imu(root, DATE)
        assert np.abs(T_world_imu @ np.linalg.inv(T_camera_imu) - T_world_camera(T_world_imu, camera)).max() < 1e-12
    in_lidar = np.array([10.0, 2.0, -1.0, 1.0])
    in_world = T_world_lidar(T_world_imu) @ in_lidar
    in_camera = np.linalg.inv(T_world_camera(T_world_imu, "image_02")) @ in_world
    pixel = RIG.K @ in_camera[:3]
    assert calibration.M_image_lidar("image_02") @ in_lidar == pytest.approx(pixel, abs=1e-9)


def test_the_calibration_has_kittis_keys_in_kittis_order(tmp_path):
    texts = {path.name: content.decode() for path, content in layout.calibration_files(tmp_path, RIG).items()}
    camera = ("S", "K", "D", "R", "T", "S_rect", "R_rect", "P_rect")
    keys = {name: [line.partition(":")[0] for line in text.splitlines()] for name, text in texts.items()}
    assert keys == {
        "calib_cam_to_cam.txt": ["calib_time", "corner_dist", *(f"{key}_0{c}" for c in range(4) for key in camera)],
        "calib_velo_to_cam.txt": ["calib_time", "R", "T", "delta_f", "delta_c"],
        "calib_imu_to_velo.txt": ["calib_time", "R", "T"],
    }
    assert "-0.0000000000000000e+00" not in "".join(texts.values())


@pytest.mark.golden
def test_the_real_calibration_has_the_same_keys(tmp_path, real_data):
    for path, content in layout.calibration_files(tmp_path, RIG).items():
        real = (real_data / "kitti_raw" / "2011_09_26" / path.name).read_text()
        shapes = [[(line.partition(":")[0], len(line.split())) for line in t.splitlines()] for t in (real, content.decode())]
        assert shapes[0] == shapes[1]


@pytest.mark.golden
def test_the_real_drive_has_the_same_files(tmp_path, real_data):
    real = real_data / "kitti_raw" / "2011_09_26" / "2011_09_26_drive_0001_sync"
    write(layout.drive_files(tmp_path, DRIVE, 3))
    ours = tmp_path / "kitti_raw" / DATE / DRIVE
    texts = {path.relative_to(real) for path in real.rglob("*.txt") if path.parent.name != "data"}
    assert {path.relative_to(ours) for path in ours.rglob("*.txt")} == texts
    for name in (path for path in texts if path.name.startswith("timestamps")):
        assert len((ours / name).read_text().splitlines()[0]) == len((real / name).read_text().splitlines()[0])
    keys = [[line.split()[0] for line in (root / "oxts" / "dataformat.txt").read_text().splitlines()] for root in (real, ours)]
    # Theirs names ay twice.
    assert [key for key in keys[0] if key != "ay:"] == [key for key in keys[1] if key not in ("ay:", "az:")]


def test_time_stamps(tmp_path):
    write(layout.drive_files(tmp_path, DRIVE, 21))
    root = tmp_path / "kitti_raw"
    streams = ("image_02", "image_03", "oxts", "velodyne_points")
    stamps = {stream: kitti_raw.read_timestamps(kitti_raw.timestamps_path(root, DRIVE, stream)) for stream in streams}
    assert {len(times) for times in stamps.values()} == {21}
    assert set(np.diff(stamps["image_02"]).astype(int)) == {100_000_000}
    assert str(stamps["image_02"][20]) == "2031-05-01T12:00:02.000000000"
    scans = kitti_raw.drive_folder(root, DRIVE) / "velodyne_points"
    start, end = (kitti_raw.read_timestamps(scans / f"timestamps_{name}.txt") for name in ("start", "end"))
    assert (end[:-1] == start[1:]).all()
    assert (start + (end - start) // 2 == stamps["velodyne_points"]).all()


@pytest.mark.parametrize("part", ["train", "val"])
def test_the_readers_look_where_the_files_lie(tmp_path, part):
    paths = layout.frame_paths(tmp_path, DRIVE, 7, part=part)
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    for camera, image, depth in (("image_02", paths.image_02, paths.depth_02), ("image_03", paths.image_03, paths.depth_03)):
        frame = Frame(DRIVE, camera, 7)
        assert kitti_raw.image_path(tmp_path / "kitti_raw", frame) == image
        assert kitti_depth.annotated_path(tmp_path / "kitti_depth", frame) == depth
        assert part in depth.parts
    assert kitti_raw.velodyne_path(tmp_path / "kitti_raw", frame) == paths.velodyne
    assert kitti_raw.oxts_path(tmp_path / "kitti_raw", frame) == paths.oxts
    assert paths.flow == tmp_path / "world_labels" / DRIVE / "flow_occ" / "image_02" / "0000000007.png"


def test_annotated_depth(tmp_path):
    depth = np.array([[0.0, 1.0, 12.345, 255.99], [256.0, 1e6, np.inf, np.nan]], np.float32)
    path = tmp_path / "depth.png"
    path.write_bytes(layout.encode_png(layout.annotated_depth(depth)))
    assert kitti_depth.read_annotated(path).tolist() == [[0, 256, 3160, 65533], [0, 0, 0, 0]]


def test_images_and_scans_come_back(tmp_path):
    random = np.random.default_rng(0)
    image = random.integers(0, 256, (6, 8, 3)).astype(np.uint8)
    path = tmp_path / "image.png"
    path.write_bytes(layout.encode_image(image))
    assert (read_image(path) == image).all()
    assert (cv2.imread(str(path))[..., 0] == image[..., 2]).all()
    points = random.normal(0, 9, (50, 4)).astype(np.float32)
    path = tmp_path / "scan.bin"
    path.write_bytes(layout.encode_scan(points))
    assert (kitti_raw.read_velodyne(path) == points).all()
