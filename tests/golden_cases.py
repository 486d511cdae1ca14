"""The golden cases of the reference evaluators as data: which rules, prediction, ground truth and numbers.

Nothing is computed here. Prediction names are those of `golden_predictions`, ground-truth names those of
`real_ground_truth`; `rules` are fields of `restatement.Setting` that differ from its defaults.
"""

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

GOLDEN = Path(__file__).parent / "golden"

Rules = dict[str, Any]
Values = Mapping[str, float]


@dataclass(frozen=True)
class Case:
    """One run of one reference evaluator over three or four frames."""

    id: int
    evaluator: str  # a short name, see EVALUATORS
    setting: str  # the run in the golden file's words
    rules: Rules
    gt_name: str
    pred_size: tuple[int, int]
    prediction: str
    flipped: str | None  # the un-mirrored prediction of the mirrored image, where the run fused it
    per_frame: Mapping[int, Values]  # metrics alone, under the evaluator's names
    n_valid: Mapping[int, int]
    scale: Mapping[int, float]  # the evaluator's own ratio, else the golden file's restated one; empty without either
    shift: Mapping[int, float]  # metres, least squares alone
    printed_scale: tuple[float, float] | None  # median of the ratios and std of ratio/median as printed, three decimals
    mean: Values  # over the frames

    @property
    def frames(self) -> tuple[int, ...]:
        """The frame numbers of drive 2011_09_26_drive_0001_sync, in the order of the run."""
        return tuple(self.per_frame)


@lru_cache(maxsize=1)
def golden() -> dict[str, Any]:
    """The file of golden numbers."""
    data: dict[str, Any] = json.loads((GOLDEN / "evaluator_golden.json").read_text())
    return data


@lru_cache(maxsize=1)
def realdata_golden() -> dict[str, Any]:
    """The numbers that reference code gave on the real KITTI samples themselves."""
    data: dict[str, Any] = json.loads((GOLDEN / "realdata_golden.json").read_text())
    return data


@lru_cache(maxsize=1)
def cases() -> list[Case]:
    """Every golden case, in the order of the file."""
    return [_case(entry) for entry in golden()["cases"]]


def _case(entry: dict[str, Any]) -> Case:
    evaluator, parse = EVALUATORS[entry["evaluator"]]
    rules = parse(entry)
    prediction, flipped = rules.pop("prediction"), rules.pop("flipped", None)
    gt_name = rules.pop("gt_name", entry["gt"])
    frames = {int(frame): dict(values) for frame, values in entry["per_frame"].items()}
    n_valid = {frame: values.pop("n_valid") for frame, values in frames.items()}
    ratios = {frame: values.pop("ratio") for frame, values in frames.items() if "ratio" in values}
    restated = {int(frame): ratio for frame, ratio in entry.get("restated_ratio", {}).items()}
    lines = {int(frame): line for frame, line in entry.get("restated_scale_shift", {}).items()}
    printed = entry.get("scaling_ratio_printed")
    return Case(
        id=entry["id"],
        evaluator=evaluator,
        setting=entry["setting"],
        rules=rules,
        gt_name=gt_name,
        pred_size=(entry["pred_size"][0], entry["pred_size"][1]),
        prediction=prediction,
        flipped=flipped,
        per_frame={frame: _numbers(values) for frame, values in frames.items()},
        n_valid=n_valid,
        scale=ratios or restated or {frame: line[0] for frame, line in lines.items()},
        shift={frame: line[1] for frame, line in lines.items()},
        printed_scale=(printed[0], printed[1]) if printed else None,
        mean=_numbers(entry["mean"]),
    )


def _numbers(values: dict[str, float | None]) -> dict[str, float]:
    return {name: math.nan if value is None else value for name, value in values.items()}


def _monodepth2(entry: dict[str, Any]) -> Rules:
    """Disparity resized, float64 from flip fusion on. Only the Eigen split has a cap and a crop for the truth."""
    rules: Rules = {"prediction": "P", "scaling": 5.4 if "stereo x5.4" in entry["setting"] else "median"}
    if "eval_split=eigen_benchmark" in entry["setting"]:
        rules |= {"min_depth": 0.0, "max_depth": None}
    else:
        rules |= {"crop": "garg"}
    if "flip fusion" in entry["setting"]:
        rules |= {"flipped": "M_unmirrored", "dtype": "float64"}
    return rules


def _packnet(entry: dict[str, Any]) -> Rules:
    """Depth = 1/max(inverse depth, 1e-6) resized with aligned corners; fusion on inverse depth; clamp from 0."""
    text = entry["setting"]
    return {
        "prediction": "I",
        "flipped": "I_of_M_unmirrored" if "flip_fusion=True" in text else None,
        "kind": "inverse_depth",
        "invert": "floor_1e-6",
        "resized": "depth",
        "resize": "top_center" if "scale_output=top-center" in text else "align_corners",
        "crop": "garg" if "crop='garg'" in text else "none",
        "min_depth": 0.0,
        "scaling": "median" if "gt_scale=True" in text else "none",
        "median": "lower",
        "clamp": (0.0, 80.0),
    }


