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
from benchmark.io.manifest import Manifest, read_manifest
from benchmark.io.predictions import Predictions, hold_to_form, positions, read_predictions
from benchmark.io.submissions import METRE, PACK_FORMATS, STREET_M, PackFormat, encode_png16, write_pack
from benchmark.sampling import sample, taps
from benchmark.splits import find_entry, load_split, resolve_split

# The first depth that is not "no prediction" and, kept away from the value of a number that ran over, the last.
DEPTH_RANGE_M = (1 / METRE, 255.99)
LIKE_RANGE_M = (0.0, 80.0)  # Monodepth2's evaluate_depth.py
MAX_CLIPPED = 0.5  # share of all pixels
CHALLENGE_IDS = "val/CAMERA_01/"  # and a position, as benchmark/io/ddad_challenge.py names the frames


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
class _Tally:
    """Of each image (N, 4): pixels nearer and farther than `kept_m`, all pixels, and the median raw depth of every fourth."""

    kept_m: tuple[float, float]
    images: NDArray[np.float64]

    def add(self, i: int, depth: NDArray[Any], raw: NDArray[np.uint16]) -> None:
        near, far = self.kept_m
        self.images[i] = np.sum(depth < near), np.sum(depth > far), raw.size, np.median(raw[::4, ::4])

    def shares(self) -> tuple[float, float]:
        """Of the pixels that were clipped at the near and at the far end."""
        near, far, pixels, _ = self.images.sum(axis=0)
        return float(near / pixels), float(far / pixels)

    def median_m(self) -> float:
        """The median of the images' median depths."""
        return float(np.median(self.images[:, 3])) / METRE

    def text(self) -> str:
        """The clipped pixels in words."""
        near, far = self.shares()
        low, high = self.kept_m
        return f"{near:.1%} of the pixels lay nearer than {low:.3g} m and {far:.1%} farther than {high:g} m"

    def judge(self, what: str) -> None:
        """PredictionError where a server would score the ends alone."""
        if sum(self.shares()) > MAX_CLIPPED:
            raise PredictionError(
                f"{what}, {self.text()}, so that the pack would hold little else than these two ends; expected depths of a "
                "street: say another --kind, or scale the predictions to metres"
            )


@dataclass(frozen=True)
class Packed:
    """What was written: images, bytes of the zip, and what their depths were like."""

    path: Path
    form: str
    count: int
    n_bytes: int
    tally: _Tally

    def text(self) -> str:
        """Lines for the terminal."""
        images = "1 image" if self.count == 1 else f"{self.count} images"
        lines = [f"wrote {self.path}: {images} for the {PACK_FORMATS[self.form].title}, {self.n_bytes / 1e6:.1f} MB"]
        if any(self.tally.shares()):
            lines.append(f"{self.tally.text()}: clipped")
        (low, high), median = STREET_M, self.tally.median_m()
        if not low <= median <= high:
            lines.append(
                f"warning: the median depth is {median:.3g} m, expected {low:g} to {high:g} m on streets: is --kind right, and "
                "are these metres? Depths up to scale are scored only where the server scales them"
            )
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
    _check_split(manifest, form)
    count = request.count or form.count
    names = form.names(count)
    ids = load_split(form.split).frame_ids if form.split else tuple(name.removesuffix(".png") for name in names)
    order = resolve_split(manifest.split).frame_ids if form.split and manifest.split else ids
    # Without a list of its own a form is joined by position alone: a folder must not be searched for these names twice.
    predictions = read_predictions(manifest.predictions, () if form.split is None and manifest.predictions.is_dir() else order)
    kind = _kind(predictions, request.kind or manifest.kind, form)
    if request.like and kind != "disparity":
        raise OptionError(f"--like {request.like}: it packs disparities, and {predictions.source} holds {kind}; leave it out")
    where = _join(predictions, order, ids, form)
    tally = _Tally(LIKE_RANGE_M if request.like else DEPTH_RANGE_M, np.zeros((count, 4)))

    def encode(i: int) -> bytes:
        values = predictions.load(where[i])
        _check_values(values, f"{predictions.source}: the prediction of {ids[i]}", form)
        with np.errstate(over="ignore", divide="ignore"):
            depth = _depth(values, kind, form, request)
        raw = raw_monodepth2(depth) if request.like else raw_depth(depth)
        tally.add(i, depth, raw)
        return encode_png16(raw)

    write_pack(
        request.out,
        request.form,
        encode,
        count=count,
        verdict=lambda: tally.judge(f"{predictions.source}: taken to hold {kind}"),
    )
    return Packed(request.out, request.form, count, request.out.stat().st_size, tally)


