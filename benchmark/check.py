"""The prediction linter: is the number that a file would get worth anything? `depthbench check`.

A file is refused where its number would be meaningless, warned about (in the record too) where it is a number to be careful
with. What rests on statistics is judged on a few sampled frames, and refused only where another reading of the file explains
the ground truth better by a margin, on so many frames that it cannot be chance. `evaluate` asks the same questions.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from pathlib import Path

from benchmark.checks.case import Case
from benchmark.checks.defects import DEFECTS, inspect, judge
from benchmark.checks.finding import Finding
from benchmark.checks.samples import FRAMES, choose_evenly, read_values
from benchmark.checks.scan import scan
from benchmark.errors import PredictionError
from benchmark.io.predictions import Predictions
from benchmark.io.results import to_json
from benchmark.matching import check_length, match
from benchmark.score import Request, common_split, open_request, read_truth, settings

TITLES = {
    "form": "float32 or float64, (N, h, w), readable",
    "count": "number and names of the frames",
    **{name: defect.title for name, defect in DEFECTS.items()},
}


def check(request: Request) -> list[Finding]:
    """One finding a defect, in the order of `TITLES`. What cannot be judged says why.

    Raises:
        InputError: the ground truth, the protocol or the names are at fault, or one map of the predictions cannot be read.
    """
    protocols, split = common_split(request)
    try:
        given = open_request(request, split)
    except PredictionError as error:
        if not request.pred.exists():
            raise
        why = "the predictions could not be opened"
        return [
            Finding("form", "refuse", _without_path(error, request.pred)),
            *(Finding(d, "not judged", why) for d in [*TITLES][1:]),
        ]
    form = Finding("form", "fine", _form(given.predictions))
    truth = read_truth(request.gt, split, protocols)
    positions = range(len(given.predictions))
    try:
        check_length(given.predictions, given.split)
        joined = match(truth, given.predictions, split=split, pred_split=given.split)
    except PredictionError as error:
        values = read_values(given.predictions, choose_evenly(len(positions), FRAMES))
        seen = scan(given.predictions.load(i) for i in positions)
        return [
            form,
            Finding("count", "refuse", _without_path(error, request.pred)),
            *judge(Case(given.kind, values, scan=seen)),
        ]
    used = [i for i in joined.prediction if i is not None]
    seen = scan(p.load(i) for p in (given.predictions, given.flipped) if p is not None for i in used)
    scalings = tuple(p.scaling for p in settings(protocols, request.scalings))
    found = inspect(
        truth, given.predictions, joined, protocols[0], kind=given.kind, scalings=scalings, flipped=given.flipped, scan=seen
    )
    return [form, _count(len(used), len(split.frame_ids), joined.surplus), *found]


def _without_path(error: PredictionError, path: Path) -> str:
    return str(error).removeprefix(f"{path}: ")


def _form(predictions: Predictions) -> str:
    shape = f"{predictions.shape}" if predictions.shape else f"{len(predictions)} maps"
    return f"{shape}, {'with frame ids' if predictions.frame_id else 'in the order of the list'}"


def _count(used: int, expected: int, surplus: int) -> Finding:
    more = f", {surplus} more are of other frames" if surplus else ""
    if used < expected:
        missing = expected - used
        message = f"{missing} of {expected} frames have no prediction{more}: a mean over the others is another benchmark"
        return Finding("count", "refuse", f"{message}; predict them, or score with --allow-missing {missing}")
    return Finding("count", "fine", f"{used} predictions for {expected} frames{more}")


def findings_json(findings: Sequence[Finding]) -> str:
    """The findings as a JSON list, in order; a number that could not be had is null."""

    def row(finding: Finding) -> dict[str, object]:
        evidence = {key: value if math.isfinite(value) else None for key, value in finding.evidence.items()}
        return {**dataclasses.asdict(finding), "evidence": evidence}

    return to_json([row(f) for f in findings])


def raise_verdict(findings: Sequence[Finding], path: Path) -> None:
    """The command fails where a file would be refused.

    Raises:
        PredictionError: naming every refusal.
    """
    refused = [f.defect for f in findings if f.verdict == "refuse"]
    if refused:
        raise PredictionError(f"{path}: refused ({', '.join(refused)}): a score would mean nothing; see the table")
