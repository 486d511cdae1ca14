"""Rigid motions in three dimensions, as stacks of 4x4 matrices in float64.

Conventions
    `T_a_b` maps points of frame b into frame a; a pose is `T_world_cam`. Lengths in metres, angles in radians.
    Files round their numbers, so a rotation is orthonormal to 1e-6 or so and no better.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def inverse(T: Array) -> Array:
    """The inverse motions (..., 4, 4).

    The matrix inverse: with rotations rounded to seven digits, the transpose would differ from the references' numbers.
    """
    return np.linalg.inv(T).astype(np.float64, copy=False)


def relative_motions(T_world_cam: Array) -> Array:
    """The motions `T_cam(i)_cam(i+1)` (n - 1, 4, 4) between consecutive poses (n, 4, 4); none at all between equal ones."""
    motion = inverse(T_world_cam[:-1]) @ T_world_cam[1:]
    # Rounding would leave a motion that a fit of the scale enlarges.
    motion[(T_world_cam[:-1] == T_world_cam[1:]).all(axis=(1, 2))] = np.eye(4)
    return motion


def path_lengths(T_world_cam: Array) -> Array:
    """The distance travelled up to each pose, (n,) metres; the first is 0."""
    steps = np.linalg.norm(np.diff(T_world_cam[:, :3, 3], axis=0), axis=1)
    return np.concatenate([[0.0], np.cumsum(steps)])


def rotation_angle(R: Array) -> Array:
    """The angle of rotations (..., 3, 3) in radians, exact near 0 and near pi."""
    axis = np.stack([R[..., 2, 1] - R[..., 1, 2], R[..., 0, 2] - R[..., 2, 0], R[..., 1, 0] - R[..., 0, 1]], axis=-1)
    angle: Array = np.arctan2(np.linalg.norm(axis, axis=-1), np.trace(R, axis1=-2, axis2=-1) - 1)
    return angle


def rotation_angle_acos(R: Array) -> Array:
    """The angle of rotations (..., 3, 3) as KITTI's development kit computes it, acos((trace - 1) / 2).

    Rounding of a file carries the trace of small rotations above 3; they are clipped to 0.
    """
    angle: Array = np.arccos(np.clip((np.trace(R, axis1=-2, axis2=-1) - 1) / 2, -1.0, 1.0))
    return angle


def distance_from_so3(R: Array) -> Array:
    """The largest entry of |R^T R - I| of matrices (..., 3, 3); infinite for a reflection."""
    gap = np.abs(np.swapaxes(R, -1, -2) @ R - np.eye(3)).max(axis=(-2, -1))
    return np.where(np.linalg.det(R) > 0, gap, np.inf)


def nearest_rotations(R: Array) -> Array:
    """The rotations (..., 3, 3) nearest to matrices of determinant above 0: the orthogonal polar factor. Higham 1986."""
    U, _, Vt = np.linalg.svd(R)
    nearest: Array = U @ Vt
    return nearest


def quaternion_to_matrix(q: Array) -> Array:
    """The rotations (..., 3, 3) of quaternions (..., 4), w x y z in Hamilton's convention, of any length but 0."""
    w, x, y, z = np.moveaxis(q / np.linalg.norm(q, axis=-1, keepdims=True), -1, 0)
    rows = [
        [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
        [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
        [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
    ]
    return np.stack([np.stack(row, axis=-1) for row in rows], axis=-2)


def matrix_to_quaternion(R: Array) -> Array:
    """The unit quaternions (..., 4), w x y z with w >= 0, of rotations (..., 3, 3).

    The dominant eigenvector of Bar-Itzhack's matrix K: the nearest rotation where R is not quite one. Bar-Itzhack 2000.
    """
    m = np.moveaxis(R, (-2, -1), (0, 1))
    K = np.array([
        [m[0, 0] + m[1, 1] + m[2, 2], m[2, 1] - m[1, 2], m[0, 2] - m[2, 0], m[1, 0] - m[0, 1]],
        [m[2, 1] - m[1, 2], m[0, 0] - m[1, 1] - m[2, 2], m[1, 0] + m[0, 1], m[2, 0] + m[0, 2]],
        [m[0, 2] - m[2, 0], m[1, 0] + m[0, 1], m[1, 1] - m[0, 0] - m[2, 2], m[2, 1] + m[1, 2]],
        [m[1, 0] - m[0, 1], m[2, 0] + m[0, 2], m[2, 1] + m[1, 2], m[2, 2] - m[0, 0] - m[1, 1]],
    ])  # fmt: skip
    q = np.linalg.eigh(np.moveaxis(K, (0, 1), (-2, -1)))[1][..., -1]
    return np.where(q[..., :1] < 0, -q, q)


def motions(R: Array, t: Array) -> Array:
    """The 4x4 matrices (..., 4, 4) of rotations (..., 3, 3) and translations (..., 3)."""
    T = np.zeros((*R.shape[:-2], 4, 4))
    T[..., :3, :3], T[..., :3, 3], T[..., 3, 3] = R, t, 1.0
    return T
