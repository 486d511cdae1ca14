"""Looking at a network while it trains: some frames of a split, scored by the engine as any submission is."""

from __future__ import annotations

import csv
import dataclasses
import io
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from baselines.evaluate_run import ground_truth
from baselines.image_cache import load_image
from baselines.infer import disparities
from baselines.networks.interface import DepthNetwork
from baselines.recipe import Recipe
from baselines.samples import find_images
from benchmark.errors import DatasetError, TrainingError
from benchmark.io.files import atomic_write
from benchmark.io.ground_truth import GroundTruth
from benchmark.protocol import DepthProtocol, load_protocol
from benchmark.splits import Split, resolve_split
from datasets_prep.progress import say

UNSCORED = "unscored"


class Validation(NamedTuple):
    """The frames, their images (n, h, w, 3) at the size of the network, their ground truth, and the settings to score under."""

    split: Split
    images: npt.NDArray[np.uint8]
    truth: GroundTruth
    settings: tuple[DepthProtocol, ...]


def open_validation(recipe: Recipe, data: Path | None, folder: Path) -> Validation | None:
    """What `recipe.validate` asks for, its ground truth exported into `folder`; None where it asks for nothing.

    Raises:
        TrainingError: images or ground truth are missing.
    """
    if recipe.validate is None:
        return None
    from benchmark.io.ground_truth_hdf5 import read_hdf5

    protocol = load_protocol(recipe.validate.protocol)
    split = _chosen(resolve_split(recipe.validate.split), recipe.validate.frames, folder)
    if recipe.validate.frames > len(split.frames):
        say(f"note: validate.frames is {recipe.validate.frames}, {recipe.validate.split} has {len(split.frames)}: it takes all")
    listed = split.source if split.role == "custom" else split.name
    try:
        truth = ground_truth(protocol, data, folder, split=listed)
        files = find_images(split, data)
    except DatasetError as error:
        raise TrainingError(f"validation on {recipe.validate.split}: {error}. Or train with --no-validation") from error
    height, width = recipe.data.size
    images = [load_image(path, size=(height, width), resampler=recipe.data.resampler) for path in files]
    scalings = recipe.evaluate.scalings if recipe.evaluate is not None else (protocol.scaling,)
    settings = tuple(dataclasses.replace(protocol, scaling=scaling) for scaling in scalings or (protocol.scaling,))
    return Validation(split, np.stack(images), read_hdf5(truth), settings)


def validate(validation: Validation, depth: DepthNetwork) -> dict[str, float]:
    """The mean of every metric over the frames that the engine could score, as `<scaling>/<metric>`; where it could not score
    all of them, their number as `<scaling>/unscored`."""
    from benchmark.evaluate_depth import evaluate_settings
    from benchmark.io.predictions import ArrayPredictions
    from benchmark.matching import match

    device = next(depth.parameters()).device
    predictions = ArrayPredictions(disparities(depth, validation.images, device=device), frame_id=validation.split.frame_ids)
    joined = match(validation.truth, predictions, split=validation.split, pred_split=validation.split)
    tables = evaluate_settings(validation.truth, predictions, validation.settings, match=joined)
    scores: dict[str, float] = {}
    for setting, table in zip(validation.settings, tables, strict=True):
        unscored = 0
        for name, values in table.values.items():
            known = values[~np.isnan(values)]
            scores[f"{setting.scaling}/{name}"] = float(known.mean()) if len(known) else float("nan")
            unscored = max(unscored, len(values) - len(known))
        if unscored:
            scores[f"{setting.scaling}/{UNSCORED}"] = unscored
    return scores


def _chosen(split: Split, count: int, folder: Path) -> Split:
    """So many frames of a split, evenly spaced, as a list of their own in `folder`."""
    if count >= len(split.frames):
        return split
    places = np.linspace(0, len(split.frames) - 1, count).round().astype(int)
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(("drive", "camera", "frame"))
    rows.writerows(split.frames[i] for i in places)
    path = folder / "frames.csv"
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_write(path) as file:
        file.write(text.getvalue().encode())
    return resolve_split(str(path))
