"""What `depthbench evaluate_pose` prints: which files are scored against which, the tables and the JSON."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from benchmark.errors import OptionError, TrajectoryError
from benchmark.evaluate_pose import PoseRow, evaluate_pose, mean_rows
from benchmark.io.relative_poses import read_relative
from benchmark.io.trajectories import read_trajectory
from benchmark.metrics.pose import POSE_METRICS
from benchmark.text_table import text_table
from benchmark.trajectory import Trajectory


class PosePaths(NamedTuple):
    """The two files of a sequence, and its name."""

    sequence: str
    gt: Path
    pred: Path


def pair_files(pred: Path, gt: Path) -> list[PosePaths]:
    """The files to compare: one pair, or each `<sequence>.txt` of a folder with its namesake in the folder gt.

    Raises:
        OptionError: a folder of predictions with one file of ground truth.
        TrajectoryError: nothing there, or no ground truth of that name.
    """
    if not pred.is_dir():
        return [PosePaths(pred.stem, gt / f"{pred.stem}.txt" if gt.is_dir() else gt, pred)]
    if not gt.is_dir():
        raise OptionError(f"--gt {gt}: is no folder, but {pred} is; expected a folder with a file of the same name for each")
    found = sorted(path for path in pred.glob("*.txt") if not path.name.startswith("."))
    if not found:
        raise TrajectoryError(f"{pred}: holds no .txt; expected one file of poses for each sequence, such as 09.txt")
    for path in found:
        if not (gt / path.name).is_file():
            names = ", ".join(sorted(p.name for p in gt.glob("*.txt"))[:20]) or "no .txt at all"
            raise TrajectoryError(
                f"{path}: has no ground truth: {gt} holds {names}; expected {path.name} there. Name the file after its "
                "sequence, or move it out of the folder"
            )
    return [PosePaths(path.stem, gt / path.name, path) for path in found]


def score_files(pred: Path, gt: Path, alignments: Sequence[str], *, direction: str | None = None) -> list[PoseRow]:
    """The rows of all sequences, then, for several sequences, their mean and the pooled score.

    A prediction that is a `.npy` holds relative motions, and needs a direction (a key of DIRECTIONS).
    """
    rows = [
        row
        for paths in pair_files(pred, gt)
        for row in evaluate_pose(
            read_trajectory(paths.gt), _prediction(paths.pred, direction), sequence=paths.sequence, alignments=alignments
        )
    ]
    several = len({row.sequence for row in rows}) > 1
    return [*rows, *mean_rows(rows)] if several else rows


def _prediction(path: Path, direction: str | None) -> Trajectory:
    if path.suffix == ".npy":
        return read_relative(path, direction)
    if direction is not None:
        raise OptionError(f"--direction {direction}: is for relative motions in a .npy; {path} holds poses")
    return read_trajectory(path)


TITLES = {"mean": "mean over the sequences", "all": "over all segments, frames and snippets"}
# What a table of the field prints; the other metrics are in the JSON.
COLUMNS = [name for name in POSE_METRICS if name not in {"rpe_rot_rmse", "rpe_rot_acos_mean"}]


def render_poses(rows: Sequence[PoseRow]) -> str:
    """A table for each sequence, one line for each alignment, with a line above it that says what was compared."""
    blocks = []
    for sequence in dict.fromkeys(row.sequence for row in rows):
        own = [row for row in rows if row.sequence == sequence]
        first = own[0]
        head = (
            f"{TITLES.get(sequence, sequence)}: {first.n_poses} poses, {first.n_missing} missing, "
            f"{first.path_length_m:.1f} m, {first.n_segments} segments"
        )
        header = ["alignment", "scale", *(POSE_METRICS[name].title for name in COLUMNS)]
        lines = [[row.alignment, _number(row.scale), *(_number(row.metrics[name]) for name in COLUMNS)] for row in own]
        notes = [f"{row.alignment}: {row.reason}" for row in own if row.reason]
        notes += [f"{row.alignment}: the scale is negative; are the translations inverted?" for row in own if row.scale < 0]
        blocks.append("\n".join([head, text_table(lines, header), *notes]))
    return "\n\n".join(blocks) + "\n"


def _number(value: float) -> str:
    return "" if math.isnan(value) else f"{value:.4f}"


def poses_json(rows: Sequence[PoseRow]) -> str:
    """The rows as a JSON list; what does not exist is null."""
    return json.dumps([_as_json(row) for row in rows], indent=2, allow_nan=False)


def _as_json(row: PoseRow) -> dict[str, object]:
    return {
        "sequence": row.sequence,
        "alignment": row.alignment,
        "scale": _finite(row.scale),
        "n_segments": row.n_segments,
        "path_length_m": row.path_length_m,
        "n_poses": row.n_poses,
        "n_missing": row.n_missing,
        "metrics": {
            name: {"value": _finite(row.metrics[name]), "unit": metric.unit, "better": metric.better}
            for name, metric in POSE_METRICS.items()
        },
        "reason": row.reason or None,
    }


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
