import json

import numpy as np
import pytest

from benchmark.errors import DatasetError
from benchmark.splits import Frame
from datasets_prep import kitti_raw, oxts

DRIVE = "2011_09_26_drive_0001_sync"


def packet(*, lat=49.0, lon=8.0, alt=100.0, roll=0.0, pitch=0.0, yaw=0.0):
    return np.array([lat, lon, alt, roll, pitch, yaw, *[0.0] * 24])


def test_mercator_by_hand():
    step = np.degrees(1 / oxts.EARTH_RADIUS_M)  # one metre on a great circle
    poses = oxts.oxts_poses(np.stack([packet(lat=60), packet(lat=60, lon=8 + step, alt=103), packet(lat=60 + step)]))
    # On the 60th parallel a degree of longitude is half as long as on the equator; north is true to scale.
    expected = np.array([[0, 0, 0], [0.5, 0, 3], [0, 1, 0]])
    assert np.abs(poses[:, :3, 3] - expected).max() < 1e-6


def test_angles_by_hand():
    quarter = np.pi / 2
    yaw, pitch, roll = oxts.oxts_poses(np.stack([packet(yaw=quarter), packet(pitch=quarter), packet(roll=quarter)]))
    assert yaw[:3, :3] @ [1, 0, 0] == pytest.approx([0, 1, 0])  # counter-clockwise: the nose turns to the left
    assert pitch[:3, :3] @ [1, 0, 0] == pytest.approx([0, 0, -1])  # nose down
    assert roll[:3, :3] @ [0, 1, 0] == pytest.approx([0, 0, 1])  # left side up


def test_origin_is_the_first_packet_given():
    packets = np.stack([packet(lat=48 + i / 10, lon=8 + i / 5, yaw=i) for i in range(4)])
    all_poses, later = oxts.oxts_poses(packets), oxts.oxts_poses(packets[2:])
    assert later[0, :3, 3].tolist() == [0, 0, 0]
    assert not np.allclose(all_poses[3, :3, 3] - all_poses[2, :3, 3], later[1, :3, 3])  # another latitude, another scale
    assert all_poses[:, :3, :3] @ all_poses[:, :3, :3].transpose(0, 2, 1) == pytest.approx(np.tile(np.eye(3), (4, 1, 1)))


@pytest.mark.parametrize(
    ("text", "problem"), [("1 2 3", "3 values, expected 30"), ("a " * 30, "no number"), ("nan " * 30, "finite")]
)
def test_damaged_packets(tmp_path, text, problem):
    path = tmp_path / "0000000000.txt"
    path.write_text(text)
    with pytest.raises(DatasetError, match=problem):
        oxts.read_oxts(path)


@pytest.mark.golden
def test_poses_of_pykitti(real_data):
    golden = json.loads((real_data / "golden.json").read_text())["kitti_oxts_and_geometry"]["results"]
    root = real_data / "kitti_raw"
    numbers = kitti_raw.frame_numbers(root / "2011_09_26" / DRIVE / "oxts" / "data")
    assert numbers == (0, 1, 2, 3, 4)
    packets = np.stack([oxts.read_oxts(kitti_raw.oxts_path(root, Frame(DRIVE, "image_02", n))) for n in numbers])
    poses = oxts.oxts_poses(packets)
    expected = np.array(golden["T_w_imu_frames_0_4"])
    assert np.abs(poses[:, :3, :3] - expected[:, :3, :3]).max() < 1e-9
    assert np.abs(poses[:, :3, 3] - expected[:, :3, 3]).max() < 1e-6
    vf = packets[:, oxts.OXTS_FIELDS.index("vf")]
    assert vf == pytest.approx(golden["forward_velocity_vf_mps"])
