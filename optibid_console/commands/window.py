"""Commands about the window, its lease and its engine."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Hold:
    reason: str


@dataclass(frozen=True, slots=True)
class Resume:
    note: str = ""


@dataclass(frozen=True, slots=True)
class TakeOver:
    """Become the operator; `reason` is needed when somebody else is."""

    reason: str = ""
    of: str = ""
    """The holder's name as it was typed, when their console is another one that answers."""


@dataclass(frozen=True, slots=True)
class Leave:
    """Give the lease back and leave the window running."""

    how: str = "left the window running"


@dataclass(frozen=True, slots=True)
class CloseWindow:
    outcome: str
    note: str = ""


@dataclass(frozen=True, slots=True)
class StopEngine:
    reason: str = "told to stop"
    if_idle: bool = False
    """Only when nobody else is attached and nothing is under way."""


WindowCommand = Hold | Resume | TakeOver | Leave | CloseWindow | StopEngine
