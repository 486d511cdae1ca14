"""Render splits of the world into a folder: parallel, resumable, every file whole or not at all.

Threads over frames: the compiled loops and the encoders release the interpreter lock. They are the standard library's, not
joblib's, because those are waited for: after an interrupt the frames in work are finished and nothing half-written stays.
"""

from __future__ import annotations

import re
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
from datasets_prep.world import dgp_layout, layout, odometry_layout
from datasets_prep.world.labels import encode_flow, encode_instances, encode_png
from datasets_prep.world.record import Form, Record, claim, wanted, write_file, writing
from datasets_prep.world.render import render_view
from datasets_prep.world.rig import DATE, check_shape, rig_of
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
        """The commands that make something of the splits that are for testing."""
        lidar = ["kitti_raw", "--depth", "camera_z"]
        kinds = {"kitti_raw": {"exact": ["kitti_depth"], "lidar": lidar}, "ddad": {"lidar": ["ddad"]}}
        commands = []
        for split in (one for one in self.splits if one.role != "train"):
            listed = split.source if split.role == "custom" else split.name
            stem = split.name.replace("/", "_")
            for kind, source in kinds.get(split.dataset, {}).items():
                out = self.out / f"{stem}_{kind}.h5"
                options = ["--dataset", *source, "--data", str(self.out), "--split", listed, "--out", str(out)]
                commands.append(shlex.join(["depthbench", "export_gt", *options]))
            if split.dataset == "kitti_odometry":
                options = ["--split", listed, "--data", str(self.out), "--out", str(self.out / f"{stem}_stereo_vo.txt")]
                commands.append(shlex.join(["depthbench", "predict", "stereo_vo", *options]))
        return tuple(commands)


class _Task(NamedTuple):
    """One frame to render: its drive, its place in it and where its files go."""

    form: Form
    root: Path
    record: Record
    drive: str
    street: Street
    place: int


def render_world(
    data: Path,
    splits: Sequence[Split],
    *,
    size: tuple[int, int] | None = None,
    seed: int = 0,
    jobs: int | None = None,
    quiet: bool = False,
    force: bool = False,
) -> Rendered:
    """Render every drive of the splits from its frame 0 to its last frame, with all cameras, into `data`.

    Args:
        data: the folder; it becomes what `--data` of the other commands wants.
        splits: lists of frames of the world's drives, such as `world_small/test`; their data set is the layout.
        size: height and width of the images in pixels; None is that of the layout.
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
    new = _wanted_by_form(splits, size, seed)
    made, n_bytes = 0, 0
    for name, record in new.items():
        form, root = FORMS[name], data / FORMS[name].folder
        with writing(root):
            whole = claim(form, root, record, force=force)
            for path, content in form.texts(root, whole).items():
                write_file(path, content)
            n, size_of = _render(_missing(form, root, whole, record), jobs or cpu_count(), quiet=quiet)
        made, n_bytes = made + n, n_bytes + size_of
    n_frames = sum(sum(record.drives.values()) for record in new.values())
    return Rendered(data, tuple(splits), made, n_frames - made, time.perf_counter() - started, n_bytes)


def _wanted_by_form(splits: Sequence[Split], size: tuple[int, int] | None, seed: int) -> dict[str, Record]:
    """What each layout needs; a split of a data set without one is refused as frames of KITTI raw."""
    by_form: dict[str, list[Split]] = {}
    for split in splits:
        by_form.setdefault(split.dataset if split.dataset in FORMS else "kitti_raw", []).append(split)
    return {
        name: wanted(FORMS[name], own, seed=seed, shape=check_shape(size or FORMS[name].size)) for name, own in by_form.items()
    }


def _missing(form: Form, root: Path, record: Record, new: Record) -> Iterator[_Task]:
    """The frames of `new` whose files are not all there and whole."""
    for drive in new.drives:
        street = None
        for index in range(new.drives[drive]):
            if all(wholeness(path) == "found" for path in form.paths(root, record, drive, index)):
                continue
            street = street or form.street(record.seed, drive)
            yield _Task(form, root, record, drive, street, index)


def _render(tasks: Iterator[_Task], jobs: int, *, quiet: bool) -> tuple[int, int]:
    """Render frames in threads; how many they were, and the bytes written."""
    made: list[Future[int]] = []
    n_bytes = 0
    with Progress("render", unit="frame", quiet=quiet) as report, ThreadPoolExecutor(jobs) as pool:
        try:
            # Nothing keeps the tasks: a street and its light maps, tens of MB, go with its last frame.
            made += (pool.submit(_make, task) for task in tasks)
            report(0, len(made))
            for done, one in enumerate(as_completed(made), 1):
                n_bytes += one.result()
                report(done, len(made))
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    return len(made), n_bytes


def _make(task: _Task) -> int:
    """Render one frame and write its files; the bytes written."""
    contents = task.form.make(task.root, task.record, task.drive, task.street, task.place)
    for path, content in contents.items():
        write_file(path, content)
    return sum(len(content) for content in contents.values())


def _raw_texts(root: Path, record: Record) -> dict[Path, bytes]:
    texts = layout.calibration_files(root, rig_of(record.shape))
    for drive, frames in record.drives.items():
        texts |= layout.drive_files(root, drive, frames)
    return texts


def _raw_paths(root: Path, record: Record, drive: str, index: int) -> layout.FramePaths:
    return layout.frame_paths(root, drive, index, part=record.part(drive))


def _raw_make(root: Path, record: Record, drive: str, street: Street, index: int) -> dict[Path, bytes]:
    rig, paths = rig_of(record.shape), _raw_paths(root, record, drive, index)
    left = render_view(street, index, rig, camera="image_02")
    right = render_view(street, index, rig, camera="image_03")
    return {
        paths.image_02: layout.encode_image(left.image),
        paths.image_03: layout.encode_image(right.image),
        paths.velodyne: layout.encode_scan(scan(street, index)),
        paths.oxts: layout.encode_packet(layout.oxts_packet(street.T_world_imu, index)),
        paths.depth_02: encode_png(layout.annotated_depth(left.depth)),
        paths.depth_03: encode_png(layout.annotated_depth(right.depth)),
        paths.flow: encode_flow(left.flow, left.depth > 0),
        paths.instance: encode_instances(left.semantic, left.instance),
    }


RAW_FORM = Form(
    folder="", size=(192, 640), name=re.compile(rf"{DATE}_drive_[0-9]{{4}}_[a-z]+"), example=f"{DATE}_drive_0001_sync",
    cameras=layout.COLOUR_CAMERAS, place=lambda number: number,
    street=lambda seed, drive: build_street(seed, int(drive.split("_")[4])),
    texts=_raw_texts, paths=_raw_paths, make=_raw_make,
)  # fmt: skip
# Layouts by the name of their data set, and what is rendered in each. KITTI raw brings annotated depth and labels with it.
FORMS = {"kitti_raw": RAW_FORM, "kitti_odometry": odometry_layout.FORM, "ddad": dgp_layout.FORM}
SPLITS = {
    "kitti_raw": ("world_small/test", "world_small/train"),
    "kitti_odometry": ("world_odometry/test",),
    "ddad": ("world_ddad/val", "world_ddad/train"),
}
