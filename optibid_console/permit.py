"""Whether a command may be carried out now, or why not. Pure."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from optibid_console import commands as c
from optibid_console import gate_permits, gates
from optibid_console.action_plan import action_plan, facts_missing, missing_facts
from optibid_console.entries import Choice, Mark, Outcome, Verdict
from optibid_console.jumping import route
from optibid_console.launch_clock import format_span
from optibid_console.runbook.model import ROLLBACK, Action, Runbook, StepKind
from optibid_console.state import (
    ACTIVE,
    OVER,
    CriterionState,
    StepStatus,
    WindowState,
)
from optibid_console.unbacked import migrates_unbacked, unbacked, unbacked_words

MAX_LINK_NAME = 40
MAX_LINK_HOURS = 168.0


def permit(state: WindowState, command: c.Command) -> str:
    """Empty when the command may be carried out; otherwise why not, as a sentence."""
    if isinstance(command, c.TakeOver | c.Leave | c.StopEngine | c.WriteNote):
        return "a note needs words" if _blank_note(command) else ""
    if state.runbook is None:
        return "no window is open"
    if state.closed is not None:
        return f"the window is closed ({state.closed.outcome})"
    rule = _RULES.get(type(command))
    return "" if rule is None else rule(state.runbook, state, command)


def _blank_note(command: c.Command) -> bool:
    return isinstance(command, c.WriteNote) and not command.text.strip()


def _run_step(runbook: Runbook, state: WindowState, command: c.RunStep) -> str:
    if awaits_confirmation(state) == command.step_id:
        return ""
    phase = runbook.phase_of(command.step_id)
    step = runbook.step(command.step_id)
    if phase is None or step is None:
        return f"no step {command.step_id!r} in the phases"
    seen = state.step(step.id)
    if seen.status in OVER:
        return f"{step.id} is {seen.status.value} already"
    if seen.status in ACTIVE:
        return f"{step.id} is under way already"
    open_question = unsettled(state)
    if open_question:
        return open_question
    if state.hold is not None:
        return f"the window is held ({state.hold.reason}): resume it first"
    busy = _busy(state)
    if busy:
        return busy
    for earlier_phase, earlier in runbook.steps():
        if earlier.id == step.id:
            break
        if earlier.required and state.step(earlier.id).status not in OVER:
            return f"{earlier.id} {earlier.title} comes first (phase {earlier_phase.title})"
    why_not = "" if state.rehearsal else unbacked(state, step)
    if why_not:
        return why_not
    missing = () if state.rehearsal else missing_facts(state, step.run)
    if missing:
        return f"it needs {', '.join(missing)}, which no step has recorded yet"
    return _shut(runbook, state, gates.before_step(runbook, step.id))


def _shut(runbook: Runbook, state: WindowState, keys: tuple[str, ...]) -> str:
    """Why the first of these gates that is shut doesn't let through, or empty."""
    key = gates.first_shut(state, runbook, keys, state.at)
    return gates.why_not(state, runbook, key, state.at) if key else ""


def awaits_confirmation(state: WindowState) -> str:
    """The manual step of the action under way that a person has to confirm now, or empty."""
    for run in state.active_runs():
        if run.kind == StepKind.MANUAL and state.steps[run.step_key].status in ACTIVE:
            return run.step_id
    return ""


def unsettled(state: WindowState) -> str:
    """That a step's outcome is unknown and has to be settled before anything goes on, or empty."""
    runs = state.unsettled_runs()
    return f"{runs[0].step_id}'s outcome is unknown: settle it first" if runs else ""


def _busy(state: WindowState) -> str:
    action = state.action()
    if action is not None:
        return f"{action.action_id} is under way"
    active = state.active_runs()
    if active:
        return f"{active[0].step_id} is under way: one step at a time"
    checking = [key for key, step in state.steps.items() if step.status in ACTIVE]
    return f"{checking[0]} is under way: one step at a time" if checking else ""


