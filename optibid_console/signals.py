"""Passing facts: log lines, samples, output. Never needed to rebuild the window."""

from __future__ import annotations

from dataclasses import dataclass

from optibid_console.database.locks import LockWait
from optibid_console.database.measures import Cost
from probes.probe import Reading


@dataclass(frozen=True, slots=True)
class LogLines:
    """Lines of one tail: whole, raw, secrets redacted, each ended by `\\n`."""

    tail: str
    data: bytes
    count: int
    dropped: int = 0
    """Lines lost just before these, at the tail or on the way to this screen."""
    notice: str = ""
    """News about the tail itself: `connected`, `lost: …`."""
    at: float = 0.0
    """When the engine had them, in seconds since the epoch; 0: not known."""


NOTICE = "console"
"""The stream of what the console itself says in a run's output."""


@dataclass(frozen=True, slots=True)
class Output:
    """A piece of a run's output, secrets redacted."""

    run_id: str
    offset: int
    """How many bytes of this run were told before it, of all streams."""
    data: bytes
    stream: str = "output"
    """`stdout` or `stderr` where the target tells them apart; `output`: nobody knows;
    `console`: a notice of the console's own."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a run has come, as its command reports it."""

    run_id: str
    done: float
    total: float = 0.0
    """0: nobody knows."""
    unit: str = "bytes"
    per_s: float = 0.0
    left_s: float | None = None
    note: str = ""
    """What it does just now: the table, the file."""


@dataclass(frozen=True, slots=True)
class LockWaits:
    """What waits for a lock in a database now, while a migration runs: nothing any more, too."""

    run_id: str
    database: str
    waits: tuple[LockWait, ...] = ()
    problem: str = ""
    """Why nobody can look now."""


@dataclass(frozen=True, slots=True)
class CostSampled:
    """What going back to a database's backup would lose, measured just now."""

    cost: Cost


@dataclass(frozen=True, slots=True)
class Sampled:
    """What a probe or a panel said just now."""

    subject: str
    """`probe` or `panel`."""
    reading: Reading


@dataclass(frozen=True, slots=True)
class Link:
    """How a target's connection is now."""

    target: str
    state: str
    detail: str = ""
    latency_ms: float | None = None
    attempt: int = 0


@dataclass(frozen=True, slots=True)
class Presence:
    """Who is there: the operator's screens and the observers."""

    watching: tuple[str, ...]
    more: int = 0
    """How many besides those named."""


@dataclass(frozen=True, slots=True)
class Pulse:
    """The engine lives: its wall clock, its loop's worst lag since the last pulse."""

    at: float
    lag_ms: float
    journal_ok: bool = True
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Missed:
    """Signals were dropped for this screen because it didn't take them in time."""

    signals: int
    lines: int


Signal = (
    LogLines | Output | Progress | LockWaits | CostSampled | Sampled | Link | Presence | Pulse
    | Missed
)  # fmt: skip
