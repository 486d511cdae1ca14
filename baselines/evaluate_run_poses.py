"""Closing the loop for recipes of odometry: a trained run -> motions of the test sequences -> records. `--then-evaluate`."""

from __future__ import annotations

from pathlib import Path

from baselines.predict_network_poses import FORWARD, predict_network_poses
from baselines.recipe import Recipe
from baselines.run_folder import RunFolder
from benchmark.errors import OptionError
from benchmark.pose_protocol import load_pose_protocol
from benchmark.protocol import protocol_names
from benchmark.score_poses import PoseRequest, ScoredPoses, score_poses
from datasets_prep.roots import data_root

SPLITS = {"09": "kitti_odom_09/test", "10": "kitti_odom_10/test", "55": "world_odometry/test"}  # by sequence


def is_scored_by_poses(recipe: Recipe) -> bool:
    """Whether a recipe names a protocol of ego-motion."""
    return recipe.evaluate is not None and recipe.evaluate.protocol in protocol_names(ego_motion=True)


def evaluate_run_poses(
    run: RunFolder, recipe: Recipe, data: Path | None, *, checkpoint: Path | None = None, gt: Path | None = None,
    quiet: bool = False,
) -> ScoredPoses:  # fmt: skip
    """Predict the sequences of the recipe's protocol with the checkpoint (None: the run's last), score them, and write
    motions, records and tables into the run. `gt`: the folder of the poses; None is that of the data.

    Raises:
        OptionError: the protocol has sequences of which there is no test split.
        InputError: data, ground truth or checkpoint are at fault.
    """
    assert recipe.evaluate is not None
    protocol = load_pose_protocol(recipe.evaluate.protocol)
    sequences = tuple(protocol.sequences or ())
    unknown = [sequence for sequence in sequences if sequence not in SPLITS]
    if unknown or not sequences:
        raise OptionError(
            f"{recipe.name}: evaluate.protocol {protocol.name} scores sequences {', '.join(unknown) or 'of any name'}, which "
            f"no test split has ({', '.join(SPLITS)} have one); use `depthbench predict --poses` and `depthbench evaluate_pose`"
        )
    folder = run.evaluation / "poses"
    for sequence in sequences:
        predict_network_poses(checkpoint or run.last, SPLITS[sequence], data, folder / f"{sequence}.npy", quiet=quiet)
    truth = gt or data_root("kitti_odometry", data) / "poses"
    scored = score_poses(PoseRequest(folder, truth, protocol.name, direction=FORWARD, method=recipe.name))
    scored.write(run.evaluation, scored.records())
    return scored
