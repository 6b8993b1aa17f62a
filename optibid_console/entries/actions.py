"""Actions: named sequences of steps."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from optibid_console.entries.steps import Outcome


class Choice(StrEnum):
    """What to do with an action that stopped at a failed step."""

    RETRY = "retry"
    SKIP = "skip"
    STOP = "stop"


@dataclass(frozen=True, slots=True)
class ActionStarted:
    action_id: str
    action_run: str
    steps: tuple[str, ...]
    """The steps that it will do, in order: computed from what was done in this window."""
    why: tuple[str, ...] = ()
    not_ready: tuple[str, ...] = ()
    """What wasn't ready when the operator started it all the same."""
    again: tuple[str, ...] = ()
    """Those of the steps that had been done before: what they made stays."""


@dataclass(frozen=True, slots=True)
class ActionStopped:
    """A step of the action failed; it waits for a choice."""

    action_run: str
    step_id: str
    reason: str


@dataclass(frozen=True, slots=True)
class ActionDecided:
    action_run: str
    choice: Choice
    reason: str = ""


@dataclass(frozen=True, slots=True)
class ActionFinished:
    action_run: str
    outcome: Outcome
    reason: str = ""
    duration_s: float = 0.0


@dataclass(frozen=True, slots=True)
class ActionStopAsked:
    """The operator stops the action: the step under way is aborted and no other one begins."""

    action_run: str


@dataclass(frozen=True, slots=True)
class WentForward:
    """The operator goes forward again after a rollback: steps of the phases may run again."""

    after: str
    """The action run of that rollback."""
    reason: str = ""


ActionFact = (
    ActionStarted | ActionStopped | ActionDecided | ActionFinished | ActionStopAsked | WentForward
)
