"""The centre line of a street and the drive of the recording car along it.

Street frame: metres, x along the street, y to its left, z up. The line is y_c(x) = sum of two sines, so that it never ends and
has a closed form; lateral distances are counted from it, positive to the left. Traffic keeps to the right. Amplitudes and
speeds are those under which photometric learning was seen to work: about 1 m a frame, yaw steps of 0.2 degrees.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from datasets_prep.oxts import rotation_x, rotation_y, rotation_z
from datasets_prep.world.rig import IMU_HEIGHT_M

Matrix = npt.NDArray[np.float64]

LANE_M = 1.65  # from the centre line to the middle of a lane
FRAMES_PER_SECOND = 10.0


@dataclass(frozen=True)
class Route:
    """`waves` (2, 3): amplitude (m), wavelength / 2 pi (m) and phase of each sine; speed (m a frame) and how it varies."""

    waves: Matrix
    speed: float
    surge: float
    heading: float

    def y(self, x: float) -> float:
        """Lateral position of the centre line at x, 0 at the start."""
        amplitude, length, phase = self.waves.T
        return float(np.sum(amplitude * (np.sin(x / length + phase) - np.sin(phase))))

    @property
    def swing(self) -> float:
        """How far the centre line may lie from the x axis, in metres."""
        amplitude, _, phase = self.waves.T
        return float(np.sum(np.abs(amplitude) * (1 + np.abs(np.sin(phase)))))

    def yaw(self, x: float) -> float:
        """Direction of the centre line at x in radians, to the left of the x axis."""
        amplitude, length, phase = self.waves.T
        return float(np.arctan(np.sum(amplitude / length * np.cos(x / length + phase))))

    def place(self, x: float, lateral: float) -> tuple[float, float, float]:
        """(x, y, yaw) of a thing that stands `lateral` metres to the left of the centre line at x."""
        yaw = self.yaw(x)
        return x - lateral * np.sin(yaw), self.y(x) + lateral * np.cos(yaw), yaw

    def ego_x(self, frame: float) -> float:
        """How far along the street the car is; a closed form, so that frames can be rendered in any order."""
        return self.speed * frame + self.surge * (1 - float(np.cos(frame / 7.0)))

    def T_street_imu(self, frame: float) -> Matrix:
        """Pose (4, 4) of the IMU in the street frame: in the right lane, with a little roll, pitch and heave."""
        x, y, yaw = self.place(self.ego_x(frame), -LANE_M + 0.12 * float(np.sin(frame / 9.0 + self.heading)))
        roll = 0.004 * np.sin(frame / 3.1 + 2 * self.heading)
        pitch = 0.004 * np.sin(frame / 4.3 + 3 * self.heading)
        T = rotation(yaw, pitch, roll)
        T[:3, 3] = x, y, IMU_HEIGHT_M + 0.015 * np.sin(frame / 2.7 + self.heading)
        return T

    def T_world_imu(self, frame: float) -> Matrix:
        """Pose (4, 4) of the IMU in the world: the street turned by its heading about z, x east and y north."""
        return np.asarray(rotation(self.heading, 0.0, 0.0) @ self.T_street_imu(frame))


def rotation(yaw: float, pitch: float, roll: float) -> Matrix:
    """Rz(yaw) Ry(pitch) Rx(roll) as (4, 4), radians; the order of KITTI's GPS/IMU packets."""
    about_z, about_y, about_x = (np.array([angle]) for angle in (yaw, pitch, roll))
    T = np.eye(4)
    T[:3, :3] = (rotation_z(about_z) @ rotation_y(about_y) @ rotation_x(about_x))[0]
    return T


def random_route(random: np.random.Generator, *, winding: bool = False) -> Route:
    """The route of a drive; `winding` bends it by up to 40 degrees to both sides, over 400 m."""
    waves = [
        [random.uniform(3, 9), random.uniform(28, 45), random.uniform(0, 2 * np.pi)],
        [random.uniform(0.5, 2.0) * 0.6, random.uniform(12, 20), random.uniform(0, 2 * np.pi)],
    ]
    if winding:
        # From a whole or half wave on, which keeps the street nearest to the x axis.
        amplitude, length, phase = waves[0]
        waves[0] = [amplitude + 35, 2 * length, np.pi * round(phase / np.pi)]
    return Route(np.array(waves), random.uniform(0.85, 1.15), random.uniform(0.1, 0.6), random.uniform(-np.pi, np.pi))
