"""Predictions -> the pack that a challenge server takes: resized as `evaluate` does, in metres, as 16-bit PNGs."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmark.align import STEREO_FACTOR
from benchmark.errors import OptionError, PredictionError
from benchmark.io.manifest import read_manifest
from benchmark.io.predictions import Predictions, positions, read_predictions
from benchmark.io.submissions import METRE, PACK_FORMATS, PackFormat, encode_png16, write_pack
from benchmark.sampling import sample, taps
from benchmark.splits import load_split, resolve_split

# The first depth that is not "no prediction" and, kept away from the value of a number that ran over, the last.
DEPTH_RANGE_M = (1 / METRE, 255.99)


@dataclass(frozen=True)
class PackRequest:
    """What a user asks `pack` for; None takes the manifest's word, else the default."""

    form: str
    pred: Path
    out: Path
    kind: str | None = None
    scaling: str = "none"
    like: str | None = None
    count: int | None = None


@dataclass(frozen=True)
class Packed:
    """What was written: images, bytes of the zip, and pixels (in how many images) whose depth did not fit."""

    path: Path
    form: str
    count: int
    n_bytes: int
    clipped_pixels: int
    clipped_images: int

    def text(self) -> str:
        """Lines for the terminal."""
        lines = [f"wrote {self.path}: {self.count} images for the {PACK_FORMATS[self.form].title}, {self.n_bytes / 1e6:.1f} MB"]
        if self.clipped_pixels:
            lines.append(f"{self.clipped_pixels} pixels of {self.clipped_images} images lay outside the depths kept: clipped")
        return "\n".join(lines)


def pack(request: PackRequest) -> Packed:
    """Write the pack of one server.

    Raises:
        OptionError: options that do not belong together.
        PredictionError: the predictions are not those of the server's images, or a pixel is no depth.
        ResultError: the file cannot be written.
    """
    form = PACK_FORMATS[request.form]
    _check_options(request, form)
    manifest = read_manifest(request.pred)
    kind = request.kind or manifest.kind or "disparity"
    count = request.count or form.count
    names = form.names(count)
    ids = load_split(form.split).frame_ids if form.split else tuple(name.removesuffix(".png") for name in names)
    order = resolve_split(manifest.split).frame_ids if form.split and manifest.split else ids
    # Without a list of its own a form is joined by position alone: a folder must not be searched for these names twice.
    predictions = read_predictions(manifest.predictions, () if form.split is None and manifest.predictions.is_dir() else order)
    _check_kind(predictions, kind, request.like)
    where = _join(predictions, order, ids, form)
    clipped = np.zeros(count, np.int64)

    def encode(i: int) -> bytes:
        values = predictions.load(where[i])
        _check_values(values, f"{predictions.source}: the prediction of {ids[i]}", form)
        with np.errstate(over="ignore", divide="ignore"):
            depth = _depth(values, kind, form, request)
        raw, clipped[i] = (raw_monodepth2 if request.like else raw_depth)(depth)
        return encode_png16(raw)

    write_pack(request.out, request.form, encode, count=count)
    n_bytes = request.out.stat().st_size
    return Packed(request.out, request.form, count, n_bytes, int(clipped.sum()), int(np.count_nonzero(clipped)))


def raw_depth(depth_m: NDArray[Any]) -> tuple[NDArray[np.uint16], int]:
    """Metres (h, w) as 1/256 m, rounded, inside DEPTH_RANGE_M; and how many pixels were not."""
    low, high = DEPTH_RANGE_M
    outside = int(np.count_nonzero((depth_m < low) | (depth_m > high)))
    return np.rint(np.clip(depth_m, low, high) * METRE).astype(np.uint16), outside


def raw_monodepth2(depth_m: NDArray[Any]) -> tuple[NDArray[np.uint16], int]:
    """Metres (h, w) as Monodepth2's evaluate_depth.py stores them: clipped to [0, 80], truncated to 1/256 m."""
    return (np.clip(depth_m, 0, 80) * METRE).astype(np.uint16), int(np.count_nonzero(depth_m > 80))


