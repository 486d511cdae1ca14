"""Predictions as snippets of five frames: SfMLearner's folder of TUM files and SfmLearner-Pytorch's `predictions.npy`."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmark.errors import TrajectoryError
from benchmark.geometry import distance_from_so3, inverse, motions
from benchmark.io.npy import open_array, read_header
from benchmark.io.relative_poses import read_matrices
from benchmark.io.trajectories import MAX_OFF_ROTATION, read_trajectory, with_rotations
from benchmark.metrics.pose import SNIPPET_FRAMES
from benchmark.pose_snippets import Snippets

Array = NDArray[np.float64]
SNIPPET_NAME = re.compile(r"\d{6}\.txt")  # SfMLearner names each file after its first frame
SHAPE = (SNIPPET_FRAMES, 3, 4)


def snippet_files(folder: Path) -> list[Path]:
    """The files of a folder of snippets, in order; empty where it is a folder of whole sequences.

    Raises:
        TrajectoryError: some files are named after a frame, or hold five lines, and some are not.
    """
    found = sorted(path for path in folder.glob("*.txt") if not path.name.startswith("."))
    named = [path for path in found if SNIPPET_NAME.fullmatch(path.name)]
    if not named:
        return []
    five = [path for path in named if _lines(path) == SNIPPET_FRAMES]
    if not five:
        _refuse_shorter(named)
        return []
    if len(five) < len(found):
        other = next(path for path in found if path not in set(five))
        raise TrajectoryError(
            f"{folder}: {five[0].name} is named as a snippet of {SNIPPET_FRAMES} frames, {other.name} is none; "
            f"expected either snippets (000000.txt, 000001.txt, ..., {SNIPPET_FRAMES} lines each) or one file of poses for "
            "each sequence (09.txt). Move one kind into another folder"
        )
    return found


def _refuse_shorter(named: Sequence[Path]) -> None:
    for path in named:
        if 0 < (n := _lines(path)) < SNIPPET_FRAMES:
            raise TrajectoryError(
                f"{path}: is named as a snippet and holds {n} lines; expected {SNIPPET_FRAMES}, the frame of that number and "
                f"the {SNIPPET_FRAMES - 1} that follow. Snippets of other lengths have no protocol here"
            )


def _lines(path: Path) -> int:
    """The lines that hold something in the first few kilobytes; 0 for what is no file, since a pipe would never answer."""
    if not path.is_file():
        return 0
    try:
        with path.open("rb") as file:
            return len([line for line in file.read(1 << 12).split(b"\n") if line.strip() and not line.startswith(b"#")])
    except OSError:
        return 0  # the reader says what is wrong


def read_snippet_folder(folder: Path, files: Sequence[Path]) -> Snippets:
    """The snippets of SfMLearner's files, one each: `t x y z qx qy qz qw` in the frame of the snippet's first.

    Raises:
        TrajectoryError: a file is no snippet.
    """
    read = [read_trajectory(path, form="tum") for path in files]
    poses = np.stack([trajectory.poses for trajectory in read])
    time = np.stack([trajectory.time for trajectory in read if trajectory.time is not None])
    first = np.array([int(path.stem) for path in files], np.int64)
    return Snippets(first, _places(poses), time, str(folder), "snippet_folder", _places(inverse(poses)))


def read_snippet_array(path: Path) -> Snippets:
    """The snippets of a `.npy` (n, 5, 3, 4) as SfmLearner-Pytorch's test_pose.py saves it; the k-th begins at frame k.

    Raises:
        TrajectoryError: the file holds something else.
    """
    rows = read_matrices(path, SHAPE, place="snippet")
    off = distance_from_so3(rows[..., :3]).max(axis=1)
    if (off > MAX_OFF_ROTATION).any():
        worst = int(np.argmax(off))
        raise TrajectoryError(
            f"{path}: snippet {worst} holds a 3x3 part that is off a rotation by {off[worst]:.2g}; expected at most "
            f"{MAX_OFF_ROTATION:g}"
        )
    first = np.arange(len(rows), dtype=np.int64)
    poses, mended = with_rotations(
        motions(rows[..., :3], rows[..., 3]).reshape(-1, 4, 4), place="snippet", number=np.repeat(first, SNIPPET_FRAMES)
    )
    poses = poses.reshape(-1, SNIPPET_FRAMES, 4, 4)
    return Snippets(first, _places(poses), None, str(path), "snippet_npy", _places(inverse(poses)), mended)


def npy_shape(path: Path) -> tuple[int, ...]:
    """The shape that a `.npy` declares.

    Raises:
        TrajectoryError: it is missing or no `.npy`.
    """
    if not path.is_file():
        raise TrajectoryError(f"{path}: is not there; expected a .npy of relative motions (n, 4, 4) or snippets (n, 5, 3, 4)")
    with open_array(path, (), TrajectoryError) as (stream, size):
        return read_header(stream, size, str(path), TrajectoryError).shape


def _places(poses: Array) -> Array:
    """The positions (n, 5, 3) of poses (n, 5, 4, 4), seen from the first of each five: exactly there where both are equal."""
    there = (poses == poses[:, :1]).all(axis=(2, 3))
    return np.where(there[..., None], 0.0, (inverse(poses[:, :1]) @ poses)[..., :3, 3])
