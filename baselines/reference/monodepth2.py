"""A recipe as the command line of Monodepth2's train.py (monodepth2 options.py at b676244)."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

from baselines.recipe import Recipe, flat
from benchmark.errors import TrainingError

NAME = "monodepth2"
SIGNS = ("train.py", "trainer.py", "options.py", "networks/resnet_encoder.py", "datasets/mono_dataset.py")
ADAM = "adam"  # of the parts of a checkpoint the one that is no network, and so no model to load
REPROJECTIONS = ("minimum_reprojection", "average_reprojection", "predictive_mask")

# What the code has no option for, by the recipe's keys.
FIXED: dict[str, Any] = {
    "data.resampler": "lanczos", "data.intrinsics": "kitti", "data.flip": 0.5, "data.jitter.probability": 0.5,
    "data.jitter.brightness": 0.2, "data.jitter.contrast": 0.2, "data.jitter.saturation": 0.2, "data.jitter.hue": 0.1,
    "depth.network": "monodepth2", "depth.width": 1.0, "depth.bias": 0.0,
    "pose.width": 1.0, "pose.scale": 0.01, "pose.forward_tz": 0.0,
    "synthesis.noise": 1e-5, "losses.predictive_mask.mask_weight": 0.2,
    "schedule.unit": "epochs", "schedule.factor": 0.1, "optimiser.name": "adam",
    **{f"losses.{name}.weight": 1.0 for name in (*REPROJECTIONS, "depth_hints")},
}  # fmt: skip
# What an option says, or our lists of frames; `_check` looks at those that not every value of can be said.
SAID = (
    "data.split", "data.size", "data.context", "data.stereo", "data.hints", "data.neighbours",
    "depth.layers", "depth.scales", "depth.min_depth", "depth.max_depth", "depth.mask_sources",
    "pose", "pose.network", "pose.layers", "synthesis.native_scales", "losses.smoothness.weight",
    "initial.encoders", "initial.start", "initial.start.recipe", "initial.start.epoch", "initial.start.parts",
    "schedule.batch", "schedule.length", "schedule.drops", "optimiser.lr",
    *(f"losses.{name}.{option}" for name in (*REPROJECTIONS, "depth_hints") for option in ("ssim", "automask")),
)  # fmt: skip
# What is no part of the training. The code draws its random numbers without a seed.
ASIDE = ("name", "title", "paper", "scales_down", "seed", "validate", "evaluate")


def arguments(recipe: Recipe, *, hints: Path | None = None, start: Path | None = None) -> list[str]:
    """The options of train.py for a recipe, without those about folders and lists.

    Args:
        recipe: of a loss of Monodepth2.
        hints: must be None.
        start: the checkpoint folder of the run that the recipe starts from.

    Raises:
        TrainingError: the code cannot do what the recipe says; every such key is named.
    """
    loss = [name for name in recipe.losses if name in REPROJECTIONS]
    problems = (
        [] if len(loss) == 1 else [f"losses are {', '.join(recipe.losses)}, the code has one of {', '.join(REPROJECTIONS)}"]
    )
    problems += ["data.hints is true, the code knows no depth hints"] if recipe.data.hints or hints else []
    refuse(recipe, NAME, [*problems, *shared_problems(recipe, start)])
    flags = {"average_reprojection": ["--avg_reprojection"], "predictive_mask": ["--predictive_mask"]}.get(loss[0], [])
    return [*shared_arguments(recipe, recipe.losses[loss[0]], start=start), *flags]


def refuse(recipe: Recipe, code: str, problems: list[str]) -> None:
    """Raise the TrainingError that lists what the authors' code cannot do; nothing without problems."""
    if problems:
        raise TrainingError(
            f"recipe {recipe.name}: the authors' {code} code cannot train it: {'; '.join(problems)}. Train it without "
            "--reference, or change these keys in a copy of the recipe"
        )


