"""The table of defects, in the order in which they are reported, and what is done about those that are found."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from benchmark.checks import order, readings, scale, second_file, values
from benchmark.checks.case import Case
from benchmark.checks.finding import OVERRULABLE, Finding
from benchmark.checks.samples import Samples, points_by_frame, read_samples
from benchmark.checks.scan import Scan
from benchmark.errors import PredictionError
from benchmark.io.ground_truth import GroundTruth
from benchmark.io.predictions import Predictions
from benchmark.matching import Match
from benchmark.protocol import DepthProtocol


class Defect(NamedTuple):
    """What it is in words, who judges it, and whether that takes the ground truth."""

    title: str
    judge: Callable[[Case], Finding]
    needs_truth: bool = True


DEFECTS: dict[str, Defect] = {
    "not_finite": Defect("NaN or inf", values.not_finite, needs_truth=False),
    "not_positive": Defect("zero or negative values", values.not_positive, needs_truth=False),
    "negated": Defect("all values negated", values.negated, needs_truth=False),
    "transposed": Defect("rows and columns swapped", readings.transposed),
    "mirrored": Defect("left and right swapped", readings.mirrored),
    "upside_down": Defect("top and bottom swapped", readings.upside_down),
    "kind": Defect("depth for disparity, or the reverse", readings.kind),
    "shifted": Defect("order shifted by a frame or two", readings.shifted),
    "shuffled": Defect("order shuffled", order.shuffled),
    "flipped": Defect("--flipped file that does not fit the first", second_file.flipped),
    "prior": Defect("the same for every frame", values.prior, needs_truth=False),
    "constant": Defect("one value per map", values.constant, needs_truth=False),
    "quantised": Defect("coarse steps", values.quantised, needs_truth=False),
    "eight_bit": Defect("at most 256 values", values.eight_bit, needs_truth=False),
    "saturated": Defect("pixels at the ends of the values", values.saturated),
    "factor_missing": Defect("factor 5.4 missing", scale.factor_missing),
    "factor_doubled": Defect("factor 5.4 twice", scale.factor_doubled),
    "times_256": Defect("256 times too large or small", scale.times_256),
    "scale_varies": Defect("scale drifts between frames", scale.scale_varies),
}


def inspect(
    truth: GroundTruth, predictions: Predictions, match: Match, protocol: DepthProtocol, *, kind: str,
    scalings: tuple[str, ...] = (), flipped: Predictions | None = None, scan: Scan | None = None,
) -> list[Finding]:  # fmt: skip
    """Every defect's finding for predictions that are joined with their ground truth.

    Args:
        kind: what the predictions are declared to be.
        scalings: that they are scored under, for the defects that matter to a fixed factor only.
        flipped: predictions of the mirrored images, mirrored back.
        scan: what every frame holds, where somebody looked; sampled frames tell nothing about NaN in the others.
    """
    points_of = points_by_frame(truth, match, protocol)
    fills_holes = protocol.invalid_prediction == "inpaint"
    with np.errstate(all="ignore"):
        samples = read_samples(
            truth, predictions, match, points_of, kind=kind, fills_holes=fills_holes, flipped=flipped
        )  # fmt: skip
    return judge(Case(kind, samples.values, samples, scan, scalings, fills_holes, points_of, len(match.frame_id)))


def judge(case: Case) -> list[Finding]:
    """One finding a defect, in the order of the table."""
    found: dict[str, Finding] = {}
    # Whatever a file holds, comparisons with the NaN that come of it are false.
    with np.errstate(all="ignore"):
        for name, defect in DEFECTS.items():
            if defect.needs_truth and not _has_frames(case.samples):
                found[name] = Finding(name, "not judged", "no prediction could be compared with ground truth")
            elif name == "shuffled" and any(found[d].verdict == "refuse" for d in OVERRULABLE if d in found):
                found[name] = Finding(name, "not judged", "another defect would look like this one: mend that first")
            else:
                found[name] = defect.judge(case)
    return readings.keep_best(list(found.values()))


def _has_frames(samples: Samples | None) -> bool:
    return samples is not None and len(samples.frame) > 0


def overrule(findings: Sequence[Finding], despite: Sequence[str]) -> list[Finding]:
    """Refusals that rest on statistics and that somebody who knows better has lifted, as warnings."""

    def lift(finding: Finding) -> Finding:
        if finding.verdict != "refuse" or finding.defect not in OVERRULABLE or finding.defect not in despite:
            return finding
        return replace(finding, verdict="warn", message=f"scored despite `{finding.defect}`: {finding.message}")

    return [lift(finding) for finding in findings]


def raise_refusals(findings: Sequence[Finding], source: str) -> None:
    """Nothing is scored that would get a meaningless number.

    Raises:
        PredictionError: with the first refusal, and how to overrule it where that is possible.
    """
    refusals = [f for f in findings if f.verdict == "refuse"]
    if not refusals:
        return
    first = refusals[0]
    others = f" Also refused: {', '.join(f.defect for f in refusals[1:])}." if refusals[1:] else ""
    lift = f" If you know better, `--despite {first.defect}` scores it with a warning." if first.defect in OVERRULABLE else ""
    raise PredictionError(f"{source}: {first.message}.{others}{lift} `depthbench check` shows every check")


def warnings_of(findings: Sequence[Finding], scaling: str) -> list[str]:
    """The warnings for the record of one scaling. A drifting scale is noted there already, from every frame."""
    return [
        f.message
        for f in findings
        if f.verdict == "warn" and f.defect != "scale_varies" and (not f.scalings or scaling in f.scalings)
    ]
