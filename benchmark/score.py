"""The whole road of `depthbench evaluate`: files in, records and tables out."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from benchmark.errors import GroundTruthError, PredictionError, ProtocolError
from benchmark.io.ground_truth_files import DDAD_CHALLENGE, read_ground_truth
from benchmark.io.manifest import read_manifest
from benchmark.io.predictions import Predictions, hold_to_form, read_predictions
from benchmark.io.results import default_name, method_name
from benchmark.listed_splits import listed_split
from benchmark.matching import check_ground_truth, check_length, depth_options, match
from benchmark.protocol import DepthProtocol, load_protocol
from benchmark.splits import Split, find_entry, resolve_split

if TYPE_CHECKING:
    from benchmark.evaluate_depth import ImageTable
    from benchmark.io.ground_truth import GroundTruth
    from benchmark.summarize import Record


ASSUMED = "the ground truth says neither its frames nor its kind: it was taken to be {} in the order of {}"
PACK_ASSUMED = "the pack for the DDAD challenge names no frames: it was taken to be in the order of {}"


@dataclass(frozen=True)
class Request:
    """What a user asks `evaluate` for; None takes the manifest's word, else the default."""

    pred: Path
    gt: Path
    protocols: tuple[str, ...] = ("kitti_eigen",)
    scalings: tuple[str, ...] = ()
    kind: str | None = None
    pred_split: str | None = None
    flipped: Path | None = None
    method: str | None = None
    allow_missing: int = 0
    despite: tuple[str, ...] = ()
    by: tuple[str, ...] = ()


@dataclass(frozen=True)
class Score:
    """One setting's record and per-image table."""

    record: Record
    table: ImageTable
    protocol: DepthProtocol


def settings(protocols: Sequence[DepthProtocol], scalings: Sequence[str]) -> list[DepthProtocol]:
    """Every protocol under every scaling; without scalings its own and `none`, the headline first."""
    from benchmark.align import SCALINGS, parse_factor

    # factor=5 and factor=5.0 are one setting.
    spelled = [s if s in SCALINGS else f"factor={parse_factor(s)!r}" for s in scalings]
    chosen = [(p, s) for p in protocols for s in dict.fromkeys(spelled or (p.scaling, "none"))]
    return [dataclasses.replace(p, scaling=s) for p, s in chosen]


def score(request: Request) -> list[Score]:
    """Read, join, check, evaluate and summarise.

    Raises:
        InputError: whatever makes a number meaningless; see the modules that read each file.
    """
    protocols, split = common_split(request)
    chosen = settings(protocols, request.scalings)
    given = open_request(request, split)
    check_length(given.predictions, given.split)
    _refuse_disparities_as_metres(protocols, given)
    with ThreadPoolExecutor(4) as pool:
        # Hashing and inflating release the interpreter lock, so they run beside the import of the compiled kernels.
        hashes = [pool.submit(p.sha256) for p in (given.predictions, given.flipped) if p is not None]
        reading = pool.submit(read_truth, request.gt, split, protocols)
        from benchmark.checks.defects import inspect, overrule, raise_refusals, warnings_of
        from benchmark.evaluate_depth import evaluate_settings, load_kernels
        from benchmark.summarize import Inputs, summarize

        load_kernels()
        truth = reading.result()
        joined = match(truth, given.predictions, split=split, pred_split=given.split)
        what: dict[str, Any] = {"kind": given.kind, "flipped": given.flipped}
        scalings = tuple(p.scaling for p in chosen)
        checking = pool.submit(inspect, truth, given.predictions, joined, protocols[0], scalings=scalings, **what)
        tables = evaluate_settings(truth, given.predictions, chosen, match=joined, by=request.by, **what)
        # What the engine refuses is certain, so it speaks before the statistics do.
        findings = overrule(checking.result(), request.despite)
        raise_refusals(findings, given.predictions.source)
        digests = [h.result() for h in hashes]
    inputs = Inputs(
        split=split.sha256, ground_truth=truth.content_sha256, predictions=digests[0],
        flipped=digests[1] if given.flipped is not None else None, kind=given.kind, pred_split=given.split.name,
        surplus_predictions=joined.surplus,
    )  # fmt: skip
    common: dict[str, Any] = {"method": given.method, "inputs": inputs, "allow_missing": request.allow_missing}
    records = [
        summarize(table, p, warnings=[*_notes(truth, given, split, p), *warnings_of(findings, p.scaling)], **common)
        for table, p in zip(tables, chosen, strict=True)
    ]
    return [Score(*parts) for parts in zip(records, tables, chosen, strict=True)]


