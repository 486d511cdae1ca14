"""Leakage between lists of frames: which images of a list a test split holds, sees from the other side, or is near.

Conventions. An image of the list is counted once, at its closest relation to the test split:
  same image     the test split holds this very image;
  stereo twin    it holds the same number of the same drive from another camera only;
  near           neither, but it holds a frame of the same drive (any camera) at a distance of 1 to `neighbours`.
`same drive` counts all images that lie in a drive of the test split, the three above among them. The test images of a
row are those that the list images of that row reach. Odometry sequences 00-10 are stretches of raw drives
(splits/kitti_odometry_to_raw.csv); where one side is raw and the other odometry, frame n of a sequence is raw frame
first_frame + n, and camera image_2 is image_02. Frames whose drive is not published (sequences 11-21, the anonymous
images of the depth benchmark) cannot be compared with those of another data set: `unknown_in_*` name them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from benchmark.splits import RawStretch, Split, load_split, odometry_to_raw, read_index, resolve_split

Numbers = NDArray[np.int64]
Cameras = dict[str, Numbers]  # camera -> sorted frame numbers, of one drive
KITTI = ("kitti_raw", "kitti_depth", "kitti_odometry")
NOT_KITTI = frozenset(f"{number}" for number in range(22, 100))  # KITTI ends at 21: other sequences are no drives of it
RELATIONS = ("same_image", "stereo_twin", "near", "same_drive")
TABLE_HEADER = ("list", "against", "relation", "list images", "test images", "drives")


@dataclass(frozen=True)
class Hits:
    """One relation: images of the list, images of the test split that they reach, the list's names of the drives."""

    list_images: int
    test_images: int
    drives: tuple[str, ...]


@dataclass(frozen=True)
class OverlapRow:
    """One list against one test split; see the module for what each relation counts."""

    list_name: str
    test_name: str
    list_frames: int
    test_frames: int
    neighbours: int
    same_image: Hits
    stereo_twin: Hits
    near: Hits
    same_drive: Hits
    raw_drives: dict[str, str]  # odometry sequence -> raw drive, of the drives in common that were matched through it
    unknown_in_list: tuple[str, ...]  # drives whose origin is not published, so that nothing can be said of them
    unknown_in_test: tuple[str, ...]

    @property
    def leaks(self) -> bool:
        """Whether any image of the list lies in a drive of the test split."""
        return self.same_drive.list_images > 0


def overlap(lists: Sequence[Split], tests: Sequence[Split], *, neighbours: int = 10) -> list[OverlapRow]:
    """Compare every list with every test split, in that order."""
    stretches = odometry_to_raw()
    sides = [_Side(split, stretches) for split in tests]
    return [_compare(mine, other, neighbours) for mine in (_Side(split, stretches) for split in lists) for other in sides]


def all_test_splits() -> list[Split]:
    """All splits with the role test, verified."""
    return [load_split(name) for name, entry in read_index().items() if entry.role == "test" and entry.sha256]


def open_lists(texts: Iterable[str]) -> list[Split]:
    """The splits of those names and the lists in those files, each called as it was given."""
    return [replace(resolve_split(text), name=text) for text in texts]


def table_rows(rows: Iterable[OverlapRow]) -> list[tuple[str, str, str, int, int, int]]:
    """Rows of TABLE_HEADER: one for each relation found; one that says none, or unknown, where nothing was."""
    table: list[tuple[str, str, str, int, int, int]] = []
    for row in rows:
        found = [(relation, getattr(row, relation)) for relation in RELATIONS if getattr(row, relation).list_images]
        for relation, hits in found:
            label = f"within {row.neighbours} frames" if relation == "near" else relation.replace("_", " ")
            table.append((row.list_name, row.test_name, label, hits.list_images, hits.test_images, len(hits.drives)))
        if not found:
            state = "unknown" if row.unknown_in_list or row.unknown_in_test else "none"
            table.append((row.list_name, row.test_name, state, 0, 0, 0))
    return table


def findings(rows: Sequence[OverlapRow]) -> list[str]:
    """Sentences: one for each pair that shares a drive, then one on the drives of which nothing can be said."""
    said = [_finding(row) for row in rows if row.leaks]
    unknown = dict.fromkeys(f"{name} of {row.test_name}" for row in rows for name in row.unknown_in_test)
    unknown |= dict.fromkeys(f"{name} of {row.list_name}" for row in rows for name in row.unknown_in_list)
    if unknown:
        said.append(
            f"Unknown: the raw drives of {', '.join(unknown)} are not published, so an overlap across data sets can be "
            "neither found nor excluded there."
        )
    return said


def _finding(row: OverlapRow) -> str:
    same, drive = row.same_image, row.same_drive
    held = f"{same.test_images} of the {row.test_frames} images of {row.test_name}"
    through = ", ".join(f"{sequence} is {raw}" for sequence, raw in row.raw_drives.items())
    return (
        f"Overlap: {row.list_name} holds {held if same.test_images else f'no image of {row.test_name}'} and "
        f"{drive.list_images} images of {_count(len(drive.drives), 'drive')} of that split"
        + (f" (odometry sequence {through})." if through else ".")
    )


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


