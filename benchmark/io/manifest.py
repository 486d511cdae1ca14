"""A manifest: a small YAML file beside the predictions that says what they are."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from benchmark.errors import PredictionError
from benchmark.splits import find_entry
from benchmark.strict_yaml import build, read_yaml


@dataclass(frozen=True)
class Manifest:
    """What was declared; None where nothing was. `split` lists the frames of a bare array, `training` the frames trained on."""

    predictions: Path
    kind: Literal["disparity", "inverse_depth", "depth"] | None = None
    method: str | None = None
    split: str | None = None
    training: str | None = None


def read_manifest(path: Path) -> Manifest:
    """The manifest in a `.yaml` file; any other path stands for itself, with nothing declared.

    Raises:
        PredictionError: unknown keys, no predictions, an unknown kind, or a path that leaves the manifest's folder.
    """
    if path.suffix not in {".yaml", ".yml"}:
        return Manifest(path)
    declared = build(Manifest, read_yaml(path, PredictionError), source=str(path), error=PredictionError)
    target = _inside(path, "predictions", str(declared.predictions))
    split = declared.split
    if split is not None and find_entry(split) is None:
        # Not a name of ours, so a list beside the manifest and nowhere else.
        split = str(_inside(path, "split", split))
        if not Path(split).is_file():
            raise PredictionError(f"{path}: split {declared.split!r} is no known split and no file beside the manifest")
    return replace(declared, predictions=target, split=split)


def _inside(path: Path, key: str, text: str) -> Path:
    folder = path.parent.resolve()
    try:
        target = (folder / text).resolve()
    except (OSError, ValueError) as problem:
        raise PredictionError(
            f"{path}: {key} {text!r} is no path ({problem}); expected one inside the manifest's folder"
        ) from problem
    if not target.is_relative_to(folder):
        raise PredictionError(
            f"{path}: {key} {text!r} lies outside the manifest's folder; expected a path inside {folder}: put the file "
            "beside the manifest"
        )
    return target
