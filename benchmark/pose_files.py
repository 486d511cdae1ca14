"""From paths to scores of trajectories: which files belong together, in which format each is, and how they are read."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

from benchmark.errors import OptionError, TrajectoryError
from benchmark.evaluate_pose import PoseRow, evaluate_pose, evaluate_snippets
from benchmark.io.relative_poses import read_motions, read_relative
from benchmark.io.snippet_poses import npy_shape, read_snippet_array, read_snippet_folder, snippet_files
from benchmark.io.trajectories import read_trajectory
from benchmark.pose_directions import Direction, detect_direction
from benchmark.pose_pairs import USUAL_RULES, Rules
from benchmark.pose_snippets import Snippets
from benchmark.trajectory import Trajectory


class PosePaths(NamedTuple):
    """What is predicted of a sequence, its ground truth (files, or folders of snippets), and its name."""

    sequence: str
    gt: Path
    pred: Path


class PoseScores(NamedTuple):
    """The rows of all sequences, perhaps those of their means, and the sequences that only the ground truth has."""

    rows: list[PoseRow]
    unpredicted: list[str]


def pair_files(pred: Path, gt: Path) -> list[PosePaths]:
    """What to compare: one pair, or each sequence of a folder with its namesake in the folder gt.

    A sequence is a `.txt`, a `.npy` or a folder of snippets; a folder of snippets may also be pred itself. One pair has the
    name of its ground truth, such as 09.txt, where that is a file.

    Raises:
        OptionError: a folder of predictions with one file of ground truth.
        TrajectoryError: nothing there, or no ground truth of that name.
    """
    if not pred.is_dir() or snippet_files(pred):
        truth = gt if not gt.is_dir() or snippet_files(gt) else _truth(pred, gt)
        return [PosePaths(truth.stem if truth.is_file() else pred.stem, truth, pred)]
    if not gt.is_dir():
        raise OptionError(f"--gt {gt}: is no folder, but {pred} is; expected a folder with a file of the same name for each")
    found = _sequences(pred)
    if not found:
        raise TrajectoryError(
            f"{pred}: holds no .txt, .npy or folder of snippets; expected one file of poses for each sequence, such as 09.txt"
        )
    for before, path in pairwise(found):
        if before.stem == path.stem:
            raise TrajectoryError(f"{pred}: holds both {before.name} and {path.name}; expected one prediction of each sequence")
    return [PosePaths(path.stem, _truth(path, gt), path) for path in found]


def _sequences(folder: Path) -> list[Path]:
    entries = sorted(path for path in folder.iterdir() if not path.name.startswith("."))
    return [path for path in entries if path.suffix in {".txt", ".npy"} or (path.is_dir() and snippet_files(path))]


def _truth(pred: Path, gt: Path) -> Path:
    for path in (gt / f"{pred.stem}.txt", gt / pred.stem):
        if path.is_file() or path.is_dir():
            return path
    names = ", ".join(path.name for path in _sequences(gt)[:20]) or "no .txt at all"
    raise TrajectoryError(
        f"{pred}: has no ground truth: {gt} holds {names}; expected {pred.stem}.txt there. Name the file after its "
        "sequence, or move it out of the folder"
    )


def score_files(
    pred: Path, gt: Path, alignments: Sequence[str], *, direction: str | None = None, rules: Rules = USUAL_RULES
) -> PoseScores:
    """The rows of all sequences; `mean_rows` makes their means.

    A prediction that is a `.npy` (n, 4, 4) holds relative motions; without a direction (a key of DIRECTIONS) the ground
    truth decides.

    Raises:
        OptionError: options that the files do not go with.
        TrajectoryError: files that cannot be read or do not belong together.
    """
    paths = pair_files(pred, gt)
    rows = [row for pair in paths for row in _score(pair, alignments, direction, rules)]
    kinds = {row.pair is None: row.sequence for row in rows}
    if len(kinds) > 1:
        raise TrajectoryError(
            f"{pred}: {kinds[True]} is snippets and {kinds[False]} a trajectory, which have no mean; expected one kind. Score "
            "each by itself"
        )
    there = {path.stem for path in _sequences(gt)} if pred.is_dir() and gt.is_dir() and not snippet_files(gt) else set()
    unpredicted = sorted(there - {pair.sequence for pair in paths})
    return PoseScores(rows, unpredicted)


def _score(paths: PosePaths, alignments: Sequence[str], direction: str | None, rules: Rules) -> list[PoseRow]:
    truth, sequence = _read_truth(paths.gt), paths.sequence
    pred, found = _read_pred(paths.pred, truth, direction)
    if isinstance(pred, Snippets):
        if "none" not in alignments:
            raise OptionError(
                f"--align {' '.join(alignments)}: {paths.pred} holds snippets, each with a scale of its own; leave it out"
            )
        return evaluate_snippets(truth, pred, sequence=sequence, rules=rules)
    if isinstance(truth, Snippets):
        raise TrajectoryError(
            f"--gt {paths.gt}: holds snippets, but {paths.pred} a whole trajectory; expected the poses of the whole sequence, "
            "such as poses/09.txt of KITTI odometry"
        )
    return evaluate_pose(truth, pred, sequence=sequence, alignments=alignments, rules=rules, direction=found)


def _read_truth(path: Path) -> Trajectory | Snippets:
    if path.is_dir():
        files = snippet_files(path)
        if not files:
            raise TrajectoryError(f"{path}: holds no snippets; expected a file of poses, or snippets such as 000000.txt")
        return read_snippet_folder(path, files)
    return read_trajectory(path)


def _read_pred(
    path: Path, truth: Trajectory | Snippets, direction: str | None
) -> tuple[Trajectory | Snippets, Direction | None]:
    dimensions = len(_shape(path))
    if dimensions == 3:
        if direction is not None:
            return read_relative(path, direction), Direction(direction, False, float("nan"), float("nan"))
        if isinstance(truth, Snippets):
            raise TrajectoryError(f"{path}: holds motions, which need the poses of the whole sequence as --gt, no snippets")
        found = detect_direction(read_motions(path), truth, source=str(path))
        return read_relative(path, found.name), found
    if direction is not None:
        raise OptionError(f"--direction {direction}: is for relative motions in a .npy; {path} holds poses")
    if dimensions == 4:
        return read_snippet_array(path), None
    if path.is_dir():
        return read_snippet_folder(path, snippet_files(path)), None
    return read_trajectory(path), None


def _shape(path: Path) -> tuple[int, ...]:
    """The shape of a `.npy`, of three or four dimensions; nothing for other files."""
    shape = npy_shape(path) if path.suffix == ".npy" else ()
    if path.suffix == ".npy" and len(shape) not in {3, 4}:
        raise TrajectoryError(
            f"{path}: holds {shape}; expected relative motions (n, 4, 4) or snippets (n, 5, 3, 4). Write the poses of a whole "
            "sequence as text, 12 numbers on a line"
        )
    return shape
