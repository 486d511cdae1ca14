"""A manifest: a small YAML file beside the predictions that says what they are."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from benchmark.errors import PredictionError
from benchmark.io.predictions import KINDS
from benchmark.strict_yaml import read_yaml

KEYS = ("predictions", "kind", "method", "split", "training")


@dataclass(frozen=True)
class Manifest:
    """What was declared; None where nothing was. `split` lists the frames of a bare array, `training` the frames trained on."""

    predictions: Path
    kind: str | None = None
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
    content = read_yaml(path, PredictionError)
    unknown = [key for key in content if key not in KEYS]
    wrong = [key for key, value in content.items() if not isinstance(value, str)]
    if unknown or wrong or "predictions" not in content:
        raise PredictionError(
            f"{path}: a manifest has the keys {', '.join(KEYS)}, all text, and must have predictions"
            f"{'; unknown: ' + ', '.join(map(str, unknown)) if unknown else ''}"
            f"{'; not text: ' + ', '.join(map(str, wrong)) if wrong else ''}"
        )
    if content.get("kind") not in (None, *KINDS):
        raise PredictionError(f"{path}: kind is {content['kind']!r}; known: {', '.join(KINDS)}")
    folder = path.parent.resolve()
    target = (folder / content["predictions"]).resolve()
    if not target.is_relative_to(folder):
        raise PredictionError(f"{path}: predictions {content['predictions']!r} lie outside the manifest's folder")
    split = content.get("split")
    if split is not None and (folder / split).is_file():
        split = str(folder / split)
    return Manifest(target, content.get("kind"), content.get("method"), split, content.get("training"))
