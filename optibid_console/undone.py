"""What a rollback has undone, and what was begun since. Pure.

By the numbers of entries, never by a clock: one that is set back must not hide a step from
the rollback that has to undo it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from optibid_console.entries import Outcome
from optibid_console.runbook.model import ROLLBACK, Runbook, StepKind
from optibid_console.state.steps import StepStatus

if TYPE_CHECKING:
    from optibid_console.state import RunState, WindowState

_NOT_BEGUN = (StepStatus.PENDING, StepStatus.SKIPPED, StepStatus.REHEARSED)
_DID_IT = (Outcome.SUCCEEDED, Outcome.REHEARSED)


def begun_since_undone(
    state: WindowState, action_id: str, step_ids: Iterable[str], before: str = ""
) -> tuple[str, ...]:
    """Those of `step_ids` that were begun since this action last succeeded; `before`: an action
    run that doesn't count itself."""
    undone_seq = max(
        (
            one.finished_seq
            for one in state.actions.values()
            if one.action_id == action_id and one.outcome in _DID_IT and one.action_run != before
        ),
        default=0,
    )
    begun = {run.step_id for run in state.runs.values() if run.started_seq > undone_seq}
    return tuple(one for one in step_ids if one in begun)


def did_nothing(state: WindowState, run: RunState) -> bool:
    """Returns whether a run was refused before it was launched."""
    step = state.steps.get(run.step_key)
    if run.launched or run.unreachable or step is None:
        return False
    if run.ended is not None:
        return run.ended.outcome is Outcome.REFUSED
    return step.run_id != run.run_id or step.outcome is Outcome.REFUSED


def undone_by(state: WindowState, action_run: str) -> tuple[str, ...]:
    """The phases' steps that a rollback has undone once it succeeds: begun since the last one,
    and undone by steps of it of which at least one was done and none was skipped; and what only
    looked at those."""
    runbook, under_way = state.runbook, state.actions.get(action_run)
    action = runbook.action(under_way.action_id) if runbook and under_way else None
    if runbook is None or under_way is None or action is None:
        return ()
    outcomes: dict[str, set[bool]] = {}
    for step in action.steps:
        if step.id not in under_way.steps:
            continue
        done = state.step(step.id, action_run).outcome is Outcome.SUCCEEDED
        for undone in begun_since_undone(state, action.id, step.undoes, action_run):
            outcomes.setdefault(undone, set()).add(done)
    gone = tuple(
        step_id
        for step_id, done in outcomes.items()
        if done == {True} and runbook.phase_of(step_id) is not None
    )
    return (*gone, *_looked_at(state, runbook, gone))


def being_undone(state: WindowState) -> dict[str, str]:
    """Returns the phases' steps that a rollback began to undo and did not finish undoing → the
    rollback's step that did the latest of it. Empty once it has succeeded, or when there is none.
    """
    run = state.action()
    if run is None or run.action_id != ROLLBACK:
        run = state.actions.get(state.rollback_run)
    action = state.runbook.action(run.action_id) if state.runbook and run else None
    if run is None or action is None or run.outcome in _DID_IT or state.rehearsal:
        return {}
    found = {}
    for step in action.steps:
        seen = state.step(step.id, run.action_run)
        if step.id in run.steps and seen.status not in _NOT_BEGUN:
            gone = begun_since_undone(state, action.id, step.undoes, run.action_run)
            found.update(dict.fromkeys(gone, step.id))
    return found


def _looked_at(state: WindowState, runbook: Runbook, undone: tuple[str, ...]) -> tuple[str, ...]:
    """The waits and the read-only steps of the phases that were begun after one of `undone`: what
    they found healthy is gone, and what comes in its place has to be judged anew. One that
    records a fact stays: the fact is known."""
    started = {run.step_id: run.started_seq for run in state.runs.values()}
    first = min((started[one] for one in undone if one in started), default=None)
    if first is None:
        return ()
    return tuple(
        step.id
        for _, step in runbook.steps()
        if step.id not in undone
        and (step.kind is StepKind.WAIT or (step.read_only and not step.record))
        and started.get(step.id, 0) > first
    )
