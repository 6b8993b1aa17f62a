"""Commands about gates and polls."""

from __future__ import annotations

from dataclasses import dataclass

from optibid_console.entries import Vote


@dataclass(frozen=True, slots=True)
class OpenGate:
    """Ask a gate, anew when it was asked before: its timeout and its votes begin from here."""

    gate: str


@dataclass(frozen=True, slots=True)
class ConfirmGate:
    """A second person's go: for a screen that doesn't drive, under another name."""

    gate: str
    note: str = ""


@dataclass(frozen=True, slots=True)
class DecideGate:
    """How to go on after a timeout that asks: `wait`, `go` or `no-go`."""

    gate: str
    decision: str
    reason: str


@dataclass(frozen=True, slots=True)
class CallPoll:
    question: str
    gate: str = ""
    """Only the roles of this gate are asked, and their votes count for it."""


@dataclass(frozen=True, slots=True)
class CastVote:
    poll_id: str
    role: str
    vote: Vote
    note: str = ""


@dataclass(frozen=True, slots=True)
class ClosePoll:
    poll_id: str


GateCommand = OpenGate | ConfirmGate | DecideGate | CallPoll | CastVote | ClosePoll
