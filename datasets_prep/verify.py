"""Which files of a split are there and whole, drive by drive, without decoding one: sizes and the last bytes."""

from __future__ import annotations

import os
import shlex
import stat
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import BinaryIO

import numpy as np

from benchmark.errors import DatasetError
from benchmark.splits import Frame, Split
from datasets_prep import kitti_depth, kitti_raw, verify_odometry
from datasets_prep.archives import WITHDRAWN, archive_of, calibration_archive, raw_drives, raw_frames
from datasets_prep.images import jpeg_ends
from datasets_prep.scan_end import TAIL_POINTS, end_elevation

TAIL = 12  # the PNG end chunk: length 0, its name, its CRC
PNG_END = b"\0\0\0\0IEND\xaeB`\x82"

# The recorder lost the scans 177 to 180.
NO_SCANS = tuple(f"2011_09_26/2011_09_26_drive_0009_sync/velodyne_points/data/{number:010d}" for number in range(177, 181))
CALIBRATIONS = ("cam_to_cam", "velo_to_cam", "imu_to_velo")
KINDS = {
    "kitti_raw": ("velodyne", "image", "oxts", "calib"),
    "kitti_depth": ("depth",),
    "kitti_odometry": ("image", "calib", "times", "poses"),
}


@dataclass
class Count:
    """Files of one kind: how many are whole, and the paths of the others relative to the data set's root."""

    found: int = 0
    missing: list[str] = field(default_factory=list)
    truncated: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        """`25`, or `20 of 25, 2 truncated`."""
        n_all = self.found + len(self.missing) + len(self.truncated)
        part = str(n_all) if self.found == n_all else f"{self.found} of {n_all}"
        return f"{part}, {len(self.truncated)} truncated" if self.truncated else part


@dataclass(frozen=True)
class Report:
    """What one archive should have brought: a drive, or the calibration of a date."""

    name: str
    n_frames: int
    archive: str | None
    counts: dict[str, Count]

    @property
    def found(self) -> int:
        """Number of whole files."""
        return sum(count.found for count in self.counts.values())

    @property
    def missing(self) -> list[str]:
        """Files that are not there."""
        return [path for count in self.counts.values() for path in count.missing]

    @property
    def truncated(self) -> list[str]:
        """Files that are there and cannot be whole."""
        return [path for count in self.counts.values() for path in count.truncated]


def verify(split: Split, root: Path, *, dataset: str | None = None, need: Sequence[str] | None = None) -> list[Report]:
    """Look for every file of a split below the root of `dataset` (default: its own): calibration by date, then drives.

    Truncated is what cannot be whole: a scan whose size is no multiple of 16 or zero or that ends before its lowest
    beam, a PNG without its end chunk, a JPG without its end marker, an empty text, times or poses of a published sequence
    with another number of lines. `need` is a choice of KINDS[dataset] (default: all). Odometry splits are looked for among
    the raw drives they were cut from when `dataset` is kitti_raw.

    Raises:
        DatasetError: a data set or kind that cannot be verified, or a file that cannot be read.
    """
    dataset = dataset or split.dataset
    if dataset == "ddad":
        raise DatasetError(
            f"{split.name}: the files of ddad are looked for by `depthbench export_gt --dataset ddad`, before it makes the "
            "first map; run that"
        )
    if dataset not in KINDS:
        known = ", ".join(KINDS)
        raise DatasetError(f"{split.name}: {dataset!r} cannot be verified; known: {known}. Choose one with --dataset.")
    kinds = tuple(dict.fromkeys(need)) if need is not None else KINDS[dataset]
    unknown = [kind for kind in kinds if kind not in KINDS[dataset]]
    if unknown or not kinds:
        what = f"no files of kind {unknown[0]!r}" if unknown else "nothing to look for: --need is empty"
        raise DatasetError(f"{dataset} has {what}; known: {', '.join(KINDS[dataset])}.")
    if dataset == "kitti_odometry":
        if split.dataset != dataset:
            raise DatasetError(
                f"{split.name}: frames of {split.dataset}, expected sequences of KITTI odometry; leave --dataset out, or "
                "choose a split such as kitti_odom_09/test"
            )
        return [_sequence_report(root, sequence, split.frames, kinds) for sequence in sorted(split.drives)]
    return verify_frames(raw_frames(split), root, dataset=dataset, kinds=kinds)


