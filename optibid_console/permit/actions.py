"""Starting an action, and answering one that stopped."""

from __future__ import annotations

from optibid_console import commands as c
from optibid_console import gates
from optibid_console.action_plan import PreviewStep, action_plan, facts_missing
from optibid_console.again import why_not_again, words_of
from optibid_console.direction import goes_forward, why_not_forward
from optibid_console.entries import Choice
from optibid_console.launch_clock import format_span
from optibid_console.permit.gates import shut
from optibid_console.permit.rule import Rules
from optibid_console.permit.steps import unrecorded, unsettled, why_busy
from optibid_console.preflight import anyway_words
from optibid_console.runbook.model import FORWARD, ROLLBACK, Action, Runbook
from optibid_console.state import ACTIVE, StepStatus, WindowState
from optibid_console.unbacked import migrates_unbacked, unbacked_words


def _start_action(runbook: Runbook, state: WindowState, command: c.StartAction) -> str:
    action = runbook.action(command.action_id)
    if action is None:
        return f"no action {command.action_id!r}; actions are {_names(runbook)}"
    refused = _confirmed(state, action, command)
    if refused:
        return refused
    under_way = state.action()
    if under_way is not None and under_way.action_id == action.id:
        since = format_span(max(0.0, state.at - under_way.started_at))
        return f"{action.id} is under way already, for {since}"
    if action.id != ROLLBACK:
        if state.hold is not None:
            return f"the window is held ({state.hold.reason}): resume it first"
        busy = why_busy(state) or unsettled(state)
        if busy:
            return busy
    plan = action_plan(state, action)
    rolled_back = _after_rollback(runbook, state, action, plan)
    if rolled_back:
        return rolled_back
    if not any(one.included for one in plan):
        why = why_not_again(state, action) or (plan[0].because if plan else "it has no steps")
        return f"there is nothing to do: {why}"
    needed = [name for name in action.needs_facts if name not in state.facts]
    excused = action.id == ROLLBACK or command.forced or state.rehearsal
    if needed and not excused:
        return unrecorded(state, needed)
    missing = facts_missing(state, action)
    if missing:
        return unrecorded(state, missing)
    return shut(runbook, state, action_gates(state, action))


def _after_rollback(
    runbook: Runbook, state: WindowState, action: Action, plan: tuple[PreviewStep, ...]
) -> str:
    """Returns why an action that would run steps of the phases may not after a rollback. `forward`
    is how the operator goes forward again, so it may."""
    if action.id in (ROLLBACK, FORWARD):
        return ""
    steps = [runbook.step(one.step_id) for one in plan if one.included]
    forward = any(
        step is not None and runbook.phase_of(step.id) is not None and goes_forward(step)
        for step in steps
    )
    return why_not_forward(state) if forward else ""


def _stop_action(runbook: Runbook, state: WindowState, command: c.StopAction) -> str:
    action = state.actions.get(command.action_run)
    if action is None:
        return "no such action was started"
    if action.outcome is not None:
        return f"{action.action_id} had ended ({action.outcome.value}): nothing was stopped"
    if action.stopped_at_step:
        return f"{action.action_id} has stopped already, at {action.stopped_at_step}"
    return ""


def action_gates(state: WindowState, action: Action) -> tuple[str, ...]:
    """The gates through which this action would go now."""
    steps = tuple(one.step_id for one in action_plan(state, action) if one.included)
    return gates.before_action(state.runbook, action, steps) if state.runbook else ()


def _confirmed(state: WindowState, action: Action, command: c.StartAction) -> str:
    """Why what was typed isn't enough; empty when it is."""
    open_lock = migrates_unbacked(state, action)
    if command.forced and action.id != ROLLBACK and open_lock is None:
        return f"{action.id} needs the journal: {ROLLBACK} alone can be forced without it"
    if command.forced and open_lock is not None and action.id != ROLLBACK:
        words = _typed(unbacked_words(action), command)
        if command.typed != words:
            return f"{open_lock[1]}; type {words!r} to do it all the same"
        return "" if command.reason.strip() else "migrating without a backup needs a reason"
    usual = forced_words(action) if command.forced else words_of(state, action)
    confirm = _typed(usual, command)
    if command.typed != confirm:
        return f"type {confirm!r} to confirm it"
    if open_lock is not None:
        return f"{open_lock[1]}; type {unbacked_words(action)!r} to do it all the same"
    return ""


def _typed(words: str, command: c.StartAction) -> str:
    """Returns what has to be typed, given the words for an action that is ready."""
    return anyway_words(words) if command.anyway else words


def forced_words(action: Action) -> str:
    """What has to be typed so that it goes on without the journal."""
    return f"{action.confirm or action.id} without journal"


def _names(runbook: Runbook) -> str:
    return ", ".join(action.id for action in runbook.actions) or "none"


def _decide(runbook: Runbook, state: WindowState, command: c.Decide) -> str:
    action = state.action()
    if action is None or action.action_run != command.action_run or not action.stopped_at_step:
        return "no action waits for a choice"
    status = state.step(action.stopped_at_step, action.action_run).status
    if status is StepStatus.UNSETTLED:
        return unsettled(state)
    if status in ACTIVE:
        return f"{action.stopped_at_step} was found again: what it came to is being looked at"
    step = runbook.step(action.stopped_at_step)
    if command.choice is Choice.SKIP:
        if step is not None and step.required:
            return f"{step.id} is required: it can't be skipped"
        if not command.reason.strip():
            return "skipping needs a reason"
    return ""


RULES: Rules = {
    c.StartAction: _start_action,
    c.Decide: _decide,
    c.StopAction: _stop_action,
}
