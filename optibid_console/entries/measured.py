"""How long steps took before: it feeds the estimates."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class RehearsalMeasured:
    """How long steps took in this window's last rehearsal: it feeds the estimates."""

    window_id: str
    """The rehearsal's."""
    at: float
    """When the last of them ended: seconds since the epoch, UTC."""
    durations_s: Mapping[str, float]
    """Step id → seconds; only those whose command is still the same."""


@dataclass(frozen=True, slots=True)
class StepMeasured:
    """How long one step took in earlier windows."""

    seconds: float
    """The median, evidence included."""
    windows: int
    """Of so many windows."""
    bytes_per_s: float = 0.0
    """Of a restore: bytes of its backup restored in a second, the median; 0: not known."""


@dataclass(frozen=True, slots=True)
class WindowsMeasured:
    """How long the same steps took in the last windows of this name: it feeds the estimates."""

    windows: tuple[str, ...]
    """Their ids, the newest first."""
    at: float
    """When the last of those steps ended: seconds since the epoch, UTC."""
    steps: Mapping[str, StepMeasured]
    """Step id → what is known of it; only those whose command is still the same."""


MeasuredFact = RehearsalMeasured | WindowsMeasured