def shared_problems(recipe: Recipe, start: Path | None) -> list[str]:
    """The keys whose values neither an option nor the fixed behaviour of the code covers."""
    known = {*FIXED, *SAID}
    problems = []
    for key, value in flat(dataclasses.asdict(recipe)).items():
        if key in FIXED and value != FIXED[key]:
            problems.append(f"{key} is {value}, the code has {FIXED[key]}")
        elif key not in known and key.split(".")[0] not in ASIDE:
            problems.append(f"{key} is {value}, the code has nothing like it")
    drops, step = recipe.schedule.drops, step_size(recipe)
    if list(drops) != list(range(step - 1, recipe.schedule.length, step)):
        problems.append(
            f"schedule.drops is {list(drops)}, the code drops at regular distances, one epoch early: [14], [4, 9, 14]"
        )
    if recipe.pose is not None and recipe.pose.get("layers", recipe.depth["layers"]) != recipe.depth["layers"]:
        problems.append(f"pose.layers is {recipe.pose['layers']}, the code has those of the depth network")
    problems += [
        f"losses.{name}.ssim is {options['ssim']}, the code has 0.85 or 0"
        for name, options in recipe.losses.items()
        if options.get("ssim", 0.85) not in {0.85, 0}
    ]
    return [*problems, *_start_problems(recipe, start)]


def _start_problems(recipe: Recipe, start: Path | None) -> list[str]:
    """The code loads Adam's state whenever it lies beside the weights (trainer.py at b676244, lines 624-628)."""
    if recipe.initial.start is None:
        return []
    if start is None:
        return [f"initial.start is {recipe.initial.start.recipe}, and no checkpoint of it was given"]
    path, parts = start / f"{ADAM}.pth", ", ".join(recipe.initial.start.parts)
    if ADAM in recipe.initial.start.parts and not path.is_file():
        return [f"initial.start.parts is {parts}, the code goes on without {path}, which is missing"]
    if ADAM not in recipe.initial.start.parts and path.is_file():
        return [f"initial.start.parts is {parts}, the code loads {path} as well"]
    return []


def step_size(recipe: Recipe) -> int:
    """The option of the code's StepLR, which it advances at the start of an epoch: a step of 15 drops at epoch 14."""
    return recipe.schedule.drops[0] + 1 if recipe.schedule.drops else recipe.schedule.length + 1


def shared_arguments(recipe: Recipe, loss: dict[str, Any], *, start: Path | None) -> list[str]:
    """The options that Monodepth2 and Depth Hints share; `loss` is what the recipe says of its reprojection loss."""
    data, depth, schedule = recipe.data, recipe.depth, recipe.schedule
    masked = "predictive_mask" not in recipe.losses and loss.get("automask", True)
    words: list[Any] = [
        "--height", data.size[0], "--width", data.size[1], "--frame_ids", 0, *data.context,
        "--num_layers", depth["layers"], "--scales", *depth["scales"],
        "--min_depth", depth["min_depth"], "--max_depth", depth["max_depth"],
        "--disparity_smoothness", recipe.losses.get("smoothness", {}).get("weight", 0.0),
        "--weights_init", {"imagenet": "pretrained", "scratch": "scratch"}[recipe.initial.encoders],
        "--batch_size", schedule.batch, "--num_epochs", schedule.length, "--scheduler_step_size", step_size(recipe),
        "--learning_rate", recipe.optimiser.lr,
    ]  # fmt: skip
    words += ["--use_stereo"] if data.stereo else []
    words += ["--pose_model_type", recipe.pose["network"]] if recipe.pose is not None else []
    words += ["--v1_multiscale"] if recipe.synthesis.native_scales else []
    words += [] if masked else ["--disable_automasking"]
    words += [] if loss.get("ssim", 0.85) else ["--no_ssim"]
    if recipe.initial.start is not None and start is not None:
        words += ["--load_weights_folder", start.resolve(), "--models_to_load"]
        words += [part for part in recipe.initial.start.parts if part != ADAM]
    return [str(word) for word in words]
