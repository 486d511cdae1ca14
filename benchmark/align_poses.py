"""Alignments of a predicted trajectory with the ground truth, from positions alone.

Umeyama 1991: "Least-squares estimation of transformation parameters between two point patterns", PAMI 13(4); equation
numbers are the paper's. The names are those of kitti-odom-eval.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from benchmark.errors import TrajectoryError

Array = NDArray[np.float64]


class Similarity(NamedTuple):
    """x -> scale * R x + t: rotation (3, 3), translation (3,) in metres, scale."""

    R: Array
    t: Array
    scale: float


def umeyama(gt: Array, pred: Array, *, with_scale: bool) -> Similarity:
    """The similarity that moves the positions pred (n, 3) onto gt (n, 3) with the least squared error. Umeyama 1991.

    Raises:
        TrajectoryError: the positions lie on a point or a line, which leaves the rotation open.
    """
    mu_x, mu_y = pred.mean(axis=0), gt.mean(axis=0)  # (34), (35)
    x, y = pred - mu_x, gt - mu_y
    variance = (x * x).sum() / len(x)  # (36)
    covariance = y.T @ x / len(x)  # (38)
    U, d, Vt = np.linalg.svd(covariance)
    if not d[1] > np.finfo(np.float64).eps * 3 * d[0] or variance < np.finfo(np.float64).tiny:
        raise TrajectoryError("the positions lie on a point or a line, so that no rotation fits them best; use none or scale")
    S = np.diag([1.0, 1.0, np.sign(np.linalg.det(U) * np.linalg.det(Vt))])  # (39), (43)
    R = U @ S @ Vt  # (40)
    scale = float((d * np.diag(S)).sum() / variance) if with_scale else 1.0  # (42)
    return Similarity(R, mu_y - scale * R @ mu_x, scale)  # (41)


def best_scale(gt: Array, pred: Array) -> float:
    """The factor of the positions pred (n, 3) about the origin with the least squared distance to gt (n, 3).

    Raises:
        TrajectoryError: all positions are the origin.
    """
    square = float((pred * pred).sum())
    if square == 0:
        raise TrajectoryError("all predicted positions are the same point, so that no scale fits them; use none")
    return float((gt * pred).sum()) / square


def _only_scale(scale: float) -> Similarity:
    return Similarity(np.eye(3), np.zeros(3), scale)


def align(pred: Array, similarity: Similarity) -> Array:
    """The poses (n, 4, 4) with their positions scaled and then moved rigidly from the left."""
    aligned = pred.copy()
    aligned[:, :3, :3] = similarity.R @ pred[:, :3, :3]
    aligned[:, :3, 3] = similarity.scale * pred[:, :3, 3] @ similarity.R.T + similarity.t
    return aligned


# (positions of the ground truth, of the prediction) -> what moves the prediction. Both begin in the origin.
ALIGNMENTS: dict[str, Callable[[Array, Array], Similarity]] = {
    "none": lambda _gt, _pred: _only_scale(1.0),
    "scale": lambda gt, pred: _only_scale(best_scale(gt, pred)),
    "scale_7dof": lambda gt, pred: _only_scale(umeyama(gt, pred, with_scale=True).scale),
    "6dof": lambda gt, pred: umeyama(gt, pred, with_scale=False),
    "7dof": lambda gt, pred: umeyama(gt, pred, with_scale=True),
}
