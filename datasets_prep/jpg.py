"""PNG -> JPEG as the field trains on KITTI: quality 92, colour at half resolution (4:2:0). Nothing is deleted.

Monodepth2's README (at b676244) has it as `convert -quality 92 -sampling-factor 2x2,1x1,1x1`, on all images in place. Its
published numbers are those of JPEGs; PNGs give slightly other ones.
"""

from __future__ import annotations

import io
import time
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

from benchmark.cores import cpu_count
from benchmark.errors import DatasetError, OptionError
from benchmark.io.files import atomic_write, sweep_abandoned
from benchmark.splits import Frame, Split
from datasets_prep.image_lists import FOLDERS, frame_names, list_images, other_camera, partner
from datasets_prep.images import jpeg_ends, read_image
from datasets_prep.progress import Progress
from datasets_prep.roots import data_root

QUALITY, SUBSAMPLING = 92, 2  # Pillow's 2 is 4:2:0
TAIL_BYTES = 64
# What training reads beside images, by data set: it goes along into another tree.
SMALL_FILES = {
    "kitti_raw": ("*/calib_*.txt",),
    "kitti_odometry": ("sequences/*/calib.txt", "sequences/*/times.txt", "poses/*.txt"),
}
CAMERAS = {"kitti_raw": ("*/*_drive_*/image_02", "*/*_drive_*/image_03"), "kitti_odometry": ("sequences/*/image_[23]",)}


class Converted(NamedTuple):
    """What was converted: the tree of JPEGs, images made and found, bytes before and after of those made, seconds."""

    out: Path
    made: int
    found: int
    bytes_before: int
    bytes_after: int
    seconds: float
    beside: bool

    def summary(self) -> str:
        """One line for people."""
        text = f"{self.out}: {self.made} images converted to JPEG (quality {QUALITY}, 4:2:0)"
        if self.made:
            text += f", {self.bytes_before / 1e6:.1f} MB became {self.bytes_after / 1e6:.1f} MB, {self.seconds:.1f} s"
        text += f"; {self.found} were there already" if self.found else ""
        if self.beside:
            return f"{text}. Where a PNG lies beside a JPEG, the PNG is read: delete the PNGs to train on JPEGs"
        return f"{text}. Pass --data {self.out} to train on them"


def convert(
    dataset: str, splits: Sequence[Split], data: Path | None, out: Path, *, context: Sequence[int] = (-1, 1),
    jobs: int | None = None, quiet: bool = False,
) -> Converted:  # fmt: skip
    """Write `<out>/<dataset>/...jpg` for each PNG that the splits train on, and copy the calibration files there.

    An interrupted run continues; a JPEG that is whole and not older than its PNG is kept. Images that are JPEGs already are
    copied as they are.

    Args:
        dataset: kitti_raw or kitti_odometry.
        splits: their targets, with neighbours and the other camera of the pair; none: every colour image that is there.
        data: folder that holds the data set, or that folder itself; None is $DEPTHBENCH_DATA.
        out: a folder of its own, or that of the data, where the JPEGs then lie beside the PNGs.
        context: offsets of the neighbours.
        jobs: threads; None is one for each usable core.
        quiet: no progress on stderr.

    Raises:
        OptionError: a data set that has no PNGs in KITTI's layout, or splits of another one.
        DatasetError: a target is missing or damaged, or the output cannot be written.
    """
    started = time.perf_counter()
    _check(dataset, splits)
    root = data_root(dataset, data)
    target = out if root == out or out.name == dataset else out / dataset
    images = _wanted(dataset, root, splits, context) if splits else _all(dataset, root)
    beside = target.resolve() == root.resolve()
    try:
        todo = _prepare(dataset, images, root, target, beside=beside)
        new = {image: jpg for image, jpg in todo.items() if not _is_done(image, jpg)}
        sizes = _convert_all(new, jobs=jobs or cpu_count(), quiet=quiet)
    except OSError as error:
        raise DatasetError(
            f"{error.filename or target}: cannot be written ({error.strerror or error}). Make room or correct the permissions "
            "and run the same command again, which continues; or choose another --out"
        ) from error
    before, after = (sum(column) for column in zip(*sizes, strict=True)) if sizes else (0, 0)
    seconds = time.perf_counter() - started
    return Converted(target if beside else out, len(new), len(todo) - len(new), before, after, seconds, beside)


def _check(dataset: str, splits: Sequence[Split]) -> None:
    if dataset not in FOLDERS or any(split.dataset != dataset for split in splits):
        raise OptionError(
            f"{dataset} and splits of {', '.join(sorted({split.dataset for split in splits})) or 'none'}: expected "
            f"{' or '.join(FOLDERS)} and splits of it. DDAD's scenes name their image files themselves"
        )


