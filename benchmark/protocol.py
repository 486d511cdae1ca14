"""A protocol is data: one published evaluation setting, complete, frozen and hashed.

Nothing about how a number is made is chosen in code by the name of a split: every choice that papers leave to a footnote
is a key of the YAML file. `version` is raised when a number could change; the sha256 travels with every number.
"""

from __future__ import annotations

import dataclasses
import difflib
import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from benchmark.errors import ProtocolError
from benchmark.semantic_classes import ClassTable, load_classes
from benchmark.strict_yaml import build, read_yaml

if TYPE_CHECKING:
    from benchmark.pose_protocol import PoseProtocol

FOLDER = Path(__file__).parent / "protocols"
# Prose may be improved without making old and new results incomparable; the scaling stands beside the hash in every
# record, because the command line may choose another one.
PROSE = ("name", "title", "source", "verified")
NOT_HASHED = ("title", "source", "verified", "scaling", "by")
OPTIONAL = ("classes", "by")  # left out where they say nothing
EGO_MOTION = b"task: ego_motion"  # how the files of pose_protocol.py begin
POSES_NOT_DEPTH = (
    "{0}: is a protocol of ego-motion, which scores camera poses; expected one of depth. Score poses with `depthbench "
    "evaluate_pose POSES --gt POSES --protocol {0}`; `depthbench protocols list` shows the protocols of depth"
)


@dataclass(frozen=True)
class GroundTruthSource:
    """Which ground truth a protocol is defined on."""

    dataset: str
    depth_kind: Literal["lidar_forward_x", "camera_z", "annotated_png", "exact"]


@dataclass(frozen=True)
class DepthRange:
    """Which ground-truth depths are scored, in metres; a bound of null is no bound."""

    min_m: float | None
    max_m: float | None
    min_open: bool
    max_open: bool


@dataclass(frozen=True)
class Resize:
    """What is interpolated from the prediction's size to the image's, by which rule."""

    quantity: Literal["disparity", "depth"]
    rule: Literal["half_pixel", "align_corners", "nearest", "top_center", "same_size"]


@dataclass(frozen=True)
class Clamp:
    """The range predictions are clamped to, in metres."""

    min_m: float | None
    max_m: float | None
    when: Literal["after_scaling", "before_scaling", "never"]


@dataclass(frozen=True)
class ClassRules:
    """Classes that are scored one by one: their table in classes/, and whether a class is aligned on the scored pixels of the
    image or again on its own."""

    table: str
    scaling: Literal["image", "per_class"]


@dataclass(frozen=True)
class DepthProtocol:
    """One depth evaluation setting. `inversion` is how a disparity becomes a depth and back; `invalid_prediction` says
    what a prediction without a positive value means; `flip_fusion` is the working type of flip fusion; `by` are the parts of
    the split that are tabled without being asked for."""

    name: str
    version: int
    title: str
    source: str
    verified: Literal["evaluator", "restatement", "none"]
    split: str
    ground_truth: GroundTruthSource
    crop: Literal["none", "garg", "eigen"]
    depth_range: DepthRange
    resize: Resize
    inversion: Literal["reciprocal", "floor_1e-6", "plus_1e-6"]
    invalid_prediction: Literal["refuse", "inpaint"]
    flip_fusion: Literal["float64", "float32"]
    dtype: Literal["float32", "float64"]
    scaling: str
    median: Literal["mean_of_middle", "lower"]
    clamp: Clamp
    empty_image: Literal["refuse", "drop", "zero"]
    metrics: dict[str, str]
    aggregate: Literal["mean_over_images"]
    classes: ClassRules | None = None
    by: tuple[Literal["camera", "range"], ...] = ()

    @property
    def sha256(self) -> str:
        """Hash of the canonical form (JSON with sorted keys) of everything that could change a number."""
        content = {key: value for key, value in dataclasses.asdict(self).items() if key not in NOT_HASHED}
        table = self.class_table
        return content_sha256(
            _without_empty(content) | ({"class_of_id": table.mapping, "scored": table.scored} if table else {})
        )

    @property
    def class_table(self) -> ClassTable | None:
        """The classes that are scored one by one."""
        return load_classes(self.classes.table) if self.classes else None


def _without_empty(content: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in content.items() if value or key not in OPTIONAL}


