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


@dataclass(frozen=True, slots=True)
class LookAtRunbook:
    """Read the engine's config again and say how it differs; changes nothing."""


@dataclass(frozen=True, slots=True)
class ReloadRunbook:
    """Go on by the engine's config as it is now, if it is what was looked at."""

    digest: str
    """Of the runbook that was looked at."""
    secrets: tuple[str, ...] = ()
    """The names of secrets whose values had changed then."""


WindowCommand = (
    Hold | Resume | TakeOver | Leave | CloseWindow | StopEngine | LookAtRunbook | ReloadRunbook
)
