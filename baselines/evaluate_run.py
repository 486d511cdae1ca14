"""Closing the loop: a trained network -> predictions of the test split -> records of the engine. `--then-evaluate`."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

from baselines.evaluate_run_poses import SPLITS, evaluate_run_poses, is_scored_by_poses
from baselines.predict_network import predict_split
from baselines.recipe import Evaluate, Recipe
from baselines.run_folder import RunFolder
from baselines.samples import find_images
from benchmark.errors import DatasetError, OptionError, TrainingError
from benchmark.io.results import write_result
from benchmark.matching import truth_positions
from benchmark.pose_protocol import load_pose_protocol
from benchmark.protocol import DepthProtocol, load_protocol
from benchmark.report import render
from benchmark.score import Request, read_truth, score
from benchmark.splits import resolve_split
from datasets_prep.roots import data_root

# A checkpoint -> the table of its scores, once predictions, records and per-frame tables are in the run.
Evaluation = Callable[[Path], str]


def open_evaluation(
    run: RunFolder, recipe: Recipe, data: Path | None, *, gt: Path | None = None, quiet: bool = False
) -> Evaluation:
    """What `recipe.evaluate` asks for, all that it needs being there; without `gt` the ground truth is exported into the run.

    Raises:
        OptionError: the recipe says nothing about evaluation.
        InputError: data or ground truth are at fault.
    """
    if recipe.evaluate is None:
        raise OptionError(
            f"{recipe.name} names no protocol to evaluate under; leave out --then-evaluate, and use `depthbench predict` and "
            "`evaluate` once it is trained"
        )
    try:
        if is_scored_by_poses(recipe):
            _find_sequences(recipe.evaluate, data, gt)
            return partial(_score_poses, run, recipe, data=data, gt=gt, quiet=quiet)
        protocol = load_protocol(recipe.evaluate.protocol)
        split = resolve_split(protocol.split)
        find_images(split, data)
        truth = gt or ground_truth(protocol, data, run.evaluation)
    except DatasetError as error:
        raise TrainingError(f"--then-evaluate: {error}. Or train without --then-evaluate") from error
    truth_positions(read_truth(truth, split, [protocol]), split)
    return partial(_score_depth, run, recipe, protocol=protocol, data=data, truth=truth, quiet=quiet)


def ground_truth(protocol: DepthProtocol, data: Path | None, folder: Path, *, split: str | None = None) -> Path:
    """The ground truth of a protocol's frames, or of another split's, exported into a folder unless it is there already."""
    from datasets_prep.export_gt import export_gt

    out = folder / "gt.h5"
    if not out.is_file():
        folder.mkdir(parents=True, exist_ok=True)
        source = protocol.ground_truth
        depth = source.depth_kind if source.dataset == "kitti_raw" else None
        export_gt(source.dataset, data, split or protocol.split, out, depth=depth, quiet=True)
    return out


def _score_depth(
    run: RunFolder, recipe: Recipe, checkpoint: Path, *, protocol: DepthProtocol, data: Path | None, truth: Path, quiet: bool
) -> str:  # fmt: skip
    assert recipe.evaluate is not None
    pred = run.evaluation / f"{recipe.name}.npy"
    pred.parent.mkdir(parents=True, exist_ok=True)
    predict_split(checkpoint, protocol.split, data, pred, quiet=quiet)
    made = Request(pred.with_suffix(".yaml"), truth, (protocol.name,), recipe.evaluate.scalings, method=recipe.name)
    scores = score(made)
    for one in scores:
        write_result(run.evaluation, one.record, one.table)
    return render([one.record for one in scores])


def _score_poses(
    run: RunFolder, recipe: Recipe, checkpoint: Path, *, data: Path | None, gt: Path | None, quiet: bool
) -> str:  # fmt: skip
    return evaluate_run_poses(run, recipe, data, checkpoint=checkpoint, gt=gt, quiet=quiet).tables().rstrip("\n")


def _find_sequences(evaluate: Evaluate, data: Path | None, gt: Path | None) -> None:
    """Refuse sequences whose images or poses are not there."""
    folder = gt or data_root("kitti_odometry", data) / "poses"
    for sequence in load_pose_protocol(evaluate.protocol).sequences or ():
        if sequence in SPLITS:
            find_images(resolve_split(SPLITS[sequence]), data)
        if not (folder / f"{sequence}.txt").is_file():
            raise TrainingError(
                f"{folder / f'{sequence}.txt'}: no poses to evaluate sequence {sequence} with; fetch the data set's poses, "
                "pass --gt with their folder, or train without --then-evaluate"
            )
