"""Pictures of depth: the image, the ground truth, predictions and their errors on colour scales that all of them share.

Arrays in, a figure out; nothing is scaled or aligned here. Depth is shown on a logarithmic scale, near structure bright and
far structure dark, so that a metre counts at 5 m and not at 60 m. The error is the ratio prediction / truth, also
logarithmic: half and twice the depth are equally far from the neutral middle. Every picture pixel is a whole number of
figure pixels, so that equal depths have equal colours.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

PAPER, INK, NOTHING = "#14171c", "#e6e8eb", "#7f8388"  # background, text, and where there is no ground truth
LARGEST_SCALE_PX = 1280  # small pictures are enlarged to at most this width
DPI = 100


@dataclass(frozen=True)
class Scale:
    """A colour scale: matplotlib's name of the map, its two ends, the marked values, how a value and the bar are written."""

    colours: str
    ends: tuple[float, float]
    ticks: tuple[float, ...]
    form: str
    label: str


SCALES = {
    "depth": Scale("magma_r", (3.0, 80.0), (3, 5, 10, 20, 40, 80), "{:g}", "depth [m]"),
    # 1.25 and its inverse are the bounds of the metric δ<1.25.
    "ratio": Scale("RdBu", (0.5, 2.0), (0.5, 0.8, 1, 1.25, 2), "{:g}", "too near  ·  prediction / truth  ·  too far"),
}


class Cell(NamedTuple):
    """One picture: its title, (h, w, 3) uint8 or (h, w) values, and the colour scale of values; None for an image."""

    title: str
    pixels: NDArray[Any]
    scale: str | None


def draw(image: NDArray[np.uint8], truth: NDArray[Any], predictions: Mapping[str, NDArray[Any]], *, columns: int = 1) -> Figure:
    """A figure of the image, its ground truth, and each prediction with its error.

    Args:
        image: (H, W, 3) RGB.
        truth: (H, W) metres, 0 where there is none.
        predictions: (h, w) metres by method; another size than the image's is resampled to the nearest pixel.
        columns: 1 stacks everything; 2 puts image and truth, prediction and error side by side.
    """
    cells = [Cell("image", image, None), Cell("ground truth (grey: none)", np.where(truth > 0, truth, np.nan), "depth")]
    for method, prediction in predictions.items():
        metres = nearest(prediction, truth.shape)
        cells += [Cell(method, metres, "depth"), Cell(f"error of {method}", ratio(truth, metres), "ratio")]
    return _figure([cells[i : i + columns] for i in range(0, len(cells), columns)], truth.shape)


def draw_cameras(images: Mapping[str, NDArray[np.uint8]], depths: Mapping[str, NDArray[Any]]) -> Figure:
    """A row of images (H, W, 3) of one size, each under its name, with the depth (H, W) in metres of pixels that have one."""
    cells = [Cell(name, overlay(image, depths[name]), None) for name, image in images.items()]
    return _figure([cells], depths[cells[0].title].shape, bars=("depth",))


def overlay(image: NDArray[np.uint8], depth: NDArray[Any]) -> NDArray[np.uint8]:
    """The image, greyer, with the pixels of a known depth in its colour."""
    calm = (0.45 * image + 0.45 * image.mean(axis=-1, keepdims=True)).astype(np.uint8)
    return np.where((depth > 0)[..., None], _coloured(np.where(depth > 0, depth, np.nan), "depth")[..., :3], calm)


def ratio(truth: NDArray[Any], prediction: NDArray[Any]) -> NDArray[np.float64]:
    """prediction / truth of each pixel, NaN where there is no ground truth."""
    out = np.full(truth.shape, np.nan)
    return np.asarray(np.divide(prediction, truth, out=out, where=truth > 0))


