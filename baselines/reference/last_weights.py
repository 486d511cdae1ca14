"""What a run of the authors' code leaves in its folder."""

from __future__ import annotations

import re
from pathlib import Path

MODEL = "reference"  # the code's --model_name, a folder in that of the run
WEIGHTS = re.compile(r"weights_(\d+)")


def last_weights(run: Path) -> Path | None:
    """The folder of the last checkpoint in that of a run, by the number of its epoch; None without one."""
    folders = {
        int(found[1]): path for path in (run / MODEL / "models").glob("weights_*") if (found := WEIGHTS.fullmatch(path.name))
    }
    return folders[max(folders)] if folders else None
