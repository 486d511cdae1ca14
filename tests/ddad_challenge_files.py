"""The folder of the DDAD challenge and a submission, given by the formulas of tests/golden/ddad_challenge.json."""

import json
import zipfile
from functools import lru_cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from benchmark.protocol import FOLDER

GOLDEN = Path(__file__).parent / "golden" / "ddad_challenge.json"
SIZE = (48, 80)
IMAGES = 6
IDS = {"five": (21, 2, 18, 4, 34), "sixteen": (21, 25, 22, 8, 2, 9, 30, 31, 34, 28, 18, 20, 4, 33, 3, 1, 26, 37, 12)}

Map = NDArray[Any]


@lru_cache(maxsize=1)
def golden() -> dict[str, Any]:
    """What the evaluator of the challenge gave on these files."""
    data: dict[str, Any] = json.loads(GOLDEN.read_text())
    return data


def true_raw(i: int, size: tuple[int, int] = SIZE) -> Map:
    """Depth of image i in 1/256 m, (h, w) uint16, 0 where there is none; up to 255 m."""
    r, c = _grid(size)
    depth = np.clip(20 / np.maximum(r - 0.35, 0.02) / 10 * 4.0, 3, 230) * (1 + 0.2 * np.sin(9 * c + i) * np.cos(5 * r))
    v, u = np.indices(size)
    return np.where((3 * u + 5 * v + 7 * i) % 4 == 0, 0, _raw(depth)).astype(np.uint16)


def predicted_raw(i: int, size: tuple[int, int]) -> Map:
    """A prediction of image i in 1/256 m, (h, w) uint16, above 0."""
    r, c = _grid(size)
    depth = np.clip(20 / np.maximum(r - 0.35, 0.02) / 10 * 3.1, 3, 230)
    return _raw(depth * (1 + 0.15 * np.sin(9 * c + i + 0.4) * np.cos(5 * r) + 0.1 * np.cos(23 * c * r + i)))


def semantic_ids(i: int, name: str, size: tuple[int, int] = SIZE) -> Map:
    """Semantic ids of image i, (h, w) uint8; `name` is a key of IDS."""
    v, u = np.indices(size)
    if name == "sixteen":
        return np.array(IDS[name], np.uint8)[(u // 5 + 3 * (v // 6) + i) % 19]
    ids = np.array(IDS[name], np.uint8)[(u // 11 + 3 * (v // 6) + i) % 5]
    return np.where((ids == 18) & (i in {2, 4}), np.uint8(37), ids)


def _grid(size: tuple[int, int]) -> tuple[Map, Map]:
    return ((np.arange(size[0]) + 0.5) / size[0])[:, None], ((np.arange(size[1]) + 0.5) / size[1])[None, :]


def _raw(depth: Map) -> Map:
    return np.minimum(np.floor(256 * depth), 65535).astype(np.uint16)


def write_png(path: Path, image: Map) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), image)


def write_ground_truth(folder: Path, name: str, *, bits: int = 16) -> Path:
    """The folder of the challenge with semantic ids of 8 bits, or of 16 bits times 256."""
    for i in range(IMAGES):
        ids = semantic_ids(i, name)
        write_png(folder / f"{i:06d}_gt.png", true_raw(i))
        write_png(folder / f"{i:06d}_sem.png", ids if bits == 8 else ids.astype(np.uint16) * 256)
        write_png(folder / f"{i:06d}_ins.png", np.zeros(SIZE, np.uint16))
    return folder


def write_predictions(path: Path, size: tuple[int, int]) -> Path:
    """A folder of 16-bit PNGs, or a zip of them, or one .npy of metres, by the name of the path."""
    if path.suffix == ".npy":
        np.save(path, np.stack([predicted_raw(i, size) for i in range(IMAGES)]).astype(np.float32) / np.float32(256))
        return path
    folder = path.with_suffix("")
    for i in range(IMAGES):
        write_png(folder / f"{i:06d}.png", predicted_raw(i, size))
    if path.suffix == ".zip":
        with zipfile.ZipFile(path, "w") as archive:
            for image in sorted(folder.iterdir()):
                archive.write(image, image.name)
    return path


def own_protocol(folder: Path, phase: str) -> Path:
    """A phase of the challenge on the first six frames instead of 3,950; the file of the protocol."""
    frames = folder / "six.txt"
    frames.write_text("".join(f"val/CAMERA_01/{i}\n" for i in range(IMAGES)))
    text = (FOLDER / f"ddad_challenge_{phase}.yaml").read_text("utf-8")
    text = text.replace(f"name: ddad_challenge_{phase}", f"name: six_{phase}").replace("ddad_challenge/val", str(frames))
    path = folder / f"six_{phase}.yaml"
    path.write_text(text, "utf-8")
    return path
