"""(ground truth, predictions, protocol) -> one row of numbers per image.

Per image: convert to the quantity the protocol interpolates, sample it at the scored ground-truth pixels, convert to depth,
align, clamp, measure. Settings that interpolate alike share the sampling. Frames run in threads.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import groupby
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from benchmark.align import Alignment
from benchmark.cores import cpu_count
from benchmark.errors import GroundTruthError, PredictionError
from benchmark.io.ground_truth import GroundTruth
from benchmark.io.predictions import Predictions
from benchmark.masks import crop_box, open_bounds
from benchmark.matching import Match, check_ground_truth
from benchmark.matching import match as join
from benchmark.measure import depths, interpolated_quantity, measure
from benchmark.metrics.pixel_sums import pixel_sums
from benchmark.parts import PartRow, PartTable, camera_of, kinds, part_table, score_parts
from benchmark.protocol import DepthProtocol
from benchmark.sampling import Points, Taps, sample, scored, taps, with_canvas
from benchmark.splits import load_split

FRAMES_PER_TASK = 16
NO_PREDICTION = "no prediction"
NO_GROUND_TRUTH = "no ground truth inside the crop and the depth range"


class Row(NamedTuple):
    """One image: scored pixels, alignment, metrics in the protocol's units, why there are none, and its parts."""

    n_valid: int
    alignment: Alignment
    values: tuple[float, ...]
    reason: str
    parts: tuple[PartRow, ...] = ()


@dataclass(frozen=True)
class ImageTable:
    """One row per frame of the protocol: `n_valid` (N,), `scale` (N,), `shift` (N,), `values` {metric: (N,)}, `reason`; and
    the parts of the frames, where any were asked for."""

    frame_id: tuple[str, ...]
    n_valid: NDArray[np.int64]
    scale: NDArray[np.float64]
    shift: NDArray[np.float64]
    values: dict[str, NDArray[np.float64]]
    reason: tuple[str, ...]
    parts: PartTable | None = None


def evaluate_depth(
    truth: GroundTruth,
    predictions: Predictions,
    protocol: DepthProtocol,
    *,
    match: Match | None = None,
    kind: str = "disparity",
    flipped: Predictions | None = None,
    by: Sequence[str] = (),
) -> ImageTable:
    """The per-image table of one setting; see `evaluate_settings`."""
    return evaluate_settings(truth, predictions, [protocol], match=match, kind=kind, flipped=flipped, by=by)[0]


def evaluate_settings(
    truth: GroundTruth,
    predictions: Predictions,
    protocols: Sequence[DepthProtocol],
    *,
    match: Match | None = None,
    kind: str = "disparity",
    flipped: Predictions | None = None,
    by: Sequence[str] = (),
) -> list[ImageTable]:
    """The per-image table of each setting, in one pass over the frames.

    Args:
        truth: holds the frames of `match`.
        predictions: likewise.
        protocols: settings on one split; a different scaling is `dataclasses.replace(protocol, scaling=...)`.
        match: the frames, joined by id; None joins those of the protocols' split, which a bare array must follow.
        kind: what the predictions are: disparity (up to scale), inverse_depth (1/m) or depth (m).
        flipped: un-flipped predictions of the mirrored images, in the order of `predictions`, for flip fusion.
        by: parts to table beside those of the protocols: camera, class, range.

    Raises:
        GroundTruthError: the ground truth is of another kind than a protocol's, or has no classes where one scores them.
        OptionError: parts that a protocol does not have.
        PredictionError: a prediction is not finite, or not above zero where the protocol refuses that.
    """
    for protocol in protocols:
        check_ground_truth(truth, protocol)
        _check_classes(truth, protocol)
    if match is None:
        split = load_split(protocols[0].split)
        match = join(truth, predictions, split=split, pred_split=split)
    scorer = _Scorer(truth, predictions, protocols, match, kind=kind, flipped=flipped, by=by)
    tasks = [range(i, min(i + FRAMES_PER_TASK, len(match.frame_id))) for i in range(0, len(match.frame_id), FRAMES_PER_TASK)]
    pool = ThreadPoolExecutor(cpu_count())
    try:
        rows = [row for task in pool.map(scorer.score_frames, tasks) for row in task]
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
    return [_table(match.frame_id, [row[k] for row in rows], p, scorer.parts[k]) for k, p in enumerate(protocols)]


