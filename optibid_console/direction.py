"""Where the window is heading: forward, back, or at the end of a rollback. Pure."""

from __future__ import annotations

from enum import StrEnum

from optibid_console.entries import Outcome
from optibid_console.runbook.model import FORWARD, ROLLBACK, Runbook, Step, StepKind
from optibid_console.state import ActionState, StepStatus, WindowState

PREVIOUS_RELEASE = "previous.release"
"""The fact that names the release to which a rollback returns."""


class Direction(StrEnum):
    """Where the window is heading."""

    FORWARD = "forward"
    ROLLING_BACK = "rolling back"
    INCOMPLETE = "rollback incomplete"
    """The last rollback had begun and ended without success."""
    ROLLED_BACK = "rolled back"
    """The last rollback succeeded, and nobody went forward again."""


def direction(state: WindowState) -> Direction:
    """Returns where the window is heading after the last entry."""
    action = state.action()
    if action is not None and action.action_id == ROLLBACK:
        return Direction.ROLLING_BACK
    last = state.actions.get(state.rollback_run)
    if last is None:
        return Direction.FORWARD
    succeeded = last.outcome is Outcome.SUCCEEDED
    return Direction.ROLLED_BACK if succeeded else Direction.INCOMPLETE


def last_rollback(state: WindowState) -> ActionState | None:
    """Returns the rollback that ended last, unless the window has gone forward since."""
    return state.actions.get(state.rollback_run)


def goes_forward(step: Step) -> bool:
    """Returns whether running this step of a phase carries the deployment on. A backup only reads
    the databases."""
    return step.kind is not StepKind.BACKUP


def why_not_forward(state: WindowState) -> str:
    """Returns why no step of the phases may run after a rollback; empty when one may."""
    words = forward_words(state.runbook)
    match direction(state):
        case Direction.ROLLED_BACK:
            return f"rolled back: {in_service(state)}. To go forward again, type {words!r} first"
        case Direction.INCOMPLETE:
            return (
                f"the rollback is incomplete ({_ended(state)}): start it again, or type {words!r} "
                "to go forward"
            )
    return ""


def forward_words(runbook: Runbook | None) -> str:
    """Returns the words that confirm going forward again."""
    action = runbook.action(FORWARD) if runbook else None
    return (action.confirm if action else "") or FORWARD


def in_service(state: WindowState) -> str:
    """Returns which release a rollback that succeeded left in service, as the facts say, or that
    a step of it was skipped and nobody knows."""
    skipped = _skipped(state)
    if skipped:
        return f"{skipped}, check which release is in service"
    release = state.facts.get(PREVIOUS_RELEASE, "")
    named = f" {release}" if release else ""
    return f"the previous release{named} is in service"


def in_short(state: WindowState) -> str:
    """Returns the same for a narrow line: `to v2.3.9`, or which step was skipped."""
    skipped = _skipped(state)
    release = state.facts.get(PREVIOUS_RELEASE, "")
    return skipped or (f"to {release}" if release else "to the previous release")


def _skipped(state: WindowState) -> str:
    last = last_rollback(state)
    if last is None:
        return ""
    skipped = [
        one for one in last.steps if state.step(one, last.action_run).status is StepStatus.SKIPPED
    ]
    return f"{', '.join(skipped)} was skipped" if skipped else ""


def _ended(state: WindowState) -> str:
    last = last_rollback(state)
    if last is None or last.outcome is None:
        return ""
    return last.reason or last.outcome.value
