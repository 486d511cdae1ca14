"""Folders with one file per frame: predictions and ground truth, found by name, never by listing order."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from benchmark.errors import InputError, PredictionError
from benchmark.io.files import sha256_of
from benchmark.io.npy import MAX_SIDE, open_array, read_header, read_values
from benchmark.io.png import read_png16

SUFFIXES = (".npy", ".npz", ".png")
# The only array of a per-frame archive may have any of these names (PackNet-SfM, its velodyne maps, ours).
NPZ_KEYS = ("depth", "velodyne_depth", "disp", "pred", "data")


def _kitti_tree(middle: str) -> Callable[[str], str]:
    def name(frame_id: str) -> str:
        drive, camera, number = frame_id.split("/")
        return f"{drive[:10]}/{drive}/{middle.format(camera=camera)}/{number}"

    return name


def _selection(what: str) -> Callable[[str], str]:
    def name(frame_id: str) -> str:
        drive, camera, number = frame_id.split("/")
        return f"{drive}_{what}_{number}_{camera}"

    return name


def _dgp_tree(middle: str) -> Callable[[str], str]:
    def name(frame_id: str) -> str:
        scene, camera, number = frame_id.split("/")
        return f"{scene}/{middle}/{camera}/{number}"

    return name


# How a frame's file may be called, and which files of the folder follow that naming.
Namings = dict[str, tuple[Callable[[str], str], str]]
NAMINGS: Namings = {
    "frame id with / as __": (lambda frame_id: frame_id.replace("/", "__"), "*"),
    "frame id as a path": (lambda frame_id: frame_id, "**/*"),
    "PackNet-SfM *_depth": (lambda frame_id: frame_id.replace("/", "__") + "_depth", "*_depth"),
}
KITTI_NAMINGS: Namings = {
    "PackNet-SfM velodyne maps": (_kitti_tree("proj_depth/velodyne/{camera}"), "*/*/proj_depth/velodyne/*/*"),
    "KITTI depth selection": (_selection("groundtruth_depth"), "*_groundtruth_depth_*"),
    "KITTI depth selection, image names": (_selection("image"), "*_sync_image_*"),
    "annotated depth by date": (_kitti_tree("proj_depth/groundtruth/{camera}"), "*/*/proj_depth/groundtruth/*/*"),
}
DGP_NAMINGS: Namings = {
    "DGP's images": (_dgp_tree("rgb"), "*/rgb/*/*"),
    "DGP's depth maps": (_dgp_tree("depth/lidar"), "*/depth/lidar/*/*"),
}
DGP_FRAME = re.compile(r"[^/]+/CAMERA_[0-9]{2}/[0-9]+")
# The position in a list instead of a name (its digits, what follows them); such a folder is a bare array.
POSITIONS = {"10-digit position": (10, ""), "6-digit position": (6, ""), "6-digit position *_depth": (6, "_depth")}


class Listing(NamedTuple):
    """The file of each frame (None where there is none), or of each position; and how many files belong to no frame."""

    files: list[Path | None]
    by_position: bool
    surplus: int


def find_files(folder: Path, frame_ids: tuple[str, ...], error: type[InputError]) -> Listing:
    """The files of a split, by name or by position.

    Raises:
        error: two namings or two file types fit, no file fits any, or positions have a hole.
    """
    fits: dict[str, Listing] = {}
    namings = NAMINGS | (DGP_NAMINGS if frame_ids and DGP_FRAME.fullmatch(frame_ids[0]) else KITTI_NAMINGS)
    for suffix in SUFFIXES:
        for naming, (name, pattern) in namings.items():
            paths = [folder / (name(frame_id) + suffix) for frame_id in frame_ids]
            found = [path if path.is_file() else None for path in paths]
            if any(found):
                others = sum(1 for _ in folder.glob(pattern + suffix)) - len(set(filter(None, found)))
                fits[f"{naming}{suffix}"] = Listing(found, False, others)
        for naming, (digits, tail) in POSITIONS.items():
            files = _in_order(folder, digits, tail + suffix, error)
            if files:
                fits[f"{naming}{suffix}"] = Listing(files, True, 0)
    if not fits:
        known = "; ".join(f"{naming}: {name(frame_ids[0])}" for naming, (name, _) in namings.items() if frame_ids)
        known += "".join(f"; {naming}: {0:0{digits}d}{tail}" for naming, (digits, tail) in POSITIONS.items())
        raise error(f"{folder}: holds no file of this split. The first frame could be called ({'/'.join(SUFFIXES)}): {known}")
    if len(fits) > 1:
        counts = ", ".join(f"{naming} ({sum(map(bool, one.files))} files)" for naming, one in fits.items())
        raise error(f"{folder}: files of several kinds fit this split: {counts}. Leave one kind in the folder")
    return next(iter(fits.values()))


def _in_order(folder: Path, digits: int, tail: str, error: type[InputError]) -> list[Path | None]:
    """The files of a folder that are called by their position and a tail, in that order; none may be missing."""
    named = re.compile(rf"([0-9]{{{digits}}}){re.escape(tail)}")
    hits = ((named.fullmatch(path.name), path) for path in folder.iterdir())
    numbered = {int(hit[1]): path for hit, path in hits if hit}
    hole = next((i for i in range(len(numbered)) if i not in numbered), None)
    if hole is not None:
        raise error(
            f"{folder}: {len(numbered)} files are called by their position in the list, and {hole:0{digits}d}{tail} is not "
            "among them; expected every position from 0 on: add it, or name the files by frame id with / as __"
        )
    return [numbered[i] for i in range(len(numbered))]


def read_map(path: Path, error: type[InputError], *, key: str | None = None) -> NDArray[Any]:
    """One (H, W) map: float `.npy`, the array of an `.npz`, or a 16-bit PNG in metres * 256 as raw uint16.

    Args:
        path: the file.
        error: what a refusal is raised as.
        key: the one name the array of an `.npz` may have; without it any of NPZ_KEYS, or any name of a lone array.

    Raises:
        error: damaged, of another type, or not two-dimensional.
    """
    if path.suffix == ".png":
        return read_png16(path, error)
    keys = NPZ_KEYS if key is None else (key,)
    with open_array(path, keys, error, any_lone=key is None) as (stream, size):
        header = read_header(stream, size, str(path), error)
        shape, _, dtype = header
        if len(shape) != 2 or min(shape) < 1 or max(shape) > MAX_SIDE or dtype not in (np.float32, np.float64):
            raise error(f"{path}: holds {dtype} {shape}; expected float32 or float64 (H, W): save one map a file")
        return read_values(stream, header, str(path), error)


class FolderPredictions:
    """One file per frame of a split; sizes may differ. A PNG holds metres * 256, 0 where there is no prediction."""

    shape = None

    def __init__(self, folder: Path, frame_ids: tuple[str, ...]) -> None:
        self.source = str(folder)
        listing = find_files(folder, frame_ids, PredictionError)
        self.paths = [path for path in listing.files if path is not None]
        self.surplus = listing.surplus
        # Two forms say themselves that they hold metres: 16-bit PNGs and PackNet-SfM's *_depth files.
        metres = any(path.suffix == ".png" or path.stem.endswith("_depth") for path in self.paths)
        self.declared = "depth" if metres else None
        self.frame_id: tuple[str, ...] | None = None
        if not listing.by_position:
            pairs = zip(frame_ids, listing.files, strict=True)
            self.frame_id = tuple(name for name, path in pairs if path is not None)

    def __len__(self) -> int:
        return len(self.paths)

    def load(self, i: int) -> NDArray[Any]:
        """Prediction i; a PNG in metres."""
        values = read_map(self.paths[i], PredictionError)
        if values.dtype == np.uint16:
            return values.astype(np.float32) / np.float32(256)
        return values

    def sha256(self) -> str:
        """Of the frame ids and the bytes of their files, in the order of the split."""
        digest = hashlib.sha256()
        names = self.frame_id or map(str, range(len(self.paths)))
        for name, path in zip(names, self.paths, strict=True):
            digest.update(f"{name} {sha256_of(path)}\n".encode())
        return digest.hexdigest()