def _check_classes(truth: GroundTruth, protocol: DepthProtocol) -> None:
    if protocol.classes is not None and truth.label is None:
        raise GroundTruthError(
            f"{truth.source}: holds no semantic ids; {protocol.name} scores classes one by one: take the folder of the "
            "challenge, with its *_sem.png"
        )


def load_kernels() -> None:
    """Load the compiled kernels for float32 (0.2 s, or seconds the first time ever), so that it can be done early."""
    one = np.ones(1, np.float32)
    pixel_sums(one, one)
    line = taps(1, 1, rule="same_size", axis=0, dtype=one.dtype)
    sample((np.array([0, 1]), np.zeros(1, np.uint16), one), one[None], (line, line), (0, 1, 0, 1), (one[0], one[0]))


class _Scorer:
    """What stays the same over the frames: inputs, grouped settings, and the taps of each pair of sizes."""

    def __init__(
        self, truth: GroundTruth, predictions: Predictions, protocols: Sequence[DepthProtocol], match: Match, *, kind: str,
        flipped: Predictions | None, by: Sequence[str],
    ) -> None:  # fmt: skip
        self.truth, self.predictions, self.match, self.kind, self.flipped = truth, predictions, match, kind, flipped
        self.protocols = protocols
        self.parts = [kinds(p, by) for p in protocols]
        self.groups = _share(protocols)
        self.bounds = [open_bounds(**vars(p.depth_range)) for p in protocols]
        self.grids: dict[tuple[Any, ...], Taps] = {}

    def score_frames(self, frames: Iterable[int]) -> list[list[Row]]:
        """One row per protocol for each frame."""
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            return [self.score_frame(i) for i in frames]

    def score_frame(self, i: int) -> list[Row]:
        """One row per protocol."""
        position = self.match.prediction[i]
        if position is None:
            return [Row(0, Alignment(np.nan, np.nan), (np.nan,) * len(p.metrics), NO_PREDICTION) for p in self.protocols]
        rows: dict[int, Row] = {}
        pred = self.predictions.load(position)
        self._check(pred, self.predictions, i)
        mirrored = None
        if self.flipped is not None:
            # A reader may hand out the same buffer twice.
            pred, mirrored = pred.copy(), self.flipped.load(position)
            self._check(mirrored, self.flipped, i)
            if mirrored.shape != pred.shape:
                raise PredictionError(
                    f"{self.flipped.source}: the prediction of {self.match.frame_id[i]} mirrored is {_size(mirrored)}, the "
                    f"prediction itself {_size(pred)}; expected one size: predict both with the same network input"
                )
        for sampling in self.groups:
            values = interpolated_quantity(pred, mirrored, self.kind, self.protocols[sampling[0][0]])
            for masked in sampling:
                points = self._sample(i, values, masked[0])
                ids = self._semantic_ids(i, masked[0]) if any("class" in self.parts[k] for k in masked) else None
                for k in masked:
                    rows[k] = score_points(points, self.protocols[k], parts=self.parts[k], ids=ids)
        return [rows[k] for k in range(len(self.protocols))]

    def _check(self, pred: NDArray[Any], source: Predictions, i: int) -> None:
        may_be_empty = all(p.invalid_prediction == "inpaint" for p in self.protocols)
        low, high = pred.min(), pred.max()  # both propagate NaN
        if (low > 0 or (may_be_empty and low == 0)) and np.isfinite(high):
            return
        finite = np.isfinite(pred)
        bad = ~finite if not finite.all() else pred <= 0
        row, column = np.argwhere(bad)[0]
        raise PredictionError(
            f"{source.source}: the prediction of {self.match.frame_id[i]} is {pred[row, column]} at row {row}, column {column} "
            f"({np.count_nonzero(bad)} such pixels in this frame); expected finite values above zero. A number made from it "
            "would mean nothing: mend the network's output (NaN and inf spread when an image is resized, a zero disparity is "
            "infinitely far, negated disparities cancel in median scaling)"
        )

    def _sample(self, i: int, values: NDArray[Any], k: int) -> Points:
        protocol, at = self.protocols[k], self.match.truth[i]
        height, width = (int(side) for side in self.truth.shape[at])
        rule = protocol.resize.rule
        if (values.shape[0] - values.shape[1]) * (height - width) < 0:
            raise PredictionError(
                f"{self.predictions.source}: the prediction of {self.match.frame_id[i]} is {_size(values)}, its image "
                f"{height}x{width}; one is upright, the other is not, so the axes are swapped: expected (N, h, w), save "
                "np.swapaxes(array, 1, 2)"
            )
        try:
            grid = (self._taps(0, values, height, rule), self._taps(1, values, width, rule))
        except PredictionError as error:
            raise PredictionError(f"{self.predictions.source}: {self.match.frame_id[i]}: {error}") from error
        return sample(
            self.truth.frame(at),
            with_canvas(values, rule),
            grid,
            crop_box(protocol.crop, height, width),
            self.bounds[k],
        )

    def _semantic_ids(self, i: int, k: int) -> NDArray[np.uint8]:
        """The ids of the points that `_sample` takes."""
        at = self.match.truth[i]
        height, width = (int(side) for side in self.truth.shape[at])
        return self.truth.ids(at)[scored(self.truth.frame(at), crop_box(self.protocols[k].crop, height, width), self.bounds[k])]

    def _taps(self, axis: int, values: NDArray[Any], n_out: int, rule: str) -> Taps:
        key = (axis, values.shape[axis], n_out, rule, values.dtype)
        if key not in self.grids:
            self.grids[key] = taps(values.shape[axis], n_out, rule=rule, axis=axis, dtype=values.dtype)
        return self.grids[key]


