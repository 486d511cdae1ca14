"""A recipe as the command line of Depth Hints' train.py (depth-hints options.py at aa2ecf7, lines 86-91, and README)."""

from __future__ import annotations

from pathlib import Path

from baselines.recipe import Recipe
from baselines.reference import monodepth2

NAME = "depth_hints"
OWN_SIGNS = ("precompute_depth_hints.py",)  # what its code has beside Monodepth2's


def arguments(recipe: Recipe, *, hints: Path | None = None, start: Path | None = None) -> list[str]:
    """The options of train.py for a recipe, without those about data and lists.

    Args:
        recipe: of the loss of Depth Hints; Monodepth2's reprojection is another one than this code's without hints.
        hints: the folder of `depthbench hints`.
        start: the checkpoint folder of the run that the recipe starts from.

    Raises:
        TrainingError: the code cannot do what the recipe says; every such key is named.
    """
    loss = recipe.losses.get("depth_hints")
    problems = monodepth2.shared_problems(recipe, start)
    if loss is None or set(recipe.losses) - {"depth_hints", "smoothness"}:
        problems.append(f"losses are {', '.join(recipe.losses)}, the code has depth_hints and smoothness")
    if not recipe.data.hints or hints is None:
        problems.append("data.hints is false, or no folder of hints was given, which the code needs")
    # Both end in an error of the code itself (trainer.py at aa2ecf7, lines 402 and 460).
    if loss is not None and not loss.get("automask", True):
        problems.append("losses.depth_hints.automask is false, the code has true")
    if recipe.synthesis.native_scales:
        problems.append("synthesis.native_scales is true, the code has false")
    monodepth2.refuse(recipe, NAME, problems)
    words = monodepth2.shared_arguments(recipe, loss or {}, start=start)
    return [*words, "--use_depth_hints", "--depth_hint_path", str(hints and hints.resolve())]
