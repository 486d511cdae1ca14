"""The folders that the authors' code reads: images under their published paths, as links, and the lists of frames."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import NamedTuple

from baselines.recipe import Recipe
from baselines.samples import Samples, find_samples, find_split
from benchmark.errors import TrainingError
from benchmark.split_formats import export_text
from benchmark.splits import read_index

# Which of the code's --dataset and --split reads a data set; the lists in that place of the copy become ours.
KINDS = {"kitti_raw": ("kitti", "eigen_zhou"), "kitti_odometry": ("kitti_odom", "odom")}
SPLITS = {"kitti_eigen_full": "eigen_full", "kitti_benchmark": "benchmark"}


class Lists(NamedTuple):
    """The samples to train on, and those at whose loss the code looks now and then."""

    train: Samples
    val: Samples


def find_lists(recipe: Recipe, data: Path | None) -> Lists:
    """The recipe's split, and the one for validation that belongs to it; without one the code looks at the training's.

    Raises:
        InputError: images are missing.
        TrainingError: the images are partly PNG and partly JPEG, or the split is less than a batch.
    """
    index = read_index()
    sibling = f"{recipe.data.split.rpartition('/')[0]}/val"
    val = recipe.validate.split if recipe.validate is not None else sibling if sibling in index else recipe.data.split
    lists = Lists(*(_samples(recipe, name, data) for name in (recipe.data.split, val)))
    if len(lists.train) < recipe.schedule.batch:
        raise TrainingError(
            f"{recipe.data.split}: {len(lists.train)} samples are less than a batch of {recipe.schedule.batch}, and the code "
            "leaves an incomplete batch out; choose a longer list or a smaller batch"
        )
    kinds = {one.image_format for one in lists}
    if "mixed" in kinds or len(kinds) > 1:
        raise TrainingError(
            f"{lists.train.root}: images are partly PNG and partly JPEG, and the authors' code reads one kind in a run; "
            "convert the rest with `depthbench datasets jpg`, and pass the folder of the JPEGs as --data"
        )
    return lists


def _samples(recipe: Recipe, split: str, data: Path | None) -> Samples:
    return find_samples(
        find_split(split, data), data, context=recipe.data.context, stereo=recipe.data.stereo, neighbours=recipe.data.neighbours
    )


def link_images(lists: Lists, folder: Path) -> None:
    """Make the code's data folder: the image folders of the recordings as links, and nothing else.

    Without LiDAR scans it computes no depth errors while it trains, which take time and change nothing: `evaluate` does that.
    """
    for images in sorted({path.parent for one in lists for path in one.files.values()}):
        link = folder / images.relative_to(lists.train.root)
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(images.resolve(), target_is_directory=True)


def write_lists(lists: Lists, copy: Path, *, batch: int) -> list[str]:
    """Write both lists into the copy of the code, in its form; the options that choose them and the data set."""
    dataset, place = KINDS[lists.train.split.dataset]
    place = SPLITS.get(lists.train.split.name.partition("/")[0], place)
    folder = copy / "splits" / place
    folder.mkdir(parents=True, exist_ok=True)
    for name, samples in zip(("train", "val"), lists, strict=True):
        # The name of a published split would bring back that split's peculiarities of writing.
        text = export_text(dataclasses.replace(samples.split, name=name, frames=samples.targets), "monodepth2")
        # It looks at whole batches of the second list only, and fails where there is none.
        repeats = -(-batch // len(samples)) if name == "val" else 1
        (folder / f"{name}_files.txt").write_text(text * repeats, "utf-8")
    return ["--dataset", dataset, "--split", place, *(["--png"] if lists.train.image_format == "png" else [])]