def content_sha256(content: dict[str, Any]) -> str:
    """Hash of the canonical form: JSON with sorted keys and no blanks."""
    canonical = json.dumps(content, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()


def protocol_names(*, ego_motion: bool = False) -> tuple[str, ...]:
    """The protocols that come with depthbench, those of depth or those of ego-motion."""
    return tuple(sorted(p.stem for p in FOLDER.glob("*.yaml") if p.read_bytes().startswith(EGO_MOTION) == ego_motion))


def find_protocol(name_or_file: str, known: tuple[str, ...]) -> Path:
    """The file of a protocol that is known by name, or the path of one's own.

    Raises:
        ProtocolError: an unknown name.
    """
    if name_or_file in known:
        return FOLDER / f"{name_or_file}.yaml"
    path = Path(name_or_file)
    if path.suffix not in {".yaml", ".yml"}:
        close = difflib.get_close_matches(name_or_file, known, 1)
        hint = f" (did you mean {close[0]}?)" if close else ""
        raise ProtocolError(f"unknown protocol {name_or_file!r}{hint}; known: {', '.join(known)}, or the path of a .yaml file")
    return path


def load_protocol(name_or_file: str) -> DepthProtocol:
    """A protocol by name, or from a YAML file.

    Raises:
        ProtocolError: unknown name; unknown, missing or mistyped keys; a value that no rule knows.
    """
    from benchmark.metrics.depth import ALIASES

    if name_or_file in protocol_names(ego_motion=True):
        raise ProtocolError(POSES_NOT_DEPTH.format(name_or_file))
    path = find_protocol(name_or_file, protocol_names())
    content = read_yaml(path, ProtocolError)
    if content.get("task") == "ego_motion":
        raise ProtocolError(POSES_NOT_DEPTH.format(path))
    protocol = build(DepthProtocol, content, source=str(path), error=ProtocolError)
    metrics = {ALIASES.get(name, name): unit for name, unit in protocol.metrics.items()}
    if len(metrics) < len(protocol.metrics):
        raise ProtocolError(f"{path}: a metric is asked for under two of its names: {', '.join(protocol.metrics)}")
    protocol = dataclasses.replace(protocol, metrics=metrics)
    _check(protocol, path)
    if protocol.name in protocol_names(ego_motion=True):
        raise ProtocolError(f"{path}: {protocol.name} is the name of a published protocol of ego-motion; rename file and name")
    if path.parent != FOLDER and protocol.name in protocol_names() and protocol.sha256 != load_protocol(protocol.name).sha256:
        raise ProtocolError(
            f"{path}: {protocol.name} is the name of a published protocol, and this one differs from it; its results could be "
            "taken for the published ones: rename the file and the name in it"
        )
    return protocol


def _check(protocol: DepthProtocol, path: Path) -> None:
    from benchmark.align import parse_factor
    from benchmark.metrics.depth import DEPTH_METRICS, UNIT_FACTORS

    if protocol.name != path.stem:
        raise ProtocolError(f"{path}: the file is called {path.stem}, the protocol in it {protocol.name}; they must agree")
    try:
        parse_factor(protocol.scaling)
        table = protocol.class_table
    except ProtocolError as problem:
        raise ProtocolError(f"{path}: {problem}") from problem
    if protocol.version < 1:
        raise ProtocolError(f"{path}: version {protocol.version}; expected 1 or more")
    clamp = protocol.clamp
    if (clamp.when == "never") != (clamp.min_m is None and clamp.max_m is None):
        raise ProtocolError(
            f"{path}: clamp from {clamp.min_m} to {clamp.max_m} m {clamp.when}; expected never exactly where there is no bound"
        )
    if not protocol.metrics:
        raise ProtocolError(f"{path}: no metrics")
    if table is not None and "abs_rel" not in protocol.metrics:
        raise ProtocolError(f"{path}: classes are scored by abs_rel, which is not among the metrics; add it")
    for name, unit in protocol.metrics.items():
        if name not in DEPTH_METRICS:
            raise ProtocolError(f"{path}: unknown metric {name!r}; known: {', '.join(DEPTH_METRICS)}")
        base = DEPTH_METRICS[name].unit
        known = [to for origin, to in UNIT_FACTORS if origin == base]
        if unit not in known:
            raise ProtocolError(f"{path}: metric {name} in {unit!r}; known units: {', '.join(known)}")
    for name, low, high in (
        ("depth_range", protocol.depth_range.min_m, protocol.depth_range.max_m),
        ("clamp", protocol.clamp.min_m, protocol.clamp.max_m),
    ):
        if low is not None and high is not None and low >= high:
            raise ProtocolError(f"{path}: {name} from {low} to {high} m is empty")


def differences(one: DepthProtocol | PoseProtocol, other: DepthProtocol | PoseProtocol) -> list[tuple[str, Any, Any]]:
    """Every key in which two protocols, of depth or of ego-motion, differ, with both values."""
    a, b = flatten(one), flatten(other)
    return [(key, a.get(key), b.get(key)) for key in {**a, **b} if a.get(key) != b.get(key)]


def flatten(protocol: DepthProtocol | PoseProtocol) -> dict[str, Any]:
    """Dotted keys to values, in the order of the file."""
    out: dict[str, Any] = {}
    for key, value in _without_empty(dataclasses.asdict(protocol)).items():
        listed = ", ".join(map(str, value)) if isinstance(value, tuple) else value
        out |= {f"{key}.{k}": v for k, v in value.items()} if isinstance(value, dict) else {key: listed}
    return out
