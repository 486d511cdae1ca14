"""Split + stereo images -> depth hints: `depthbench hints`. One float32 file (1, h, w) a frame, where the field keeps them."""

from __future__ import annotations

import shlex
import shutil
import time
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from numpy.lib.format import open_memmap

from baselines.conventions import BASELINE
from baselines.hint_matching import DISPARITIES, hint
from baselines.samples import Samples, find_samples
from benchmark.align import STEREO_FACTOR
from benchmark.cores import cpu_count
from benchmark.errors import DatasetError, OptionError, TrainingError, first_of
from benchmark.io.files import atomic_write, sweep_abandoned
from benchmark.io.npy import MAX_SIDE
from benchmark.splits import Frame, Split, resolve_split
from datasets_prep import kitti_raw
from datasets_prep.image_lists import partner
from datasets_prep.images import read_image
from datasets_prep.progress import Progress, megabytes, say

Size = tuple[int, int]

SIZE = (320, 1024)
CAMERAS = ("image_02", "image_03")
HEADER_BYTES = 128
# The median over a list of street scenes is 1.5 to 4.5 units, which is 8 to 24 in metres.
DOUBTFUL_MEDIAN = 7.0
DESCRIBED = 1000  # hints, evenly spread, that stand for all of a list


class Summary(NamedTuple):
    """What was computed: frames made and kept, seconds, and the share of pixels with a hint in those that were made."""

    out: Path
    size: Size
    made: int
    kept: int
    seconds: float
    coverage: float

    def text(self) -> str:
        """One line for people."""
        line = f"{self.out}: {self.made} hints of {self.size[0]}x{self.size[1]}"
        if self.made:
            rate = 1000 * self.seconds / self.made
            line += f", {self.seconds:.1f} s, {rate:.0f} ms a frame; {self.coverage:.0%} of the pixels have one"
        return f"{line}; {self.kept} were there already" if self.kept else line


def hint_path(folder: Path, frame: Frame) -> Path:
    """Where the field keeps a frame's hint: `<folder>/<date>/<drive>/image_02/0000000069.npy`."""
    return kitti_raw.drive_folder(folder, frame.drive) / kitti_raw.check_camera(frame) / f"{frame.number:010d}.npy"


def read_hint(path: Path) -> npt.NDArray[np.float32]:
    """A hint (h, w) float32, depth in units of which the baseline is 0.1, 0 where there is none.

    Raises:
        TrainingError: missing, truncated, no array (1, h, w) of float32, or values that are no depths.
    """
    try:
        array = _open_whole(path)
    except (OSError, ValueError) as error:
        raise TrainingError(
            f"{path}: the depth hint cannot be read ({error}); expected a whole array file (1, h, w) of float32. Make what "
            "is missing or damaged with `depthbench hints`, which keeps the files that are whole"
        ) from error
    if array.ndim != 3 or len(array) != 1 or not array.size or array.dtype != np.float32:
        raise TrainingError(
            f"{path}: the depth hint is {array.dtype} of shape {array.shape}, expected float32 of shape (1, h, w); make it "
            "again with `depthbench hints --overwrite`"
        )
    depth = np.array(array[0])
    if wrong := np.count_nonzero(~(np.isfinite(depth) & (depth >= 0))):
        raise TrainingError(
            f"{path}: {wrong} of the {depth.size} values of the depth hint are negative, infinite or NaN; expected depths, and "
            "0 where there is none. Delete the file and run `depthbench hints` again, which keeps the others"
        )
    return depth