def _notes(truth: GroundTruth, given: _Given, split: Split, protocol: DepthProtocol) -> list[str]:
    """What the record should say of the frames and their ground truth."""
    table, options = protocol.class_table, depth_options(truth.header.split)
    form = getattr(given.predictions, "form", None)
    return [
        *split.notes,
        *([f"the depth of the ground truth was made with {' and '.join(sorted(options))}"] if options else []),
        *([ASSUMED.format(truth.header.depth_kind, split.name)] if truth.order_assumed else []),
        *([PACK_ASSUMED.format(given.split.name)] if form == DDAD_CHALLENGE != truth.header.dataset else []),
        *(table.unverified(truth.label) if table is not None and truth.label is not None else ()),
    ]


class _Given(NamedTuple):
    """The predictions, what they are, whose they are, and the frames that a bare array of them follows."""

    predictions: Predictions
    flipped: Predictions | None
    kind: str
    method: str
    split: Split


def _refuse_disparities_as_metres(protocols: Sequence[DepthProtocol], given: _Given) -> None:
    metric = [p.name for p in protocols if p.scaling == "none"]
    if metric and given.kind == "disparity":
        raise PredictionError(
            f"{given.predictions.source}: {metric[0]} scores metres, and a disparity has no scale; say `--kind depth` or "
            "`--kind inverse_depth`, or choose a protocol that scales"
        )


def open_request(request: Request, split: Split) -> _Given:
    """Open the predictions of a request; `split` are the frames of the protocol.

    Raises:
        InputError: no such file, an unknown name, or predictions that cannot be scored whatever they belong to.
    """
    manifest = read_manifest(request.pred)
    kind = request.kind or manifest.kind or "disparity"
    named = request.pred_split or manifest.split
    pred_split = split if named in {None, split.name} else _find_split(str(named), request.gt)
    method = method_name(request.method or manifest.method or default_name(request.pred))
    predictions = read_predictions(manifest.predictions, pred_split.frame_ids)
    hold_to_form(predictions, kind)
    flipped = None if request.flipped is None else _read_flipped(request.flipped, predictions, pred_split)
    return _Given(predictions, flipped, kind, method, pred_split)


def read_truth(path: Path, split: Split, protocols: Sequence[DepthProtocol]) -> GroundTruth:
    """Read the ground truth and hold it to the protocols."""
    source = protocols[0].ground_truth
    truth = read_ground_truth(path, split, dataset=source.dataset, depth_kind=source.depth_kind)
    for protocol in protocols:
        check_ground_truth(truth, protocol)
    return truth


def _refuse_namesakes(protocols: Sequence[DepthProtocol]) -> None:
    kinds = {(p.name, p.sha256) for p in protocols}
    names = [name for name, _ in kinds]
    if len(names) > len(set(names)):
        raise ProtocolError(
            f"two different protocols are called {max(names, key=names.count)}; their results would overwrite each other: "
            "rename one file and the name in it"
        )


def common_split(request: Request) -> tuple[list[DepthProtocol], Split]:
    """The protocols of a request and the one split that they are on."""
    protocols = [load_protocol(name) for name in dict.fromkeys(request.protocols)]
    _refuse_namesakes(protocols)
    if request.by:
        from benchmark.parts import kinds

        for protocol in protocols:
            kinds(protocol, request.by)
    return protocols, _split_of(protocols, request.gt)


def _split_of(protocols: Sequence[DepthProtocol], gt: Path) -> Split:
    names = {p.split for p in protocols}
    if len(names) > 1:
        raise ProtocolError(
            f"the protocols are on different splits ({', '.join(sorted(names))}); one prediction file is scored on one "
            "split at a time"
        )
    return _find_split(names.pop(), gt)


def _find_split(name: str, gt: Path) -> Split:
    """The split of that name or file; where the list comes with the data set, out of the ground truth."""
    entry = find_entry(name)
    if entry is None or entry.sha256 is not None:
        return resolve_split(name)
    if name.startswith(f"{DDAD_CHALLENGE}/"):
        from benchmark.io.ddad_challenge import frame_ids

        return listed_split(name, frame_ids(gt), exported=name)
    if not gt.is_file():
        raise GroundTruthError(f"{gt}: no such file; make it with `depthbench export_gt --split {name}`")
    # Some lists come with the data set alone: their frames are those of the exported ground truth.
    if gt.suffix not in {".h5", ".hdf5"}:
        raise GroundTruthError(
            f"{gt}: the frames of {name} are known from exported ground truth alone; write it with `depthbench export_gt`"
        )
    from benchmark.io.ground_truth_hdf5 import read_header

    header = read_header(gt)
    return listed_split(name, header.frame_id, exported=header.split)


def _read_flipped(path: Path, predictions: Predictions, split: Split) -> Predictions:
    flipped = read_predictions(path, split.frame_ids)
    if len(flipped) != len(predictions) or flipped.frame_id != predictions.frame_id:
        raise PredictionError(
            f"{path}: {len(flipped)} predictions of mirrored images for {len(predictions)} predictions; expected the same "
            "frames in the same order"
        )
    return flipped
