"""The folder that `depthbench quickstart` fills: what lies where in it, and whether it is ours to write to."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from benchmark import __version__
from benchmark.errors import ResultError
from benchmark.io.files import atomic_write, is_temporary, sweep_abandoned

CREATOR = "depthbench quickstart"
NAMES = {
    "data": "data",
    "gt_exact": "gt_exact.h5",
    "gt_lidar": "gt_lidar.h5",
    "gt_train": "gt_train.h5",
    "gt_cameras": "gt_cameras.h5",
    "predictions": "predictions",
    "poses": "poses.txt",
    "results": "results",
    "panels": "panels",
    "runs": "runs",
    "comparison": "comparison.png",
    "trajectory": "trajectory.png",
    "cameras": "cameras.png",
    "training": "training.png",
    "markdown": "leaderboard.md",
    "page": "index.html",
    "mark": "quickstart.json",
}
Places = Mapping[str, Path]


def places(out: Path) -> Places:
    """The path of everything in the folder, and of the folder itself as `out`."""
    return {"out": out, **{key: out / name for key, name in NAMES.items()}}


def check_folder(here: Places, *, force: bool) -> bool:
    """Whether the folder is of an earlier run, which may have been interrupted; a foreign one is refused.

    A run that was interrupted before the mark has left nothing but what is called as ours, and the world's own record.

    Raises:
        ResultError: the folder is not empty and not ours; with `force`, only where a name of ours is taken in it.
    """
    out = here["out"]
    if out.exists() and not out.is_dir():
        raise ResultError(f"{out}: a file; a folder to write to was expected. Choose another --out")
    names = sorted(path.name for path in out.iterdir() if not is_temporary(path)) if out.is_dir() else []
    if _is_mark(here["mark"]) or (set(names) <= set(NAMES.values()) and (here["data"] / "world.yaml").is_file()):
        for folder in (out, here["predictions"], here["results"], here["panels"]):
            sweep_abandoned(folder)
        return True
    if names and not force:
        some = ", ".join(names[:3]) + (", ..." if names[3:] else "")
        raise ResultError(
            f"{out}: the folder is not empty ({some}) and has no {NAMES['mark']} of an earlier quickstart. Choose another "
            "--out, or pass --force to write beside what is there, which is never deleted or overwritten"
        )
    taken = sorted(set(names) & set(NAMES.values()))
    if taken:
        raise ResultError(
            f"{out / taken[0]}: is there already and is not of an earlier quickstart; also with --force nothing foreign is "
            "deleted or overwritten. Move it away, or choose another --out"
        )
    return False


def _is_mark(path: Path) -> bool:
    try:
        return path.is_file() and json.loads(path.read_text("utf-8"))["creator"].startswith(CREATOR)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return False


def marked(here: Places, size: tuple[int, int], seed: int) -> bool:
    """Whether the folder's mark says that it is of this world."""
    content = json.loads(here["mark"].read_text("utf-8")) if _is_mark(here["mark"]) else {}
    return (content.get("size"), content.get("seed")) == (list(size), seed)


def mark(here: Places, size: tuple[int, int], seed: int) -> None:
    """Make the folder ours."""
    content = {"creator": f"{CREATOR} {__version__}", "size": list(size), "seed": seed}
    write_text(here["mark"], json.dumps(content, sort_keys=True) + "\n")


def write_text(path: Path, text: str) -> None:
    """A text file that appears only whole."""
    with atomic_write(path) as file:
        file.write(text.encode())
