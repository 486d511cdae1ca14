"""Which files of KITTI odometry are there and whole: images, calib.txt, times.txt and poses of each sequence."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from benchmark.splits import Frame
from datasets_prep import kitti_odometry

ARCHIVES = {
    "image": "data_odometry_color.zip",
    "calib": "data_odometry_calib.zip",
    "times": "data_odometry_calib.zip",
    "poses": "data_odometry_poses.zip",
}


def files(root: Path, sequence: str, frames: Iterable[Frame]) -> dict[str, list[Path]]:
    """The files of a sequence by kind; poses are published for 00-10."""
    folder = kitti_odometry.sequence_folder(root, sequence)
    return {
        "image": [kitti_odometry.image_path(root, frame) for frame in frames],
        "calib": [folder / "calib.txt"],
        "times": [folder / "times.txt"],
        "poses": [] if sequence in kitti_odometry.WITHOUT_POSES else [kitti_odometry.poses_path(root, sequence)],
    }


def cut_short(path: Path, sequence: str) -> bool:
    """Whether times or poses have another number of lines than the published sequence has frames."""
    expected = kitti_odometry.FRAMES.get(sequence)
    return expected is not None and sum(bool(line.strip()) for line in path.read_bytes().splitlines()) != expected


def archive_of(sequence: str, kinds: Sequence[str]) -> str | None:
    """The archives that hold files of these kinds; None for a sequence that is not KITTI's."""
    return ", ".join(dict.fromkeys(ARCHIVES[kind] for kind in kinds)) if int(sequence) <= kitti_odometry.LAST else None
