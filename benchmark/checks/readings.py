"""Defects that another reading of the same file would mend: orientation, kind, order by a few frames."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from benchmark.checks.case import Case, joined
from benchmark.checks.contest import Array, Contest, contest, misfit
from benchmark.checks.finding import Finding
from benchmark.checks.order import STRAY, at_home
from benchmark.checks.samples import Samples
from benchmark.checks.values import is_prior

SOME, SOME_SHARE = 4, 0.15  # frames that fit better in another reading, from which on somebody should look
UNDECIDED = 0.25  # share of the frames on which the readings must differ for a word about them
OTHER_KIND = {"disparity": "depth", "inverse_depth": "depth", "depth": "disparity or inverse_depth"}


def transposed(case: Case) -> Finding:
    """Rows and columns swapped: upright maps of lying images, or a good map behind a transposition."""
    samples = joined(case)
    if samples.swapped:
        return Finding(
            "transposed",
            "refuse",
            f"{samples.swapped} of {len(samples.frame)} sampled maps are upright where the image is not, or the reverse: "
            "expected (N, h, w), save np.swapaxes(array, 1, 2)",
        )
    return _reading(samples, "transposed", "transposed", "save maps of (h, w) = (rows, columns), without a reshape")


def mirrored(case: Case) -> Finding:
    """Left and right exchanged. A scene that is symmetric cannot tell, a prior only by chance."""
    samples = joined(case)
    finding = _reading(samples, "mirrored", "mirrored left to right", "save array[:, :, ::-1]")
    return unless_prior(finding, samples, samples.log_thumbnails)


def upside_down(case: Case) -> Finding:
    """Top and bottom exchanged."""
    samples = joined(case)
    turned = _reading(samples, "rotated", "turned by 180 degrees", "save array[:, ::-1, ::-1]")
    finding = _reading(samples, "upside_down", "upside down", "save array[:, ::-1]")
    both = (finding, replace(turned, defect="upside_down"))
    found = [f for f in both if f.verdict == "refuse"] or [f for f in both if f.verdict == "warn"]
    return min(found, key=lambda f: f.evidence["other"], default=finding)


def kind(case: Case) -> Finding:
    """Depth declared as disparity or the reverse: near is far."""
    samples, other = joined(case), OTHER_KIND[case.kind]
    own, flat = _own(samples), _flat(samples.points.log_gt)
    found = contest(own, misfit(-samples.read["as_it_is"], samples.points.log_gt), flat)
    what = f"declared {case.kind}, the values rise and fall as those of {other} do"
    return _finding("kind", found, f"read as {other}", f"{what}: say what they are with --kind")


def shifted(case: Case) -> Finding:
    """Predictions that belong one or two frames further on or back."""
    samples = joined(case)
    if is_prior(samples.values):
        return Finding("shifted", "fine", "every frame has the same prediction, so the order does not matter")
    own = _own(samples)
    contests = {k: contest(own, misfit(pair.pred, pair.gt), _flat(pair.gt)) for k, pair in samples.shifted.items()}
    k, found = min(contests.items(), key=lambda item: (not item[1].convincing, _or_inf(item[1].other)))
    reading = f"against the ground truth {abs(k)} frame{'s' * (abs(k) > 1)} {'on' if k > 0 else 'back'}"
    return _finding("shifted", found, reading, "the order is shifted: save in the order of the list, or with frame ids")


def unless_prior(finding: Finding, samples: Samples, log_thumbnails: Array) -> Finding:
    """A mirror image is believed where it belongs to its frame more than to the others: on which side a prior is nearer
    is a matter of the drives it was made from."""
    if finding.verdict not in ("refuse", "warn"):
        return finding
    share = at_home(samples, log_thumbnails[:, :, ::-1])
    if share >= STRAY:
        return finding
    message = (
        f"mirrored, the predictions fit better, but not their own frame in particular: better than {share:.0%} of the others "
        "(chance: 50%)"
    )
    return Finding(finding.defect, "fine", message, finding.evidence)


def keep_best(findings: Sequence[Finding]) -> list[Finding]:
    """Of the readings that would each explain the file better, only the best one refuses."""
    refusals = [f for f in findings if f.verdict == "refuse" and "other" in f.evidence and f.defect != "flipped"]
    if len(refusals) < 2:
        return list(findings)
    best = min(refusals, key=lambda f: f.evidence["other"])
    message = f"read so it would fit better than as it is, but not as well as with {best.defect} mended"
    return [replace(f, verdict="fine", message=message) if f in refusals and f is not best else f for f in findings]


def _reading(samples: Samples, name: str, words: str, mend: str) -> Finding:
    said = (f"read {words}", f"the maps are {words}: {mend}")
    finding = against_truth(samples, name, (samples.read["as_it_is"], samples.read[name]), said)
    wins, frames = finding.evidence.get("wins", 0), finding.evidence.get("frames", 0)
    if finding.verdict != "fine" or is_prior(samples.values) or wins < max(SOME, SOME_SHARE * frames):
        return finding
    return replace(finding, verdict="warn", message=f"some of the maps may be {words}, {finding.message}")


def against_truth(samples: Samples, defect: str, readings: tuple[Array, Array], said: tuple[str, str]) -> Finding:
    """The file as it is against another reading of it, both (S, n) log depth; said are the reading and the remedy."""
    own, other = (misfit(log_depth, samples.points.log_gt) for log_depth in readings)
    return _finding(defect, contest(own, other, _flat(samples.points.log_gt)), *said)


def _finding(defect: str, found: Contest, reading: str, mend: str) -> Finding:
    if found.frames == 0:
        return Finding(defect, "not judged", "no sampled frame has a scored pixel with a prediction above zero")
    errors = f"error {found.other:.2f}, as it is {found.own:.2f}"
    counts = f"{reading}: better on {found.wins}, worse on {found.losses} of {found.frames} frames ({errors})"
    if found.convincing:
        return Finding(defect, "refuse", f"{mend}. Evidence: {counts}", found.evidence)
    if found.wins + found.losses < UNDECIDED * found.frames:
        return Finding(defect, "fine", f"undecidable, {counts}", found.evidence)
    return Finding(defect, "fine", counts, found.evidence)


def _own(samples: Samples) -> Array:
    return misfit(samples.read["as_it_is"], samples.points.log_gt)


def _flat(log_gt: Array) -> Array:
    return misfit(np.zeros_like(log_gt), log_gt)


def _or_inf(value: float) -> float:
    return value if np.isfinite(value) else np.inf