def _skip_step(runbook: Runbook, state: WindowState, command: c.SkipStep) -> str:
    step = runbook.step(command.step_id)
    if step is None or runbook.phase_of(command.step_id) is None:
        return f"no step {command.step_id!r} in the phases"
    if step.required and not state.rehearsal:
        return f"{step.id} is required: it can't be skipped"
    if not command.reason.strip():
        return "skipping needs a reason"
    seen = state.step(step.id)
    if seen.status in OVER or seen.status in ACTIVE:
        return f"{step.id} is {seen.status.value}"
    return unsettled(state) if seen.status is StepStatus.UNSETTLED else ""


def _jump(runbook: Runbook, state: WindowState, command: c.Jump) -> str:
    refused = route(state, command.step_id).refused
    if refused:
        return refused
    if not command.reason.strip():
        return "a jump needs a reason"
    return _busy(state) or unsettled(state)


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
        busy = _busy(state) or unsettled(state)
        if busy:
            return busy
    plan = action_plan(state, action)
    if not any(one.included for one in plan):
        why = plan[0].because if plan else "it has no steps"
        return f"there is nothing to do: {why}"
    needed = [name for name in action.needs_facts if name not in state.facts]
    excused = action.id == ROLLBACK or command.forced or state.rehearsal
    if needed and not excused:
        return f"it needs {', '.join(needed)}, which no step has recorded yet"
    missing = facts_missing(state, action)
    if missing:
        return f"it needs {', '.join(missing)}, which no step has recorded"
    return _shut(runbook, state, action_gates(state, action))


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
        words = unbacked_words(action)
        if command.typed != words:
            return f"{open_lock[1]}; type {words!r} to do it all the same"
        return "" if command.reason.strip() else "migrating without a backup needs a reason"
    confirm = forced_words(action) if command.forced else action.confirm or action.id
    if command.typed != confirm:
        return f"type {confirm!r} to confirm it"
    if open_lock is not None:
        return f"{open_lock[1]}; type {unbacked_words(action)!r} to do it all the same"
    return ""


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


def _settle(runbook: Runbook, state: WindowState, command: c.Settle) -> str:
    run = next((one for one in state.unsettled_runs() if one.run_id == command.run_id), None)
    if run is None or run.step_id != command.step_id:
        return f"nobody has to settle {command.step_id}: its outcome is known, or it runs again"
    if command.outcome not in (Outcome.SUCCEEDED, Outcome.FAILED):
        return f"it can be settled as succeeded or failed, not as {command.outcome.value}"
    step = runbook.step(run.step_id)
    if command.outcome is Outcome.SUCCEEDED and step is not None and step.record:
        return (
            f"{step.id} records {step.record}, and that is lost with it: settle it as failed, "
            "then run it again"
        )
    return "" if command.reason.strip() else "settling needs a reason: what says so?"


def _hold(runbook: Runbook, state: WindowState, command: c.Hold) -> str:
    if state.hold is not None:
        return f"the window is held already: {state.hold.reason}"
    return "" if command.reason.strip() else "a hold needs a reason"


def _resume(runbook: Runbook, state: WindowState, command: c.Resume) -> str:
    return "" if state.hold is not None else "the window isn't held"


def _mark_item(runbook: Runbook, state: WindowState, command: c.MarkItem) -> str:
    if runbook.item(command.item_id) is None:
        return f"no check item {command.item_id!r}"
    explained = command.mark in (Mark.FAILED, Mark.NOT_APPLICABLE)
    return "say why" if explained and not command.note.strip() else ""


def _assert(runbook: Runbook, state: WindowState, command: c.AssertCriterion) -> str:
    criterion = runbook.criterion(command.criterion_id)
    if criterion is None:
        return f"no criterion {command.criterion_id!r}"
    asserted = bool(state.criteria.get(command.criterion_id, CriterionState()).by)
    if criterion.fail_when and command.verdict is not Verdict.FAIL and not asserted:
        return f"{criterion.title} is judged by the console: it can't be declared passed"
    return "" if command.reason.strip() else "say why"


