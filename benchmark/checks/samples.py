"""What the linter looks at: a few frames spread over the split, a few scored pixels of each, read in several ways.

A prediction is read at the ground-truth points by nearest neighbour, as it is and as it would lie if it had been stored
mirrored, upside down or transposed, and at the points of the neighbouring frames.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from benchmark.io.ground_truth import GroundTruth
from benchmark.io.predictions import Predictions
from benchmark.masks import crop_box, open_bounds
from benchmark.matching import Match
from benchmark.protocol import DepthProtocol

FRAMES, AT_SEAMS = 32, 20  # sampled frames, of which so many may lie where one drive ends and the next begins
POINTS = 512  # scored pixels of a frame
THUMBNAIL = (48, 96)  # nearest pixels of the whole map, which keep its exact values
# A place in each of so many equal stretches of a frame's points. It moves, because a fixed step would meet the same few
# columns in every row of a dense map.
STRETCHES = np.arange(2 * POINTS) + np.arange(2 * POINTS) * 0.6180339887498949 % 1
SHIFTS = (-2, -1, 1, 2)

Array = NDArray[np.float64]
Index = NDArray[np.int64]

# Where pixel (r, c) of an (h, w) map lies in a file that was stored in this way, as a flat index.
READINGS: dict[str, Callable[[int, int, Index, Index], Index]] = {
    "as_it_is": lambda h, w, r, c: r * w + c,
    "mirrored": lambda h, w, r, c: r * w + (w - 1 - c),
    "upside_down": lambda h, w, r, c: (h - 1 - r) * w + c,
    "rotated": lambda h, w, r, c: (h - 1 - r) * w + (w - 1 - c),
    "transposed": lambda h, w, r, c: c * h + r,
}


class ScoredPoints(NamedTuple):
    """`POINTS` scored pixels of a frame: place in the image from 0 to 1 and the logarithm of the depth in metres, (n,)."""

    y: Array
    x: Array
    log_gt: Array


class Pair(NamedTuple):
    """Logarithms of predicted and true depth, both (frames, points); NaN where there is none."""

    pred: Array
    gt: Array


@dataclass(frozen=True)
class Values:
    """Thumbnails (frames, 48, 96) of sampled predictions, whatever frames they belong to."""

    thumbnails: Array
    negated: bool

    @classmethod
    def of(cls, thumbnails: Sequence[Array]) -> Values:
        """Stacked; negated where most values are."""
        stack = np.array(thumbnails).reshape(-1, *THUMBNAIL)
        return cls(stack, bool(stack.size and np.mean(stack < 0) > 0.5))


@dataclass(frozen=True)
class Samples:
    """S sampled frames with n scored pixels. What is called log depth is that up to a constant, signs turned back."""

    values: Values
    frame: tuple[int, ...]  # positions in the match
    points: ScoredPoints  # the scored pixels, each (S, n)
    raw: Array  # (S, n) predicted values there
    read: dict[str, Array]  # (S, n) log depth there under each reading, `flipped_*` those of the second file
    shifted: dict[int, Pair]  # (S, n) log depth against the ground truth k frames on
    log_thumbnails: Array  # (S, 48, 96)
    log_flipped: Array  # (S, 48, 96) of the second file, if there is one
    swapped: int  # maps that are upright where their image is not, or the reverse


def choose_frames(match: Match) -> list[int]:
    """Up to 32 positions in the match that have a prediction: ends and beginnings of drives, the others evenly spread."""
    present = [i for i, position in enumerate(match.prediction) if position is not None]
    drive = [match.frame_id[i].rpartition("/")[0] for i in present]
    seams = [k for k in range(1, len(present)) if drive[k] != drive[k - 1]]
    chosen = {j for s in choose_evenly(len(seams), AT_SEAMS // 2) for j in (seams[s] - 1, seams[s])}
    rest = [k for k in range(len(present)) if k not in chosen]
    chosen |= {rest[k] for k in choose_evenly(len(rest), FRAMES - len(chosen))}
    return [present[k] for k in sorted(chosen)]


def choose_evenly(n: int, count: int) -> list[int]:
    """Up to `count` of n positions, evenly spread."""
    return sorted({int(k) for k in np.linspace(0, n - 1, min(n, count))}) if n else []


def scored_points(truth: GroundTruth, at: int, protocol: DepthProtocol) -> ScoredPoints | None:
    """`POINTS` of the pixels that the protocol scores, in raster order (repeated where there are fewer); None without any."""
    indptr, column, depth = truth.frame(at)
    # Far fewer points than a frame has are wanted, so they are thinned before they are looked at.
    thinned = (
        (STRETCHES * (len(depth) / len(STRETCHES))).astype(np.int64) if len(depth) > len(STRETCHES) else np.arange(len(depth))
    )
    row = np.searchsorted(indptr, thinned, side="right") - 1
    column, depth = column[thinned], depth[thinned]
    height, width = (int(side) for side in truth.shape[at])
    top, bottom, left, right = crop_box(protocol.crop, height, width)
    low, high = open_bounds(**vars(protocol.depth_range))
    inside = (row >= top) & (row < bottom) & (column >= left) & (column < right) & (depth > low) & (depth < high)
    kept = np.flatnonzero(inside)
    if len(kept) == 0:
        return None
    kept = kept[np.arange(POINTS) * len(kept) // POINTS]
    return ScoredPoints((row[kept] + 0.5) / height, (column[kept] + 0.5) / width, np.log(depth[kept].astype(np.float64)))


PointsOf = Callable[[int], ScoredPoints | None]


def points_by_frame(truth: GroundTruth, match: Match, protocol: DepthProtocol) -> PointsOf:
    """The scored points of frame i of a match, kept once read; None without any, and beyond the first and last frame."""

    @cache
    def points_of(i: int) -> ScoredPoints | None:
        return scored_points(truth, match.truth[i], protocol) if 0 <= i < len(match.truth) else None

    return points_of


def thumbnail(pred: NDArray[Any], *, fills_holes: bool = False) -> Array:
    """The nearest pixels of a map (h, w) on a coarse grid, in double; zeros become the median where a protocol fills them."""
    rows, columns = (((np.arange(n) + 0.5) * side / n).astype(np.int64) for n, side in zip(THUMBNAIL, pred.shape, strict=True))
    values = pred[np.ix_(rows, columns)].astype(np.float64)
    if fills_holes and (values > 0).any():
        values[values == 0] = np.median(values[values > 0])
    return values


def read_values(predictions: Predictions, positions: Sequence[int]) -> Values:
    """Thumbnails alone, for a file that cannot be joined with ground truth."""
    return Values.of([thumbnail(predictions.load(i)) for i in positions])


def log_depth(values: NDArray[Any], kind: str) -> Array:
    """Logarithm of depth up to a constant from predicted values of a kind; NaN where they are not above zero."""
    logs = np.log(np.where((values > 0) & np.isfinite(values), values, np.nan))
    return np.asarray(logs if kind == "depth" else -logs)


def read_samples(
    truth: GroundTruth, predictions: Predictions, match: Match, points_of: PointsOf, *, kind: str, fills_holes: bool = False,
    flipped: Predictions | None = None,
) -> Samples:  # fmt: skip
    """Read the sampled frames; those without a scored pixel are left out."""
    looks = []
    for i in choose_frames(match):
        points, position = points_of(i), match.prediction[i]
        if points is None or position is None:
            continue
        pred = predictions.load(position)
        height, width = truth.shape[match.truth[i]]
        swapped = bool((pred.shape[0] - pred.shape[1]) * (height - width) < 0)
        read = {name: _read(pred, points, name) for name in READINGS}
        shifted = {k: _read_at(pred, points_of(i + k)) for k in SHIFTS}
        shown = [thumbnail(pred, fills_holes=fills_holes)]
        if flipped is not None:
            pred = flipped.load(position)
            read |= {f"flipped_{name}": _read(pred, points, name) for name in ("as_it_is", "mirrored")}
            shown.append(thumbnail(pred, fills_holes=fills_holes))
        looks.append(_Look(i, points, shown, read, shifted, swapped))
    return _stack(looks, kind)


class _Look(NamedTuple):
    """Raw values of one frame; copies, because a reader may hand out the same buffer twice."""

    frame: int
    points: ScoredPoints
    thumbnails: list[Array]
    read: dict[str, Array]
    shifted: dict[int, Pair]
    swapped: bool


def _stack(looks: Sequence[_Look], kind: str) -> Samples:
    values = Values.of([look.thumbnails[0] for look in looks])
    sign = -1 if values.negated else 1

    def rows(arrays: Iterable[Array]) -> Array:
        return np.array([*arrays]).reshape(-1, POINTS)

    return Samples(
        values=values,
        frame=tuple(look.frame for look in looks),
        points=ScoredPoints(*(rows(look.points[k] for look in looks) for k in range(3))),
        raw=rows(look.read["as_it_is"] for look in looks),
        read={
            name: log_depth(sign * rows(look.read[name] for look in looks), kind) for name in (looks[0].read if looks else ())
        },
        shifted={
            k: Pair(
                log_depth(sign * rows(look.shifted[k].pred for look in looks), kind),
                rows(look.shifted[k].gt for look in looks),
            )
            for k in SHIFTS
        },
        log_thumbnails=log_depth(sign * values.thumbnails, kind),
        log_flipped=log_depth(Values.of([look.thumbnails[-1] for look in looks]).thumbnails, kind),
        swapped=sum(look.swapped for look in looks),
    )


def _read_at(pred: NDArray[Any], points: ScoredPoints | None) -> Pair:
    if points is None:
        return Pair(np.full(POINTS, np.nan), np.full(POINTS, np.nan))
    return Pair(_read(pred, points, "as_it_is"), points.log_gt)


def _read(pred: NDArray[Any], points: ScoredPoints, reading: str) -> Array:
    h, w = pred.shape
    at = READINGS[reading](h, w, (points.y * h).astype(np.int64), (points.x * w).astype(np.int64))
    return pred.reshape(-1)[at].astype(np.float64)
