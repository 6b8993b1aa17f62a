"""The run or action that an abort ends, and the answer to an abort that came too late. Pure."""

from __future__ import annotations

from optibid_console.plan import next_move
from optibid_console.state import ActionState, RunState, WindowState


def to_stop(state: WindowState) -> ActionState | RunState | None:
    """Returns what an abort ends now: the action under way as a whole, else the run that was
    started last; None when neither is there, also while an action waits for a decision."""
    action = state.action()
    if action is not None:
        return None if action.stopped_at_step else action
    under_way = state.unfinished_runs()
    return under_way[-1] if under_way else None


def nothing_to_stop(state: WindowState) -> str:
    """Returns why there is nothing that an abort could end."""
    action = state.action()
    if action is not None and action.stopped_at_step:
        return f"{action.action_id} has stopped already, at {action.stopped_at_step}"
    return "nothing is running: there is nothing to abort"


def has_ended(state: WindowState, wanted: ActionState | RunState) -> str:
    """Returns that what was to be stopped had ended before, how, and what goes on; empty while it
    is under way."""
    if isinstance(wanted, ActionState):
        action = state.actions.get(wanted.action_run)
        if action is None or action.outcome is None:
            return ""
        return f"{action.action_id} had ended ({action.outcome.value}): nothing was stopped"
    step = state.steps.get(wanted.step_key)
    if step is None or step.outcome is None or wanted.run_id not in (step.run_id, ""):
        return ""
    return f"{wanted.step_id} had ended ({step.outcome.value}): nothing was aborted{_next(state)}"


def _next(state: WindowState) -> str:
    action = state.action()
    if action is None:
        move = next_move(state)
        return f"; next is {move.step_id}" if move.step_id else ""
    if action.stopped_at_step:
        return f"; {action.action_id} stopped at {action.stopped_at_step}"
    active = state.active_runs()
    with_step = f" with {active[-1].step_id}" if active else ""
    return f"; {action.action_id} goes on{with_step}: x stops it"
