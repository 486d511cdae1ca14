"""A protocol of ego-motion: how trajectories are joined, moved onto the ground truth, cut and averaged, as data.

Like the protocols of depth it is complete, frozen and hashed; its file begins with `task: ego_motion`.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from benchmark.errors import ProtocolError
from benchmark.protocol import FOLDER, NOT_HASHED, DepthProtocol, content_sha256, find_protocol, load_protocol, protocol_names
from benchmark.strict_yaml import build, read_yaml

if TYPE_CHECKING:
    from pathlib import Path

DEPTH_NOT_POSES = (
    "{0}: is a protocol of depth; expected one of ego-motion, which begins with `task: ego_motion`: {1}. Score depth maps with "
    "`depthbench evaluate PREDICTIONS --gt gt.h5 --protocol {0}`"
)
SEGMENT_METRICS = ("t_err", "r_err")
MAX_LENGTH_M, MAX_STEP = 10**9, 10**6  # far above any drive, and below what an index holds


@dataclass(frozen=True)
class Association:
    """How a predicted pose finds its frame: by frame number, by the nearest time within max_gap_s, or by whichever of the
    two both files have. The gap is null exactly where times play no part."""

    by: Literal["frame", "time", "frame_or_time"]
    max_gap_s: float | None


@dataclass(frozen=True)
class SegmentRule:
    """The lengths in metres of the pieces that t_err and r_err are measured on, and the frames between their starts."""

    lengths_m: tuple[int, ...]
    step_frames: int


@dataclass(frozen=True)
class SnippetRule:
    """Which positions a snippet compares, what its residual is divided by, and whether the shorter ones at the end count.

    `inverse_products` multiplies the inverse motions, as Monodepth2 does; that is no path the camera took.
    """

    frames: int
    chain: Literal["forward", "inverse_products"]
    normaliser: Literal["frames", "root_frames"]
    short_tails: bool


# What the engine computes; a protocol that wants something else is refused. Each has a standard deviation beside it.
SNIPPET_RULES: dict[str, SnippetRule] = {
    "snippet5_monodepth2": SnippetRule(5, "inverse_products", "frames", True),
    "snippet5_sfmlearner": SnippetRule(5, "forward", "frames", False),
    "snippet5_rmse": SnippetRule(5, "forward", "root_frames", False),
}


@dataclass(frozen=True)
class PoseProtocol:
    """One ego-motion setting. `sequences` holds the number of ground-truth poses of each (null: any sequences are scored);
    `coverage` is the least share of frames (of snippets, where those are predicted) that a record needs of each sequence;
    `alignment` is the headline: like the scaling of depth, the command line may choose others, and results name theirs."""

    task: Literal["ego_motion"]
    name: str
    version: int
    title: str
    source: str
    verified: Literal["evaluator", "restatement", "none"]
    sequences: dict[str, int] | None
    association: Association
    coverage: float
    rebase: Literal["first_predicted"]
    alignment: Literal["none", "scale", "scale_7dof", "6dof", "7dof"]
    segments: SegmentRule | None
    snippets: SnippetRule | None
    metrics: dict[str, str]
    aggregate: Literal["mean_over_sequences"]

    @property
    def sha256(self) -> str:
        """Hash of the canonical form (JSON with sorted keys) of everything that could change a number."""
        prose = {*NOT_HASHED, "alignment"}
        return content_sha256({key: value for key, value in dataclasses.asdict(self).items() if key not in prose})


def is_snippet_metric(name: str) -> bool:
    """Whether a metric is measured on snippets, each scaled by itself, so that no alignment changes it."""
    return name.removesuffix("_std") in SNIPPET_RULES


def load_pose_protocol(name_or_file: str) -> PoseProtocol:
    """A protocol of ego-motion by name, or from a YAML file.

    Raises:
        ProtocolError: unknown name; a protocol of depth; unknown, missing or mistyped keys; what the engine cannot do.
    """
    known = protocol_names(ego_motion=True)
    if name_or_file in protocol_names():
        raise ProtocolError(DEPTH_NOT_POSES.format(name_or_file, ", ".join(known)))
    path = find_protocol(name_or_file, known)
    content = read_yaml(path, ProtocolError)
    if "task" not in content and "split" in content:
        raise ProtocolError(DEPTH_NOT_POSES.format(path, ", ".join(known)))
    protocol = build(PoseProtocol, content, source=str(path), error=ProtocolError)
    _check(protocol, path)
    if path.parent != FOLDER and protocol.name in known and protocol.sha256 != load_pose_protocol(protocol.name).sha256:
        raise ProtocolError(
            f"{path}: {protocol.name} is the name of a published protocol, and this one differs from it; its results could be "
            "taken for the published ones: rename the file and the name in it"
        )
    return protocol


def load_any_protocol(name_or_file: str) -> DepthProtocol | PoseProtocol:
    """A protocol of either kind, by name or from a YAML file; ProtocolError as `load_protocol` and `load_pose_protocol`."""
    path = find_protocol(name_or_file, (*protocol_names(), *protocol_names(ego_motion=True)))
    return load_pose_protocol(name_or_file) if "task" in read_yaml(path, ProtocolError) else load_protocol(name_or_file)


def _check(protocol: PoseProtocol, path: Path) -> None:
    from benchmark.metrics.pose import POSE_METRICS

    if protocol.name != path.stem:
        raise ProtocolError(f"{path}: the file is called {path.stem}, the protocol in it {protocol.name}; they must agree")
    if protocol.name in protocol_names():
        raise ProtocolError(
            f"{path}: {protocol.name} is the name of a published protocol of depth; rename the file and the name"
        )
    if protocol.version < 1:
        raise ProtocolError(f"{path}: version {protocol.version}; expected 1 or more")
    if not protocol.metrics:
        raise ProtocolError(f"{path}: no metrics")
    for name, unit in protocol.metrics.items():
        if name not in POSE_METRICS:
            raise ProtocolError(f"{path}: unknown metric {name!r}; known: {', '.join(POSE_METRICS)}")
        if unit != POSE_METRICS[name].unit:
            raise ProtocolError(f"{path}: metric {name} in {unit!r}; expected {POSE_METRICS[name].unit!r}")
    _check_numbers(protocol, path)
    _check_snippets(protocol, path)


def _check_numbers(protocol: PoseProtocol, path: Path) -> None:
    sequences, association, segments = protocol.sequences, protocol.association, protocol.segments
    if sequences is not None and (not sequences or min(sequences.values()) < 2):
        raise ProtocolError(f"{path}: sequences {sequences}; expected 2 or more poses for each, or null for any sequences")
    if not 0 < protocol.coverage <= 1:
        raise ProtocolError(f"{path}: coverage {protocol.coverage}; expected a share of the frames, above 0 and at most 1")
    if (association.by == "frame") != (association.max_gap_s is None) or (
        association.max_gap_s is not None and association.max_gap_s <= 0
    ):
        raise ProtocolError(
            f"{path}: association by {association.by} with max_gap_s {association.max_gap_s}; expected seconds above 0 where "
            "times are compared, and null exactly for frame"
        )
    if (segments is None) == any(name in protocol.metrics for name in SEGMENT_METRICS):
        raise ProtocolError(
            f"{path}: segments {segments}; expected null exactly where {' and '.join(SEGMENT_METRICS)} are left out"
        )
    if segments is not None:
        lengths, step = segments.lengths_m, segments.step_frames
        ascending = lengths and list(lengths) == sorted(set(lengths)) and lengths[0] >= 1 and lengths[-1] <= MAX_LENGTH_M
        if not ascending or not 1 <= step <= MAX_STEP:
            raise ProtocolError(
                f"{path}: segments of {list(lengths)} m, step_frames {step}; expected ascending lengths and a step, all 1 or "
                f"more, up to {MAX_LENGTH_M:g} m and {MAX_STEP:g} frames"
            )


def _check_snippets(protocol: PoseProtocol, path: Path) -> None:
    asked = [name for name in protocol.metrics if is_snippet_metric(name)]
    if (protocol.snippets is None) != (not asked):
        raise ProtocolError(
            f"{path}: snippets {protocol.snippets}; expected null exactly where no snippet5 metric is asked for"
        )
    for name in asked:
        rule = SNIPPET_RULES[name.removesuffix("_std")]
        if rule != protocol.snippets:
            expected = ", ".join(f"{key}: {str(value).lower()}" for key, value in vars(rule).items())
            raise ProtocolError(f"{path}: snippets: {name} is defined by {{{expected}}}; change it to that, or the metric")
