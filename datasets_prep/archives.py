"""Which of KITTI's archives hold a frame, and on what terms they are given."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from functools import cache
from importlib.resources import files
from typing import NamedTuple

from benchmark.errors import DatasetError
from benchmark.splits import Frame, Split, odometry_to_raw
from datasets_prep.kitti_raw import DRIVE

BASE_URL = "https://s3.eu-central-1.amazonaws.com/avg-kitti"
LICENCE = (
    "KITTI is published under CC BY-NC-SA 3.0: name the source, no commercial use, share what you derive under the "
    "same licence. By downloading you accept these terms (https://www.cvlibs.net/datasets/kitti). Cite Geiger, Lenz, "
    'Stiller, Urtasun, "Vision meets Robotics: The KITTI Dataset", IJRR 2013; for the annotated depth also Uhrig et '
    'al., "Sparsity Invariant CNNs", 3DV 2017.'
)
# The drive of odometry sequence 03 was withdrawn from the raw data; only the odometry archives still hold its frames.
WITHDRAWN = frozenset({"2011_09_26_drive_0067_sync"})


class Archive(NamedTuple):
    """One file on KITTI's server: its name, its place below the base address, and what it holds."""

    name: str
    path: str
    holds: str


ANNOTATED = Archive("data_depth_annotated.zip", "data_depth_annotated.zip", "annotated depth of all drives")
SELECTION = Archive(
    "data_depth_selection.zip", "data_depth_selection.zip", "val_selection_cropped and the anonymous test images"
)


@cache
def raw_drives() -> frozenset[str]:
    """The 61 synchronised drives that KITTI raw still distributes and the splits draw from."""
    text = (files("datasets_prep") / "kitti_raw_drives.csv").read_text("utf-8")
    return frozenset(row["drive"] for row in csv.DictReader(text.splitlines()))


def calibration_archive(date: str) -> Archive:
    """The archive with the three calibration files of one recording date."""
    name = f"{date}_calib.zip"
    return Archive(name, f"raw_data/{name}", f"calibration of {date}")


def archive_of(dataset: str, drive: str) -> Archive | None:
    """The archive with the frames of one drive of `kitti_raw` or `kitti_depth`; None where KITTI distributes none."""
    if dataset == "kitti_depth":
        return ANNOTATED if DRIVE.fullmatch(drive) else SELECTION
    if dataset != "kitti_raw":
        raise DatasetError(f"The archives of {dataset!r} are not known here; known: kitti_raw, kitti_depth.")
    if drive not in raw_drives():
        return None
    name = f"{drive}.zip"
    return Archive(name, f"raw_data/{drive.removesuffix('_sync')}/{name}", drive)


def archives_for(dataset: str, frames: Iterable[Frame]) -> tuple[list[Archive], list[str]]:
    """Archives that the frames need, calibration of each date before its drives, and the drives that were withdrawn.

    Raises:
        DatasetError: a drive that KITTI never distributed under this name.
    """
    archives: list[Archive] = []
    withdrawn = []
    for drive in sorted({frame.drive for frame in frames}):
        archive = archive_of(dataset, drive)
        if archive is None and drive not in WITHDRAWN:
            raise DatasetError(
                f"KITTI raw distributes no drive {drive!r}; a name like 2011_09_26_drive_0002_sync was expected, one "
                f"of {len(raw_drives())}. Correct the split, or download the data set that this split belongs to."
            )
        if archive is None:
            withdrawn.append(drive)
            continue
        wanted = [calibration_archive(drive[:10]), archive] if dataset == "kitti_raw" else [archive]
        archives += [one for one in wanted if one not in archives]
    return archives, withdrawn


def raw_frames(split: Split) -> tuple[Frame, ...]:
    """The frames of a split by their names in KITTI raw; those of odometry go back to the drive they were cut from."""
    if split.dataset != "kitti_odometry":
        return split.frames
    origins = odometry_to_raw()
    unknown = sorted({frame.drive for frame in split.frames} - origins.keys())
    if unknown:
        raise DatasetError(
            f"{split.name}: odometry sequence {unknown[0]} has no known raw drive; known are {', '.join(origins)}. "
            "Only these can be downloaded or verified as KITTI raw."
        )
    return tuple(
        Frame(origins[drive].drive, f"image_0{camera[-1]}", origins[drive].first_frame + number)
        for drive, camera, number in split.frames
    )