def nearest(values: NDArray[Any], shape: Sequence[int]) -> NDArray[Any]:
    """A map (h, w) at another size, each pixel from the one under its centre."""
    rows, columns = ((np.arange(n_out) * n_in + n_in // 2) // n_out for n_in, n_out in zip(values.shape, shape, strict=True))
    return np.asarray(values[np.ix_(np.minimum(rows, values.shape[0] - 1), np.minimum(columns, values.shape[1] - 1))])


def png(figure: Figure) -> bytes:
    """The figure as the bytes of a PNG file; the same figure gives the same bytes."""
    out = io.BytesIO()
    figure.savefig(out, format="png", facecolor=figure.get_facecolor(), metadata={"Software": None})
    return out.getvalue()


def size_px(image: bytes) -> tuple[int, int]:
    """Width and height in pixels of the bytes of a PNG file (ISO 15948, 11.2.2)."""
    width, height = struct.unpack_from(">II", image, 16)
    return width, height


def _figure(rows: Sequence[Sequence[Cell]], shape: Sequence[int], bars: Sequence[str] = tuple(SCALES)) -> Figure:
    """The cells in rows from the top, and a bar for each of the colour scales below; positions are in figure pixels."""
    from matplotlib.figure import Figure

    columns = len(rows[0])
    factor = max(1, LARGEST_SCALE_PX // (columns * shape[1]))
    height, width = shape[0] * factor, shape[1] * factor
    full = columns * width
    line = min(round(full / 36 / columns**0.3), width // 15)  # height of the text
    gap = line // 2
    size = (full + gap * (columns + 1), len(rows) * (height + 2 * line) + 5 * line)
    figure = Figure(figsize=(size[0] / DPI, size[1] / DPI), dpi=DPI, facecolor=PAPER)
    for i, row in enumerate(rows):
        for k, cell in enumerate(row):
            top = i * (height + 2 * line) + 2 * line
            box = (gap + k * (width + gap), size[1] - top - height, width, height)
            axes = _axes(figure, box, size)
            _show(axes, cell)
            figure.text(box[0] / size[0], (box[1] + height + 0.45 * line) / size[1], cell.title, color=INK, size=_points(line))
    bar = (size[0] - 7 * line) // 2
    for k, name in enumerate(bars):
        box = (2 * line + k * (bar + 3 * line), 3 * line, bar, round(0.7 * line))
        _bar(_axes(figure, box, size), SCALES[name], line)
    return figure


def _axes(figure: Figure, box: tuple[int, int, int, int], size: tuple[int, int]) -> Axes:
    """Axes without frame at (left, bottom, width, height) figure pixels."""
    axes = figure.add_axes((box[0] / size[0], box[1] / size[1], box[2] / size[0], box[3] / size[1]))
    axes.set(xticks=[], yticks=[])
    for spine in axes.spines.values():
        spine.set_visible(False)
    return axes


def _show(axes: Axes, cell: Cell) -> None:
    if cell.scale is None:
        axes.imshow(cell.pixels, interpolation="nearest", aspect="auto")
        return
    axes.imshow(_coloured(cell.pixels, cell.scale), interpolation="nearest", aspect="auto")


def _coloured(values: NDArray[Any], scale: str) -> NDArray[np.uint8]:
    """Values (h, w) in the colours (h, w, 4) of a scale, NaN in its own."""
    from matplotlib import colormaps
    from matplotlib.colors import LogNorm

    colours = colormaps[SCALES[scale].colours].with_extremes(bad=NOTHING)
    return np.asarray(colours(LogNorm(*SCALES[scale].ends)(np.ma.masked_invalid(values)), bytes=True))


def _bar(axes: Axes, scale: Scale, line: int) -> None:
    """A colour bar along the axes, its marks below and its label below these."""
    from matplotlib import colormaps

    axes.imshow(colormaps[scale.colours](np.linspace(0, 1, 512)[None], bytes=True), aspect="auto", extent=(0, 1, 0, 1))
    low, high = np.log(scale.ends)
    marks = (np.log(scale.ticks) - low) / (high - low)
    axes.set_xticks(marks, [scale.form.format(tick) for tick in scale.ticks])
    axes.tick_params(colors=INK, labelsize=_points(0.85 * line), length=0.25 * line * 72 / DPI, pad=0.1 * line)
    axes.set_xlabel(scale.label, color=INK, size=_points(0.85 * line), labelpad=0.1 * line)


def _points(pixels: float) -> float:
    return pixels * 72 / DPI
