"""Random street-like frames of all five KITTI sizes, for tests that need no real samples.

Nothing here is KITTI data: only sizes and densities are its own. The same seed gives the same frames.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

KITTI_SIZES = ((375, 1242), (370, 1224), (374, 1238), (370, 1226), (376, 1241))
PREDICTION_SIZES = ((192, 640), (60, 200), (320, 1024))
DENSITIES = ("lidar", "annotated")  # about 4 % and 19 % of the pixels, none in the upper third

Field = Callable[[NDArray[np.float64], NDArray[np.float64]], NDArray[np.float64]]


class SyntheticFrame(NamedTuple):
    """Sparse ground truth and two low-resolution predictions of one made-up street."""

    ground_truth: NDArray[np.float32]  # (H,W) metres, 0 = empty; 1..90 m, one value in fifty 75..130 m
    prediction: NDArray[np.floating]  # (h,w) scaled disparity, positive, about 5.4/depth times a factor of the frame
    unflipped: NDArray[np.floating]  # (h,w) a second one with errors of its own, for flip fusion
    density: str


def synthetic_frames(count: int = 50, *, seed: int = 0) -> list[SyntheticFrame]:
    """Frames that go through all sizes, prediction sizes, densities and both float types."""
    return [
        synthetic_frame(
            seed * 1000 + i,
            size=KITTI_SIZES[i % 5],
            pred_size=PREDICTION_SIZES[i % 3],
            density=DENSITIES[i % 2],
            dtype="float64" if i % 7 == 3 else "float32",
        )
        for i in range(count)
    ]


def synthetic_frame(
    seed: int,
    *,
    size: tuple[int, int] = KITTI_SIZES[0],
    pred_size: tuple[int, int] = PREDICTION_SIZES[0],
    density: str = "lidar",
    dtype: str = "float32",
) -> SyntheticFrame:
    """One frame; equal seeds show the same street at whatever sizes."""
    random = np.random.default_rng(seed)
    bumps, first_error, second_error = (_smooth_field(random, amplitude) for amplitude in (0.5, 0.15, 0.15))
    factor = random.uniform(0.7, 1.4)

    truth = _street(*_grid(size), bumps) * random.lognormal(0, 0.08, size)
    truth = np.clip(truth, 1, 90)
    far = random.random(size) < 0.02
    truth[far] = random.uniform(75, 130, far.sum())
    if density == "annotated":
        truth = np.floor(truth * 256) / 256
    share = {"lidar": 0.06, "annotated": 0.3}[density]
    seen = (random.random(size) < share) & (_grid(size)[0] > 0.35)

    r, c = _grid(pred_size)
    disparity = 5.4 * factor / _street(r, c, bumps)
    return SyntheticFrame(
        ground_truth=np.where(seen, truth, 0).astype(np.float32),
        prediction=(disparity * np.exp(first_error(r, c))).astype(dtype),
        unflipped=(disparity * np.exp(second_error(r, c))).astype(dtype),
        density=density,
    )


def _grid(size: tuple[int, int]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    rows, columns = size
    r, c = np.meshgrid((np.arange(rows) + 0.5) / rows, (np.arange(columns) + 0.5) / columns, indexing="ij")
    return r, c


def _street(r: NDArray[np.float64], c: NDArray[np.float64], bumps: Field) -> NDArray[np.float64]:
    """Depth in metres: a road that rises to a far wall, with smooth bumps."""
    road = np.clip(1190 / np.maximum(375 * (r - 0.45), 1), 4, 85)
    return np.asarray(road * np.exp(bumps(r, c)))


def _smooth_field(random: np.random.Generator, amplitude: float) -> Field:
    """A sum of six waves with random directions, lengths and phases."""
    along_r, along_c, phase = random.uniform(0, 9, 6), random.uniform(0, 25, 6), random.uniform(0, 2 * np.pi, 6)

    def field(r: NDArray[np.float64], c: NDArray[np.float64]) -> NDArray[np.float64]:
        waves = [np.sin(a * r + b * c + p) for a, b, p in zip(along_r, along_c, phase, strict=True)]
        return np.asarray(amplitude * sum(waves) / np.sqrt(6))

    return field
