"""Does another reading of the predictions explain the ground truth better than the file as it is?"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

MARGIN = 0.8  # a reading wins a frame when its error is at most this share of the other's
EXPLAINS = 0.8  # and at most this share of what one constant depth would leave
SIGMAS = 3.0  # wins - losses must exceed so many standard deviations of a fair coin
CAP = 1.5  # the logarithm of a ratio, beyond which a pixel counts no more

Array = NDArray[np.float64]


class Contest(NamedTuple):
    """Frames that the other reading wins and loses, frames looked at, and the median errors of both readings."""

    wins: int
    losses: int
    frames: int
    own: float
    other: float

    @property
    def convincing(self) -> bool:
        """The other reading wins more often than chance could, on most of the frames where the two differ."""
        return self.wins > self.losses and self.wins - self.losses >= SIGMAS * np.sqrt(self.wins + self.losses)

    @property
    def evidence(self) -> dict[str, float]:
        """As numbers."""
        return {**self._asdict()}


def misfit(log_pred: Array, log_gt: Array) -> Array:
    """(frames,) mean absolute log ratio of (frames, points) after median alignment: scale does not matter, far-off pixels
    count as `CAP`. NaN where a frame has no value at all."""
    ratio = log_pred - log_gt
    if not np.isfinite(ratio).all():
        return np.array([_sparse_misfit(row[np.isfinite(row)]) for row in ratio])
    return np.asarray(_spread(ratio))


def _spread(ratio: Array) -> Array:
    aligned = np.abs(ratio - np.median(ratio, axis=-1, keepdims=True))
    return np.asarray(np.minimum(aligned, CAP).mean(axis=-1))


def _sparse_misfit(ratio: Array) -> float:
    return float(_spread(ratio)) if len(ratio) else np.nan


def contest(own: Array, other: Array, flat: Array) -> Contest:
    """Count frames. All (frames,): errors as it is, read in the other way, and of a constant; NaN is no vote."""
    wins = (other <= MARGIN * own) & (other <= EXPLAINS * flat)
    losses = own <= MARGIN * other
    judged = np.isfinite(own) & np.isfinite(other)
    if not judged.any():
        return Contest(0, 0, 0, np.nan, np.nan)
    return Contest(
        int(np.sum(wins & ~losses)), int(np.sum(losses & ~wins)), int(judged.sum()), float(np.median(own[judged])),
        float(np.median(other[judged])),
    )  # fmt: skip
