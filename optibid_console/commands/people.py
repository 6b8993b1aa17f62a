"""What people say: check items, notes, assertions, escalation, telling."""

from __future__ import annotations

from dataclasses import dataclass

from optibid_console.entries import Mark, Verdict


@dataclass(frozen=True, slots=True)
class MarkItem:
    item_id: str
    mark: Mark
    note: str = ""


@dataclass(frozen=True, slots=True)
class WriteNote:
    subject: str
    text: str


@dataclass(frozen=True, slots=True)
class AssertCriterion:
    criterion_id: str
    verdict: Verdict
    reason: str


@dataclass(frozen=True, slots=True)
class StartEscalation:
    reason: str


@dataclass(frozen=True, slots=True)
class AcknowledgeEscalation:
    rung: int
    note: str = ""


@dataclass(frozen=True, slots=True)
class EndEscalation:
    reason: str


@dataclass(frozen=True, slots=True)
class TellAgain:
    """Tell people now what could not be told, also what was given up."""


PeopleCommand = (
    MarkItem
    | WriteNote
    | AssertCriterion
    | StartEscalation
    | AcknowledgeEscalation
    | EndEscalation
    | TellAgain
)
