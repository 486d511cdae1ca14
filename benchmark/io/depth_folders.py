"""Folders with one file per frame: predictions and ground truth, found by name, never by listing order."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmark.errors import InputError, PredictionError

SUFFIXES = (".npy", ".npz", ".png")
# The only array of a per-frame archive may have any of these names (PackNet-SfM, its velodyne maps, ours).
NPZ_KEYS = ("depth", "velodyne_depth", "disp", "pred", "data")


def _kitti_tree(middle: str) -> Callable[[str, int], str]:
    def name(frame_id: str, _: int) -> str:
        drive, camera, number = frame_id.split("/")
        return f"{drive[:10]}/{drive}/{middle.format(camera=camera)}/{number}"

    return name


# How a frame's file may be called; the first naming under which any frame exists is used for all of them.
NAMINGS: dict[str, Callable[[str, int], str]] = {
    "frame id with / as __": lambda frame_id, _: frame_id.replace("/", "__"),
    "frame id as a path": lambda frame_id, _: frame_id,
    "PackNet-SfM *_depth": lambda frame_id, _: frame_id.replace("/", "__") + "_depth",
    "PackNet-SfM velodyne maps": _kitti_tree("proj_depth/velodyne/{camera}"),
    "annotated depth by date": _kitti_tree("proj_depth/groundtruth/{camera}"),
    "10-digit position": lambda _, position: f"{position:010d}",
    "6-digit position": lambda _, position: f"{position:06d}",
    "6-digit position *_depth": lambda _, position: f"{position:06d}_depth",
}


def find_files(folder: Path, frame_ids: tuple[str, ...], error: type[InputError]) -> list[Path | None]:
    """The file of each frame, None where there is none.

    Raises:
        error: two namings or two file types fit, or no file fits any.
    """
    fits: dict[str, list[Path | None]] = {}
    for naming, name in NAMINGS.items():
        for suffix in SUFFIXES:
            paths = [folder / (name(frame_id, i) + suffix) for i, frame_id in enumerate(frame_ids)]
            found = [path if path.is_file() else None for path in paths]
            if any(found):
                fits[f"{naming}{suffix}"] = found
    if not fits:
        known = "; ".join(f"{naming}: {name(frame_ids[0], 0)}" for naming, name in NAMINGS.items() if frame_ids)
        raise error(f"{folder}: holds no file of this split. The first frame could be called ({'/'.join(SUFFIXES)}): {known}")
    if len(fits) > 1:
        counts = ", ".join(f"{naming} ({sum(map(bool, found))} files)" for naming, found in fits.items())
        raise error(f"{folder}: files of several kinds fit this split: {counts}. Leave one kind in the folder")
    return next(iter(fits.values()))


def read_map(path: Path, error: type[InputError]) -> NDArray[Any]:
    """One (H, W) map: float `.npy`, the array of an `.npz`, or a 16-bit PNG in metres * 256 as raw uint16.

    Raises:
        error: damaged, of another type, or not two-dimensional.
    """
    try:
        if path.suffix == ".png":
            return read_png16(path, error)
        content = np.load(path, allow_pickle=False)
        if path.suffix == ".npz":
            with content as archive:
                known = [name for name in archive.files if name in NPZ_KEYS]
                if len(known) != 1:
                    raise error(f"{path}: holds {', '.join(archive.files)}; expected exactly one of {', '.join(NPZ_KEYS)}")
                content = archive[known[0]]
    except (OSError, ValueError, EOFError, KeyError) as problem:
        raise error(f"{path}: cannot be read ({problem}); the file is damaged or holds Python objects") from problem
    if content.ndim != 2 or content.dtype not in (np.float32, np.float64):
        raise error(f"{path}: holds {content.dtype} {content.shape}; expected float32 or float64 (H, W)")
    return np.asarray(content)


def read_png16(path: Path, error: type[InputError]) -> NDArray[np.uint16]:
    """A 16-bit single-channel PNG, raw.

    Raises:
        error: cannot be decoded, or has another depth or more channels.
    """
    import cv2

    data = np.fromfile(path, np.uint8)
    raw = cv2.imdecode(data, cv2.IMREAD_UNCHANGED) if len(data) and bytes(data[-8:-4]) == b"IEND" else None
    if raw is None:
        raise error(f"{path}: cannot be decoded as PNG; the file is damaged or cut short ({len(data)} bytes): copy it again")
    if raw.dtype != np.uint16 or raw.ndim != 2:
        raise error(f"{path}: holds {raw.dtype} {raw.shape}; expected a 16-bit image of one channel (metres * 256)")
    return np.asarray(raw, np.uint16)


class FolderPredictions:
    """One file per frame of a split; sizes may differ. A PNG holds metres * 256, 0 where there is no prediction."""

    def __init__(self, folder: Path, frame_ids: tuple[str, ...]) -> None:
        self.source = str(folder)
        files = find_files(folder, frame_ids, PredictionError)
        self.paths = [path for path in files if path is not None]
        self.frame_id: tuple[str, ...] | None = tuple(i for i, path in zip(frame_ids, files, strict=True) if path is not None)

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
        for name, path in zip(self.frame_id or (), self.paths, strict=True):
            digest.update(f"{name} {hashlib.sha256(path.read_bytes()).hexdigest()}\n".encode())
        return digest.hexdigest()
