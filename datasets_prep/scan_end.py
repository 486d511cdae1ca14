"""Whether a LiDAR scan of KITTI goes on to its lowest beam; a copy cut between two points is a multiple of 16 bytes too."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt

from benchmark.io.ground_truth_files import DATE_SIZES

TAIL_POINTS = 1000  # two thirds of a beam
# KITTI lists the 64 beams from the highest to the lowest. In four real scans of 121,000 points the last 1000 lie at -23.6
# degrees, and the image ends at -14.7, 30,000 points before the end: a scan cut so late that it passes lost nothing of it,
# and no whole scan is refused for a weak lowest beam.
LOWEST = -16.0


def end_elevation(path: Path, points: npt.NDArray[np.float32]) -> float | None:
    """Median elevation in degrees of a scan's last points (n, 4) where it shows that the scan is cut short, or None.

    Args:
        path: `<root>/<date>/<drive>/velodyne_points/data/<frame>.bin`; scans of other days than KITTI's five may end anyhow.
        points: the scan, or its last points.
    """
    if len(path.parents) < 3 or path.parents[2].name[:10] not in DATE_SIZES:
        return None
    x, y, z = points[-TAIL_POINTS:, :3].T
    with np.errstate(all="ignore"):  # damaged values may be as large as they like
        elevation = float(np.degrees(np.median(np.arctan2(z, np.hypot(x, y)))))
    return None if elevation <= LOWEST else elevation
