"""Made-up result records."""

from collections.abc import Sequence
from typing import Any


def record(
    method: str,
    *,
    protocol: str = "world_exact",
    version: int = 1,
    sha256: str = "a" * 64,
    split: str = "1" * 64,
    scaling: str = "median",
    unit: str = "1",
    abs_rel: float = 0.1,
    rmse: float = 5.0,
    a1: float = 0.9,
    n_images: int = 60,
    n_missing: int = 0,
    warnings: Sequence[str] = (),
) -> dict[str, Any]:
    """A record of three metrics that follows the schema."""
    return {
        "record_version": 1,
        "method": method,
        "protocol": {"name": protocol, "version": version, "sha256": sha256},
        "scaling": scaling,
        "inputs": {
            "split": split,
            "ground_truth": "2" * 64,
            "predictions": "3" * 64,
            "flipped": None,
            "kind": "depth",
            "pred_split": "world_small/test",
            "surplus_predictions": 0,
        },
        "n_images": n_images,
        "n_missing": n_missing,
        "n_pixels": 1234567,
        "metrics": {
            "abs_rel": {"mean": abs_rel, "ci95": None, "unit": unit, "better": "lower"},
            "rmse": {"mean": rmse, "ci95": None, "unit": "m", "better": "lower"},
            "a1": {"mean": a1, "ci95": None, "unit": "1", "better": "higher"},
        },
        "scale": {"median": 1.0, "cv": 0.1},
        "warnings": list(warnings),
        "claimed": None,
        "status": "measured",
        "environment": {"depthbench": "0", "python": "3", "numpy": "2", "platform": "made up"},
        "created": "2031-05-01T12:00:00+00:00",
    }
