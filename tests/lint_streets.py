"""Made-up streets that the linter can be tested on: they differ between frames, drives, left and right, as real ones do.

Nothing here is KITTI data: only the names of the frames, and with them their drives and times, are its own.
"""

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from benchmark.io.ground_truth import GroundTruth, Header, assemble, sparsify
from benchmark.splits import Frame, Split, load_split

SIZE = (72, 240)
SHARE = 0.15  # of the pixels below the horizon
FOCAL, HEIGHT, HORIZON = 1.92, 1.65, 0.46  # focal length in image heights, metres, share of the image height
METRES_PER_FRAME = 1.0
SEGMENT = 9.0  # metres of wall at one distance

Map = NDArray[np.float64]


@lru_cache(maxsize=2048)
def street(drive: str, number: int) -> Map:
    """Depth (h, w) in metres of a frame of a drive: ground, walls that change every few metres, cars at both kerbs."""
    travelled = METRES_PER_FRAME * number
    rows, columns = SIZE
    y = (np.arange(rows)[:, None] + 0.5) / rows - HORIZON
    x = ((np.arange(columns) + 0.5) / columns - 0.5) * columns / rows
    ground = HEIGHT * FOCAL / np.maximum(y, 1e-3)
    depth = np.minimum(np.broadcast_to(ground, SIZE), 85.0)
    seed = sum(map(ord, drive))
    first = int(travelled // SEGMENT)
    for k in range(first, first + 10):
        random = np.random.default_rng((seed, k))
        near, far = k * SEGMENT - travelled, (k + 1) * SEGMENT - travelled
        for side, mean in ((-1, 9.0), (1, 5.5)):
            lateral, tall = mean * random.uniform(0.6, 1.5), random.uniform(2.0, 9.0)
            wall = lateral * FOCAL / np.maximum(side * x, 1e-6)
            front = np.where(side * x * max(near, 1.0) / FOCAL >= lateral, max(near, 1.0), np.inf)
            hit = np.where((wall >= max(near, 1.0)) & (wall < far), wall, front)
            depth = np.where(-y * hit / FOCAL < tall - HEIGHT, np.minimum(depth, hit), depth)
            kerb, z = side * random.uniform(2.2, 4.0), near + random.uniform(0, SEGMENT)
            if random.random() < (0.35, 0.65)[side > 0] and z > 3:
                inside = (np.abs(x * z / FOCAL - kerb) < 0.9) & (y * z / FOCAL > 0.1)
                depth = np.where(inside, np.minimum(depth, z), depth)
    return np.clip(depth, 2.0, 85.0)


def streets(split: Split) -> list[Map]:
    """Dense depth of every frame of a split."""
    return [street(f.drive, f.number) for f in split.frames]


def truth_of(split: Split, maps: list[Map]) -> GroundTruth:
    """Sparse ground truth of these maps, as raw LiDAR of KITTI."""
    random = np.random.default_rng(5)
    seen = [random.random(SIZE) < SHARE for _ in maps]
    sparse = [np.where(s, m, 0).astype(np.float32) for s, m in zip(seen, maps, strict=True)]
    header = Header("kitti_raw", split.name, split.sha256, "lidar_forward_x", split.frame_ids)
    return assemble(header, [sparsify(sparse, np.eye(3))])


def waves(seed: int, size: tuple[int, int] = SIZE) -> Map:
    """A smooth random field of variance 1/2."""
    random = np.random.default_rng(seed)
    r, c = np.meshgrid(np.linspace(0, 1, size[0]), np.linspace(0, 1, size[1]), indexing="ij")
    parts = [np.sin(a * r + b * c + p) for a, b, p in zip(*random.uniform(0, [[9], [25], [6.3]], (3, 6)), strict=True)]
    return np.asarray(sum(parts) / np.sqrt(6))


def eigen() -> Split:
    return load_split("kitti_eigen/test")


def small() -> Split:
    """12 drives of 5 consecutive frames, as the small street world has."""
    frames = tuple(Frame(f"2031_05_01_drive_{d:04d}_sync", "image_02", i) for d in range(1, 13) for i in range(5))
    return Split("custom/test", "kitti_raw", "test", True, frames, "0" * 64, "made up")
