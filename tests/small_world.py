"""Miniature ground truth and predictions of real splits: images of 20x60 pixels, so that 697 frames stay small.

Nothing here is KITTI data: only the names of the frames are its own.
"""

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from benchmark.errors import InputError
from benchmark.io.ground_truth import GroundTruth, Header, assemble, sparsify
from benchmark.io.ground_truth_hdf5 import write_hdf5
from benchmark.splits import Frame, Split, frame_id, load_split

HEIGHT, WIDTH = 20, 60
PRED_HEIGHT, PRED_WIDTH = 6, 20
FIRST_FRAME = "2011_09_26_drive_0002_sync/image_02/0000000069"
# One frame of each of KITTI's five recording days, which differ in image size.
FIVE_DAYS = (
    Frame("2011_09_26_drive_0002_sync", "image_02", 69),
    Frame("2011_09_28_drive_0002_sync", "image_02", 24),
    Frame("2011_09_29_drive_0071_sync", "image_02", 252),
    Frame("2011_09_30_drive_0016_sync", "image_02", 132),
    Frame("2011_10_03_drive_0027_sync", "image_02", 2906),
)


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@contextlib.contextmanager
def only_refusals_of(path: Path) -> Iterator[None]:
    """Whatever happens to a damaged file, the one error that comes out is an InputError that names it."""
    try:
        yield
    except InputError as error:
        if not str(error).startswith(f"{path}: "):
            raise AssertionError(f"the message does not begin with the file: {error}") from error


def tiny_split(count: int = 5) -> Split:
    """A split of its own with up to five frames."""
    frames = FIVE_DAYS[:count]
    return Split("custom/test", "kitti_raw", "test", True, frames, "0" * 64, "made up")


def ids_of(frames: Sequence[Frame]) -> tuple[str, ...]:
    return tuple(frame_id(frame, "kitti_raw") for frame in frames)


def header(
    ids: Sequence[str], *, depth_kind: str = "lidar_forward_x", dataset: str = "kitti_raw", scale: float | None = None
) -> Header:
    return Header(dataset, "custom/test", "0" * 64, depth_kind, tuple(ids), scale)


def depth_maps(
    count: int, *, height: int = HEIGHT, width: int = WIDTH, seed: int = 0, share: float = 0.3
) -> list[NDArray[np.float32]]:
    """Sparse depths of 2..70 m; every map has points inside the Garg crop."""
    random = np.random.default_rng(seed)
    depth = random.uniform(2, 70, (count, height, width)).astype(np.float32)
    empty = random.random((count, height, width)) > share
    empty[:, height - height // 4 - 1, width // 2] = False
    depth[empty] = 0
    return list(depth)


def tiny_truth(count: int = 3, **options: Any) -> GroundTruth:
    ids = ids_of(FIVE_DAYS[:count])
    return assemble(header(ids, **options), [sparsify(depth_maps(count), np.eye(3))])


def truth_of(order: Sequence[int]) -> GroundTruth:
    """The frames of `tiny_truth(5)` at these positions, in this order."""
    maps = depth_maps(5)
    return assemble(header(ids_of([FIVE_DAYS[i] for i in order])), [sparsify([maps[i] for i in order], np.eye(3))])


def write_tiny_hdf5(path: Path, count: int = 3) -> list[NDArray[np.float32]]:
    """A valid ground-truth file of `count` frames; the maps in it."""
    maps = depth_maps(count)
    write_hdf5(path, header(ids_of(FIVE_DAYS[:count])), [sparsify(maps, np.eye(3))])
    return maps


def write_split_truth(
    path: Path, split: str = "kitti_eigen/test", *, depth_kind: str = "lidar_forward_x", dataset: str = "kitti_raw"
) -> None:
    """Ground truth of a whole split, one random map repeated with a factor of its own for each frame."""
    frames = load_split(split)
    base = depth_maps(8, seed=1)
    maps = [base[i % 8] * np.float32(1 + i / 4000) for i in range(len(frames.frame_ids))]
    about = Header(dataset, split, frames.sha256, depth_kind, frames.frame_ids)
    write_hdf5(path, about, [sparsify(maps, np.eye(3))])


def predictions(count: int, *, seed: int = 2, dtype: str = "float32") -> NDArray[Any]:
    """(count, 6, 20) positive disparities."""
    random = np.random.default_rng(seed)
    return random.uniform(0.02, 0.5, (count, PRED_HEIGHT, PRED_WIDTH)).astype(dtype)


def alter(path: Path, name: str, values: NDArray[Any]) -> None:
    """Replace an array of a ground-truth file, as an editor of HDF5 files would."""
    with h5py.File(path, "r+") as file:
        del file[name]
        file.create_dataset(name, data=values)
