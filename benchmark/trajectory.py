"""A trajectory: where a camera was, frame by frame."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Trajectory:
    """Camera poses of one sequence.

    Attributes:
        poses: (n, 4, 4) `T_world_cam` in metres, or up to scale.
        frame: (n,) ascending frame numbers; gaps are frames without a pose.
        time: (n,) seconds, or None where the file has no times.
        source: the file, for messages.
        form: the format that was recognised, a key of `io.trajectories.FORMS`, or `relative`.
    """

    poses: NDArray[np.float64]
    frame: NDArray[np.int64]
    time: NDArray[np.float64] | None
    source: str
    form: str
