"""The pose engine against evo, an independent implementation: 50 random trajectories, every number that both compute.

evo is under the GPL and is used here alone, as an oracle: `tox -e evo` installs it, and fails where it is missing.
"""

import os
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import pytest

if not os.environ.get("DEPTHBENCH_REQUIRE_EVO"):
    pytest.importorskip("evo", reason="evo is not installed (extra `oracle`); `tox -e evo` runs this file")

from evo.core import lie_algebra, metrics
from evo.core.geometry import GeometryException, umeyama_alignment
from evo.core.trajectory import PosePath3D
from scipy.spatial.transform import Rotation

from benchmark.align_poses import umeyama
from benchmark.errors import TrajectoryError
from benchmark.evaluate_pose import PoseRow, evaluate_pose
from benchmark.geometry import motions
from benchmark.trajectory import Trajectory

SEEDS = range(50)
RELATIVE, RELATIVE_ROTATION = 1e-9, 1e-6
# What evo calls the alignments; each is a keyword of PosePath3D.align.
EVO = {"none": None, "scale_7dof": {"correct_only_scale": True}, "6dof": {}, "7dof": {"correct_scale": True}}
STATISTICS = {
    "rmse": lambda e: np.sqrt((e**2).mean()),
    "mean": np.mean,
    "median": np.median,
    "std": np.std,
    "min": np.min,
    "max": np.max,
    "sse": lambda e: (e**2).sum(),
}


class Walk(NamedTuple):
    """Ground truth and prediction (n, 4, 4), each in a world frame of its own."""

    gt: np.ndarray
    pred: np.ndarray


def random_walk(seed: int) -> Walk:
    """A curved path of 50 to 2,000 poses; the prediction drifts, has another scale and another world frame."""
    rng = np.random.default_rng(seed)
    n = round(50 * 40 ** rng.random())
    step_m = rng.uniform(1, 3) + 200 / n  # at least one segment of 100 m
    flat = seed % 5 == 0  # all positions in one plane, as on a flat road
    bend = np.cumsum(rng.normal(0, 0.03, (n - 1, 3)), axis=0) / np.sqrt(n) * ([0, 1, 0] if flat else [0.1, 1, 0.1])
    forward = [0, 0, step_m] + rng.normal(0, 0.1, (n - 1, 3)) * (not flat)
    noise = 10 ** rng.uniform(-4, -1)
    scale = 10 ** rng.uniform(-1.5, 1.5)
    gt = chain(rng, Rotation.from_rotvec(bend), forward)
    errors = Rotation.from_rotvec(rng.normal(0, noise / 10, (n - 1, 3)))
    pred = chain(rng, Rotation.from_rotvec(bend) * errors, scale * (forward + rng.normal(0, noise, (n - 1, 3))))
    return Walk(gt, pred)


def chain(rng: np.random.Generator, rotations: Rotation, steps: np.ndarray) -> np.ndarray:
    """The path of relative motions from a random pose, orthonormal to the last bit or two."""
    R, t = [Rotation.random(rng=rng)], [rng.normal(0, 100, 3)]
    for rotation, step in zip(rotations, steps, strict=True):
        t.append(t[-1] + R[-1].apply(step))
        R.append(R[-1] * rotation)
    return motions(Rotation.concatenate(R).as_matrix(), np.array(t))


def from_first(poses: np.ndarray) -> list[np.ndarray]:
    """The poses seen from the first one, as the engine begins; evo scales about the origin of the file instead."""
    return [lie_algebra.relative_se3(poses[0], pose) for pose in poses]


def ours(walk: Walk, alignment: str) -> PoseRow:
    gt, pred = (Trajectory(poses, np.arange(len(poses)), None, "random", "kitti") for poses in walk)
    return evaluate_pose(gt, pred, alignments=[alignment])[0]


