"""Render splits of the world into a folder: parallel, resumable, every file whole or not at all.

Threads over frames: the compiled loops and the encoders release the interpreter lock. They are the standard library's, not
joblib's, because those are waited for: after an interrupt the frames in work are finished and nothing half-written stays.
"""

from __future__ import annotations

import shlex
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import NamedTuple

from benchmark.cores import cpu_count
from benchmark.errors import DatasetError
from benchmark.splits import Split
from datasets_prep.progress import Progress
from datasets_prep.verify import wholeness
from datasets_prep.world import layout
from datasets_prep.world.labels import encode_flow, encode_instances, encode_png
from datasets_prep.world.record import Record, claim, wanted, write_file, writing
from datasets_prep.world.render import render_view
from datasets_prep.world.rig import Rig, rig_of
from datasets_prep.world.scanner import scan
from datasets_prep.world.street import Street, build_street

SEEDS = 1 << 31


class Rendered(NamedTuple):
    """What was rendered, where and in what time; `found` frames were there already."""

    out: Path
    splits: tuple[Split, ...]
    made: int
    found: int
    seconds: float
    bytes: int

    def summary(self) -> str:
        """One line for people."""
        text = f"{self.out}: {self.made} frames rendered, {self.bytes / 1e6:.1f} MB, {self.seconds:.1f} s"
        if self.made:
            text += f", {1000 * self.seconds / self.made:.0f} ms a frame"
        return text + (f"; {self.found} frames were there already" if self.found else "")

    def next_steps(self) -> tuple[str, ...]:
        """The commands that export the ground truth of the splits that are for testing."""
        kinds = {"exact": ["kitti_depth"], "lidar": ["kitti_raw", "--depth", "camera_z"]}
        commands = []
        for split in (one for one in self.splits if one.role != "train"):
            listed = split.source if split.role == "custom" else split.name
            for kind, source in kinds.items():
                out = self.out / f"{split.name.replace('/', '_')}_{kind}.h5"
                options = ["--dataset", *source, "--data", str(self.out), "--split", listed, "--out", str(out)]
                commands.append(shlex.join(["depthbench", "export_gt", *options]))
        return tuple(commands)


class _Task(NamedTuple):
    """One frame to render: where its files go."""

    street: Street
    number: int
    paths: layout.FramePaths


def render_world(
    data: Path,
    splits: Sequence[Split],
    *,
    size: tuple[int, int] = (192, 640),
    seed: int = 0,
    jobs: int | None = None,
    quiet: bool = False,
    force: bool = False,
) -> Rendered:
    """Render every drive of the splits from its frame 0 to its last frame, with both cameras, into `data`.

    Args:
        data: the folder; it becomes what `--data` of the other commands wants.
        splits: lists of frames of the world's drives, such as `world_small/test`.
        size: height and width of the images in pixels.
        seed: of the streets, 0 to 2^31 - 1; the same seed and size give the same bytes, whatever the number of jobs.
        jobs: threads; None is one for each usable core.
        quiet: no progress on stderr.
        force: start over where another world is, or render beside foreign files; see `record.claim`.

    Raises:
        DatasetError: the folder, a split, the size or the seed is refused, or the disk cannot be written.
    """
    started = time.perf_counter()
    if not 0 <= seed < SEEDS:
        raise DatasetError(f"the seed of a world is {seed}; expected 0 to {SEEDS - 1}: choose a seed such as 0")
    rig = rig_of(size)
    new = wanted(splits, seed=seed, shape=size)
    with writing(data):
        record = claim(data, new, force=force)
        _write_texts(data, rig, record)
        made, n_bytes = _render(_missing(data, record, new), rig, jobs or cpu_count(), quiet=quiet)
    n_frames = sum(new.drives.values())
    seconds = time.perf_counter() - started
    return Rendered(data, tuple(splits), made, n_frames - made, seconds, n_bytes)


def _write_texts(data: Path, rig: Rig, record: Record) -> None:
    texts = layout.calibration_files(data, rig)
    for drive, frames in record.drives.items():
        texts |= layout.drive_files(data, drive, frames)
    for path, content in texts.items():
        write_file(path, content)


def _missing(data: Path, record: Record, new: Record) -> Iterator[_Task]:
    """The frames of `new` whose files are not all there and whole."""
    for drive in new.drives:
        street = None
        for number in range(new.drives[drive]):
            paths = layout.frame_paths(data, drive, number, part=record.part(drive))
            if all(wholeness(path) == "found" for path in paths):
                continue
            street = street or build_street(record.seed, int(drive.split("_")[4]))
            yield _Task(street, number, paths)


def _render(tasks: Iterator[_Task], rig: Rig, jobs: int, *, quiet: bool) -> tuple[int, int]:
    """Render frames in threads; how many they were, and the bytes written."""
    made: list[Future[int]] = []
    n_bytes = 0
    with Progress("render", unit="frame", quiet=quiet) as report, ThreadPoolExecutor(jobs) as pool:
        try:
            # Nothing keeps the tasks: a street and its light maps, tens of MB, go with its last frame.
            made += (pool.submit(_make, task, rig) for task in tasks)
            report(0, len(made))
            for done, one in enumerate(as_completed(made), 1):
                n_bytes += one.result()
                report(done, len(made))
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    return len(made), n_bytes


def _make(task: _Task, rig: Rig) -> int:
    """Render one frame and write its files; the bytes written."""
    street, number, paths = task
    left = render_view(street, number, rig, camera="image_02")
    right = render_view(street, number, rig, camera="image_03")
    contents = {
        paths.image_02: layout.encode_image(left.image),
        paths.image_03: layout.encode_image(right.image),
        paths.velodyne: layout.encode_scan(scan(street, number)),
        paths.oxts: layout.encode_packet(layout.oxts_packet(street.T_world_imu, number)),
        paths.depth_02: encode_png(layout.annotated_depth(left.depth)),
        paths.depth_03: encode_png(layout.annotated_depth(right.depth)),
        paths.flow: encode_flow(left.flow, left.depth > 0),
        paths.instance: encode_instances(left.semantic, left.instance),
    }
    for path, content in contents.items():
        write_file(path, content)
    return sum(len(content) for content in contents.values())
