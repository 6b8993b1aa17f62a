"""Running, skipping, jumping to and settling steps."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from optibid_console import commands as c
from optibid_console import entries as e
from optibid_console import gates
from optibid_console.action_plan import missing_facts
from optibid_console.direction import (
    Direction,
    direction,
    forward_words,
    goes_forward,
    why_not_forward,
)
from optibid_console.entries import Outcome
from optibid_console.jumping import Route, route
from optibid_console.permit.gates import shut
from optibid_console.permit.rule import Rules
from optibid_console.runbook.model import Runbook, Step, StepKind
from optibid_console.state import ACTIVE, OVER, StepStatus, WindowState
from optibid_console.unbacked import unbacked
from optibid_console.waiving import waive_words, waived_facts


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
    rolled_back = why_not_forward(state) if goes_forward(step) else ""
    if rolled_back:
        return rolled_back
    open_question = unsettled(state)
    if open_question:
        return open_question
    if state.hold is not None:
        return f"the window is held ({state.hold.reason}): resume it first"
    busy = why_busy(state)
    if busy:
        return busy
    why_not = _comes_first(runbook, state, step) or _lacks(state, step)
    if why_not:
        return why_not
    return shut(runbook, state, gates.before_step(runbook, step.id))


def _comes_first(runbook: Runbook, state: WindowState, step: Step) -> str:
    """Returns the required step that has to be over before this one, or empty."""
    for phase, earlier in runbook.steps():
        if earlier.id == step.id:
            break
        if earlier.required and state.step(earlier.id).status not in OVER:
            return f"{earlier.id} {earlier.title} comes first (phase {phase.title})"
    return ""


def _lacks(state: WindowState, step: Step) -> str:
    """Returns what a step needs wherever the window is and hasn't: a backup, facts; or empty."""
    if state.rehearsal:
        return ""
    missing = missing_facts(state, step.run)
    return unbacked(state, step) or (unrecorded(state, missing) if missing else "")


def unrecorded(state: WindowState, names: Collection[str]) -> str:
    """Returns that facts are needed and not recorded, and which waived step would have recorded
    them."""
    waived = waived_facts(state, names)
    said = f"it needs {', '.join(names)}, which no step has recorded yet"
    for step_id in dict.fromkeys(waived.values()):
        said += f"; {step_id}, which records {_listed(waived, step_id)}, was waived"
    return said


def _listed(facts: Mapping[str, str], step_id: str) -> str:
    return ", ".join(name for name, by in facts.items() if by == step_id)


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


def why_busy(state: WindowState) -> str:
    """What is under way, for nothing else starts beside it; or empty."""
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
        return f"{step.id} is required: it can't be skipped, only waived"
    if not command.reason.strip():
        return "skipping needs a reason"
    seen = state.step(step.id)
    if seen.status in OVER or seen.status in ACTIVE:
        return f"{step.id} is {seen.status.value}"
    return unsettled(state) if seen.status is StepStatus.UNSETTLED else ""


def _why_not_waived(runbook: Runbook, state: WindowState, step_id: str, reason: str) -> str:
    """Returns why a step can't be waived now: only a required step that is the next one can."""
    step = runbook.step(step_id)
    if step is None or runbook.phase_of(step_id) is None:
        return f"no step {step_id!r} in the phases"
    if not step.required:
        return f"{step.id} isn't required: skip it"
    seen = state.step(step.id)
    if seen.status in OVER or seen.status in ACTIVE:
        return f"{step.id} is {seen.status.value}"
    blocked = why_not_forward(state) or why_busy(state) or unsettled(state)
    if blocked:
        return blocked
    for _, earlier in runbook.steps():
        if earlier.id == step.id:
            break
        if earlier.required and state.step(earlier.id).status not in OVER:
            return f"{earlier.id} {earlier.title} comes first: only the next step can be waived"
    return "" if reason.strip() else "waiving a step needs a reason"


def _ask_waiver(runbook: Runbook, state: WindowState, command: c.AskWaiver) -> str:
    return _why_not_waived(runbook, state, command.step_id, command.reason)


def _waive_step(runbook: Runbook, state: WindowState, command: c.WaiveStep) -> str:
    refused = _why_not_waived(runbook, state, command.step_id, command.reason)
    words = waive_words(command.step_id)
    return refused or ("" if command.typed == words else f"type {words!r} to waive it alone")


def _confirm_waiver(runbook: Runbook, state: WindowState, command: c.ConfirmWaiver) -> str:
    asked = state.waiver
    if asked is None or asked.step_id != command.step_id:
        return f"nobody asks to waive {command.step_id}"
    if asked.seq != command.asked_seq:
        return f"the waiver of {command.step_id} was asked for anew: read it again"
    return _why_not_waived(runbook, state, asked.step_id, asked.reason)


def _jump(runbook: Runbook, state: WindowState, command: c.Jump) -> str:
    way = route(state, command.step_id)
    refused = why_not_forward(state) or way.refused
    if refused:
        return refused
    if not command.reason.strip():
        return "a jump needs a reason"
    return why_busy(state) or unsettled(state) or _refuses_there(runbook, state, command, way)


def _refuses_there(runbook: Runbook, state: WindowState, command: c.Jump, way: Route) -> str:
    """Returns why the step would refuse to start after the jump, as its own start would say it. A
    hold isn't asked: it ends by itself. Nor is a gate on the way back: the jump asks it anew."""
    step = runbook.step(command.step_id)
    if step is None:
        return ""
    jumped = e.Jumped(step.id, command.reason, way.skipped, way.again, way.kept)
    after = state.apply(e.Entry(state.seq + 1, state.at, 0.0, e.CONSOLE, jumped, "", ""))
    gate = "" if way.again else shut(runbook, state, gates.before_step(runbook, step.id))
    why = _lacks(after, step) or gate
    return f"can't jump: {step.id} would refuse: {why}" if why else ""


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


def _go_forward(runbook: Runbook, state: WindowState, command: c.GoForward) -> str:
    if direction(state) not in (Direction.ROLLED_BACK, Direction.INCOMPLETE):
        return "no rollback stands in the way: the window goes forward"
    busy = why_busy(state)
    if busy:
        return busy
    words = forward_words(runbook)
    return "" if command.typed == words else f"type {words!r} to go forward again"


def _abort(runbook: Runbook, state: WindowState, command: c.Abort) -> str:
    """Returns nothing at any time: an abort of a run that has ended changes nothing."""
    return ""


RULES: Rules = {
    c.GoForward: _go_forward,
    c.RunStep: _run_step,
    c.SkipStep: _skip_step,
    c.AskWaiver: _ask_waiver,
    c.ConfirmWaiver: _confirm_waiver,
    c.WaiveStep: _waive_step,
    c.Jump: _jump,
    c.Settle: _settle,
    c.Abort: _abort,
}