def evos(walk: Walk, alignment: str) -> tuple[dict[str, dict[str, float]], float]:
    """The statistics of each metric, and the scale factor."""
    # -a and -as move the prediction wherever it lies, so that they take the world frames as they are.
    free = alignment in {"6dof", "7dof"}
    gt, pred = (PosePath3D(poses_se3=list(poses) if free else from_first(poses)) for poses in walk)
    options = EVO[alignment]
    scale = 1.0 if options is None else pred.align(gt, **options)[2]
    found = {}
    for name, metric in {
        "position": metrics.APE(metrics.PoseRelation.translation_part),
        "step_t": metrics.RPE(metrics.PoseRelation.translation_part),
        "step_r": metrics.RPE(metrics.PoseRelation.rotation_angle_rad),
    }.items():
        metric.process_data((gt, pred))
        found[name] = metric.get_all_statistics()
    return found, scale


@pytest.mark.parametrize("alignment", list(EVO))
@pytest.mark.parametrize("seed", SEEDS)
def test_every_statistic_is_evos(seed: int, alignment: str) -> None:
    walk = random_walk(seed)
    row, (theirs, scale) = ours(walk, alignment), evos(walk, alignment)
    assert row.errors is not None
    assert row.scale == pytest.approx(scale, rel=RELATIVE)
    for name, statistics in theirs.items():
        errors = getattr(row.errors, name)
        relative = RELATIVE_ROTATION if name == "step_r" else RELATIVE
        # A smallest error near 0 keeps the rounding of the places it is the difference of.
        rounding = 1e-14 * np.abs(walk.gt[:, :3, 3]).max()
        for statistic, function in STATISTICS.items():
            assert function(errors) == pytest.approx(statistics[statistic], rel=relative, abs=rounding), (name, statistic)
    assert row.metrics["ate_rmse"] == pytest.approx(theirs["position"]["rmse"], rel=RELATIVE)
    assert row.metrics["rpe_trans_mean"] == pytest.approx(theirs["step_t"]["mean"], rel=RELATIVE)
    assert row.metrics["rpe_trans_rmse"] == pytest.approx(theirs["step_t"]["rmse"], rel=RELATIVE)
    assert row.metrics["rpe_rot_mean"] == pytest.approx(np.degrees(theirs["step_r"]["mean"]), rel=RELATIVE_ROTATION)
    assert row.metrics["rpe_rot_rmse"] == pytest.approx(np.degrees(theirs["step_r"]["rmse"]), rel=RELATIVE_ROTATION)


@pytest.mark.parametrize("with_scale", [False, True])
@pytest.mark.parametrize("mirrored", [False, True])
@pytest.mark.parametrize("seed", SEEDS)
def test_umeyamas_parameters_are_evos(seed: int, mirrored: bool, with_scale: bool) -> None:
    gt, pred = (poses[:, :3, 3] for poses in random_walk(seed))
    pred = pred * [-1, 1, 1] if mirrored else pred
    R, t, scale = umeyama_alignment(pred.T, gt.T, with_scale)
    found = umeyama(gt, pred, with_scale=with_scale)
    np.testing.assert_allclose(found.R, R, rtol=0, atol=RELATIVE)
    np.testing.assert_allclose(found.t, t, rtol=0, atol=RELATIVE * np.abs(gt).max())
    assert found.scale == pytest.approx(scale, rel=RELATIVE)
    assert np.linalg.det(found.R) == pytest.approx(1)


@pytest.mark.parametrize("direction", [(0.0, 0.0, 0.0), (0.0, 0.0, 1.0)])
def test_a_point_and_a_line_are_refused_by_both(direction: tuple[float, float, float]) -> None:
    line = np.arange(64.0)[:, None] * direction
    with pytest.raises(GeometryException, match="Degenerate covariance rank"):
        umeyama_alignment(line.T, line.T, True)
    with pytest.raises(TrajectoryError, match="on a point or a line"):
        umeyama(line, line, with_scale=True)


def test_the_trajectories_differ_in_what_matters() -> None:
    walks = [random_walk(seed) for seed in SEEDS]
    lengths = [len(walk.gt) for walk in walks]
    assert min(lengths) < 100
    assert max(lengths) > 1500
    assert all(a is not b and not np.allclose(a.gt[0], b.gt[0]) for a, b in pairwise(walks))
    for walk in walks:
        for poses in walk:
            R = poses[:, :3, :3]
            assert np.abs(np.swapaxes(R, 1, 2) @ R - np.eye(3)).max() < 1e-14
