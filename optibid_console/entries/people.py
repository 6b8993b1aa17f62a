"""What people said: check items, notes, votes, and the escalation clock."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class Mark(StrEnum):
    """What a person said of a check item."""

    OPEN = "open"
    DONE = "done"
    FAILED = "failed"
    NOT_APPLICABLE = "not-applicable"


class Vote(StrEnum):
    GO = "go"
    NO_GO = "no-go"


@dataclass(frozen=True, slots=True)
class ItemMarked:
    item_id: str
    mark: Mark
    note: str = ""


@dataclass(frozen=True, slots=True)
class NoteWritten:
    subject: str
    """`step:2.1b`, `item:db-backup`, `probe:redis`, `criterion:…` or `window`."""
    text: str


@dataclass(frozen=True, slots=True)
class PollCalled:
    poll_id: str
    question: str
    roles: tuple[str, ...]
    gate: str = ""
    """The gate that it is about, or empty."""


@dataclass(frozen=True, slots=True)
class VoteCast:
    poll_id: str
    role: str
    vote: Vote
    note: str = ""
    seen: Mapping[str, str] = field(default_factory=dict)
    """What the console showed then: `panel.ID` and `criterion.ID` → value and verdict."""


@dataclass(frozen=True, slots=True)
class PollClosed:
    poll_id: str
    result: str
    """`go`, `no-go` or `incomplete`."""


@dataclass(frozen=True, slots=True)
class EscalationStarted:
    """The escalation clock runs since the first failing criterion, or since somebody says so."""

    reason: str


@dataclass(frozen=True, slots=True)
class RungDue:
    """The time of a rung has come and nobody had acknowledged it."""

    rung: int
    action: str
    contact: str = ""


@dataclass(frozen=True, slots=True)
class EscalationAcknowledged:
    rung: int
    note: str = ""


@dataclass(frozen=True, slots=True)
class EscalationEnded:
    reason: str


PeopleFact = (
    ItemMarked
    | NoteWritten
    | PollCalled
    | VoteCast
    | PollClosed
    | EscalationStarted
    | RungDue
    | EscalationAcknowledged
    | EscalationEnded
)
