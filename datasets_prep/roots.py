"""Where a data set lies: in `--data`, else in $DEPTHBENCH_DATA, under its name or as that folder itself."""

from __future__ import annotations

import os
from pathlib import Path

from benchmark.errors import DatasetError

VARIABLE = "DEPTHBENCH_DATA"
DATE = "[0-9][0-9][0-9][0-9]_[0-9][0-9]_[0-9][0-9]"

# A folder that matches one of its patterns is the data set's own root. kitti_depth: official, with `train/` or `val/`
# given directly, Monodepth2's (beside the images, under the date), monodepth_benchmark's, and the devkit's selection.
SIGNS: dict[str, tuple[str, ...]] = {
    "kitti_raw": (DATE,),
    "kitti_depth": (
        "train/*/proj_depth",
        "val/*/proj_depth",
        "*_sync/proj_depth",
        f"{DATE}/*/proj_depth",
        f"depth_benchmark/{DATE}",
        "depth_selection",
        "val_selection_cropped",
    ),
    "kitti_odometry": ("sequences", "poses"),
    "ddad": ("ddad.json", "scene_dataset*.json"),
}


def data_root(dataset: str, data: Path | None) -> Path:
    """Root folder of `dataset`: `data` (None: $DEPTHBENCH_DATA) holds it under its name, or is itself the root.

    Annotated depth that lies beside the raw images, as Monodepth2 keeps it, is found in `kitti_raw/` too.
    """
    base = _base(dataset, data)
    signs = _signs(dataset)
    if not base.is_dir():
        raise DatasetError(
            f"{base} is not a folder. It should hold {dataset}/ (or be the root of {dataset} itself). "
            f"Correct --data or ${VARIABLE}, or create it with `depthbench datasets download`."
        )
    inside = base / dataset
    if inside.is_dir():
        return inside
    if base.name == dataset or _has(base, signs):
        return base
    beside = base / "kitti_raw"
    if dataset == "kitti_depth" and _has(beside, signs):
        return beside
    raise DatasetError(
        f"{base} does not hold {dataset}: there is no folder {inside}, and nothing in {base} itself looks like "
        f"{dataset} (looked for {', '.join(signs)}). Pass --data with the folder that holds {dataset}/, or the root of "
        f"{dataset} itself, or set ${VARIABLE}."
    )


def new_data_root(dataset: str, data: Path | None) -> Path:
    """Root folder that a download of `dataset` fills; it need not exist yet. Never the folder of another data set."""
    base = _base(dataset, data)
    if base.exists() and not base.is_dir():
        raise DatasetError(f"{base} is a file; a folder to hold {dataset}/ was expected. Choose another --data.")
    inside = base / dataset
    official = _signs(dataset)[:2]  # what the archives make: dates, or train and val
    if not inside.is_dir() and (base.name == dataset or _has(base, official)):
        return base
    return inside


def _base(dataset: str, data: Path | None) -> Path:
    if data is not None:
        return data.expanduser()
    named = os.environ.get(VARIABLE, "")
    if not named:
        raise DatasetError(
            f"Where {dataset} lies was not said: pass --data DIR or set the environment variable {VARIABLE} "
            f"to the folder that holds {dataset}/."
        )
    return Path(named).expanduser()


def _signs(dataset: str) -> tuple[str, ...]:
    if dataset not in SIGNS:
        raise DatasetError(f"Unknown data set {dataset!r}; known: {', '.join(SIGNS)}.")
    return SIGNS[dataset]


def _has(folder: Path, patterns: tuple[str, ...]) -> bool:
    return any(next(folder.glob(pattern), None) is not None for pattern in patterns)