def _prepare(dataset: str, images: Sequence[Path], root: Path, target: Path, *, beside: bool) -> dict[Path, Path]:
    """The JPEG of each image that is not there itself; its folder is made, without what an interrupted run left in it."""
    todo = {image: target / image.relative_to(root).with_suffix(".jpg") for image in images}
    todo = {image: jpg for image, jpg in todo.items() if not beside or image != jpg}
    if not beside:
        _copy_small(dataset, root, target, images)
    for folder in sorted({jpg.parent for jpg in todo.values()}):
        folder.mkdir(parents=True, exist_ok=True)
        sweep_abandoned(folder)
    return todo


def encode(image: Path) -> bytes:
    """The JPEG of a PNG file."""
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(read_image(image)).save(buffer, "JPEG", quality=QUALITY, subsampling=SUBSAMPLING)
    return buffer.getvalue()


def _wanted(dataset: str, root: Path, splits: Sequence[Split], context: Sequence[int]) -> list[Path]:
    """The images of the targets, of their neighbours where there are any, and of the other cameras."""
    frames = dict.fromkeys(frame for split in splits for frame in split.frames)
    folders = dict.fromkeys((frame.drive, frame.camera) for frame in frames)
    pairs = dict.fromkeys((drive, one) for drive, camera in folders for one in (camera, other_camera(camera)))
    files = list_images(dataset, root, pairs)
    missing = [frame for frame in frames if frame not in files]
    if missing:
        names = ", ".join(one.name for one in splits)
        raise DatasetError(
            f"{root}: {len(missing)} of the {len(frames)} frames of {names} have no image: {frame_names(missing)}. "
            "Fetch them first; `depthbench datasets verify` names their archives"
        )
    near = (_moved(frame, step) for frame in frames for step in (0, *context))
    every = dict.fromkeys(one for frame in near for one in (frame, partner(frame)))
    return [files[frame] for frame in every if frame in files]


def _moved(frame: Frame, step: int) -> Frame:
    return frame._replace(number=frame.number + step)


def _all(dataset: str, root: Path) -> list[Path]:
    """Every colour image of the data set."""
    folders: Iterable[Path] = (folder for pattern in CAMERAS[dataset] for folder in sorted(root.glob(pattern)))
    cameras = [(folder.parent.name, folder.name) for folder in folders if folder.is_dir()]
    images = list(list_images(dataset, root, cameras).values())
    if not images:
        raise DatasetError(f"{root}: holds no colour image of {dataset}; pass another --data")
    return images


def _copy_small(dataset: str, root: Path, target: Path, images: Sequence[Path]) -> None:
    """Copy the calibration of what is converted."""
    tops = {path.relative_to(root).parts[: 1 if dataset == "kitti_raw" else 2] for path in images}
    for pattern in SMALL_FILES[dataset]:
        for path in sorted(root.glob(pattern)):
            parts = path.relative_to(root).parts
            if parts[0] == "poses" or parts[:-1] in tops:
                to = target / path.relative_to(root)
                to.parent.mkdir(parents=True, exist_ok=True)
                with atomic_write(to) as file:
                    file.write(path.read_bytes())


def _is_done(image: Path, jpg: Path) -> bool:
    """Whether a JPEG is there, whole, and not older than what it is made from."""
    try:
        state = jpg.stat()
        with jpg.open("rb") as file:
            file.seek(-min(TAIL_BYTES, state.st_size), io.SEEK_END)
            return jpeg_ends(file.read()) and state.st_mtime_ns >= image.stat().st_mtime_ns
    except FileNotFoundError:
        return False


def _convert_all(new: dict[Path, Path], *, jobs: int, quiet: bool) -> list[tuple[int, int]]:
    """Bytes before and after of every image."""
    sizes: list[tuple[int, int]] = []
    with ThreadPoolExecutor(jobs) as pool, Progress("jpg", unit="image", quiet=quiet) as report:
        try:
            report(0, len(new))
            for one in pool.map(_convert, new, new.values()):
                sizes.append(one)
                report(len(sizes), len(new))
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    return sizes


def _convert(image: Path, jpg: Path) -> tuple[int, int]:
    """Write one JPEG; an image that is one already goes along as it is."""
    content = encode(image) if image.suffix == ".png" else image.read_bytes()
    with atomic_write(jpg) as file:
        file.write(content)
    return image.stat().st_size, len(content)