def verify_frames(frames: Iterable[Frame], root: Path, *, dataset: str, kinds: Sequence[str]) -> list[Report]:
    """`verify` for frames by their raw names, from one split or more; a file that two frames share counts once."""
    drives: dict[str, list[Frame]] = {}
    for frame in frames:
        drives.setdefault(frame.drive, []).append(frame)
    reports = list(_calibrations(root, drives)) if "calib" in kinds else []
    per_frame = [kind for kind in kinds if kind != "calib"]
    for drive, own in sorted(drives.items()) if per_frame else ():
        archive = archive_of(dataset, drive)
        counts = {kind: _count(root, (PATHS[kind](root, frame) for frame in own)) for kind in per_frame}
        reports.append(Report(drive, len(own), archive.name if archive else None, counts))
    return reports


def _sequence_report(root: Path, sequence: str, frames: Sequence[Frame], kinds: Sequence[str]) -> Report:
    own = [frame for frame in frames if frame.drive == sequence]
    files = verify_odometry.files(root, sequence, own)
    counts = {kind: _count(root, files[kind]) for kind in kinds}
    for kind in {"times", "poses"} & set(kinds):
        path, count = files[kind], counts[kind]
        if count.found and verify_odometry.cut_short(path[0], sequence):
            counts[kind] = Count(truncated=[path[0].relative_to(root).as_posix()])
    lacking = [kind for kind, count in counts.items() if count.missing or count.truncated]
    return Report(sequence, len(own), verify_odometry.archive_of(sequence, lacking), counts)


def complete(reports: Sequence[Report]) -> bool:
    """Whether every file is there and whole."""
    return not any(report.missing or report.truncated for report in reports)


def table(reports: Sequence[Report]) -> tuple[list[str], list[list[str]]]:
    """Header and rows for people, totals last: whole files of each kind, and which archive holds the others."""
    kinds = list(dict.fromkeys(kind for report in reports for kind in report.counts))
    rows = []
    for report in reports:
        cells = [str(report.counts[kind]) if kind in report.counts else "" for kind in kinds]
        archive = report.archive or ("withdrawn by KITTI" if report.name in WITHDRAWN else "not KITTI's")
        lacking = bool(report.missing or report.truncated)
        rows.append([report.name, str(report.n_frames or ""), *cells, archive if lacking else ""])
    totals = [str(_total(reports, kind)) for kind in kinds]
    rows.append(["total", str(sum(report.n_frames for report in reports)), *totals, ""])
    return ["drive", "frames", *kinds, "get it from"], rows


def shortfall(reports: Sequence[Report], split: str, root: Path) -> DatasetError:
    """What to tell the user of files that are not there: how many, the first of them, and how to get them."""
    missing = [path for report in reports for path in report.missing]
    truncated = [path for report in reports for path in report.truncated]
    first = (truncated + missing)[0]
    lacking = [report.archive for report in reports if report.archive and (report.missing or report.truncated)]
    archives = {name for names in lacking for name in names.split(", ")}
    known = "kitti_depth" if any("depth" in report.counts for report in reports) else "kitti_raw"
    command = shlex.join(["depthbench", "datasets", "download", known, "--for", split, "--data", str(root)])
    holders = ", ".join(sorted(archives)[:2]) + ", ..." * (len(archives) > 2)
    advice = f"`{command}` fetches what holds them ({holders})."
    if archives & {*verify_odometry.ARCHIVES.values()}:  # given after a registration alone
        advice = f"They are in {', '.join(sorted(archives))}; `depthbench datasets show kitti_odometry` says where to get it."
    notes = [note for note in (advice if archives else "", known_gap(missing)) if note]
    return DatasetError(
        f"{root}: {len(missing)} files of {split} are missing and {len(truncated)} truncated, such as {first}. "
        + " ".join(notes or ["KITTI does not distribute them; put them there from where they came."])
    )


