"""Ground truth of the DDAD challenge: a folder of `NNNNNN_gt.png`, `NNNNNN_sem.png` and `NNNNNN_ins.png`.

Depth is 16 bits of 1/256 m, 0 where there is none. Semantic ids are 8 or 16 bits, raw or times 256; the evaluator
(DDAD evaluation/semantic_evaluation.py) divides by 256 and multiplies back where nothing reaches 1. Instances are not read.
"""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmark.cores import cpu_count
from benchmark.errors import GroundTruthError
from benchmark.io.ground_truth import PNG_SCALE, GroundTruth, Header, Part, assemble, sparsify, with_label
from benchmark.io.ground_truth_files import DDAD_CHALLENGE
from benchmark.io.png import decode_grey, read_png16
from benchmark.splits import Split

FRONT_CAMERA = "CAMERA_01"
DEPTH_NAME = re.compile(r"([0-9]{6})_gt\.png")


def frame_ids(folder: Path) -> tuple[str, ...]:
    """The frames of the folder, `val/CAMERA_01/<position>`, in order; positions count from 0 without a hole.

    Raises:
        GroundTruthError: not the challenge's folder, or a position is missing.
    """
    if not folder.is_dir():
        raise GroundTruthError(
            f"{folder}: no such folder; expected that of the DDAD challenge, with 000000_gt.png and the others"
        )
    found = {int(hit[1]) for path in folder.iterdir() if (hit := DEPTH_NAME.fullmatch(path.name))}
    if not found:
        raise GroundTruthError(
            f"{folder}: holds no NNNNNN_gt.png; expected the files of the DDAD challenge (000000_gt.png, 000000_sem.png, ...) "
            "in the folder itself: unpack its archive, and pass the folder that they lie in"
        )
    missing = next((i for i in range(len(found)) if i not in found), None)
    if missing is not None:
        raise GroundTruthError(
            f"{folder}: {len(found)} files NNNNNN_gt.png, and {missing:06d}_gt.png is not among them; expected every position "
            "from 000000 on: unpack the archive again"
        )
    return tuple(f"val/{FRONT_CAMERA}/{i}" for i in range(len(found)))


def read_challenge(folder: Path, split: Split, *, depth_kind: str) -> GroundTruth:
    """The frames of a split, each found by its number.

    Raises:
        GroundTruthError: a file is missing or damaged, the two of a frame differ in size, or ids are neither raw nor times 256.
    """
    with ThreadPoolExecutor(cpu_count()) as pool:
        read = list(pool.map(lambda frame: _read_frame(folder, frame.number), split.frames))
    header = Header(DDAD_CHALLENGE, split.name, split.sha256, depth_kind, split.frame_ids, PNG_SCALE)
    truth = assemble(header, (part for part, _ in read), source=str(folder))
    return with_label(truth, np.concatenate([label for _, label in read]))


def _read_frame(folder: Path, number: int) -> tuple[Part, NDArray[np.uint8]]:
    """Depth of one frame and the semantic ids of its points."""
    depth_path, label_path = (folder / f"{number:06d}_{what}.png" for what in ("gt", "sem"))
    depth = read_png16(depth_path, GroundTruthError)
    label = read_labels(label_path)
    if label.shape != depth.shape:
        raise GroundTruthError(
            f"{label_path}: {_size(label)} pixels, its {depth_path.name} has {_size(depth)}; expected one size: the two are "
            "not of the same frame, unpack the archive again"
        )
    return sparsify([depth], np.full((3, 3), np.nan)), label[depth > 0]


def read_labels(path: Path) -> NDArray[np.uint8]:
    """Semantic ids (H, W) of a grey PNG of 8 bits, or of 16 bits raw or times 256.

    Raises:
        GroundTruthError: missing, damaged, or values that are no ids.
    """
    try:
        raw = path.read_bytes()
    except OSError as problem:
        raise GroundTruthError(
            f"{path}: cannot be read ({problem.strerror or problem}); expected the semantic ids beside each NNNNNN_gt.png, "
            "because this protocol scores classes one by one: unpack the whole archive"
        ) from problem
    values = decode_grey(raw, path, GroundTruthError, depths=(8, 16), what="semantic ids, raw or times 256")
    if values.max(initial=0) < 256:
        return values.astype(np.uint8)
    odd = values % 256 != 0
    if odd.any():
        row, column = np.argwhere(odd)[0]
        raise GroundTruthError(
            f"{path}: {values[row, column]} at row {row}, column {column} ({np.count_nonzero(odd)} such pixels); expected "
            "semantic ids, raw or times 256: take the files of the challenge as they are"
        )
    return (values // 256).astype(np.uint8)


def _size(image: NDArray[np.generic]) -> str:
    return f"{image.shape[0]}x{image.shape[1]}"
