"""Frames + split -> ground-truth file: parallel, resumable, whole or not at all.

Threads, not processes: reading, projecting (numba) and compressing all release the interpreter lock. 697 real HDL-64
scans on 2 busy cores took 2.0 s with threads, 4.2 s with joblib's processes (3.6 s once they had started). A frame
costs 0.1 ms of one core to read, 0.35 to project, 0.2 to keep and take back; the rest is compressing and checking.
`joblib.parallel_config` chooses another backend, such as a cluster: the bytes stay the same.
"""

from __future__ import annotations

import contextlib
import time
import warnings
from collections.abc import Generator, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple, cast

import numpy as np

from benchmark.errors import DatasetError, GroundTruthError, OptionError
from benchmark.io.files import sweep_abandoned
from benchmark.io.ground_truth import Header, Part
from benchmark.io.ground_truth_hdf5 import read_hdf5, write_hdf5
from benchmark.splits import Split
from datasets_prep import shards
from datasets_prep.ddad_source import declare
from datasets_prep.field_npz import write_field_npz
from datasets_prep.progress import Progress, say
from datasets_prep.roots import data_root
from datasets_prep.sources import DEFAULT_SPLITS, Source, find_split, open_source


class Export(NamedTuple):
    """What an export made, of what size and in what time; `resumed` frames were left by an interrupted run, and `notes` say
    which images the data set or the options left out."""

    out: Path
    split: str
    frames: int
    points: int
    bytes: int
    seconds: float
    resumed: int
    without_intrinsics: int
    notes: tuple[str, ...] = ()

    def summary(self) -> str:
        """One line for people."""
        text = (
            f"{self.out}: {self.frames} frames of {self.split}, {self.points} points, {self.bytes / 1e6:.1f} MB, "
            f"{self.seconds:.1f} s, {1000 * self.seconds / self.frames:.2f} ms a frame"
        )
        if self.resumed:
            text += f", {self.resumed} frames taken from an interrupted export"
        if self.without_intrinsics:
            text += f"; {self.without_intrinsics} frames without intrinsics: no KITTI raw calibration beside the maps"
        return text


def export_gt(
    dataset: str,
    data: Path | None,
    split: str | None,
    out: Path,
    *,
    depth: str | None = None,
    camera: str | None = None,
    npz: Path | None = None,
    jobs: int | None = None,
    collision: str = "reference",
    depth_rule: str | None = None,
    ego_masks: Path | None = None,
    context: Sequence[int] = (),
    quiet: bool = False,
) -> Export:
    """Write the ground truth of a split.

    Args:
        dataset: `kitti_raw` (LiDAR), `kitti_depth` (annotated PNG), `packnet_kitti` (PackNet's npz maps), `ddad` (LiDAR).
        data: folder that holds `kitti_raw/`, `kitti_depth/`, or the data set's own root; None is $DEPTHBENCH_DATA.
        split: name or list file; None is the field's test split of the data set.
        out: the HDF5 file; it appears only whole. Finished pieces lie in `<out>.parts/` until then.
        depth: `lidar_forward_x` (None) or `camera_z` for `kitti_raw`.
        camera: replaces the camera of every frame, such as `image_03`; of DDAD, the cameras to export, such as
            `CAMERA_01,CAMERA_05` (None: all).
        npz: also write the field's `gt_depths.npz` there.
        jobs: workers; None is one for each usable core, or all of a cluster.
        collision: see `lidar.project_scan`.
        depth_rule: DDAD's `last_point` (None) or `nearest_point`, see `ddad.project_points`.
        ego_masks: DDAD's folder of masks (`CAMERA_01.png` or `01.png`); without it, points on the car itself stay depth.
        context: of DDAD, only frames that have these neighbours, in samples of the same camera, such as (-1, 1).
        quiet: no progress on stderr.

    Raises:
        DatasetError: frames are missing or damaged; nothing is exported.
        GroundTruthError: the output cannot be written.
        OptionError: an option of DDAD with another data set.
        SplitError: the split is unknown.
    """
    started = time.perf_counter()
    if dataset not in DEFAULT_SPLITS:
        raise DatasetError(f"no ground truth is exported from {dataset!r}; known: {', '.join(DEFAULT_SPLITS)}")
    if dataset != "ddad" and (depth_rule or ego_masks or context):
        raise OptionError(f"--depth-rule, --ego-masks and --context are about ddad; {dataset} has none: leave them out")
    _check_outputs(out, npz)
    # PackNet's maps lie in a tree of KITTI raw.
    root = data_root("kitti_raw" if dataset == "packnet_kitti" else dataset, data)
    frames = find_split(dataset, root, split, camera, context=context)
    rule = depth_rule or "last_point"
    frames = declare(frames, rule=rule, ego_masks=ego_masks)
    _announce(frames.notes, quiet=quiet)
    source = open_source(dataset, root, frames, depth=depth, collision=collision, depth_rule=rule, ego_masks=ego_masks)
    folder = shards.parts_folder(out)
    pieces = shards.plan(folder, source, frames.frames)
    shards.open_folder(folder, pieces)
    sweep_abandoned(out.parent, of=f"{out.name}.")  # the file grows beside its place, and a killed export leaves it there
    tally = _Tally()
    with contextlib.closing(_parts(source, pieces, jobs or -1, tally, quiet=quiet)) as parts:
        _write(out, _header(dataset, frames, source), tally.refusing(parts, frames), folder)
    empty = tally.note(frames)
    _announce(empty, quiet=quiet)
    shards.close_folder(folder, pieces)
    if npz is not None:
        truth = read_hdf5(out)
        write_field_npz(npz, (truth.dense(i) for i in range(len(truth))), len(truth), header=truth.header)
    return Export(
        out=out, split=frames.name, frames=len(frames.frames), points=tally.points, bytes=out.stat().st_size,
        seconds=time.perf_counter() - started, resumed=tally.resumed, without_intrinsics=tally.without_intrinsics,
        notes=(*frames.notes, *empty),
    )  # fmt: skip


