"""From paths to scores of trajectories: which files belong together, in which format each is, and how they are read."""

from __future__ import annotations

import codecs
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple, NoReturn

from benchmark.errors import OptionError, TrajectoryError
from benchmark.evaluate_pose import PoseRow, evaluate_pose, evaluate_snippets
from benchmark.io.relative_poses import chained, read_motions, read_relative
from benchmark.io.snippet_poses import npy_shape, read_snippet_array, read_snippet_folder, snippet_files
from benchmark.io.trajectories import FORMS, read_trajectory
from benchmark.kitti_times import add_times
from benchmark.pose_directions import Direction, detect_direction
from benchmark.pose_pairs import USUAL_RULES, Rules
from benchmark.pose_snippets import Snippets
from benchmark.trajectory import Trajectory


class PosePaths(NamedTuple):
    """What is predicted of a sequence, its ground truth (files, or folders of snippets), and its name."""

    sequence: str
    gt: Path
    pred: Path


class Pairing(NamedTuple):
    """What is compared, and the files of the prediction's folder that no ground truth has the name of."""

    paths: list[PosePaths]
    passed_over: list[str]


class PoseScores(NamedTuple):
    """The rows of all sequences, perhaps those of their means, and what is in none of them."""

    rows: list[PoseRow]
    unpredicted: list[str]  # sequences that only the ground truth has
    passed_over: Sequence[str] = ()  # files that only the folder of predictions has
    left_out: Mapping[str, str] = MappingProxyType({})  # by alignment: the sequences without a score, which no mean is over


def pair_files(pred: Path, gt: Path) -> Pairing:
    """What to compare: one pair, or each sequence of a folder with its namesake in the folder gt.

    A sequence is a `.txt`, a `.npy` or a folder of snippets; a folder of snippets may also be pred itself. One pair has the
    name of its ground truth, such as 09.txt, where that is a file.

    Raises:
        OptionError: a folder of predictions with one file of ground truth.
        TrajectoryError: nothing there, or no ground truth of that name.
    """
    for path, what in ((pred, "predicted poses"), (gt, "ground truth")):
        if not path.exists():
            raise TrajectoryError(f"{path}: is not there; expected a file or a folder of {what}. Check the spelling")
    if not pred.is_dir() or snippet_files(pred):
        truth = gt if not gt.is_dir() or snippet_files(gt) else _truths(gt).get(pred.stem) or _no_truth(pred, gt)
        return Pairing([PosePaths(truth.stem if truth.is_file() else pred.stem, truth, pred)], [])
    if not gt.is_dir():
        raise OptionError(f"--gt {gt}: is no folder, but {pred} is; expected a folder with a file of the same name for each")
    found = _sequences(pred)
    if not found:
        raise TrajectoryError(
            f"{pred}: holds no .txt, .npy or folder of snippets; expected one file of poses for each sequence, such as 09.txt"
        )
    truths = _truths(gt)
    own = [path for path in found if path.stem in truths]
    if not own:
        _no_truth(found[0], gt)
    for before, path in pairwise(own):
        if before.stem == path.stem:
            raise TrajectoryError(f"{pred}: holds both {before.name} and {path.name}; expected one prediction of each sequence")
    return Pairing(
        [PosePaths(path.stem, truths[path.stem], path) for path in own], [path.name for path in found if path not in own]
    )


def _sequences(folder: Path) -> list[Path]:
    """What is called like a file of poses, and what is a folder of snippets."""
    entries = sorted(path for path in folder.iterdir() if not path.name.startswith("."))
    return [path for path in entries if path.suffix.lower() in {".txt", ".npy"} or (path.is_dir() and snippet_files(path))]


def _truths(folder: Path) -> dict[str, Path]:
    """What may be ground truth, by sequence; a file goes before a folder of snippets."""
    found = [path for path in _sequences(folder) if path.suffix.lower() != ".npy"]
    return {path.stem: path for path in sorted(found, key=lambda path: path.suffix != "")}


def _no_truth(pred: Path, gt: Path) -> NoReturn:
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
    paths, passed_over = pair_files(pred, gt)
    rows = [row for pair in paths for row in _score(pair, alignments, direction, rules)]
    kinds = {row.pair is None: row.sequence for row in rows}
    if len(kinds) > 1:
        raise TrajectoryError(
            f"{pred}: {kinds[True]} is snippets and {kinds[False]} a trajectory, which have no mean; expected one kind. Score "
            "each by itself"
        )
    truths = _truths(gt) if pred.is_dir() and gt.is_dir() and not snippet_files(gt) else {}
    unpredicted = {sequence for sequence, path in truths.items() if path.is_dir() or _begins_with_a_pose(path)}
    return PoseScores(rows, sorted(unpredicted - {pair.sequence for pair in paths}), passed_over)


def _begins_with_a_pose(path: Path) -> bool:
    """Whether the first line holds as many numbers as a pose; a README.txt beside the poses does not."""
    if not path.is_file():
        return False
    with path.open("rb") as file:
        lines = [line.split() for line in file.read(1 << 12).removeprefix(codecs.BOM_UTF8).split(b"\n")]
    first = next((line for line in lines if line and not line[0].startswith(b"#")), [])
    return len(first) in FORMS.values() and all(any(letter in b"0123456789" for letter in word) for word in first)


def _score(paths: PosePaths, alignments: Sequence[str], direction: str | None, rules: Rules) -> list[PoseRow]:
    _require_files(paths)
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
    timed, form = add_times(truth, pred)
    rows = evaluate_pose(timed, pred, sequence=sequence, alignments=alignments, rules=rules, direction=found)
    return [replace(row, about=replace(row.about, gt_form=form)) if row.about else row for row in rows]


def _require_files(paths: PosePaths) -> None:
    for path in (paths.pred, paths.gt):
        if path.exists() and not (path.is_file() or path.is_dir()):
            raise TrajectoryError(
                f"{path}: is a pipe or a device; expected a file, which is read once to score it and once for its hash. Write "
                "the poses into a file first"
            )
    if paths.pred.is_dir() and not snippet_files(paths.pred):
        raise TrajectoryError(f"{paths.pred}: is a folder without snippets such as 000000.txt; expected a file of poses")


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
        relative = read_motions(path)
        found = detect_direction(relative, truth, source=str(path))
        return chained(relative, found.name, source=str(path)), found
    if direction is not None:
        raise OptionError(f"--direction {direction}: is for relative motions in a .npy; {path} holds poses")
    if dimensions == 4:
        return read_snippet_array(path), None
    if path.is_dir():
        return read_snippet_folder(path, snippet_files(path)), None
    return read_trajectory(path), None


def _shape(path: Path) -> tuple[int, ...]:
    """The shape of a `.npy`, of three or four dimensions; nothing for other files."""
    npy = path.suffix.lower() == ".npy"
    shape = npy_shape(path) if npy else ()
    if npy and len(shape) not in {3, 4}:
        raise TrajectoryError(
            f"{path}: holds {shape}; expected relative motions (n, 4, 4) or snippets (n, 5, 3, 4). Write the poses of a whole "
            "sequence as text, 12 numbers on a line"
        )
    return shape
