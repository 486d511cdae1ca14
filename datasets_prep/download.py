"""Fetch the archives that splits need, unpack them in place and remember what is finished.

Archives lie in the data set's root until they are unpacked; `.depthbench_archives.json` beside them lists the size and
sha256 of each.
"""

from __future__ import annotations

import datetime
import json
import re
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmark.errors import DatasetError
from benchmark.io.files import atomic_write, sha256_of
from benchmark.splits import Frame, Split
from datasets_prep.archives import ANNOTATED, BASE_URL, Archive, archives_for, raw_frames
from datasets_prep.fetch import PATIENT, Patience, fetch, part_path, remote_size, size_of
from datasets_prep.kitti_raw import DRIVE
from datasets_prep.progress import Progress, megabytes, say
from datasets_prep.unpack import DamagedError, unpack
from datasets_prep.verify import KINDS, known_gap, verify_frames

LEDGER = ".depthbench_archives.json"
FORMAT = 1
MEMBER = re.compile(r"(?P<drive>[^/]+_sync)/(?P<stream>[^/]+/data|proj_depth/[^/]+/[^/]+)/(?P<number>\d{10})\.\w+$")
# Training takes each image with its neighbours in time.
CONTEXT = 1


@dataclass(frozen=True)
class Step:
    """One archive of a plan: `complete`, or what of it is here (`downloaded`, `begun`, `to download`) and its bytes."""

    archive: Archive
    state: str
    n_bytes: int
    note: str = ""


@dataclass(frozen=True)
class Plan:
    """What the frames need of a data set, below which root, and the drives that nobody can download any more."""

    dataset: str
    root: Path
    frames: tuple[Frame, ...]
    steps: tuple[Step, ...]
    withdrawn: tuple[str, ...]

    @property
    def pending(self) -> tuple[Step, ...]:
        """The steps that are not complete."""
        return tuple(step for step in self.steps if step.state != "complete")


def plan_download(dataset: str, splits: Sequence[Split], root: Path, *, again: bool = False) -> Plan:
    """Which archives the splits need and what of them is here already. Looks at the disk alone, never at the network.

    Files count, not only our own list: drives that were unpacked by hand are complete, and one whose files were removed
    is not. `again` calls nothing complete.
    """
    frames = tuple(dict.fromkeys(frame for split in splits for frame in raw_frames(split)))
    archives, withdrawn = archives_for(dataset, frames)
    ledger = read_ledger(root)
    lacking = _lacking(dataset, frames, root)
    steps = []
    for archive in archives:
        found, missing = lacking.get(archive.name, (0, frozenset()))
        state, note = _state(archive, ledger.get(archive.name), found=found, missing=missing)
        if again or state != "complete":
            state, note = "to download", ""
        target = root / archive.name
        here = size_of(target) or size_of(part_path(target))
        if state != "complete" and here:
            state = "downloaded" if target.exists() else "begun"
        steps.append(Step(archive, state, here, note))
    return Plan(dataset, root, frames, tuple(steps), tuple(withdrawn))


def download(
    plan: Plan,
    *,
    base_url: str = BASE_URL,
    keep_zip: bool = False,
    only_needed: bool = False,
    patience: Patience = PATIENT,
) -> None:
    """Carry out a plan: fetch, hash, unpack and record each archive that is not complete. Progress goes to stderr.

    `only_needed` unpacks the frames of the splits alone: their scans, their colour images with one neighbour on either
    side, and all GPS/IMU packets. An archive is deleted once it is unpacked, unless it was here before or `keep_zip`.

    Raises:
        DatasetError: what failed; finished archives stay finished and the rest continues on the next call.
    """
    base = base_url.rstrip("/")
    _make_folder(plan.root)
    _announce(plan, base, only_needed=only_needed)
    wanted = _needed(plan.frames) if only_needed else lambda name: True
    for number, step in enumerate(plan.pending, start=1):
        target = plan.root / step.archive.name
        url = f"{base}/{step.archive.path}"
        ours = _obtain(url, target, label=f"[{number}/{len(plan.pending)}] {target.name}", patience=patience)
        try:
            with Progress(f"unpacking {target.name}") as report:
                unpacked = unpack(target, plan.root, wanted=wanted, report=report)
        except DamagedError as error:
            if not ours:
                raise
            target.unlink()
            _record(plan.root, target.name, None)
            raise DatasetError(f"{error} (It came from {url} and has been deleted.)") from error
        _, absent = _lacking(plan.dataset, _frames_of(plan, target.name), plan.root).get(target.name, (0, frozenset()))
        _finish(plan.root, target.name, whole=not only_needed, absent=absent, n_files=unpacked.n_written)
        if ours and not keep_zip:
            target.unlink()