def describe_hints(folder: Path, hints: npt.NDArray[np.float32]) -> str:
    """One line for people on the hints (n, h, w) that were read from a folder: how many pixels have one, and their median.

    Of a long list evenly spread frames stand for all, and every fourth row and column.

    Raises:
        TrainingError: no pixel of any of them has one.
    """
    some = hints[:: max(1, len(hints) // DESCRIBED), ::4, ::4]
    found = some[some > 0]
    if not found.size and not any(one.any() for one in hints):
        raise TrainingError(
            f"{folder}: the {len(hints)} depth hints are 0 everywhere, expected depths: training would be without hints. Make "
            "them again with `depthbench hints --overwrite`"
        )
    line = f"{folder}: {len(hints)} depth hints, {found.size / some.size:.0%} of the pixels have one"
    if not found.size:
        return line
    median = float(np.median(found))
    line += f", median {median:.3g} units, which is {STEREO_FACTOR * median:.3g} m"
    if median <= DOUBTFUL_MEDIAN:
        return line
    return (
        f"note: {line}: too far for a street. Hints are depths in units of which the distance of the two cameras is "
        f"{BASELINE}; those in metres have to be divided by {STEREO_FACTOR}"
    )


def require_hints(folder: Path, samples: Sequence[Samples]) -> dict[Frame, Path]:
    """The hint file of every target, in the order of the frames.

    Raises:
        TrainingError: some are missing: the first ten, how many, and the command that makes them.
    """
    paths = {frame: hint_path(folder, frame) for frame in sorted({frame for one in samples for frame in one.targets})}
    # Each folder is listed once: looking for 40,000 files one by one takes minutes on a network drive.
    there = {path for parent in {path.parent for path in paths.values()} for path in parent.glob("*.npy")}
    missing = [str(path.relative_to(folder)) for path in paths.values() if path not in there]
    if missing:
        lists = dict.fromkeys(one.split.source if one.split.role == "custom" else one.split.name for one in samples)
        command = ["depthbench", "hints", *(word for name in lists for word in ("--split", name))]
        command += ["--data", str(samples[0].root), "--out", str(folder)]
        raise TrainingError(
            f"{folder}: {len(missing)} of the {len(paths)} targets have no depth hint: {first_of(missing)}. "
            f"Make them with `{shlex.join(command)}`, which keeps what is there"
        )
    return paths


def make_hints(
    splits: tuple[str, ...], data: Path | None, out: Path, *, size: Size = SIZE, jobs: int | None = None,
    overwrite: bool = False, quiet: bool = False,
) -> Summary:  # fmt: skip
    """Write the hint of every frame of the splits; whole files that are there are kept, truncated ones made again.

    Args:
        splits: names or list files of KITTI raw, targets of the left (image_02) or the right (image_03) camera.
        data: folder that holds `kitti_raw/`, or that folder itself; None is $DEPTHBENCH_DATA.
        out: the folder, which training is told.
        size: (h, w) at which the images are matched.
        jobs: threads; None is one for each usable core.
        overwrite: make also what is there.
        quiet: no progress on stderr.

    Raises:
        OptionError: a size that cannot be matched.
        InputError: the images or the output are at fault; the hints that were finished stay.
    """
    if not (3 <= size[0] <= MAX_SIDE and max(DISPARITIES) < size[1] <= MAX_SIDE):
        raise OptionError(
            f"--size {size[0]}x{size[1]}: expected a height of 3 to {MAX_SIDE} and a width of {max(DISPARITIES) + 1} to "
            f"{MAX_SIDE} pixels; the matchers look {max(DISPARITIES)} pixels far. The published size is {SIZE[0]}x{SIZE[1]}"
        )
    pairs: dict[Frame, tuple[Path, Path]] = {}
    for split in map(resolve_split, splits):
        pairs |= _pairs(split, data)
    todo = {one: pair for one, pair in pairs.items() if overwrite or not _is_there(hint_path(out, one), size)}
    started = time.perf_counter()
    shares = _make_all(todo, out, size=size, jobs=jobs or cpu_count(), quiet=quiet) if todo else []
    seconds = time.perf_counter() - started
    coverage = float(np.mean(shares)) if shares else float("nan")
    return Summary(out, size, len(todo), len(pairs) - len(todo), seconds, coverage)


def _pairs(split: Split, data: Path | None) -> dict[Frame, tuple[Path, Path]]:
    """The image of each frame and that of the other camera; an error where one is missing or the cameras are not in colour."""
    if split.dataset != "kitti_raw":
        raise TrainingError(f"{split.name}: frames of {split.dataset}; depth hints are made from the stereo pairs of kitti_raw")
    for frame in split.frames:
        if kitti_raw.check_camera(frame) not in CAMERAS:
            raise TrainingError(
                f"{split.name}: {frame.drive} frame {frame.number} is of {frame.camera}; depth hints are made for "
                f"{' and '.join(CAMERAS)}, the two colour cameras. Choose a list of theirs"
            )
    files = find_samples(split, data, context=(), stereo=True).files
    return {frame: (files[frame], files[partner(frame)]) for frame in split.frames}


def _is_there(path: Path, size: Size) -> bool:
    """Whether the hint is there, whole and of this size; one of another size is an error, as is another kind of array."""
    try:
        array = _open_whole(path)
    except (OSError, ValueError):
        return False
    if array.shape != (1, *size) or array.dtype != np.float32:
        raise TrainingError(
            f"{path}: holds {array.dtype} of shape {array.shape}, expected float32 of shape {(1, *size)}. Hints of one folder "
            "are of one size: pass that --size, choose another --out, or replace them with --overwrite"
        )
    return True


def _open_whole(path: Path) -> npt.NDArray[np.float32]:
    """An array file mapped into memory: the header is read, and the file's length held to it. ValueError where it differs."""
    array = open_memmap(path, mode="r")
    if (size := path.stat().st_size) != array.offset + array.nbytes:
        raise ValueError(f"the file has {size} bytes, its header says {array.offset + array.nbytes}")
    return array


def _make_all(pairs: dict[Frame, tuple[Path, Path]], out: Path, *, size: Size, jobs: int, quiet: bool) -> list[float]:
    """Make and write the hints in threads; on an error or an interrupt those not yet begun are not made."""
    n = len(pairs)
    _prepare(out, {hint_path(out, frame).parent for frame in pairs}, nbytes=n * (HEADER_BYTES + 4 * size[0] * size[1]))
    shares = []
    with ThreadPoolExecutor(jobs) as pool, Progress("hints", unit="frame", quiet=quiet) as report:
        report(0, n)
        futures: list[Future[float]] = [pool.submit(_make, *one, out, size) for one in pairs.items()]
        try:
            for i, future in enumerate(futures):
                shares.append(future.result())
                report(i + 1, n)
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    return shares


def _prepare(out: Path, folders: set[Path], *, nbytes: int) -> None:
    try:
        for folder in sorted(folders):
            folder.mkdir(parents=True, exist_ok=True)
            sweep_abandoned(folder)
        free = shutil.disk_usage(out).free
    except OSError as error:
        raise _unwritable(out, error) from error
    if free < nbytes:
        say(f"note: {out} has {megabytes(free)} left, and the hints take {megabytes(nbytes)}; what fits is kept")


def _make(frame: Frame, paths: tuple[Path, Path], out: Path, size: Size) -> float:
    """Write one hint; the share of its pixels that have one."""
    depth = hint(*_pair(paths, size), mirrored=frame.camera == "image_03")
    path = hint_path(out, frame)
    try:
        with atomic_write(path) as file:
            np.save(file, depth[None])
    except OSError as error:
        raise _unwritable(path, error) from error
    return float(np.count_nonzero(depth)) / depth.size


def _pair(paths: tuple[Path, Path], size: Size) -> list[npt.NDArray[np.uint8]]:
    """The image of a frame and the other view of the pair, (h, w, 3) uint8 each, resized as for training (Lanczos)."""
    from PIL import Image

    images = [read_image(path) for path in paths]
    if images[0].shape != images[1].shape:
        came = " and ".join("x".join(map(str, image.shape[:2])) for image in images)
        raise DatasetError(
            f"{paths[0]} and {paths[1]}: {came} pixels (height x width), expected two views of one size; one of them was "
            "resized or is of another day: put the original back"
        )
    resized = [Image.fromarray(image).resize(size[::-1], Image.Resampling.LANCZOS) for image in images]
    return [np.asarray(image) for image in resized]


def _unwritable(path: Path, error: OSError) -> TrainingError:
    # NumPy's own error, of bytes that were not written, has no reason with it.
    reason = error.strerror or "the disk is full, or a limit on the size of files is reached"
    return TrainingError(
        f"{path}: the depth hint cannot be written ({reason}). Free some space or choose another --out; what "
        "is finished stays, and the same command continues"
    )
