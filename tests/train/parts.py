"""What a network has learnt, part by part: all pixels, the Garg crop, and each class of the street world."""

import dataclasses
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmark.evaluate_depth import evaluate_settings
from benchmark.io.ground_truth import GroundTruth, assemble, sparsify
from benchmark.io.ground_truth_hdf5 import read_hdf5
from benchmark.io.predictions import ArrayPredictions, read_predictions
from benchmark.matching import match
from benchmark.protocol import load_protocol
from benchmark.splits import Split, load_split
from datasets_prep.world.labels import read_instances

SPLIT, PROTOCOL = "world_small/test", "world_exact"
METRES = 5.327  # the rig's baseline in units of the network's 0.1
CLASSES = {
    "ground": (7, 8, 9, 22), "buildings": (11,), "cars": (26,), "trees": (21,), "poles, signs": (17, 20), "other": (4, 24),
}  # fmt: skip
WHOLE = ("all pixels", "Garg crop")


def abs_rel(predictions: Path, truth: Path, world: Path, *, factor: float) -> dict[tuple[str, str], float]:
    """Mean abs_rel by (part, "median" or "raw").

    A class is scored at the pixels of that class; median scaling takes the scale that the whole image has.

    Args:
        predictions: `.npy` of the test split: disparities, or metres where its manifest says so.
        truth: the exported exact depth of the split.
        world: the rendered folder, with its labels.
        factor: that makes metres of what the file holds.
    """
    split, whole = load_split(SPLIT), read_hdf5(truth)
    kind = "depth" if "kind: depth" in predictions.with_suffix(".yaml").read_text() else "disparity"
    given = read_predictions(predictions, split.frame_ids)
    maps = np.stack([given.load(i).copy() for i in range(len(given))])
    found = {}
    protocol = load_protocol(PROTOCOL)
    rules = {"median": "median", "raw": f"factor={factor!r}"}
    joined = match(whole, ArrayPredictions(maps), split=split, pred_split=split)
    for part, crop in zip(WHOLE, ("none", "garg"), strict=True):
        settings = [dataclasses.replace(protocol, scaling=rule, crop=crop) for rule in rules.values()]
        tables = evaluate_settings(whole, ArrayPredictions(maps), settings, match=joined, kind=kind)
        found |= {(part, name): float(table.values["abs_rel"].mean()) for name, table in zip(rules, tables, strict=True)}
        if part == WHOLE[0]:
            scales = {"median": tables[0].scale, "raw": np.full(len(maps), factor)}
    masks = [_classes(world, split, i) for i in range(len(maps))]
    for part, ids in CLASSES.items():
        kept = _only(whole, [np.isin(mask, ids) for mask in masks])
        for name, scale in scales.items():
            metres = maps * scale[:, None, None] if kind == "depth" else maps / scale[:, None, None]
            setting = dataclasses.replace(protocol, scaling="factor=1.0")
            table = evaluate_settings(kept, ArrayPredictions(metres.astype(np.float32)), [setting], match=joined, kind=kind)[0]
            found[part, name] = float(np.nanmean(table.values["abs_rel"]))  # a frame without the class is a row of NaN
    return found


def _classes(world: Path, split: Split, i: int) -> NDArray[np.uint8]:
    frame = split.frames[i]
    folder = world / "world_labels" / frame.drive / "instance" / frame.camera
    return read_instances(folder / f"{frame.number:010d}.png")[0]


def _only(truth: GroundTruth, masks: list[NDArray[np.bool_]]) -> GroundTruth:
    """The ground truth at the marked pixels alone."""
    depths = [truth.dense(i) * mask for i, mask in enumerate(masks)]
    header = dataclasses.replace(truth.header, data_scale=None)
    return assemble(header, [sparsify(depths, np.eye(3))])
