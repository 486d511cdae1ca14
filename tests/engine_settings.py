"""The same setting in two languages: a `restatement.Setting` (or its rules) as a protocol of the engine, and back."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmark.evaluate_depth import ImageTable, evaluate_depth
from benchmark.io.ground_truth import Header, assemble, sparsify
from benchmark.io.predictions import ArrayPredictions
from benchmark.matching import Match
from benchmark.protocol import Clamp, DepthProtocol, DepthRange, Resize, load_protocol
from benchmark.splits import Split

SEVEN = {"abs_rel": "1", "sq_rel": "m", "rmse": "m", "rmse_log": "1", "a1": "1", "a2": "1", "a3": "1"}
# Metric of the engine and its unit, by the name an evaluator prints.
METRIC_SETS: dict[str, dict[str, tuple[str, str]]] = {
    "eigen7": {name: (name, unit) for name, unit in SEVEN.items()},
    "vidar": {name: (name, unit) for name, unit in SEVEN.items()} | {"silog": ("silog", "x100")},
    "mb_benchmark": {
        "MAE": ("mae", "m"), "RMSE": ("rmse", "m"), "InvMAE": ("imae", "1/km"), "InvRMSE": ("irmse", "1/km"),
        "LogMAE": ("log_mae", "x100"), "LogRMSE": ("rmse_log", "x100"), "LogSI": ("silog", "x100"),
        "AbsRel": ("abs_rel", "%"), "SqRel": ("sq_rel_unitless", "%"),
    },
    "devkit": {
        "mae": ("mae", "m"), "rmse": ("rmse", "m"), "inverse_mae": ("imae", "1/m"), "inverse_rmse": ("irmse", "1/m"),
        "log_mae": ("log_mae", "1"), "log_rmse": ("rmse_log", "1"), "silog": ("silog", "1"),
        "abs_rel": ("abs_rel", "1"), "sq_rel_over_gt_squared": ("sq_rel_unitless", "1"),
    },
}  # fmt: skip
INVERSIONS = {
    "plain": "reciprocal",
    "floor_1e-6": "floor_1e-6",
    # These differ from 1/x only where x is not above zero, which the engine refuses.
    "positive_only": "reciprocal",
    "inf_to_zero": "reciprocal",
}


def protocol_of(rules: dict[str, Any]) -> tuple[DepthProtocol, str]:
    """The protocol and the kind of prediction of a setting given by the rules that differ from monodepth2's."""
    base = load_protocol("kitti_eigen")
    rules = dict(rules)
    eps = rules.get("resized") == "inverse_depth_eps"
    png = rules.get("kind") == "depth_png"
    clamp = rules.get("clamp", (1e-3, 80.0))
    scaling = rules.get("scaling", "median")
    metrics = METRIC_SETS[rules.get("metric_set", "eigen7")]
    protocol = dataclasses.replace(
        base,
        crop=rules.get("crop", "none").removesuffix("_md1"),
        depth_range=DepthRange(rules.get("min_depth", 1e-3), rules.get("max_depth", 80.0), True, True),
        resize=Resize(
            "disparity" if eps else rules.get("resized", "disparity"),
            "same_size" if png else rules.get("resize", "half_pixel"),
        ),
        inversion="plus_1e-6" if eps else INVERSIONS[rules.get("invert", "plain")],
        invalid_prediction="inpaint" if png else "refuse",
        flip_fusion=rules.get("dtype", "float32"),
        dtype=rules.get("dtype", "float32"),
        scaling=scaling if isinstance(scaling, str) else f"factor={scaling!r}",
        median=rules.get("median", "mean_of_middle"),
        clamp=Clamp(*(clamp or (None, None)), rules.get("clamp_moment", "after_scaling") if clamp else "never"),
        metrics=dict(metrics.values()),
    )
    return protocol, "depth" if png else rules.get("kind", "disparity")


def run_engine(
    maps: list[NDArray[Any]],
    predictions: list[NDArray[Any]],
    protocol: DepthProtocol,
    *,
    kind: str = "disparity",
    unflipped: list[NDArray[Any]] | None = None,
    by: Sequence[str] = (),
) -> ImageTable:
    """The engine on dense maps in memory; frame ids are positions."""
    ids = tuple(str(i) for i in range(len(maps)))
    source = protocol.ground_truth
    header = Header(source.dataset, "custom", "", source.depth_kind, ids)
    truth = assemble(header, [sparsify([m.astype(np.float32) for m in maps], np.eye(3))])
    split = Split("custom", "kitti_raw", "custom", True, (), "", "")
    match = Match(split, ids, tuple(range(len(maps))), tuple(range(len(maps))), 0)
    flipped = None if unflipped is None else _Stack(unflipped)
    return evaluate_depth(truth, _Stack(predictions), protocol, match=match, kind=kind, flipped=flipped, by=by)


class _Stack:
    """Predictions of several sizes in memory."""

    source, frame_id = "memory", None

    def __init__(self, arrays: list[NDArray[Any]]) -> None:
        self.arrays = [ArrayPredictions(a[None]).load(0) for a in arrays]

    def __len__(self) -> int:
        return len(self.arrays)

    def load(self, i: int) -> NDArray[Any]:
        return self.arrays[i]

    def sha256(self) -> str:
        return ""


# Protocol rules in the words of the restatement.
RESTATED_INVERSIONS = {"reciprocal": "positive_only", "floor_1e-6": "floor_1e-6", "plus_1e-6": "plain"}


def rules_of(protocol: DepthProtocol, kind: str) -> dict[str, Any]:
    """The fields of a `restatement.Setting` for a shipped protocol."""
    factor = {"stereo": 5.4}.get(protocol.scaling, protocol.scaling)
    clamp = protocol.clamp
    return {
        "kind": kind,
        "fused": "inverse" if kind == "depth" else "given",
        "resized": "inverse_depth_eps" if protocol.inversion == "plus_1e-6" else protocol.resize.quantity,
        "resize": protocol.resize.rule,
        "invert": RESTATED_INVERSIONS[protocol.inversion],
        "crop": protocol.crop,
        "min_depth": protocol.depth_range.min_m,
        "max_depth": protocol.depth_range.max_m,
        "scaling": float(factor.partition("=")[2]) if isinstance(factor, str) and "=" in factor else factor,
        "median": protocol.median,
        "clamp": None if clamp.when == "never" else (clamp.min_m, clamp.max_m),
        "dtype": protocol.dtype,
        "metric_set": "mb_benchmark" if "mae" in protocol.metrics else "vidar" if "silog" in protocol.metrics else "eigen7",
    }
