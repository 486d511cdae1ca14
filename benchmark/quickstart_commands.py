"""What the quickstart proposes to try next, as commands that work where it was called."""

from __future__ import annotations

import shlex
import shutil
import sys
from pathlib import Path

from benchmark.quickstart_folder import Places
from benchmark.splits import load_split


def next_commands(here: Places, split: str, trained: Path | None = None) -> list[tuple[str, str]]:
    """(What it does, a command for the folder in which this program runs), also about a trained network where there is one.

    `split` is that of the predictions.
    """
    exact = [here["predictions"] / "sgm.yaml", "--gt", here["gt_exact"], "--protocol", "world_exact"]
    path = [here["poses"], "--gt", here["data"] / "kitti_odometry" / "poses" / "55.txt", "--protocol", "world_odometry"]
    lidar = ["--dataset", "kitti_raw", "--depth", "camera_z", "--data", here["data"], "--split", split]
    return [
        ("Score one file by hand", _command("evaluate", *exact)),
        ("Look for mistakes in a file before its numbers are believed", _command("check", *exact)),
        ("Score the path of the drive by hand", _command("evaluate_pose", *path)),
        ("Export ground truth by hand", _command("export_gt", *lidar, "--out", here["out"] / "gt_by_hand.h5")),
        (
            "See what a protocol fixes and where it differs",
            _command("protocols", "show", "world_lidar", "--diff", "kitti_eigen"),
        ),
        *(
            []
            if trained is None
            else [("Colour the depth of any images with the trained network", _on_images(here, split, trained))]
        ),
    ]


def _on_images(here: Places, split: str, trained: Path) -> str:
    from datasets_prep.kitti_raw import image_path
    from datasets_prep.roots import data_root

    images = image_path(data_root("kitti_raw", here["data"]), load_split(split).frames[0]).parent
    return _command("predict", trained, "--images", images, "--out", here["out"] / "coloured")


def _command(*words: object) -> str:
    """A command line that calls this program as it can be called here."""
    called = Path(sys.argv[0])
    if shutil.which("depthbench"):
        own = ["depthbench"]
    elif called.stem == "depthbench" and called.is_file():
        own = [str(called)]
    else:
        own = [sys.executable, "-m", "benchmark.cli"]
    return shlex.join([*own, *map(str, words)])
