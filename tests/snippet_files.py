"""Writes trajectories as the 5-frame snippets of SfMLearner and SfmLearner-Pytorch."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmark.geometry import inverse, matrix_to_quaternion

Array = NDArray[np.float64]


def five_frames(poses: Array, k: int, *, scale: float = 1.0) -> Array:
    """Snippet k, (5, 4, 4), in the frame of its first; scaled as the network of a monocular method would."""
    snippet = inverse(poses[k]) @ poses[k : k + 5]
    snippet[:, :3, 3] *= scale
    return snippet


def snippet_text(snippet: Array, k: int) -> str:
    """A TUM file as pose_evaluation_utils.py prints it: `t x y z qx qy qz qw` with six decimals."""
    quaternions = matrix_to_quaternion(snippet[:, :3, :3])[:, [1, 2, 3, 0]]
    rows = np.column_stack([0.1 * (k + np.arange(5)), snippet[:, :3, 3], quaternions])
    return "".join(" ".join(f"{value:.6f}" for value in row) + "\n" for row in rows)


def write_snippets(folder: Path, poses: Array, *, scale: float = 1.0) -> None:
    """One file for each snippet, named after its first frame."""
    folder.mkdir(parents=True)
    for k in range(len(poses) - 4):
        (folder / f"{k:06d}.txt").write_text(snippet_text(five_frames(poses, k, scale=scale), k))


def snippet_array(poses: Array, *, scale: float = 1.0) -> Array:
    """All snippets as test_pose.py saves them, (n, 5, 3, 4)."""
    return np.stack([five_frames(poses, k, scale=scale)[:, :3] for k in range(len(poses) - 4)])
