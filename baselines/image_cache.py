"""Images decoded and resized once, in one file that training maps into memory; depth hints likewise.

A cache is two files: `<what>_<h>x<w>_<key>.npy`, an ordinary array (n, h, w, 3) uint8 or (n, h, w) float32, and a `.json`
beside it with its rows and their checksums. The key is a hash of all that shapes the pixels: other images, another size,
resampler or decoder make another file, so nothing stale is ever read.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
import zlib
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from baselines.file_lock import alone
from baselines.hints import describe_hints, read_hint, require_hints
from baselines.recipe_values import RESAMPLERS
from baselines.samples import Samples
from benchmark.cores import cpu_count
from benchmark.errors import OptionError, TrainingError
from benchmark.io.files import atomic_path, atomic_write, sweep_abandoned
from benchmark.split_formats import frame_id
from benchmark.splits import Frame
from datasets_prep.images import read_image
from datasets_prep.progress import Progress, megabytes, say

Size = tuple[int, int]
Pixels = npt.NDArray[Any]
Made = TypeVar("Made")

FORMAT = 1  # raised whenever the same key would hold other bytes


@dataclass(frozen=True)
class ImageCache:
    """`images` (n, h, w, 3) uint8 RGB in a file mapped into memory, `rows` the row of each frame; `hints` (m, h, w) float32
    depth, 0 where there is none, and their rows, or None. `key` names the file, and changes with what the pixels are made of;
    `content` stands for the pixels and hints themselves; `image_format` is png, jpg or mixed."""

    images: Pixels
    rows: Mapping[Frame, int]
    hints: Pixels | None
    hint_rows: Mapping[Frame, int]
    key: str
    content: str
    image_format: str

    @property
    def size(self) -> Size:
        """Height and width of the images."""
        return self.images.shape[1], self.images.shape[2]


@dataclass(frozen=True)
class _Table:
    """What one file of a cache holds: a row of `shape` for each of `sources`, made by `load`; `recipe` is also in its key."""

    what: str
    shape: tuple[int, ...]
    dtype: str
    sources: Mapping[str, Path]
    load: Callable[[Path], Pixels]
    recipe: Mapping[str, object]

    @cached_property
    def identity(self) -> dict[str, object]:
        """All that shapes the bytes, the state of each file included."""
        states = []
        for name, path in self.sources.items():
            try:
                state = path.stat()
            except OSError as error:
                raise TrainingError(f"{path}: cannot be read ({error.strerror or error}); fetch it again") from error
            states.append([name, path.suffix, state.st_size, state.st_mtime_ns])
        about = {"format": FORMAT, "what": self.what, "shape": self.shape, "dtype": self.dtype}
        return {**about, **self.recipe, "files": states}

    @cached_property
    def key(self) -> str:
        """Sixteen digits that stand for the identity."""
        return _sha256(self.identity)[:16]

    @property
    def nbytes(self) -> int:
        """Bytes of all rows."""
        return len(self.sources) * int(np.prod(self.shape)) * np.dtype(self.dtype).itemsize


def open_cache(
    folder: Path,
    samples: Samples,
    *,
    size: Size,
    resampler: str = "lanczos",
    hints: Path | None = None,
    jobs: int | None = None,
    quiet: bool = False,
) -> ImageCache:
    """The cache of all images of samples, made first where it is not there, or is not whole.

    Args:
        folder: where caches lie; several processes may open, and make, the same one at the same time.
        samples: whose images, neighbours included, and hints.
        size: (h, w) to which the images are resized.
        resampler: one of RESAMPLERS.
        hints: the folder of `depthbench hints`; each target must have one.
        jobs: threads; None is one for each usable core.
        quiet: no progress on stderr.

    Raises:
        OptionError: an unknown resampler, a size that is none, or a folder that is a file.
        TrainingError: hints are missing (the first ten, and how many), or the folder cannot be written.
        DatasetError: an image is damaged.
    """
    if resampler not in RESAMPLERS:
        raise OptionError(f"resampler {resampler!r}: expected one of {', '.join(RESAMPLERS)}")
    if min(size) < 1:
        raise OptionError(f"size {size[0]}x{size[1]}: expected a height and a width of at least 1 pixel")
    images, frames = _image_table(samples, size, resampler)
    if folder.exists() and not folder.is_dir():
        raise OptionError(f"{folder}: a file; expected a folder for the cache, there or not. Choose another with --cache")
    tables = [images]
    hinted: dict[Frame, int] = {}
    if hints is not None:
        table, hinted = _hint_table(samples, size, hints)
        tables.append(table)
    opened = [_open(folder, table, jobs=jobs or cpu_count(), quiet=quiet) for table in tables]
    if hints is not None:
        about_hints = describe_hints(hints, opened[1][0])
        if not quiet:
            say(about_hints)
    contents = [[table.what, table.shape, list(table.sources), sums] for table, (_, sums) in zip(tables, opened, strict=True)]
    return ImageCache(
        images=opened[0][0], rows=frames, hints=opened[1][0] if hints is not None else None, hint_rows=hinted,
        key=images.key, content=_sha256([resampler, contents]), image_format=samples.image_format,
    )  # fmt: skip


def _image_table(samples: Samples, size: Size, resampler: str) -> tuple[_Table, dict[Frame, int]]:
    import cv2
    import PIL

    ordered = sorted(samples.files)
    sources = {frame_id(frame, samples.split.dataset): samples.files[frame] for frame in ordered}
    recipe = {"resampler": resampler, "decoder": f"opencv {cv2.__version__}", "resizer": f"pillow {PIL.__version__}"}
    load = partial(load_image, size=size, resampler=resampler)
    table = _Table("images", (*size, 3), "uint8", sources, load, recipe)
    return table, {frame: row for row, frame in enumerate(ordered)}


def _hint_table(samples: Samples, size: Size, hints: Path) -> tuple[_Table, dict[Frame, int]]:
    paths = require_hints(hints, [samples])
    sources = {frame_id(frame, samples.split.dataset): path for frame, path in paths.items()}
    table = _Table("hints", size, "float32", sources, partial(load_hint, size=size), {"resampler": "cv2 INTER_NEAREST"})
    return table, {frame: row for row, frame in enumerate(paths)}


def load_image(path: Path, *, size: Size, resampler: str = "lanczos") -> npt.NDArray[np.uint8]:
    """An image (h, w, 3) uint8 RGB, resized by Pillow in 8 bits, as Monodepth2 does."""
    return resize_image(read_image(path), size=size, resampler=resampler)


def resize_image(pixels: npt.NDArray[np.uint8], *, size: Size, resampler: str) -> npt.NDArray[np.uint8]:
    """An image (H, W, 3) uint8 as (h, w, 3), by Pillow."""
    from PIL import Image

    return np.asarray(Image.fromarray(pixels).resize(size[::-1], Image.Resampling[RESAMPLERS[resampler]]))


def load_hint(path: Path, *, size: Size) -> npt.NDArray[np.float32]:
    """A depth hint (h, w) float32, the nearest pixel of the stored one (cv2 INTER_NEAREST, as depth-hints at aa2ecf7)."""
    import cv2

    return np.asarray(cv2.resize(read_hint(path), size[::-1], interpolation=cv2.INTER_NEAREST), np.float32)


def _sha256(content: object) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _open(folder: Path, table: _Table, *, jobs: int, quiet: bool) -> tuple[Pixels, list[int]]:
    """The rows of a table, mapped into memory, and their checksums."""
    path = folder / f"{table.what}_{table.shape[0]}x{table.shape[1]}_{table.key}.npy"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with alone(path, quiet=quiet):
            problem = _problem(path, table, jobs=jobs, quiet=quiet)
            if problem:
                if path.exists():
                    say(f"note: {path}: {problem}; it is made again")
                _make(path, table, jobs=jobs, quiet=quiet)
            checksums = json.loads(path.with_suffix(".json").read_bytes())["crc32"]
        return np.asanyarray(np.load(path, mmap_mode="r", allow_pickle=False)), checksums
    except OSError as error:
        raise TrainingError(
            f"{error.filename or path}: the cache of {len(table.sources)} {table.what}, {megabytes(table.nbytes)}, cannot be "
            f"read or written ({error.strerror or error}). Free some space, or choose another folder for the cache"
        ) from error


def _make(path: Path, table: _Table, *, jobs: int, quiet: bool) -> None:
    """Write the array and its checksums, each whole or not at all."""
    sweep_abandoned(path.parent, of=path.stem)
    free = shutil.disk_usage(path.parent).free
    if free < table.nbytes:
        raise OSError(errno.ENOSPC, f"{os.strerror(errno.ENOSPC)}: {megabytes(free)} are free", str(path))
    sources = list(table.sources.values())
    row_bytes = table.nbytes // max(len(sources), 1)
    with atomic_path(path) as temporary, temporary.open("r+b") as file:
        header = {"descr": np.dtype(table.dtype).str, "fortran_order": False, "shape": (len(sources), *table.shape)}
        np.lib.format.write_array_header_1_0(file, header)
        file.flush()
        start = file.tell()

        def row(i: int) -> int:
            raw = np.ascontiguousarray(table.load(sources[i])).tobytes()
            # Not through a memory map: on a full disk that kills the process, where a write is an error with a name.
            if os.pwrite(file.fileno(), raw, start + i * row_bytes) != row_bytes:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
            return zlib.crc32(raw)

        checksums = _in_threads(row, len(sources), jobs=jobs, label=f"cache of {table.what}", quiet=quiet)
    with atomic_write(path.with_suffix(".json")) as out:
        out.write(json.dumps({**table.identity, "crc32": checksums}).encode())
    if not quiet:
        say(f"{path}: {len(sources)} {table.what} of {table.shape[0]}x{table.shape[1]}, {megabytes(table.nbytes)}")


def _problem(path: Path, table: _Table, *, jobs: int, quiet: bool) -> str:
    """What is wrong with a cache; empty if nothing is."""
    try:
        rows = np.load(path, mmap_mode="r", allow_pickle=False)
        checksums = list(json.loads(path.with_suffix(".json").read_bytes())["crc32"])
    except (OSError, ValueError, EOFError, KeyError, TypeError) as error:
        return f"the cache or its checksums are truncated or damaged ({error})"
    shape = (len(table.sources), *table.shape)
    if rows.shape != shape or rows.dtype != table.dtype or len(checksums) != len(rows):
        return f"it is {rows.dtype} {rows.shape} with {len(checksums)} checksums, expected {table.dtype} {shape}"
    if (size := path.stat().st_size) != rows.offset + rows.nbytes:
        return f"the file has {size} bytes, expected {rows.offset + rows.nbytes}"

    def is_whole(i: int) -> bool:
        return bool(zlib.crc32(rows[i]) == checksums[i])

    whole = _in_threads(is_whole, len(rows), jobs=jobs, label=f"check of {table.what}", quiet=quiet)
    altered = [name for name, good in zip(table.sources, whole, strict=True) if not good]
    return f"{len(altered)} of its {len(rows)} rows were altered, the first is {altered[0]}" if altered else ""


def _in_threads(work: Callable[[int], Made], n: int, *, jobs: int, label: str, quiet: bool) -> list[Made]:
    """What `work` makes of 0 .. n-1, in order; after an error or an interrupt what has not begun is left."""
    made: list[Made] = []
    with ThreadPoolExecutor(jobs) as pool, Progress(label, unit="image", quiet=quiet) as report:
        try:
            report(0, n)
            for result in pool.map(work, range(n)):
                made.append(result)
                report(len(made), n)
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    return made