def _start_escalation(runbook: Runbook, state: WindowState, command: c.StartEscalation) -> str:
    return "the escalation clock runs already" if state.escalation else ""


def _acknowledge(runbook: Runbook, state: WindowState, command: c.AcknowledgeEscalation) -> str:
    if state.escalation is None:
        return "the escalation clock doesn't run"
    if not 0 <= command.rung < len(runbook.escalation):
        return f"no rung {command.rung + 1}: the path has {len(runbook.escalation)}"
    return ""


def _end_escalation(runbook: Runbook, state: WindowState, command: c.EndEscalation) -> str:
    return "" if state.escalation else "the escalation clock doesn't run"


def _tell_again(runbook: Runbook, state: WindowState, command: c.TellAgain) -> str:
    return "" if state.telling.untold else "everything was told"


def _close_window(runbook: Runbook, state: WindowState, command: c.CloseWindow) -> str:
    if command.outcome not in ("completed", "rolled back", "abandoned"):
        return f"no outcome {command.outcome!r}; outcomes are completed, rolled back, abandoned"
    busy = _busy(state)
    if busy:
        return f"{busy}: it has to end first"
    if command.outcome != "completed":
        return "" if command.note.strip() else "say why"
    if unsettled(state):
        return f"not completed: {unsettled(state)}"
    left = [
        step.id
        for _, step in runbook.steps()
        if step.required and state.step(step.id).status not in OVER
    ]
    return f"not completed: {', '.join(left[:5])} not done" if left else ""


def _share(runbook: Runbook, state: WindowState, command: c.Share) -> str:
    name = command.name.strip()
    if state.sharing.started is None:
        return "observers aren't listened for yet: share this window at an address first"
    if not name or len(name) > MAX_LINK_NAME or not name.isprintable():
        return f"a link is for somebody: a name of 1 to {MAX_LINK_NAME} characters"
    if not 0 < command.hours <= MAX_LINK_HOURS:
        return f"a link lasts up to {MAX_LINK_HOURS:g} hours"
    link = state.sharing.links.get(name)
    if link is not None and link.expires_at > time.time():
        return f"there is a link for {name} already: revoke it first"
    return ""


def _revoke(runbook: Runbook, state: WindowState, command: c.Revoke) -> str:
    return "" if command.name in state.sharing.links else f"no link for {command.name!r}"


def _start_sharing(runbook: Runbook, state: WindowState, command: c.StartSharing) -> str:
    started = state.sharing.started
    return f"this window is shared already, at {started.address}" if started else ""


def _stop_sharing(runbook: Runbook, state: WindowState, command: c.StopSharing) -> str:
    return "" if state.sharing.started else "this window isn't shared"


_RULES: dict[type[Any], Callable[[Runbook, WindowState, Any], str]] = {
    c.RunStep: _run_step,
    c.SkipStep: _skip_step,
    c.Jump: _jump,
    c.StartAction: _start_action,
    c.Decide: _decide,
    c.Settle: _settle,
    c.Hold: _hold,
    c.Resume: _resume,
    c.MarkItem: _mark_item,
    c.AssertCriterion: _assert,
    c.OpenGate: gate_permits.open_gate,
    c.ConfirmGate: gate_permits.confirm_gate,
    c.DecideGate: gate_permits.decide_gate,
    c.CallPoll: gate_permits.call_poll,
    c.CastVote: gate_permits.cast_vote,
    c.ClosePoll: gate_permits.close_poll,
    c.StartEscalation: _start_escalation,
    c.AcknowledgeEscalation: _acknowledge,
    c.EndEscalation: _end_escalation,
    c.TellAgain: _tell_again,
    c.CloseWindow: _close_window,
    c.StartSharing: _start_sharing,
    c.Share: _share,
    c.Revoke: _revoke,
    c.StopSharing: _stop_sharing,
}
