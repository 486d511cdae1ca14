"""The rows about trajectories: all of KITTI's 23,201 poses, the predictions a fixed random walk away from them.

The trajectories are the official ones with DEPTHBENCH_REAL_DATA, else bends of the same lengths.
"""

import os
import statistics
from collections.abc import Callable
from pathlib import Path

import numpy as np
from measure import REPETITIONS, alternate, call, command, skipped
from pose_paths import drive, noisy, trajectory

from benchmark.evaluate_pose import PoseRow, evaluate_pose
from benchmark.io.trajectories import read_trajectory, write_kitti
from benchmark.trajectory import Trajectory

POSES = (4541, 1101, 4661, 801, 271, 2761, 1101, 1101, 4071, 1591, 1201)  # sequences 00 to 10
BUDGET_S = 3.0
# The alignments that evo has, as keywords of its `align`.
EVO = {"none": None, "scale_7dof": {"correct_only_scale": True}, "6dof": {}, "7dof": {"correct_scale": True}}
Pairs = list[tuple[Trajectory, Trajectory]]


def make(folder: Path) -> str:
    """Write `gt/` and `pred/` into the folder; what the trajectories are."""
    real = os.environ.get("DEPTHBENCH_REAL_DATA")
    for kind in ("gt", "pred"):
        (folder / kind).mkdir(parents=True)
    for sequence, n in enumerate(POSES):
        name = f"{sequence:02d}.txt"
        gt = read_trajectory(Path(real) / "kitti_odometry" / "poses" / name).poses if real else drive(n, turn_rad=0.002)
        write_kitti(folder / "gt" / name, trajectory(gt))
        write_kitti(folder / "pred" / name, trajectory(noisy(gt, seed=sequence)))
    return "KITTI's ground truth" if real else "made-up bends"


def pose_command(folder: Path) -> dict[str, object]:
    """Row 5: one command, all alignments, everything printed; the budget is absolute."""
    source = make(folder / "pose_command")
    gt, pred = folder / "pose_command/gt", folder / "pose_command/pred"

    def run(*options: object) -> tuple[float, float]:
        return command("-m", "benchmark.cli", "evaluate_pose", pred, "--gt", gt, *options)

    run()
    samples = [run() for _ in range(REPETITIONS)]
    seconds = [sample[0] for sample in samples]
    writing = run("--out", folder / "pose_command/out")[0]
    note = (
        f"{sum(POSES):,} poses of 11 sequences in one command under five alignments: {min(seconds):.2f} .. "
        f"{max(seconds):.2f} s, budget {BUDGET_S:g} s; {writing:.2f} s with records and tables written; trajectories: {source}"
    )
    print(f"{'pose_command':14} {statistics.median(seconds):.3f} s   {note}", flush=True)
    return {
        "name": "pose_command",
        "ours_s": statistics.median(seconds),
        "ours_mb": statistics.median(sample[1] for sample in samples),
        **dict.fromkeys(("reference_s", "reference_mb", "time_ratio", "memory_ratio")),
        "note": note,
    }


def pose_engine(folder: Path) -> dict[str, object]:
    """Row 6: evo's core API in this process, on the alignments that it has, from arrays in memory."""
    try:
        from evo.core import metrics
        from evo.core import trajectory as evo_trajectory
    except ImportError:
        return skipped("pose_engine", "evo is not installed (extra `oracle`)")
    source = make(folder / "pose_engine")
    files = sorted((folder / "pose_engine/gt").iterdir())
    pairs = [(read_trajectory(path), read_trajectory(folder / "pose_engine/pred" / path.name)) for path in files]
    relations = {
        "position": lambda: metrics.APE(metrics.PoseRelation.translation_part),
        "step_t": lambda: metrics.RPE(metrics.PoseRelation.translation_part),
        "step_r": lambda: metrics.RPE(metrics.PoseRelation.rotation_angle_rad),
    }
    # evo keeps a path as a list of matrices; its `align` makes new ones, so that no copy is needed.
    lists = [(list(gt.poses), list(pred.poses)) for gt, pred in pairs]

    def evo(gt: list[np.ndarray], pred: list[np.ndarray], options: dict[str, bool] | None) -> dict[str, dict[str, float]]:
        paths = [evo_trajectory.PosePath3D(poses_se3=poses) for poses in (gt, pred)]
        if options is not None:
            paths[1].align(paths[0], **options)
        found = {}
        for name, metric in ((name, make_metric()) for name, make_metric in relations.items()):
            metric.process_data(tuple(paths))
            found[name] = metric.get_all_statistics()
        return found

    def theirs() -> list[dict[str, dict[str, float]]]:
        return [evo(*both, options) for both in lists for options in EVO.values()]

    _check(_ours(pairs), theirs())
    return alternate(
        "pose_engine",
        lambda: call(lambda: _ours(pairs)),
        lambda: call(theirs),
        f"{sum(POSES):,} poses under the four alignments of evo {_version()}, arrays in memory; evo: APE, RPE of translation "
        f"and of rotation; ours computes segments, snippets, scale drift and notes as well; trajectories: {source}",
    )


def _ours(pairs: Pairs) -> list[PoseRow]:
    return [row for gt, pred in pairs for row in evaluate_pose(gt, pred, alignments=tuple(EVO))]


def _check(ours: list[PoseRow], theirs: list[dict[str, dict[str, float]]]) -> None:
    """Both compute the same numbers. The rotations in the files have seven digits: evo inverts them by their transpose, and
    takes the first pose of the ground truth as it is, which is no exact identity."""
    for row, evo in zip(ours, theirs, strict=True):
        found = [row.metrics["ate_rmse"], row.metrics["rpe_trans_rmse"], np.radians(row.metrics["rpe_rot_rmse"])]
        np.testing.assert_allclose(found, [evo[name]["rmse"] for name in ("position", "step_t", "step_r")], rtol=1e-5)


def _version() -> str:
    from importlib.metadata import version

    return version("evo")


ROWS: dict[str, Callable[[Path], dict[str, object]]] = {"pose_command": pose_command, "pose_engine": pose_engine}
