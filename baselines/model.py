"""The networks of a recipe as one module: images in; disparities, masks and camera motions out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, NamedTuple, TypeVar

from torch import Tensor, nn

from baselines.batch import Source
from baselines.checkpoints import parts_of
from baselines.losses import LOSSES
from baselines.networks import DEPTH_NETWORKS, POSE_NETWORKS
from baselines.networks.interface import DepthNetwork, PoseNetwork
from baselines.networks.monodepth2_pose import scale_translation
from baselines.recipe import Recipe
from baselines.views import Poses
from benchmark.errors import TrainingError
from benchmark.strict_yaml import keywords

Network = TypeVar("Network")


class Outputs(NamedTuple):
    """Of b items: `sigmoids` (b, 1, h / 2^s, w / 2^s) by scale s, `masks` likewise or None, `poses` T_source_target (b, 4, 4)
    by temporal neighbour."""

    sigmoids: dict[int, Tensor]
    masks: dict[int, Tensor] | None
    poses: dict[int, Tensor]


class Model(nn.Module):
    """Depth and, with temporal neighbours, pose."""

    def __init__(self, depth: DepthNetwork, pose: PoseNetwork | None) -> None:
        super().__init__()
        self.depth_network, self.pose_network = depth, pose

    def forward(self, inputs: dict[Source, Tensor]) -> Outputs:
        """What the networks say about images (b, 3, h, w) by source."""
        sigmoids, masks, features = self.depth_network(inputs[0])
        if self.pose_network is None:
            return Outputs(sigmoids, masks, {})
        shared = None
        if self.pose_network.needs_features:
            shared = {0: features} | {
                source: self.depth_network.features(inputs[source]) for source in inputs if source not in {0, "s"}
            }
        return Outputs(sigmoids, masks, self.pose_network(inputs, shared))

    def inverse_depth(self, sigmoid: Tensor) -> Tensor:
        """Inverse depth in units of the network, of a sigmoid map."""
        return self.depth_network.inverse_depth(sigmoid)

    def poses(self, outputs: Outputs) -> Poses:
        """The motions of `outputs`, in the form that the view synthesis wants."""
        if self.pose_network is None or not self.pose_network.scales_with_depth:
            return outputs.poses
        return lambda inverse: {source: scale_translation(T, inverse) for source, T in outputs.poses.items()}

    def parts(self) -> dict[str, nn.Module]:
        """The networks by the names of their files, the published ones first and in the order of the published optimiser."""
        return parts_of(self.depth_network, self.pose_network)


def build_model(recipe: Recipe) -> Model:
    """The networks that a recipe names, with torch's default initial weights.

    Raises:
        TrainingError: an unknown network or loss, wrong options of one, or a size that the network cannot take.
    """
    problems: list[str] = []
    depth = _network(recipe.depth, DEPTH_NETWORKS, "depth", problems)
    pose: Callable[[], PoseNetwork] | None = None
    if recipe.pose is not None:
        pose = _network(recipe.pose, POSE_NETWORKS, "pose", problems)
    for name, options in recipe.losses.items():
        _loss(name, options, problems)
    if problems or depth is None:
        raise TrainingError(f"recipe {recipe.name}: {'; '.join(problems)}")
    place, (height, width) = "depth", recipe.data.size
    try:
        made = depth()
        place = "data.size"
        made.check_size(height, width)
        place = "pose"
        return Model(made, pose() if pose else None)
    except TrainingError as error:
        raise TrainingError(f"recipe {recipe.name}, {place}: {error}") from error


def _network(
    content: dict[str, Any], known: Mapping[str, Callable[..., Network]], place: str, problems: list[str]
) -> Callable[[], Network] | None:
    """The constructor of the network that is named, with its keywords; None where something is wrong."""
    options = dict(content)
    if "network" not in options:
        problems.append(f"missing key {place}.network; known: {', '.join(known)}")
        return None
    name = options.pop("network")
    if not isinstance(name, str) or name not in known:
        problems.append(f"{place}.network is {name!r}; known: {', '.join(known)}")
        return None
    return partial(known[name], **keywords(known[name], options, place=f"{place}.", problems=problems))


def _loss(name: str, content: dict[str, Any], problems: list[str]) -> None:
    if name not in LOSSES:
        problems.append(f"losses.{name} is unknown; known: {', '.join(LOSSES)}")
        return
    options = dict(content)
    weight = options.pop("weight", None)
    if not isinstance(weight, int | float) or isinstance(weight, bool) or weight < 0:
        problems.append(f"losses.{name}.weight is {weight!r}; expected a number, 0 or more")
    keywords(LOSSES[name], options, place=f"losses.{name}.", problems=problems)
