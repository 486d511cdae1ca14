"""The quickstart's pictures: one frame as several methods see it, and as each of them does."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from benchmark.io.files import atomic_write
from benchmark.quickstart_folder import Places
from benchmark.splits import load_split


class Seen(NamedTuple):
    """A method on the pictures: what it does, and the factor over its disparities that gives metres; None: they are metres."""

    about: str
    factor: float | None = None


def pictures(here: Places, methods: Mapping[str, Seen], compared: Sequence[str], *, split: str, frame: str) -> Iterator[Any]:
    """Draw and write the methods that are compared in one picture, then each in one of its own, as the page takes them."""
    from benchmark.io.ground_truth_hdf5 import read_hdf5
    from benchmark.plots import draw, png, size_px
    from datasets_prep.images import read_image
    from datasets_prep.kitti_raw import image_path
    from datasets_prep.roots import data_root
    from leaderboard.page import Picture

    truth = read_hdf5(here["gt_exact"])
    ids = truth.header.frame_id
    i = ids.index(frame)
    image = read_image(image_path(data_root("kitti_raw", here["data"]), load_split(split).frames[i]))
    maps = {name: _metres(here, name, seen.factor, ids, i) for name, seen in methods.items()}
    here["panels"].mkdir(exist_ok=True)
    for names, path in ((compared, here["comparison"]), *(((name,), here["panels"] / f"{name}.png") for name in methods)):
        figure = draw(image, truth.dense(i), {name: maps[name] for name in names}, columns=min(2, len(names)))
        with atomic_write(path) as file:
            file.write(drawn := png(figure))
        yield Picture(path.relative_to(here["out"]).as_posix(), *size_px(drawn), *_words(names, methods))


def _metres(here: Places, method: str, factor: float | None, ids: tuple[str, ...], i: int) -> NDArray[Any]:
    """The depth (h, w) in metres that a method predicts for a frame."""
    from benchmark.io.predictions import read_predictions

    found = read_predictions(here["predictions"] / f"{method}.npy", ids).load(i)
    return found if factor is None else np.asarray(factor / found)


def _words(names: Sequence[str], methods: Mapping[str, Seen]) -> tuple[str, str, str]:
    """Title, caption and alternative text of a picture."""
    if len(names) > 1:
        caption = "On the left the image and the predictions, on the right the ground truth and the errors."
        alt = f"A rendered street and its exact depth, above the depth maps and the error maps of {', '.join(names)}"
        return f"{', '.join(names)}.", caption, alt
    alt = f"The image, its ground truth, the depth of {names[0]} and its error, one above the other, with two colour bars"
    return names[0], methods[names[0]].about, alt
