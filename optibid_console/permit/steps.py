"""Running, skipping, jumping to and settling steps."""

from __future__ import annotations

from optibid_console import commands as c
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
from optibid_console.jumping import route
from optibid_console.permit.gates import shut
from optibid_console.permit.rule import Rules
from optibid_console.runbook.model import Runbook, StepKind
from optibid_console.state import ACTIVE, OVER, StepStatus, WindowState
from optibid_console.unbacked import unbacked


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
    return shut(runbook, state, gates.before_step(runbook, step.id))


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
        return f"{step.id} is required: it can't be skipped"
    if not command.reason.strip():
        return "skipping needs a reason"
    seen = state.step(step.id)
    if seen.status in OVER or seen.status in ACTIVE:
        return f"{step.id} is {seen.status.value}"
    return unsettled(state) if seen.status is StepStatus.UNSETTLED else ""


def _jump(runbook: Runbook, state: WindowState, command: c.Jump) -> str:
    refused = why_not_forward(state) or route(state, command.step_id).refused
    if refused:
        return refused
    if not command.reason.strip():
        return "a jump needs a reason"
    return why_busy(state) or unsettled(state)


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


RULES: Rules = {
    c.GoForward: _go_forward,
    c.RunStep: _run_step,
    c.SkipStep: _skip_step,
    c.Jump: _jump,
    c.Settle: _settle,
}
