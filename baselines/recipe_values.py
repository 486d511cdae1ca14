"""What the types of a recipe cannot say: the values that make no training. All of them are named at once."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from benchmark.protocol import protocol_names

if TYPE_CHECKING:
    from baselines.recipe import Recipe

# Pillow's filters: Monodepth2 and PackNet-SfM resize with Lanczos.
RESAMPLERS = {"lanczos": "LANCZOS", "bicubic": "BICUBIC", "bilinear": "BILINEAR", "box": "BOX", "nearest": "NEAREST"}
MAX_SEED = 2**63 - 1  # torch takes 64 bits
WIDTHS = (1 / 64, 8.0)  # the stem of a ResNet has 64 channels; eight times the published widths is no slip of the pen
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")  # names files, and the method in records


def problems_of(recipe: Recipe) -> list[str]:
    """Every value of a recipe that makes no sense, in words; the keywords of networks and losses as far as they are shared."""
    return [*_of_data(recipe), *_of_ranges(recipe), *_of_schedule(recipe), *_of_rest(recipe)]


def _of_data(recipe: Recipe) -> Iterator[str]:
    data, context = recipe.data, list(recipe.data.context)
    if len(data.size) != 2:
        yield f"data.size is {list(data.size)}; expected [height, width]"
    if data.resampler not in RESAMPLERS:
        yield f"data.resampler is {data.resampler!r}; known: {', '.join(RESAMPLERS)}"
    if not context and not data.stereo:
        yield "data.context is empty and data.stereo false: there is no second view to learn from"
    if 0 in context or len(set(context)) < len(context):
        yield f"data.context is {context}; expected offsets in time such as [-1, 1], each once and without 0"
    if bool(context) != (recipe.pose is not None):
        yield "pose is needed with temporal neighbours (data.context), and null without"
    if data.hints and not data.stereo:
        yield "data.hints need data.stereo: a hint is compared by warping the other camera's image"


def _of_ranges(recipe: Recipe) -> Iterator[str]:
    data, jitter = recipe.data, recipe.data.jitter
    fractions: dict[str, Any] = {"data.flip": data.flip, "data.jitter.probability": jitter.probability}
    fractions |= {f"data.jitter.{name}": getattr(jitter, name) for name in ("brightness", "contrast", "saturation")}
    fractions |= {f"losses.{name}.ssim": options["ssim"] for name, options in recipe.losses.items() if "ssim" in options}
    ranges = [(key, value, 0.0, 1.0) for key, value in fractions.items()]
    ranges += [("data.jitter.hue", jitter.hue, 0.0, 0.5)]
    networks = {"depth": recipe.depth, "pose": recipe.pose or {}}
    ranges += [(f"{key}.width", part["width"], *WIDTHS) for key, part in networks.items() if "width" in part]
    for key, value, low, high in ranges:
        # What is no number is told with the keywords of its network or loss.
        if isinstance(value, int | float) and not low <= value <= high:
            yield f"{key} is {value}; expected {low:g} to {high:g}"
    if not recipe.synthesis.noise >= 0:
        yield f"synthesis.noise is {recipe.synthesis.noise}; expected a standard deviation, 0 or more"


def _of_schedule(recipe: Recipe) -> Iterator[str]:
    schedule, drops = recipe.schedule, list(recipe.schedule.drops)
    if min(schedule.batch, schedule.length) < 1:
        yield "schedule.batch and schedule.length are at least 1"
    if drops != sorted(set(drops)):
        yield f"schedule.drops is {drops}; expected ascending numbers"
    if any(not 0 < drop < schedule.length for drop in drops):
        yield f"schedule.drops is {drops}; expected {schedule.unit} after the first and before the end at {schedule.length}"
    if not 0 < schedule.factor <= 1:
        yield f"schedule.factor is {schedule.factor}; expected a number above 0, at most 1"
    if not recipe.optimiser.lr > 0:
        yield f"optimiser.lr is {recipe.optimiser.lr}; expected a number above zero"


def _of_rest(recipe: Recipe) -> Iterator[str]:
    validate, evaluate = recipe.validate, recipe.evaluate
    if not NAME.fullmatch(recipe.name):
        yield f"name is {recipe.name!r}; expected letters, digits and . _ -, at most 100, the first a letter or a digit"
    if not 0 <= recipe.seed <= MAX_SEED:
        yield f"seed is {recipe.seed}; expected 0 or more, at most {MAX_SEED}"
    if not recipe.losses:
        yield "losses is empty"
    if validate is not None and min(validate.frames, validate.every) < 1:
        yield "validate.frames and validate.every are at least 1"
    if evaluate is not None and not evaluate.scalings and evaluate.protocol in protocol_names():
        yield f"evaluate.scalings is empty; {evaluate.protocol} is about depth, expected scalings such as [median]"
