"""What people said: check items, notes, polls, and the escalation clock."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from optibid_console import entries as e


@dataclass(frozen=True, slots=True)
class ItemState:
    mark: e.Mark = e.Mark.OPEN
    by: str = ""
    at: float = 0.0
    note: str = ""


@dataclass(frozen=True, slots=True)
class Note:
    subject: str
    text: str
    by: str
    at: float


@dataclass(frozen=True, slots=True)
class Poll:
    poll_id: str
    question: str
    roles: tuple[str, ...]
    called_at: float
    by: str
    votes: Mapping[str, e.VoteCast] = field(default_factory=dict)
    result: str = ""
    gate: str = ""
    """The gate that it is about, or empty."""
    called_seq: int = 0
    voted_at: Mapping[str, float] = field(default_factory=dict)
    """Role → when it voted last."""

    def tally(self) -> str:
        """What the votes come to: `go`, `no-go` or `incomplete`."""
        votes = [vote.vote for vote in self.votes.values()]
        if e.Vote.NO_GO in votes:
            return "no-go"
        return "go" if len(votes) == len(self.roles) else "incomplete"


@dataclass(frozen=True, slots=True)
class Escalation:
    started_at: float
    reason: str
    acknowledged: Mapping[int, str] = field(default_factory=dict)
    """Rung → who acknowledged it."""
    due: frozenset[int] = frozenset()
    """The rungs whose time came before anybody had acknowledged them."""
    by_trigger: bool = False
    """A trigger started it, not a person: then it ends when its triggers are clear."""
    triggers: frozenset[str] = frozenset()
    """The criteria that were tripped when it started, or have tripped since."""