class _Side:
    """A split grouped by raw drive (`raw`) and by its own drives, with the name that the split gives each drive."""

    def __init__(self, split: Split, stretches: Mapping[str, RawStretch]) -> None:
        self.split = split
        self.own_name: dict[str, str] = {}
        self.unknown: list[str] = []
        self.drives: dict[str, Cameras] = {}
        for drive, cameras in _by_drive(split).items():
            stretch = stretches.get(drive) if split.dataset == "kitti_odometry" else None
            if stretch is None and split.dataset in ("kitti_odometry", "kitti_depth") and drive not in NOT_KITTI:
                self.unknown.append(drive)
            place = stretch.drive if stretch else drive
            self.own_name[place] = drive
            shift = stretch.first_frame if stretch else 0
            self.drives[place] = {camera: numbers + shift for camera, numbers in cameras.items()}


def _by_drive(split: Split) -> dict[str, Cameras]:
    numbers: dict[tuple[str, str], list[int]] = {}
    for drive, camera, number in split.frames:
        numbers.setdefault((drive, camera), []).append(number)
    drives: dict[str, Cameras] = {}
    for (drive, camera), listed in numbers.items():
        drives.setdefault(drive, {})[camera.replace("image_0", "image_")] = np.unique(np.array(listed, np.int64))
    return drives


def _compare(mine: _Side, other: _Side, neighbours: int) -> OverlapRow:
    counts: dict[str, list[tuple[str, int, int]]] = {relation: [] for relation in RELATIONS}
    common = [drive for drive in mine.drives if drive in other.drives]
    for drive in common:
        per_relation = _compare_drive(mine.drives[drive], other.drives[drive], neighbours)
        for relation, (in_list, in_test) in zip(RELATIONS, per_relation, strict=True):
            counts[relation].append((mine.own_name[drive], in_list, in_test))
    kinds = {mine.split.dataset, other.split.dataset}
    alike = len(kinds) == 1 or not kinds <= set(KITTI)
    return OverlapRow(
        list_name=mine.split.name,
        test_name=other.split.name,
        list_frames=len(mine.split.frames),
        test_frames=len(other.split.frames),
        neighbours=neighbours,
        **{relation: _hits(rows) for relation, rows in counts.items()},
        raw_drives=_crossings(mine, other, common),
        unknown_in_list=() if alike else tuple(mine.unknown),
        unknown_in_test=() if alike else tuple(other.unknown),
    )


def _compare_drive(mine: Cameras, other: Cameras, neighbours: int) -> list[tuple[int, int]]:
    """(list images, test images) of each of RELATIONS, for one drive that both sides have."""
    everywhere = _union(other.values())
    same, twin, near = Cameras(), Cameras(), Cameras()
    for camera, numbers in mine.items():
        is_same = _contains(other.get(camera), numbers)
        is_twin = ~is_same & _contains(everywhere, numbers)
        is_near = ~is_same & ~is_twin & _within(everywhere, numbers, neighbours)
        same[camera], twin[camera], near[camera] = numbers[is_same], numbers[is_twin], numbers[is_near]
    nearby = _union(near.values())
    reached = [0, 0, 0]
    for camera, numbers in other.items():
        reached[0] += int(_contains(same.get(camera), numbers).sum())
        reached[1] += int(_contains(_union(of for name, of in twin.items() if name != camera), numbers).sum())
        reached[2] += int(_within(nearby, numbers, neighbours).sum())
    found = [sum(map(len, cameras.values())) for cameras in (same, twin, near)]
    whole = (sum(map(len, mine.values())), sum(map(len, other.values())))
    return [*zip(found, reached, strict=True), whole]


def _union(arrays: Iterable[Numbers]) -> Numbers:
    listed = list(arrays)
    return listed[0] if len(listed) == 1 else np.unique(np.concatenate([np.zeros(0, np.int64), *listed]))


def _contains(among: Numbers | None, numbers: Numbers) -> NDArray[np.bool_]:
    """Which of `numbers` are in the sorted `among`."""
    if among is None or not len(among):
        return np.zeros(len(numbers), np.bool_)
    found: NDArray[np.bool_] = among[np.minimum(np.searchsorted(among, numbers), len(among) - 1)] == numbers
    return found


def _within(among: Numbers, numbers: Numbers, neighbours: int) -> NDArray[np.bool_]:
    """Which of `numbers` have one of the sorted `among` at a distance of at most `neighbours`."""
    first = np.searchsorted(among, numbers - neighbours, side="left")
    found: NDArray[np.bool_] = np.searchsorted(among, numbers + neighbours, side="right") > first
    return found


def _hits(rows: list[tuple[str, int, int]]) -> Hits:
    found = [row for row in rows if row[1]]
    return Hits(sum(row[1] for row in found), sum(row[2] for row in found), tuple(sorted(row[0] for row in found)))


def _crossings(mine: _Side, other: _Side, common: Sequence[str]) -> dict[str, str]:
    if mine.split.dataset == other.split.dataset:
        return {}
    sequences = mine.own_name if mine.split.dataset == "kitti_odometry" else other.own_name
    return dict(sorted((sequences[drive], drive) for drive in common))
