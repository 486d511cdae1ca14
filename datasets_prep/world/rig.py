"""The car's sensors: two rectified colour cameras, a LiDAR and a GPS/IMU, mounted as on KITTI's car.

Geiger et al., "Vision meets Robotics: The KITTI Dataset", IJRR 2013, figure 3: camera centres 1.65 m, LiDAR 1.73 m and IMU
0.93 m above the ground. Conventions: `T_a_b` takes points of frame b to frame a, metres. World: x east, y north, z up, ground
at z = 0. LiDAR and IMU: x forward, y left, z up. Cameras: x right, y down, z forward.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from benchmark.errors import DatasetError

Matrix = npt.NDArray[np.float64]

DATE = "2031_05_01"  # a day that KITTI did not record: its image size is the one its calibration says
CAMERA_HEIGHT_M, LIDAR_HEIGHT_M, IMU_HEIGHT_M = 1.65, 1.73, 0.93
BASELINE_M = 0.5327
# Centre of each camera to the right of camera 0, as -P_rect[0, 3] / f of KITTI's calibration says.
CAMERA_X_M = {"image_00": 0.0, "image_01": 0.5371, "image_02": -0.0622, "image_03": BASELINE_M - 0.0622}

# The LiDAR's axes to the camera's, and its place above and behind camera 0.
T_RECT_LIDAR = np.array([[0.0, -1, 0, 0], [0, 0, -1, CAMERA_HEIGHT_M - LIDAR_HEIGHT_M], [1, 0, 0, -0.27], [0, 0, 0, 1]])
T_LIDAR_IMU = np.array([[1.0, 0, 0, -0.81], [0, 1, 0, 0.32], [0, 0, 1, IMU_HEIGHT_M - LIDAR_HEIGHT_M], [0, 0, 0, 1]])

# Focal length and principal point of KITTI's rectified images, as shares of the width and height.
FOCAL_OF_WIDTH, CENTRE_X, CENTRE_Y = 0.5809, 0.4908, 0.4609
SMALLEST, LARGEST = (32, 64), (1024, 4096)


@dataclass(frozen=True)
class Rig:
    """Image size (H, W) in pixels and the intrinsics K (3, 3) that both colour cameras share."""

    shape: tuple[int, int]
    K: Matrix

    def P_rect(self, camera: str) -> Matrix:
        """Projection (3, 4) of the rectified frame of camera 0 to pixels of a camera, as KITTI's calibration file has it."""
        T = np.eye(4)[:3]
        T[0, 3] = -CAMERA_X_M[camera]
        return np.asarray(self.K @ T)


def rig_of(shape: tuple[int, int]) -> Rig:
    """The rig whose images have `shape` (H, W), with KITTI's field of view across."""
    height, width = check_shape(shape)
    f = FOCAL_OF_WIDTH * width
    return Rig((height, width), np.array([[f, 0, CENTRE_X * width], [0, f, CENTRE_Y * height], [0, 0, 1]]))


def check_shape(shape: tuple[int, int]) -> tuple[int, int]:
    """The same height and width.

    Raises:
        DatasetError: an image smaller or larger than can be rendered sensibly.
    """
    height, width = shape
    if not (SMALLEST[0] <= height <= LARGEST[0] and SMALLEST[1] <= width <= LARGEST[1] and height <= width):
        raise DatasetError(
            f"an image of {height}x{width} (height x width): expected {SMALLEST[0]}x{SMALLEST[1]} to "
            f"{LARGEST[0]}x{LARGEST[1]}, wider than high; choose a size such as 192x640"
        )
    return shape


def T_world_camera(T_world_imu: Matrix, camera: str) -> Matrix:
    """Pose (4, 4) of a rectified camera, from that of the IMU."""
    T_camera_rect = np.eye(4)
    T_camera_rect[0, 3] = -CAMERA_X_M[camera]
    return np.asarray(T_world_imu @ np.linalg.inv(T_camera_rect @ T_RECT_LIDAR @ T_LIDAR_IMU))


def T_world_lidar(T_world_imu: Matrix) -> Matrix:
    """Pose (4, 4) of the LiDAR, from that of the IMU."""
    return np.asarray(T_world_imu @ np.linalg.inv(T_LIDAR_IMU))
