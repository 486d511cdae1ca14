"""Would a challenge server take this zip, and would its score mean something? `depthbench check PACK.zip` alone.

What the servers refuse or misread is refused here, what they only score badly is a warning. Against ground truth a pack is
checked like any other predictions, see `check`.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from benchmark.checks import values
from benchmark.checks.case import Case
from benchmark.checks.finding import Finding
from benchmark.checks.samples import FRAMES, Array, Values, choose_evenly, thumbnail
from benchmark.errors import PredictionError
from benchmark.io.submissions import METRE, PACK_FORMATS, STREET_M, PackPredictions, read_pack
from benchmark.io.submissions.reading import SATURATED
from benchmark.io.submissions.writing import in_threads

TITLES = {
    "form": "a whole zip of the server's files in its root: names, number, 16 bits, size",
    "holes": "pixels of 0, which say that there is no prediction",
    "overrun": "pixels of 65535, where a number ran over",
    "metres": "depths of a street in 1/256 m",
    "constant": "one value per image",
    "prior": "the same for every image",
    "quantised": "coarse steps",
    "eight_bit": "at most 256 values",
}


class _Look(NamedTuple):
    """One image: pixels that are 0 and 65535, the median of the others in metres, and a thumbnail for sampled ones."""

    holes: int
    overrun: int
    median_m: float
    constant: bool
    thumbnail: Array | None


def check_pack(path: Path, *, count: int | None = None) -> list[Finding]:
    """One finding a defect, in the order of `TITLES`; every pixel is looked at. `count` replaces the published number.

    Raises:
        PredictionError: there is no such file, or it may not be read.
    """
    if not path.is_file():
        raise PredictionError(f"{path}: no such file; expected a pack, as `depthbench pack` writes it")
    try:
        pack = read_pack(path, count=count)
        sampled = {*choose_evenly(len(pack), FRAMES)}
        looks = [*in_threads(lambda i: _look(pack, i, sampled=i in sampled), len(pack), label="check")]
    except PredictionError as error:
        why = "the pack could not be read"
        refused = Finding("form", "refuse", str(error).removeprefix(f"{path}: "))
        return [refused, *(Finding(name, "not judged", why) for name in [*TITLES][1:])]
    case = Case("depth", Values.of([look.thumbnail for look in looks if look.thumbnail is not None]))
    with np.errstate(all="ignore"):
        shown = [judge(case) for judge in (values.prior, values.quantised, values.eight_bit)]
    return [
        _form(pack),
        _pixels(pack, "holes", [look.holes for look in looks]),
        _pixels(pack, "overrun", [look.overrun for look in looks]),
        _metres(looks),
        _constant(looks),
        *shown,
    ]


def _look(pack: PackPredictions, i: int, *, sampled: bool) -> _Look:
    raw = pack.decode(i)
    holes, overrun = int(np.count_nonzero(raw == 0)), int(np.count_nonzero(raw == SATURATED))
    filled = raw[(raw > 0) & (raw < SATURATED)] if holes or overrun else raw
    median = float(np.median(filled)) / METRE if filled.size else float("nan")
    return _Look(holes, overrun, median, bool(raw.min() == raw.max()), thumbnail(raw) if sampled else None)


def _form(pack: PackPredictions) -> Finding:
    upright = [i for i, (h, w) in enumerate(pack.sizes) if h > w]
    if upright:
        h, w = pack.sizes[upright[0]]
        message = (
            f"{pack.name(upright[0])} has {h} rows of {w} pixels, and no camera of the {PACK_FORMATS[pack.form].title} stands "
            "upright: the axes are swapped, pack the transposed depths"
        )
        return Finding("form", "refuse", message, {"images": len(upright)})
    sizes = [f"{h}x{w}" for h, w in sorted(set(pack.sizes))]
    shown = ", ".join(sizes[:3]) + (f" and {len(sizes) - 3} more sizes" if len(sizes) > 3 else "")
    images = "1 image" if len(pack) == 1 else f"{len(pack)} images"
    return Finding("form", "fine", f"{images} of {shown} for the {PACK_FORMATS[pack.form].title}")


def _pixels(pack: PackPredictions, name: str, counts: Sequence[int]) -> Finding:
    """No pixel may hold a value that is no depth."""
    value, meaning = {
        "holes": (0, "it says that there is no prediction, and a server counts it as wrong or fills it in"),
        "overrun": (SATURATED, "a depth ran over there, or was clipped at the end of 16 bits"),
    }[name]
    images = [i for i, n in enumerate(counts) if n]
    if not images:
        return Finding(name, "fine", f"no pixel of {len(counts)} images is {value}")
    total, largest = sum(counts), PACK_FORMATS[pack.form].largest
    message = (
        f"{total} pixel{'s' * (total > 1)} in {len(images)} of {len(counts)} images hold {value}, the first in "
        f"{pack.name(images[0])}: {meaning}; expected 1 to {SATURATED - 1} everywhere: clip the depths before they are "
        "stored, or write the file with `depthbench pack`"
    )
    return Finding(name, "warn" if 0 < value <= largest else "refuse", message, {"pixels": total, "images": len(images)})


def _metres(looks: Sequence[_Look]) -> Finding:
    medians = np.array([look.median_m for look in looks])
    if np.isnan(medians).all():
        return Finding("metres", "not judged", "no pixel holds a depth")
    median = float(np.nanmedian(medians))
    low, high = STREET_M
    evidence = {"median_m": median}
    if low <= median <= high:
        return Finding("metres", "fine", f"median depth {median:.1f} m", evidence)
    message = (
        f"the median depth is {median:.3g} m where a server divides by {METRE}; expected {low:g} to {high:g} m on streets: "
        f"store metres times {METRE}, unless the depths are up to scale and the server scales them"
    )
    return Finding("metres", "warn", message, evidence)


def _constant(looks: Sequence[_Look]) -> Finding:
    n = sum(look.constant for look in looks)
    if n:
        message = f"{n} of {len(looks)} images are one constant: they say nothing about what was seen"
        return Finding("constant", "warn", message, {"images": n})
    return Finding("constant", "fine", f"no image of {len(looks)} is constant")
