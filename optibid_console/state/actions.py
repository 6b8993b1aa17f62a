"""An action as far as it got."""

from __future__ import annotations

from dataclasses import dataclass, field

from optibid_console import entries as e
from optibid_console.moment import Moment


@dataclass(frozen=True, slots=True)
class ActionState:
    """One time that an action was started."""

    action_id: str
    action_run: str
    steps: tuple[str, ...]
    by: str
    started_at: float
    why: tuple[str, ...] = ()
    began: Moment = field(default_factory=lambda: Moment(0.0))
    """When it started, on both clocks of the engine that started it."""
    stopped_at_step: str = ""
    """The failed step on which it waits for a choice."""
    stopped_reason: str = ""
    again: tuple[str, ...] = ()
    """Its steps that had been done before and are done once more."""
    stop_asked_by: str = ""
    """Who asked to stop it, until somebody has decided how it goes on."""
    finished_at: float = 0.0
    outcome: e.Outcome | None = None
    reason: str = ""
    not_ready: tuple[str, ...] = ()
    """What wasn't ready when the operator started it all the same."""
    finished_seq: int = 0
    """The entry that ended it."""