def resize(values: NDArray[Any], size: tuple[int, int]) -> NDArray[Any]:
    """`values` (h, w) at every pixel of `size`, by the very rule and code with which `evaluate` reads single pixels."""
    height, width = size
    grid = [taps(values.shape[k], size[k], rule="half_pixel", axis=k, dtype=values.dtype) for k in (0, 1)]
    points = sample(_everywhere(size), values, (grid[0], grid[1]), (0, height, 0, width), (np.float32(0), np.float32(2)))
    return points.pred.reshape(size)


@cache
def _everywhere(size: tuple[int, int]) -> tuple[NDArray[np.int64], NDArray[np.uint16], NDArray[np.float32]]:
    """A ground truth, as `sample` takes it, of 1 m at every pixel."""
    height, width = size
    columns = np.tile(np.arange(width, dtype=np.uint16), height)
    return np.arange(height + 1, dtype=np.int64) * width, columns, np.ones(height * width, np.float32)


def _depth(values: NDArray[Any], kind: str, form: PackFormat, request: PackRequest) -> NDArray[Any]:
    """A prediction as metres, resized where the server takes one size."""
    if request.like and form.size:
        import cv2  # Monodepth2's own resize: it differs from ours by one rounding, which truncation would let through

        return np.asarray(STEREO_FACTOR / cv2.resize(values, form.size[::-1]))
    if form.size is None and kind == "depth":
        depth = values
    elif form.size is None:
        depth = 1 / values
    else:
        depth = 1 / resize(1 / values if kind == "depth" else values, form.size)
    return np.asarray(depth * STEREO_FACTOR if request.scaling == "stereo" else depth)


def _check_options(request: PackRequest, form: PackFormat) -> None:
    if request.out.suffix != ".zip":
        raise OptionError(f"--out {request.out}: the servers take zips; choose a name that ends in .zip")
    if form.split and request.count not in {None, form.count}:
        raise OptionError(f"--count {request.count}: the {form.title} has {form.count} images; leave --count out")
    if request.form != "kitti_benchmark" and (request.scaling != "none" or request.like):
        what = "--like monodepth2" if request.like else "--scaling stereo"
        raise OptionError(f"{what}: belongs to KITTI's stereo rig; the {form.title} takes metres as they were predicted")


def _check_kind(predictions: Predictions, kind: str, like: str | None) -> None:
    if predictions.declared not in {None, kind}:
        raise PredictionError(
            f"{predictions.source}: files of this form hold {predictions.declared}, and they were said to hold {kind}; add "
            f"`--kind {predictions.declared}`"
        )
    if like and kind != "disparity":
        raise OptionError(f"--like {like}: it packs disparities, and {predictions.source} holds {kind}; leave --like out")


def _join(predictions: Predictions, order: tuple[str, ...], ids: tuple[str, ...], form: PackFormat) -> list[int]:
    """Where the prediction of each image lies; an array has the frames of `order`."""
    if predictions.frame_id is None and len(predictions) != len(order):
        raise PredictionError(
            f"{predictions.source}: holds {len(predictions)} predictions; expected {len(order)}, in order, for the "
            f"{form.title}: predict exactly these"
        )
    found = positions(predictions, order, ids)
    missing = [name for name, i in zip(ids, found, strict=True) if i is None]
    if missing:
        raise PredictionError(
            f"{predictions.source}: {len(missing)} of the {len(ids)} images of the {form.title} have no prediction, the first "
            f"is {missing[0]}; the server takes all or nothing: predict them"
        )
    return [i for i in found if i is not None]


def _check_values(values: NDArray[Any], what: str, form: PackFormat) -> None:
    """Also with `--like`: cast to 16 bits, NaN, inf and values below zero would become ordinary depths or holes."""
    low, high = values.min(), values.max()  # both propagate NaN
    if not (low > 0 and np.isfinite(high)):
        row, column = np.argwhere(~(np.isfinite(values) & (values > 0)))[0]
        raise PredictionError(
            f"{what} is {values[row, column]} at row {row}, column {column}; expected finite values above zero: mend the "
            "network's output, because the server would score a hole or another depth there"
        )
    h, w = values.shape
    if h > w and form.size:
        raise PredictionError(
            f"{what} is {h}x{w}, its image {form.size[0]}x{form.size[1]}; one is upright, the other is not, so the axes are "
            "swapped: expected (N, h, w), save np.swapaxes(array, 1, 2)"
        )
