"""Recipes and data that train in a second: noise images in KITTI's layout, 64x96 pixels, networks of a quarter's width."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from kitti_tree import DRIVE, write_scans
from training_tree import write_raw

SIZE = (64, 96)
NUMBERS = list(range(10))
POSE = {"network": "separate_resnet", "layers": 18, "width": 0.25, "scale": 0.01, "forward_tz": 0.0}
RECIPE: dict[str, Any] = {
    "name": "tiny", "title": "A tiny one", "paper": "none", "scales_down": None, "seed": 5,
    "data": {
        "split": "all.txt", "size": list(SIZE), "context": [], "stereo": True, "hints": False, "neighbours": "available",
        "resampler": "lanczos", "intrinsics": "kitti",
        "jitter": {"probability": 0.5, "brightness": 0.2, "contrast": 0.2, "saturation": 0.2, "hue": 0.1}, "flip": 0.5,
    },
    "depth": {
        "network": "monodepth2", "layers": 18, "width": 0.25, "scales": [0, 1], "min_depth": 0.1, "max_depth": 100.0,
        "bias": -3.0,
    },
    "pose": None,
    "synthesis": {"native_scales": False, "noise": 1.0e-5},
    "losses": {
        "minimum_reprojection": {"weight": 1.0, "ssim": 0.85, "automask": True}, "smoothness": {"weight": 0.001},
    },
    "initial": {"encoders": "scratch", "start": None},
    "schedule": {"batch": 4, "unit": "steps", "length": 8, "drops": [6], "factor": 0.1},
    "optimiser": {"name": "adam", "lr": 1.0e-3},
    "validate": None,
    "evaluate": None,
}  # fmt: skip
MONO = {"data.context": [-1, 1], "data.stereo": False, "pose": POSE}
BOTH = {"data.context": [-1, 1], "data.stereo": True, "pose": POSE}
HINTED = {
    "data.hints": True,
    "losses": {"depth_hints": {"weight": 1.0, "ssim": 0.85, "automask": True}, "smoothness": {"weight": 0.0}},
}


def content(changes: dict[str, Any] | None = None) -> dict[str, Any]:
    """The recipe with other values, by dotted key; a shorter one is not asked to drop its rate after its end."""
    made = copy.deepcopy(RECIPE)
    for key, value in (changes or {}).items():
        *path, last = key.split(".")
        place = made
        for one in path:
            place = place[one]
        place[last] = value
    schedule = made["schedule"]
    if "schedule.length" in (changes or {}) and "schedule.drops" not in (changes or {}):
        schedule["drops"] = [drop for drop in schedule["drops"] if drop < schedule["length"]]
    return made


def write_recipe(folder: Path, name: str = "tiny", changes: dict[str, Any] | None = None) -> Path:
    """`<folder>/<name>.yaml`, which trains on the list `all.txt` of the same folder unless `changes` say otherwise."""
    made = content({"name": name, "data.split": str(folder / "all.txt"), **(changes or {})})
    path = folder / f"{name}.yaml"
    path.write_text(yaml.safe_dump(made, sort_keys=False))
    return path


def write_data(folder: Path, *, scans: bool = False) -> Path:
    """Stereo pairs below `kitti_raw`, both cameras' inner frames in `all.txt`, four left ones in `few.txt`."""
    write_raw(folder / "kitti_raw", NUMBERS)
    (folder / "all.txt").write_text("".join(f"{DRIVE[:10]}/{DRIVE} {n} {side}\n" for n in NUMBERS[1:-1] for side in "lr"))
    (folder / "few.txt").write_text("".join(f"{DRIVE[:10]}/{DRIVE} {n} l\n" for n in NUMBERS[1:5]))
    if scans:
        write_scans(folder / "kitti_raw", NUMBERS)
    return folder


def write_hints(folder: Path) -> Path:
    """A random hint for every frame, a third of it without one."""
    for number in NUMBERS:
        for camera in ("image_02", "image_03"):
            random = np.random.default_rng([number, int(camera[-1])])
            depth = random.uniform(0.5, 5, (1, *SIZE)) * (random.random((1, *SIZE)) > 0.3)
            path = folder / DRIVE[:10] / DRIVE / camera / f"{number:010d}.npy"
            path.parent.mkdir(parents=True, exist_ok=True)
            np.save(path, depth.astype(np.float32))
    return folder