def _size(values: NDArray[Any]) -> str:
    return f"{values.shape[0]}x{values.shape[1]}"


def _share(protocols: Sequence[DepthProtocol]) -> list[list[list[int]]]:
    """Positions of the protocols, grouped by how they sample and, inside, by which pixels they score."""

    def sampling(k: int) -> str:
        p = protocols[k]
        return repr((p.resize, p.inversion, p.invalid_prediction, p.flip_fusion, p.dtype))

    def mask(k: int) -> str:
        return repr((protocols[k].crop, protocols[k].depth_range))

    outer = groupby(sorted(range(len(protocols)), key=lambda k: (sampling(k), mask(k))), key=sampling)
    return [[list(inner) for _, inner in groupby(group, key=mask)] for _, group in outer]


def score_points(
    points: Points, protocol: DepthProtocol, *, parts: Sequence[str] = (), ids: NDArray[np.uint8] | None = None
) -> Row:
    """Depth, alignment, clamp and metrics of one image from its sampled quantity; of its parts too, where they are wanted."""
    n = len(points.gt)
    if n == 0:
        empty = 0.0 if protocol.empty_image == "zero" else np.nan
        return Row(0, Alignment(np.nan, np.nan), (empty,) * len(protocol.metrics), NO_GROUND_TRUTH)
    found = depths(points, protocol)
    whole = measure(found, protocol)
    of_parts = score_parts(found, whole, protocol, wanted=parts, ids=ids) if parts else ()
    return Row(n, whole.alignment, whole.values, "", of_parts)


def _table(frame_id: tuple[str, ...], rows: list[Row], protocol: DepthProtocol, wanted: tuple[str, ...]) -> ImageTable:
    values = np.array([row.values for row in rows], np.float64)
    return ImageTable(
        frame_id,
        np.array([row.n_valid for row in rows], np.int64),
        np.array([row.alignment.scale for row in rows]),
        np.array([row.alignment.shift for row in rows]),
        dict(zip(protocol.metrics, values.T, strict=True)),
        tuple(row.reason for row in rows),
        part_table(_part_rows(frame_id, rows, wanted), protocol, wanted) if wanted else None,
    )


def _part_rows(frame_id: tuple[str, ...], rows: list[Row], wanted: tuple[str, ...]) -> list[tuple[str, PartRow]]:
    """The parts of every image; a camera is the whole image."""
    found = []
    for name, row in zip(frame_id, rows, strict=True):
        if "camera" in wanted and not row.reason:
            found.append((name, PartRow("camera", camera_of(name), row.n_valid, row.alignment.scale, row.values)))
        found += [(name, part) for part in row.parts]
    return found
