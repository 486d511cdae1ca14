"""What is known of a metric beside its formula."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

Measured = TypeVar("Measured")  # what metrics of a family are functions of


@dataclass(frozen=True)
class Metric(Generic[Measured]):
    """A metric, the unit of what its function returns, which way is better, and how tables print its name."""

    function: Callable[[Measured], float]
    unit: str
    better: str
    title: str
