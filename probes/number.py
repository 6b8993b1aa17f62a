"""A measured number: which of several it is, and where it must lie."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from probes.probe import Status

Pick = Literal["", "max", "min", "sum"]
"""What to make of several series; empty: several are an error."""


def picked(pick: Pick, numbers: Sequence[float]) -> float:
    """What `pick` makes of at least one number; without a pick it is the first."""
    match pick:
        case "max":
            return max(numbers)
        case "min":
            return min(numbers)
        case "sum":
            return math.fsum(numbers)
        case "":
            return numbers[0]


@dataclass(frozen=True, slots=True)
class Bounds:
    """Where the value must lie; a bound that isn't given isn't judged."""

    at_most: float | None = None
    at_least: float | None = None

    def judge(self, value: float) -> tuple[Status, str]:
        """The status, and the value with what was expected when it lies outside."""
        if self.at_most is not None and value > self.at_most:
            return Status.FAILING, f"{value:g}, expected at most {self.at_most:g}"
        if self.at_least is not None and value < self.at_least:
            return Status.FAILING, f"{value:g}, expected at least {self.at_least:g}"
        return Status.OK, f"{value:g}"