def known_gap(missing: Sequence[str]) -> str:
    """What is known of files that no archive holds."""
    if any(path.startswith(NO_SCANS) for path in missing):
        return "KITTI has no LiDAR scans for the frames 177 to 180 of 2011_09_26_drive_0009_sync."
    if any("/proj_depth/" in path for path in missing):
        return "KITTI has no annotated depth for the first and last frames of a drive."
    return ""


def as_json(reports: Sequence[Report]) -> dict[str, object]:
    """The reports for programs: totals, then each drive with its counts and the paths of its faulty files."""
    return {
        "complete": complete(reports),
        "found": sum(report.found for report in reports),
        "missing": sum(len(report.missing) for report in reports),
        "truncated": sum(len(report.truncated) for report in reports),
        "drives": [asdict(report) for report in reports],
    }


def wholeness(path: Path) -> str:
    """`found`, `missing` or `truncated`, by the size and the last bytes of a file.

    Raises:
        DatasetError: the file is there but may not be read.
    """
    try:
        with path.open("rb") as file:
            info = os.fstat(file.fileno())
            if not stat.S_ISREG(info.st_mode):
                return "missing"
            if path.suffix == ".bin":
                return "found" if _scan_ends_well(path, file, info.st_size) else "truncated"
            file.seek(max(0, info.st_size - TAIL))
            return "found" if _ends_well(path.suffix, file.read(TAIL)) else "truncated"
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
        return "missing"
    except OSError as error:
        raise DatasetError(
            f"{path} is there but cannot be read: {error}. Correct its permissions and run the same command again."
        ) from error


def _scan_ends_well(path: Path, file: BinaryIO, size: int) -> bool:
    if size == 0 or size % kitti_raw.POINT_BYTES:
        return False
    file.seek(max(0, size - TAIL_POINTS * kitti_raw.POINT_BYTES))
    tail = np.frombuffer(file.read(TAIL_POINTS * kitti_raw.POINT_BYTES), "<f4").reshape(-1, 4)
    return end_elevation(path, tail) is None


def _ends_well(suffix: str, tail: bytes) -> bool:
    """Whether the last bytes are the end of a whole file of this kind."""
    if suffix == ".png":
        return tail == PNG_END
    if suffix in (".jpg", ".jpeg"):
        return jpeg_ends(tail)
    return bool(tail.strip())


def _calibrations(root: Path, drives: Iterable[str]) -> Iterator[Report]:
    for date in sorted({kitti_raw.date_of(drive) for drive in drives}):
        paths = (kitti_raw.calibration_path(root, date, name) for name in CALIBRATIONS)
        archive = calibration_archive(date).name if any(d.startswith(date) for d in raw_drives()) else None
        yield Report(f"{date} (calibration)", 0, archive, {"calib": _count(root, paths)})


def _total(reports: Sequence[Report], kind: str) -> Count:
    counts = [report.counts[kind] for report in reports if kind in report.counts]
    missing = [path for count in counts for path in count.missing]
    truncated = [path for count in counts for path in count.truncated]
    return Count(sum(count.found for count in counts), missing, truncated)


def _count(root: Path, paths: Iterable[Path]) -> Count:
    count = Count()
    for path in dict.fromkeys(paths):
        state = wholeness(path)
        if state == "found":
            count.found += 1
        else:
            getattr(count, state).append(path.relative_to(root).as_posix())
    return count


PATHS: dict[str, Callable[[Path, Frame], Path]] = {
    "velodyne": kitti_raw.velodyne_path,
    "image": kitti_raw.image_path,
    "oxts": kitti_raw.oxts_path,
    "depth": kitti_depth.annotated_path,
}
