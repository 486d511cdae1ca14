"""One constructed bad file per defect, and good files of all kinds, on 60 frames of made-up streets.

The table in docs/checks.md is made from these cases by what the linter says about each.
"""

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import lint_streets
import numpy as np
from numpy.typing import NDArray

from benchmark import check as linter
from benchmark.checks.finding import Finding
from benchmark.io.ground_truth import Header, sparsify
from benchmark.io.ground_truth_hdf5 import write_hdf5
from benchmark.score import Request
from benchmark.splits import load_split

PROTOCOL, SPLIT = "world_lidar", "world_small/test"
PREDICTED = (48, 160)

Stack = NDArray[Any]


class BadFile(NamedTuple):
    """How a good file was spoiled, in words and in code, and how the command was called."""

    words: str
    spoil: Callable[[Stack], Stack]
    kind: str = "disparity"
    flipped: Callable[[Stack], Stack] | None = None


@cache
def depth() -> Stack:
    """(60, 72, 240) metres."""
    return np.array(lint_streets.streets(load_split(SPLIT)))


@cache
def good() -> Stack:
    """(60, 48, 160) float32: disparities of a decent network (abs_rel 0.07), up to a factor."""
    rows, columns = (((np.arange(n) + 0.5) * m / n).astype(int) for n, m in zip(PREDICTED, depth().shape[1:], strict=True))
    errors = np.array([lint_streets.waves(i, PREDICTED) for i in range(len(depth()))])
    disparity = np.exp(0.1 * errors) / depth()[:, rows][:, :, columns]
    disparity.setflags(write=False)
    return disparity.astype(np.float32)


def write_truth(path: Path) -> Path:
    """Sparse ground truth of the 60 frames."""
    split = load_split(SPLIT)
    sparse = lint_streets.truth_of(split, list(depth()))
    header = Header("kitti_raw", split.name, split.sha256, "camera_z", split.frame_ids)
    write_hdf5(path, header, [sparsify([sparse.dense(i) for i in range(len(sparse))], np.eye(3))])
    return path


def request(folder: Path, case: BadFile) -> Request:
    """Write a spoiled file beside the ground truth `gt.h5`."""
    np.save(folder / "bad.npy", np.ascontiguousarray(case.spoil(good())))
    flipped = None
    if case.flipped is not None:
        flipped = folder / "flipped.npy"
        np.save(flipped, np.ascontiguousarray(case.flipped(good())))
    return Request(folder / "bad.npy", folder / "gt.h5", (PROTOCOL,), kind=case.kind, flipped=flipped)


def findings(folder: Path, case: BadFile) -> dict[str, Finding]:
    """What the linter says about a spoiled file, by defect."""
    return {f.defect: f for f in linter.check(request(folder, case))}


def found_in(findings: dict[str, Finding]) -> dict[str, str]:
    """Verdict of every defect that was found."""
    return {name: f.verdict for name, f in findings.items() if f.verdict in {"refuse", "warn"}}


def _put(value: float) -> Callable[[Stack], Stack]:
    def spoil(x: Stack) -> Stack:
        y = x.copy()
        y[5, 3, 7] = value
        return y

    return spoil


def _reshaped(x: Stack) -> Stack:
    return np.swapaxes(x, 1, 2).reshape(x.shape)


def _per_frame(factors: Stack) -> Callable[[Stack], Stack]:
    return lambda x: (x * factors[:, None, None]).astype(np.float32)


def _steps(levels: int) -> Callable[[Stack], Stack]:
    return lambda x: np.maximum(np.rint(x / x.max() * levels), 1).astype(np.float32)


BAD: dict[str, BadFile] = {
    "form": BadFile("float16", lambda x: x.astype(np.float16)),
    "count": BadFile("the last frame left out", lambda x: x[:-1]),
    "not_finite": BadFile("one NaN", _put(np.nan)),
    "not_positive": BadFile("one zero", _put(0.0)),
    "negated": BadFile("all values negated", lambda x: -x),
    "transposed": BadFile("columns before rows, reshaped to (N, h, w)", _reshaped),
    "mirrored": BadFile("mirrored left to right", lambda x: x[:, :, ::-1]),
    "upside_down": BadFile("turned upside down", lambda x: x[:, ::-1]),
    "kind": BadFile("depth declared as disparity", lambda x: 1 / x),
    "shifted": BadFile("every frame one place further on", lambda x: np.roll(x, 1, axis=0)),
    "shuffled": BadFile("frames in random order", lambda x: np.random.default_rng(3).permutation(x)),
    "flipped": BadFile(
        "a --flipped file as the network returns it", lambda x: x, flipped=lambda x: x[:, :, ::-1] * np.float32(1.01)
    ),
    "prior": BadFile("the first prediction for every frame", lambda x: np.broadcast_to(x[0], x.shape)),
    "constant": BadFile("one value per map", lambda x: np.broadcast_to(x.mean(axis=(1, 2), keepdims=True), x.shape)),
    "quantised": BadFile("rounded to 600 levels", _steps(600)),
    "eight_bit": BadFile("rounded to 255 levels", _steps(255)),
    "saturated": BadFile("depth cut off at the median", lambda x: np.maximum(x, np.median(x))),
    "factor_missing": BadFile(
        "1/m of a network trained with stereo pairs", lambda x: (x * 5.4).astype(np.float32), "inverse_depth"
    ),
    "factor_doubled": BadFile("1/m divided by 5.4", lambda x: (x / 5.4).astype(np.float32), "inverse_depth"),
    "times_256": BadFile("the values of a 16-bit PNG", lambda x: np.floor(256 / x).astype(np.float32), "depth"),
    "scale_varies": BadFile("a factor of its own per frame", _per_frame(np.random.default_rng(0).lognormal(0, 0.8, 60))),
}
