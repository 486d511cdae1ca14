"""The whole road of `depthbench evaluate`: files in, records and tables out."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from benchmark.errors import PredictionError, ProtocolError
from benchmark.io.manifest import read_manifest
from benchmark.io.predictions import Predictions, read_predictions
from benchmark.io.results import method_name
from benchmark.protocol import DepthProtocol, load_protocol
from benchmark.splits import Split, load_split, resolve_split
from benchmark.summarize import Inputs, Record, summarize

if TYPE_CHECKING:
    from benchmark.evaluate_depth import ImageTable


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


@dataclass(frozen=True)
class Score:
    """One setting's record and per-image table."""

    record: Record
    table: ImageTable
    protocol: DepthProtocol


def settings(protocols: Sequence[DepthProtocol], scalings: Sequence[str]) -> list[DepthProtocol]:
    """Every protocol under every scaling; without scalings its own and `none`, the headline first."""
    from benchmark.align import parse_factor

    for scaling in scalings:
        parse_factor(scaling)
    chosen = [(p, s) for p in protocols for s in dict.fromkeys(scalings or (p.scaling, "none"))]
    return [dataclasses.replace(p, scaling=s) for p, s in chosen]


def score(request: Request) -> list[Score]:
    """Read, join, check, evaluate and summarise.

    Raises:
        InputError: whatever makes a number meaningless; see the modules that read each file.
    """
    manifest = read_manifest(request.pred)
    protocols = [load_protocol(name) for name in request.protocols]
    split = _common_split(protocols)
    kind = request.kind or manifest.kind or "disparity"
    pred_split = resolve_split(request.pred_split or manifest.split or split.name)
    method = method_name(request.method or manifest.method or request.pred.stem)
    chosen = settings(protocols, request.scalings)
    predictions = read_predictions(manifest.predictions, pred_split.frame_ids)
    flipped = None if request.flipped is None else _read_flipped(request.flipped, predictions, pred_split)
    with ThreadPoolExecutor(2) as pool:
        # Hashing releases the interpreter lock: it runs beside the imports and the reading below.
        hashes = [pool.submit(p.sha256) for p in (predictions, flipped) if p is not None]
        from benchmark.evaluate_depth import evaluate_settings
        from benchmark.io.ground_truth_files import read_ground_truth
        from benchmark.matching import check_ground_truth, match

        source = protocols[0].ground_truth
        truth = read_ground_truth(request.gt, split, dataset=source.dataset, depth_kind=source.depth_kind)
        for protocol in protocols:
            check_ground_truth(truth, protocol)
        joined = match(truth, predictions, split, pred_split)
        tables = evaluate_settings(truth, predictions, chosen, joined, kind=kind, flipped=flipped)
        digests = [h.result() for h in hashes]
    inputs = Inputs(
        split.sha256, truth.content_sha256, digests[0], digests[1] if flipped is not None else None, kind,
        pred_split.name, joined.surplus,
    )  # fmt: skip
    notes = ["the ground truth names no frames: its order was taken to be that of the split"] if truth.order_assumed else []
    return [
        Score(summarize(t, p, method=method, inputs=inputs, allow_missing=request.allow_missing, warnings=notes), t, p)
        for t, p in zip(tables, chosen, strict=True)
    ]


def _common_split(protocols: Sequence[DepthProtocol]) -> Split:
    names = {p.split for p in protocols}
    if len(names) > 1:
        raise ProtocolError(
            f"the protocols are on different splits ({', '.join(sorted(names))}); one prediction file is scored on one "
            "split at a time"
        )
    return load_split(names.pop())


def _read_flipped(path: Path, predictions: Predictions, split: Split) -> Predictions:
    flipped = read_predictions(path, split.frame_ids)
    if len(flipped) != len(predictions) or flipped.frame_id != predictions.frame_id:
        raise PredictionError(
            f"{path}: {len(flipped)} predictions of mirrored images for {len(predictions)} predictions; expected the same "
            "frames in the same order"
        )
    return flipped
