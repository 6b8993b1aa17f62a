"""What people were told, and what not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from optibid_console.persistent import Grown


@dataclass(frozen=True, slots=True)
class Untold:
    """A message that a channel didn't take."""

    about: int
    """The number of the entry that it is about."""
    channel: str
    title: str
    at: float
    """When the last try failed, or when it was given up."""
    reason: str
    attempts: int = 0
    retry_at: float = 0.0
    """When it is tried again; 0: it isn't."""


@dataclass(frozen=True, slots=True)
class TellingState:
    """What people were told, and what not."""

    settled: Grown[tuple[int, str], bool] = field(default_factory=Grown)
    """(entry, channel) → whether it was told; what is missing is still to be told."""
    untold: Mapping[tuple[int, str], Untold] = field(default_factory=dict)
    """Messages that failed and weren't told since, in the order in which they failed first."""
    last: Mapping[str, tuple[str, float]] = field(default_factory=dict)
    """Channel → the title it took last, and when."""
    off: Mapping[str, str] = field(default_factory=dict)
    """Channel → why it can't be used."""
