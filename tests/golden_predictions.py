"""The predictions of tests/golden/*.json, given by formulas at low resolution: no network output is shipped.

A prediction map is named by a string, the same one that `golden_cases` uses:

P             scaled disparity, float32: what monodepth2, monodepth_benchmark and RoboDepth read
M             P of the mirrored image, as a network returns it (still mirrored)
D, D_of_M     depth of P and of M in metres, float32
I, I_of_M     inverse depth of P and of M in 1/m, float32
<name>_unmirrored   that map with its columns reversed
D_float64     the float32 values of D as float64 (Insta-DM saves float64)
disparity_over_width    float32(0.058 P): mrharicot's monodepth
devkit_dense, devkit_holes, devkit_empty_row    raw uint16 = 256 x depth, 0 = no value
ground_plane  scaled disparity of a flat road, 375x1242 only (realdata_golden.json)
"""

import hashlib
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

Map = NDArray[Any]
Size = tuple[int, int]

DEVKIT_SIZE: Size = (352, 1216)


def sha256(values: Map) -> str:
    """SHA-256 of an array's C-order bytes, hexadecimal."""
    return hashlib.sha256(np.ascontiguousarray(values).tobytes()).hexdigest()


@lru_cache(maxsize=64)
def prediction_map(name: str, size: Size, frame: int) -> Map:
    """The named map, (h,w), read-only, for a frame number of drive 2011_09_26_drive_0001_sync."""
    base, unmirror, _ = name.partition("_unmirrored")
    values = _map(base, size, frame)
    if unmirror:
        values = np.ascontiguousarray(values[:, ::-1])
    values.setflags(write=False)
    return values


def _map(name: str, size: Size, frame: int) -> Map:
    if name.startswith("devkit_"):
        return devkit_raw(size, frame, holes=name.removeprefix("devkit_"))
    if name == "ground_plane":
        return ground_plane(size)
    disparity = scaled_disparity(size, frame, mirrored=name == "M" or name.endswith("_of_M"))
    exact = disparity.astype(np.float64)
    derived: dict[str, Map] = {
        "P": disparity,
        "M": disparity,
        "D": (5.4 / exact).astype(np.float32),
        "I": (exact / 5.4).astype(np.float32),
        "D_float64": (5.4 / exact).astype(np.float32).astype(np.float64),
        "disparity_over_width": (0.058 * exact).astype(np.float32),
    }
    return derived[name.removesuffix("_of_M")]


def scaled_disparity(size: Size, frame: int, *, mirrored: bool = False) -> NDArray[np.float32]:
    """Scaled disparity of a street-like scene with waves on it, (h,w) float32, 5.4 / depth in metres."""
    rows, columns = size
    r = ((np.arange(rows, dtype=np.float64) + 0.5) / rows)[:, None]
    c = ((np.arange(columns, dtype=np.float64) + 0.5) / columns)[None, :]
    f = float(frame)
    if mirrored:
        c, f = 1.0 - c, f + 0.7
    plane = np.clip(720 * 1.65 / np.maximum(375 * (r - 0.47), 4.0), 2.0, 95.0)
    waves = 1 + 0.15 * np.sin(17 * c + f) + 0.1 * np.cos(29 * r * c + 0.3 * f) + 0.05 * np.sin(63 * c) * np.cos(41 * r)
    return np.asarray(5.4 / plane * waves, dtype=np.float32)


def devkit_raw(size: Size, frame: int, *, holes: str) -> NDArray[np.uint16]:
    """Depth of P as the devkit's raw uint16 = floor(256 m), (h,w); holes is "dense", "holes" or "empty_row"."""
    exact = scaled_disparity(size, frame).astype(np.float64)
    raw = np.floor(256 * 5.4 / exact).astype(np.uint16)
    if holes == "dense":
        return raw
    v, u = np.indices(size)
    raw[((u // 7 + v // 5) % 6 == 0) | (v < 100) | (u < 30) | (u >= 1207) | (v >= 348)] = 0
    if holes == "empty_row":
        raw[200] = 0
    elif holes != "holes":
        raise ValueError(f"unknown hole pattern {holes!r}; known: dense, holes, empty_row")
    return raw


def ground_plane(size: Size) -> NDArray[np.float32]:
    """Scaled disparity of a flat road 1.65 m below the camera of 2011_09_26, (h,w) float32."""
    rows, columns = size
    row = np.arange(rows, dtype=np.float64)
    depth = np.clip(721.5377 * 1.65 / np.maximum(row - 172.854, 1e-6), 1e-3, 80)
    return np.repeat((1 / (0.5 * depth)).astype(np.float32)[:, None], columns, axis=1)