def table(plan: Plan) -> tuple[list[str], list[list[str]]]:
    """Header and rows for people: each archive, what it holds and what of it is here."""
    rows = [
        [step.archive.name, step.archive.holds, step.state, megabytes(step.n_bytes) if step.n_bytes else "", step.note]
        for step in plan.steps
    ]
    return ["archive", "holds", "state", "here", "note"], rows


def summary(plan: Plan, *, dry_run: bool) -> str:
    """Closing lines: how many archives there are, and what cannot be had.

    Raises:
        DatasetError: after the download files of the splits are absent that KITTI is not known to lack.
    """
    n_all, n_pending = len(plan.steps), len(plan.pending)
    counted = f"{n_pending} now, {n_all - n_pending} before."
    absent = [] if dry_run else sorted(set().union(*(p for _, p in _lacking(plan.dataset, plan.frames, plan.root).values())))
    surprising = [path for path in absent if not known_gap([path])]
    if surprising:
        raise DatasetError(
            f"{plan.root}: {n_all} archives are unpacked, but they do not hold {len(surprising)} of the files that the splits "
            f"name, such as {surprising[0]}. Correct the list where it names what KITTI does not have, or add --again"
        )
    if dry_run:
        text = f"{n_all} archives, {n_all - n_pending} complete in {plan.root}, {n_pending} to download."
    elif absent:
        text = f"{n_all} archives unpacked in {plan.root}, without {len(absent)} files of the splits, such as {absent[0]}: "
        text += f"{counted} {known_gap(absent)}"
    else:
        text = f"{n_all} archives, all complete in {plan.root}: {counted}"
    for drive in plan.withdrawn:
        text += f"\n{drive} (odometry sequence 03) is no longer distributed as raw data: its frames cannot be downloaded."
    return text


def read_ledger(root: Path) -> dict[str, dict[str, Any]]:
    """The archives recorded in a root, by name; empty where none is."""
    path = root / LEDGER
    try:
        content = json.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise DatasetError(
            f"{path} is not readable as JSON: {error}. Delete it; the files themselves are looked at again."
        ) from error
    archives = content.get("archives") if isinstance(content, dict) and content.get("format") == FORMAT else None
    if not isinstance(archives, dict) or not all(isinstance(entry, dict) for entry in archives.values()):
        raise DatasetError(
            f"{path} is not a list of archives of format {FORMAT}. Delete it; the files themselves are looked at again."
        )
    return archives


def _obtain(url: str, target: Path, *, label: str, patience: Patience) -> bool:
    """Have the archive at `target`, recorded with size and sha256; whether it is ours to delete once it is unpacked."""
    known = read_ledger(target.parent).get(target.name, {})
    temporary = known.get("temporary", False)
    if target.exists():
        say(f"{label}: already downloaded, {megabytes(size_of(target))}")
    else:
        temporary = True
        with Progress(label) as report:
            fetch(url, target, report=report, say=say, patience=patience)
    entry = {"url": url, "size": size_of(target), "sha256": sha256_of(target), "temporary": temporary, "unpacked": None}
    _record(target.parent, target.name, known | entry)
    return bool(temporary)


def _finish(root: Path, name: str, *, whole: bool, absent: frozenset[str], n_files: int) -> None:
    known = read_ledger(root)[name]
    entry = known | {
        "unpacked": "whole" if whole else "needed",
        "absent": sorted(absent.union(known.get("absent", ()))),
        "temporary": False,
        "finished": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
    }
    _record(root, name, entry)
    say(f"{name}: unpacked {n_files} files")
    if absent:
        say(f"{name}: does not hold {len(absent)} of the files that the split names, such as {min(absent)}")