def _vidar(entry: dict[str, Any]) -> Rules:
    """Depth resized, fused as inverse depth; least squares in depth."""
    text = entry["setting"]
    alignment = text.partition("(")[2].partition(",")[0]
    return {
        "prediction": "D",
        "flipped": "D_of_M_unmirrored" if "flip fusion True" in text else None,
        "kind": "depth",
        "invert": "positive_only",
        "fused": "inverse",
        "resized": "depth",
        "resize": "align_corners" if "align_corners=True" in text else "half_pixel",
        "crop": text.partition("crop='")[2].partition("'")[0] or "none",
        "min_depth": 0.0,
        "scaling": VIDAR_ALIGNMENTS[alignment],
        "median": "lower",
        "clamp": (0.0, 80.0),
        "metric_set": "vidar",
    }


def _depth_interpolated(entry: dict[str, Any]) -> Rules:
    """Insta-DM and SfMLearner differ in the type of the file alone."""
    double = "float64" in entry["setting"]
    rules: Rules = {"prediction": "D_float64" if double else "D", "kind": "depth", "resized": "depth", "crop": "garg"}
    return rules | ({"dtype": "float64"} if double else {})


def _sc_sfmlearner(_: dict[str, Any]) -> Rules:
    """Garg crop and cap also on annotated depth: the script has one mask."""
    return {"prediction": "D", "kind": "depth", "resized": "inverse_depth_eps", "crop": "garg"}


def _mrharicot(entry: dict[str, Any]) -> Rules:
    """The file holds disparity / width; depth = f B / (width x resized), metric, so nothing is aligned."""
    crop = entry["setting"].partition("crop='")[2].partition("'")[0]
    return {
        "prediction": "disparity_over_width",
        "invert": "inf_to_zero",
        "crop": {"": "none", "garg": "garg", "eigen": "eigen_md1"}[crop],
        "scaling": entry["focal"] * entry["baseline"] / 1242,
    }


def _robodepth(_: dict[str, Any]) -> Rules:
    """scikit-image's resize equals half_pixel away from the borders, which the crop removes."""
    return {"prediction": "P", "crop": "garg"}


def _monodepth_benchmark(entry: dict[str, Any]) -> Rules:
    """Disparity resized, then (x > 0) / max(x, eps)."""
    text = entry["setting"]
    cap = float(text.partition(" max ")[2].split()[0])
    return {
        "prediction": "P",
        "invert": "positive_only",
        "crop": "garg" if "use_eigen_crop=True" in text else "none",
        "max_depth": cap,
        "scaling": 5.4 if "mode=stereo" in text else "median",
        "clamp": (1e-3, cap),
        "metric_set": "mb_benchmark" if "metrics=benchmark" in text else "eigen7",
    }


def _devkit(entry: dict[str, Any]) -> Rules:
    """16-bit predictions of the ground truth's size: nothing is resized, aligned, clamped or cropped."""
    text = entry["setting"]
    holes = "empty_row" if "row 200" in text else "holes" if "with holes" in text else "dense"
    return {
        "prediction": f"devkit_{holes}",
        "gt_name": "devkit",
        "kind": "depth_png",
        "resized": "depth",
        "min_depth": 0.0,
        "max_depth": None,
        "scaling": "none",
        "clamp": None,
        "metric_set": "devkit",
    }


VIDAR_ALIGNMENTS = {
    "no alignment": "none",
    "median alignment": "median",
    "LSQ scale+shift in depth alignment": "lstsq_depth",
}

EVALUATORS: dict[str, tuple[str, Callable[[dict[str, Any]], Rules]]] = {
    "monodepth2 evaluate_depth": ("monodepth2", _monodepth2),
    "packnet evaluate_depth": ("packnet", _packnet),
    "vidar DepthEvaluation": ("vidar", _vidar),
    "Insta-DM eval_depth": ("insta_dm", _depth_interpolated),
    "SfMLearner eval_depth": ("sfmlearner", _depth_interpolated),
    "SC-SfMLearner eval_depth": ("sc_sfmlearner", _sc_sfmlearner),
    "mrharicot evaluate_kitti": ("mrharicot", _mrharicot),
    "RoboDepth competition evaluator_npy": ("robodepth", _robodepth),
    "monodepth_benchmark": ("monodepth_benchmark", _monodepth_benchmark),
    "KITTI depth devkit": ("kitti_devkit", _devkit),
}
