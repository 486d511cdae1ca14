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
        form: the format that was recognised, a key of FORM_NAMES.
        mended: what the reader changed about the rotations, for a note; empty where nothing.
    """

    poses: NDArray[np.float64]
    frame: NDArray[np.int64]
    time: NDArray[np.float64] | None
    source: str
    form: str
    mended: str = ""


# How a report names the formats of files of poses.
FORM_NAMES: dict[str, str] = {
    "kitti": "KITTI, 12 columns",
    "kitti13": "KITTI, 13 columns (frame number first)",
    "tum": "TUM, 8 columns",
    "relative": "relative 4x4 motions",
    "snippet_folder": "5-frame snippets (a TUM file for each)",
    "snippet_npy": "5-frame snippets (n, 5, 3, 4)",
}
