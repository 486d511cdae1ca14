"""The second file, `--flipped`: predictions of the mirrored images. Flip fusion averages the two, so they must agree.

A network's predictions of an image and of its mirror image differ by a few percent. What is wrong with the second file is
therefore seen best in the first one, except that both may be mirrored: that is asked of the ground truth.
"""

from __future__ import annotations

import numpy as np

from benchmark.checks.case import Case, joined
from benchmark.checks.contest import Array, contest, misfit
from benchmark.checks.finding import Finding
from benchmark.checks.readings import against_truth, unless_prior
from benchmark.checks.samples import Samples
from benchmark.checks.values import is_prior

SAME_FRAME = 0.75  # share of the other frames' first predictions that a second one fits worse than its own (chance: 0.5)
SAME_SCALE = 2.0  # by how much the values of the two files may differ


def flipped(case: Case) -> Finding:
    """Not mirrored back, of another order or kind, upside down or of another scale."""
    samples = joined(case)
    if "flipped_as_it_is" not in samples.read:
        return Finding("flipped", "not judged", "no --flipped file was given")
    mend = "the predictions of the mirrored images were not mirrored back: save array[:, :, ::-1]"
    readings = (samples.read["flipped_as_it_is"], samples.read["flipped_mirrored"])
    finding = against_truth(samples, "flipped", readings, ("the --flipped file read mirrored", mend))
    finding = unless_prior(finding, samples, samples.log_flipped)
    if finding.verdict != "fine":
        return finding
    first, second = (x.reshape(len(samples.frame), -1) for x in (samples.log_thumbnails, samples.log_flipped))
    if not (np.isfinite(first).all() and np.isfinite(second).all()):
        return finding
    return _other_reading(samples, first) or _other_order(samples, first, second) or _other_scale(first, second) or finding


def _other_reading(samples: Samples, first: Array) -> Finding | None:
    second = samples.log_flipped
    readings = {
        "is upside down": second[:, ::-1],
        "holds depths where the first holds disparities, or the reverse": -second,
    }
    own, flat = misfit(second.reshape(first.shape), first), misfit(np.zeros_like(first), first)
    found = {words: contest(own, misfit(x.reshape(first.shape), first), flat) for words, x in readings.items()}
    words, best = min(found.items(), key=lambda item: (not item[1].convincing, item[1].other))
    if not best.convincing:
        return None
    message = (
        f"the --flipped file {words}: read so, it agrees better with the first file on {best.wins} of {best.frames} frames "
        f"(difference {best.other:.2f}, as it is {best.own:.2f}); save both in one form"
    )
    return Finding("flipped", "refuse", message, best.evidence)


def _other_order(samples: Samples, first: Array, second: Array) -> Finding | None:
    n = len(first)
    if is_prior(samples.values) or n < 2:
        return None
    differences = np.array([misfit(np.broadcast_to(one, first.shape), first) for one in second])
    own = np.diagonal(differences)[:, None]
    share = float(((differences > own).sum() + 0.5 * ((differences == own).sum() - n)) / (n * (n - 1)))
    if share >= SAME_FRAME:
        return None
    message = (
        "the --flipped file is in another order than the first file: its predictions agree better with those of their own "
        f"frame than with {share:.0%} of the others (chance: 50%); save both in one order"
    )
    return Finding("flipped", "refuse", message, {"same_frame": share})


def _other_scale(first: Array, second: Array) -> Finding | None:
    factor = float(np.exp(abs(np.median(np.median(first - second, axis=1)))))
    if factor < SAME_SCALE:
        return None
    message = f"the values of the two files differ by a factor of {factor:.3g}: their mean is neither; save both in one unit"
    return Finding("flipped", "refuse", message, {"factor": factor})