def _record(root: Path, name: str, entry: dict[str, Any] | None) -> None:
    """Set (or remove) one archive's entry; the file is read anew, so that two runs lose nothing of each other's."""
    archives = read_ledger(root)
    archives.pop(name, None)
    content = {"format": FORMAT, "archives": archives if entry is None else archives | {name: entry}}
    try:
        with atomic_write(root / LEDGER) as file:
            file.write(json.dumps(content, indent=1, sort_keys=True).encode())
    except OSError as error:
        raise DatasetError(f"{root / LEDGER} cannot be written: {error}. Make room or correct the permissions.") from error


def _lacking(dataset: str, frames: Sequence[Frame], root: Path) -> dict[str, tuple[int, frozenset[str]]]:
    """Per archive: how many files of the frames are here and whole, and the paths of the others."""
    # The anonymous test images have no files that a split names; their archive is known by the list alone.
    named = [frame for frame in frames if DRIVE.fullmatch(frame.drive)]
    lacking: dict[str, tuple[int, frozenset[str]]] = {}
    for report in verify_frames(named, root, dataset=dataset, kinds=KINDS[dataset]):
        if report.archive is not None:
            found, paths = lacking.get(report.archive, (0, frozenset()))
            lacking[report.archive] = (found + report.found, paths.union(report.missing, report.truncated))
    return lacking


def _frames_of(plan: Plan, name: str) -> list[Frame]:
    """The frames of a plan that an archive serves, with a drive or with a date's calibration."""
    date = name.removesuffix("_calib.zip")
    return [f for f in plan.frames if f"{f.drive}.zip" == name or f.drive.startswith(date) or name == ANNOTATED.name]


def _state(archive: Archive, entry: dict[str, Any] | None, *, found: int, missing: frozenset[str]) -> tuple[str, str]:
    """State of an archive by its files and its record, and what there is to say about it."""
    if entry is not None and entry.get("unpacked") and missing <= set(entry.get("absent", ())):
        return "complete", f"{len(missing)} files are not in the archive" if missing else ""
    if found and not missing:
        return "complete", "" if entry else "unpacked by hand"
    if found and entry is None and archive == ANNOTATED:
        # Unpacked by hand. Frames at the ends of a drive have no annotated depth, so a few missing ones are no gap.
        return (
            "complete",
            f"unpacked by hand, {len(missing)} of {found + len(missing)} frames have no map; --again fetches it anew",
        )
    return "to download", ""


def _needed(frames: Sequence[Frame]) -> Callable[[str], bool]:
    """Whether a member of an archive belongs to the frames: scans, maps, colour images with their neighbours."""
    numbers: dict[str, set[int]] = {}
    for frame in frames:
        numbers.setdefault(frame.drive, set()).add(frame.number)
    around = {drive: {n + step for n in own for step in range(-CONTEXT, CONTEXT + 1)} for drive, own in numbers.items()}

    def wanted(name: str) -> bool:
        match = MEMBER.search(name)
        if match is None:
            return True  # calibration, time stamps
        drive, stream, number = match["drive"], match["stream"], int(match["number"])
        if stream in ("image_02/data", "image_03/data"):
            return number in around.get(drive, ())
        if stream == "velodyne_points/data" or stream.startswith("proj_depth/groundtruth/"):
            return number in numbers.get(drive, ())
        return stream == "oxts/data"

    return wanted


def _announce(plan: Plan, base: str, *, only_needed: bool) -> None:
    """Say what will be downloaded, and stop before the first byte where it cannot fit."""
    sizes = [remote_size(f"{base}/{step.archive.path}") for step in plan.pending if step.state != "downloaded"]
    known = sum(size for size in sizes if size is not None)
    here = sum(step.n_bytes for step in plan.pending if step.state == "begun")
    unknown = f" and {sizes.count(None)} of unknown size" if None in sizes else ""
    say(
        f"{len(sizes)} archives to download from {base}: {megabytes(known)}{unknown}; {megabytes(here)} of that is here already"
    )
    free = shutil.disk_usage(plan.root).free
    # Unpacked, an archive is no smaller than packed.
    if not only_needed and known - here > free:
        raise DatasetError(
            f"{plan.root} has {megabytes(free)} free, but the archives alone take {megabytes(known - here)} more. Make "
            "room, choose another --data, or pass --only-needed."
        )


def _make_folder(root: Path) -> None:
    try:
        root.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DatasetError(
            f"The folder {root} cannot be made: {error}. Choose another --data or correct the permissions."
        ) from error
