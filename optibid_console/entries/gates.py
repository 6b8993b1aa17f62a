"""Gates of phases and actions."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class GateOpened:
    """A gate is asked from now on, and its timeout runs."""

    gate: str
    """`phase:ID` or `action:ID`."""
    timeout_s: float = 0.0
    """0: it waits for ever."""
    on_timeout: str = "hold"


@dataclass(frozen=True, slots=True)
class GateConfirmed:
    """The entry's actor, a second person, says go."""

    gate: str
    note: str = ""


@dataclass(frozen=True, slots=True)
class GateTimedOut:
    gate: str
    on_timeout: str
    missing: tuple[str, ...]
    """What it still waited for."""


@dataclass(frozen=True, slots=True)
class GateDecided:
    """How the operator goes on after a timeout that asks: `wait`, `go` or `no-go`."""

    gate: str
    decision: str
    reason: str


@dataclass(frozen=True, slots=True)
class GatePassed:
    """What it guards begins; `grounds` say why it might."""

    gate: str
    grounds: tuple[str, ...]


GateFact = GateOpened | GateConfirmed | GateTimedOut | GateDecided | GatePassed