def raw_depth(depth_m: NDArray[Any]) -> NDArray[np.uint16]:
    """Metres (h, w) as 1/256 m, rounded, inside DEPTH_RANGE_M."""
    return np.asarray(np.rint(np.clip(depth_m, *DEPTH_RANGE_M) * METRE).astype(np.uint16))


def raw_monodepth2(depth_m: NDArray[Any]) -> NDArray[np.uint16]:
    """Metres (h, w) as Monodepth2's evaluate_depth.py stores them: clipped to [0, 80], truncated to 1/256 m."""
    return np.asarray((np.clip(depth_m, *LIKE_RANGE_M) * METRE).astype(np.uint16))


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
    if request.out.suffix.lower() != ".zip":
        raise OptionError(f"--out {request.out}: the servers take zips; choose a name that ends in .zip")
    if form.split and request.count not in {None, form.count}:
        raise OptionError(f"--count {request.count}: the {form.title} has {form.count} images; leave --count out")
    if request.form != "kitti_benchmark" and (request.scaling != "none" or request.like):
        what = "--like monodepth2" if request.like else "--scaling stereo"
        raise OptionError(f"{what}: belongs to KITTI's stereo rig; the {form.title} takes metres as they were predicted")


def _check_split(manifest: Manifest, form: PackFormat) -> None:
    """The frames that a manifest names are of the server's data set."""
    if manifest.split is None:
        return
    entry = find_entry(manifest.split)
    dataset = entry.dataset if entry else resolve_split(manifest.split).dataset
    if (dataset == "ddad") != (form.split is None):
        raise PredictionError(
            f"{manifest.predictions}: its manifest says that it was predicted for {manifest.split}, frames of {dataset}; "
            f"expected the images of the {form.title}: predict those"
        )


def _kind(predictions: Predictions, said: str | None, form: PackFormat) -> str:
    """What the predictions hold: what was said, what their form says, what is usual for the server."""
    kind = said or predictions.declared or form.kind
    if kind is None:
        raise OptionError(
            f"{predictions.source}: nothing says what it holds, and the {form.title} has predictions of every kind; add "
            "`--kind depth` for metres, `--kind inverse_depth` or `--kind disparity` for 1/metres"
        )
    hold_to_form(predictions, kind)
    return kind


def _join(predictions: Predictions, order: tuple[str, ...], ids: tuple[str, ...], form: PackFormat) -> list[int]:
    """Where the prediction of each image lies; an array has the frames of `order`."""
    if predictions.frame_id is None and len(predictions) != len(order):
        raise PredictionError(
            f"{predictions.source}: holds {len(predictions)} predictions; expected {len(order)}, in order, for the "
            f"{form.title}: predict exactly these"
        )
    if form.split is None and predictions.frame_id and predictions.frame_id[0].startswith(CHALLENGE_IDS):
        ids = tuple(f"{CHALLENGE_IDS}{int(name)}" for name in ids)
    found = positions(predictions, order, ids)
    missing = [name for name, i in zip(ids, found, strict=True) if i is None]
    if missing:
        named = f" (the file names its predictions like {predictions.frame_id[0]!r})" if predictions.frame_id else ""
        raise PredictionError(
            f"{predictions.source}: {len(missing)} of the {len(ids)} images of the {form.title} have no prediction, the first "
            f"is {missing[0]}{named}; the server takes all or nothing: predict them"
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
    if h > w:
        raise PredictionError(
            f"{what} is {h}x{w}, upright, and no image of the {form.title} is, so the axes are swapped: expected (N, h, w), "
            "save np.swapaxes(array, 1, 2)"
        )