def _announce(notes: Iterable[str], *, quiet: bool) -> None:
    for note in () if quiet else notes:
        say(f"export_gt: {note}")


def _header(dataset: str, split: Split, source: Source) -> Header:
    return Header(
        dataset=dataset, split=split.name, split_sha256=split.sha256, depth_kind=source.depth_kind,
        frame_id=split.frame_ids, data_scale=source.data_scale,
    )  # fmt: skip


def _write(out: Path, header: Header, parts: Iterable[Part], folder: Path) -> None:
    try:
        write_hdf5(out, header, parts)
    except GroundTruthError as error:
        if isinstance(error.__cause__, OSError):
            raise GroundTruthError(
                f"{error}. The finished pieces are kept in {folder}: the same command continues from them"
            ) from error
        raise


def _check_outputs(out: Path, npz: Path | None) -> None:
    for option, path, suffixes in (("--out", out, (".h5", ".hdf5")), ("--npz", npz, (".npz",))):
        if path is not None and path.is_dir():
            raise DatasetError(f"{path}: a folder; expected the name of a file to write, such as {path / f'gt{suffixes[0]}'}")
        # Another file, such as a list or an image that was named by mistake, is never overwritten.
        if path is not None and path.suffix not in suffixes:
            raise DatasetError(
                f"{path}: {option} ends in {path.suffix or 'no suffix'!r}, expected {' or '.join(suffixes)}; nothing was "
                f"written: choose a name such as {path.with_name('gt_depths')}{suffixes[0]}"
            )
    for path in (out, npz):
        if path is not None:
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise shards.cannot_write(path.parent, error) from error


def _parts(source: Source, pieces: list[shards.Shard], jobs: int, tally: _Tally, *, quiet: bool) -> Generator[Part, None, None]:
    """The Parts in order while workers make the next ones; a worker writes its shard and returns only a flag."""
    from joblib import Parallel, delayed

    # Everything is dispatched at once: a result is one flag, and a worker never waits for the writer.
    parallel = Parallel(n_jobs=jobs, prefer="threads", return_as="generator", pre_dispatch="all")
    tasks = parallel(delayed(shards.make)(source, piece) for piece in pieces)
    made = cast("Generator[bool, None, None]", tasks)
    total = sum(len(piece.frames) for piece in pieces)
    with Progress("export_gt", unit="frame", quiet=quiet) as report:
        try:
            report(0, total)
            for piece, new in zip(pieces, made, strict=True):
                part = shards.read(piece)
                tally.add(part, new=new)
                report(tally.frames, total)
                yield part
        finally:
            # Stopped halfway, joblib warns that its work was in vain; the pieces it made are kept.
            with warnings.catch_warnings(action="ignore", category=UserWarning):
                made.close()


@dataclass
class _Tally:
    """Counts of what was exported."""

    frames: int = 0
    points: int = 0
    resumed: int = 0
    without_intrinsics: int = 0
    empty: list[int] = field(default_factory=list)

    def refusing(self, parts: Iterable[Part], split: Split) -> Generator[Part, None, None]:
        """The parts, and DatasetError at their end where no frame has a depth."""
        yield from parts
        if len(self.empty) == self.frames:
            raise DatasetError(
                f"{split.name}: not one of its {self.frames} frames has a point in its image; expected LiDAR scans or depth "
                "maps of these frames. Look at the files, the calibration and the masks; nothing was written"
            )

    def note(self, split: Split) -> tuple[str, ...]:
        """What to say of frames without any depth."""
        if not self.empty:
            return ()
        n = len(self.empty)
        return (f"{n} of {self.frames} frames {'has' if n == 1 else 'have'} no point, first {split.frame_ids[self.empty[0]]}",)

    def add(self, part: Part, *, new: bool) -> None:
        n = len(part.shape)
        ends = np.cumsum(part.row_count)[np.cumsum(part.shape[:, 0]) - 1]
        self.empty += (self.frames + np.flatnonzero(np.diff(ends, prepend=0) == 0)).tolist()
        self.frames += n
        self.points += len(part.data)
        self.resumed += 0 if new else n
        self.without_intrinsics += int(np.isnan(part.K).any(axis=(1, 2)).sum())
