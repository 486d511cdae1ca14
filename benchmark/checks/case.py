"""What every defect is judged on."""

from __future__ import annotations

from dataclasses import dataclass

from benchmark.checks.samples import PointsOf, Samples, Values
from benchmark.checks.scan import Scan


@dataclass(frozen=True)
class Case:
    """Sampled values; what they look like at the ground truth (None: they could not be joined); what every frame holds
    (None: not read); the declared kind; the scalings they are scored under; whether the protocol fills zeros; the
    scored points of any frame and the number of frames."""

    kind: str
    values: Values
    samples: Samples | None = None
    scan: Scan | None = None
    scalings: tuple[str, ...] = ()
    fills_holes: bool = False
    points_of: PointsOf = lambda _: None
    n_frames: int = 0


def joined(case: Case) -> Samples:
    """The samples of a case that has them."""
    if case.samples is None:
        raise ValueError("the predictions were not joined with ground truth")
    return case.samples
