"""Holding, resuming and closing the window."""

from __future__ import annotations

from optibid_console import commands as c
from optibid_console.direction import direction, why_not_forward
from optibid_console.permit.rule import Rules
from optibid_console.permit.steps import unsettled, why_busy
from optibid_console.runbook.model import Runbook
from optibid_console.state import OVER, WindowState


def _hold(runbook: Runbook, state: WindowState, command: c.Hold) -> str:
    if state.hold is not None:
        return f"the window is held already: {state.hold.reason}"
    return "" if command.reason.strip() else "a hold needs a reason"


def _resume(runbook: Runbook, state: WindowState, command: c.Resume) -> str:
    return "" if state.hold is not None else "the window isn't held"


def _close_window(runbook: Runbook, state: WindowState, command: c.CloseWindow) -> str:
    if command.outcome not in ("completed", "rolled back", "abandoned"):
        return f"no outcome {command.outcome!r}; outcomes are completed, rolled back, abandoned"
    busy = why_busy(state)
    if busy:
        return f"{busy}: it has to end first"
    if command.outcome != "completed":
        return "" if command.note.strip() else "say why"
    if why_not_forward(state):
        return f"not completed: {direction(state).value}"
    if unsettled(state):
        return f"not completed: {unsettled(state)}"
    left = [
        step.id
        for _, step in runbook.steps()
        if step.required and state.step(step.id).status not in OVER
    ]
    return f"not completed: {', '.join(left[:5])} not done" if left else ""


def _look_at_runbook(runbook: Runbook, state: WindowState, command: c.LookAtRunbook) -> str:
    return ""  # it changes nothing


def _reload(runbook: Runbook, state: WindowState, command: c.ReloadRunbook) -> str:
    busy = why_busy(state).partition(":")[0]
    return f"{busy}: it has to end before another runbook can be accepted" if busy else ""


RULES: Rules = {
    c.LookAtRunbook: _look_at_runbook,
    c.ReloadRunbook: _reload,
    c.Hold: _hold,
    c.Resume: _resume,
    c.CloseWindow: _close_window,
}
