"""What the linter says about one defect."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

Verdict = Literal["refuse", "warn", "fine", "not judged"]

# Refusals that rest on statistics, which somebody who knows better may overrule with `--despite`.
OVERRULABLE = ("transposed", "mirrored", "upside_down", "kind", "shifted", "shuffled", "flipped")


@dataclass(frozen=True)
class Finding:
    """One defect's verdict, its evidence in words and in numbers; `scalings`: only under these, () under all."""

    defect: str
    verdict: Verdict
    message: str
    evidence: dict[str, float] = field(default_factory=dict)
    scalings: tuple[str, ...] = ()
