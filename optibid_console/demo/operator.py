"""How the demo's own operator decides: by the runbook, on time, until a criterion fails. Pure."""

from __future__ import annotations

from optibid_console.commands import (
    CloseWindow,
    Command,
    Decide,
    MarkItem,
    RunStep,
    StartAction,
)
from optibid_console.entries import Choice, Mark, Outcome
from optibid_console.launch_clock import read_clock
from optibid_console.plan import next_move
from optibid_console.runbook.model import ROLLBACK, CheckItem, Runbook
from optibid_console.state import ActionState, StepStatus, WindowState
from probes.probe import Status
from probes.text import counted

SHOWS_WITHIN_S = 60.0
"""For so long after the last step, in real seconds, the fault may take to show: it comes with the
users' requests, and on a busy machine the plan's time is over before."""
ATTEMPTS = 2
"""How often a step is tried before the operator gives up."""


class GivenUp(Exception):
    """The operator can't go on; the message says at what and why."""


def next_command(state: WindowState, now: float) -> Command | None:
    """What the operator does at `now` (epoch seconds); None: waits.

    Raises `GivenUp` when a step failed too often or is gone without a trace, a rollback
    failed, or all is done and no criterion has failed a minute after the plan's time and the last
    step.
    """
    runbook = state.runbook
    if runbook is None or state.closed is not None:
        return None
    for run in state.unsettled_runs():
        reason = state.steps[run.step_key].reason
        raise GivenUp(f"a person has to settle what became of {run.step_id}: {reason}")
    action = state.action()
    if action is not None:
        return _during(state, action)
    rollback = _last_rollback(state)
    if rollback is not None:
        if rollback.outcome is not Outcome.SUCCEEDED:
            raise GivenUp(f"the rollback ended as {rollback.outcome}: {rollback.reason}")
        return CloseWindow("rolled back", "the new release leaks database connections")
    failing = state.failing_criteria()
    if failing and not state.unfinished_runs():
        action_to_take = runbook.action(ROLLBACK)
        if action_to_take is not None:
            return StartAction(ROLLBACK, action_to_take.confirm or ROLLBACK)
    return _item_to_mark(runbook, state, now) or _step_to_run(runbook, state, now)


def _during(state: WindowState, action: ActionState) -> Command | None:
    if action.stopped_at_step:
        failed = state.step(action.stopped_at_step, action.action_run)
        if failed.attempt >= ATTEMPTS:
            raise GivenUp(f"{action.action_id} stopped: {action.stopped_reason}")
        return Decide(action.action_run, Choice.RETRY)
    move = next_move(state)
    return RunStep(move.step_id, "done") if move.kind == "confirm" else None


def _last_rollback(state: WindowState) -> ActionState | None:
    return next(
        (one for one in reversed(tuple(state.actions.values())) if one.action_id == ROLLBACK), None
    )


def _step_to_run(runbook: Runbook, state: WindowState, now: float) -> Command | None:
    clock = read_clock(state, now)
    move = next_move(state)
    done_at = max((one.finished_at for one in state.steps.values()), default=0.0)
    over = clock.offset_s > clock.end_offset_s and now > done_at + SHOWS_WITHIN_S
    if move.kind == "over" and over:
        raise GivenUp("every step is done and no criterion has failed")
    if move.kind not in ("run", "confirm"):
        return None
    phase = runbook.phase_of(move.step_id)
    if phase is None or clock.offset_s < phase.at:
        return None
    step = state.step(move.step_id)
    if step.status is StepStatus.FAILED and step.attempt >= ATTEMPTS:
        raise GivenUp(f"step {move.step_id} failed {counted(step.attempt, 'time')}: {step.reason}")
    return RunStep(move.step_id)


def _item_to_mark(runbook: Runbook, state: WindowState, now: float) -> Command | None:
    """The next check item of a phase that has begun, unless its probe speaks against it."""
    offset_s = read_clock(state, now).offset_s
    begun = {phase.id for phase in runbook.phases if phase.at <= offset_s}
    for section in runbook.checklist:
        if section.phase in begun:
            for item in section.items:
                if item.id not in state.items and _is_well(state, item):
                    return MarkItem(item.id, Mark.DONE)
    return None


def _is_well(state: WindowState, item: CheckItem) -> bool:
    reading = state.readings.get(item.probe)
    return not item.probe or (reading is not None and reading.status is Status.OK)
