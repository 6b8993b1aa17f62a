"""A window's life: opened, held, resumed, closed; its engines, operators and spill files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class WindowOpened:
    window_id: str
    name: str
    version: str
    stamp: str
    """`YYYYMMDD_HHMMSS` (UTC) of the opening: the one that names backups and tags."""
    t0: float
    """Seconds since the epoch, UTC."""
    speed: float
    digest: str
    """SHA-256 of the runbook's canonical document."""
    runbook: Mapping[str, Any]
    """The runbook's document, its secrets still as `${NAME}`."""
    rehearsal: bool = False
    """Nothing is changed in it: its targets launch what is marked read-only, nothing else."""


@dataclass(frozen=True, slots=True)
class EngineStarted:
    version: str
    host: str
    pid: int
    boot_id: str = ""
    epoch: int = 0
    """Of the journal's lease that it took; launches carry it."""
    took_over_from: str = ""
    """Who held the lease, when a living engine was deposed."""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class EngineStopped:
    reason: str


@dataclass(frozen=True, slots=True)
class RunbookAccepted:
    """From now on the window goes by another runbook; steps keep what they are by their id."""

    digest: str
    differences: tuple[str, ...]
    runbook: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class SpillOpened:
    """The journal can't be written: a forced rollback goes on in a spill file from here on."""

    path: str
    why: str


@dataclass(frozen=True, slots=True)
class SpillMerged:
    """The journal is back: entries `first` to `last` were recorded in the spill file."""

    first: int
    last: int
    path: str


@dataclass(frozen=True, slots=True)
class SpillDelivered:
    """A console that was cut off, and deposed meanwhile, had gone on by itself. What it recorded
    is kept as evidence: what it says was done was done, but it moves nothing in this window."""

    holder: str
    """Who drove there."""
    host: str
    path: str
    entries: tuple[str, ...]
    """In their order, as they were sealed there: `Entry.to_plain` as JSON."""


@dataclass(frozen=True, slots=True)
class OperatorTook:
    """Somebody holds the window's lease from now on."""

    operator: str
    epoch: int
    reason: str = ""
    previous: str = ""


HANDED_OVER = "handed over"


@dataclass(frozen=True, slots=True)
class OperatorLeft:
    operator: str
    how: str
    """`left the window running`, `connection lost`, `handed over`."""


@dataclass(frozen=True, slots=True)
class Held:
    reason: str


@dataclass(frozen=True, slots=True)
class Resumed:
    """The hold ended; what is left shifts: T-0 is `shift_s` wall seconds later."""

    shift_s: float
    note: str = ""


@dataclass(frozen=True, slots=True)
class WindowClosed:
    outcome: str
    """`completed`, `rolled back` or `abandoned`."""
    note: str = ""


WindowFact = (
    WindowOpened
    | EngineStarted
    | EngineStopped
    | RunbookAccepted
    | SpillOpened
    | SpillMerged
    | SpillDelivered
    | OperatorTook
    | OperatorLeft
    | Held
    | Resumed
    | WindowClosed
)
