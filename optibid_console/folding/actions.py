"""What the facts about actions do to the window."""

from __future__ import annotations

from typing import Any

from optibid_console import entries as e
from optibid_console.changed import changed
from optibid_console.folding.gates import asked_anew
from optibid_console.folding.register import on
from optibid_console.persistent import Grown
from optibid_console.runbook.model import ROLLBACK
from optibid_console.state import (
    ACTIVE,
    ActionState,
    GateSeen,
    StepState,
    StepStatus,
    WindowState,
)
from optibid_console.undone import undone_by


@on(e.ActionStarted)
def _(s: WindowState, entry: e.Entry, f: e.ActionStarted) -> WindowState:
    action = ActionState(
        f.action_id, f.action_run, f.steps, entry.actor, entry.at, f.why, s.moment(entry),
        not_ready=f.not_ready, again=f.again,
    )  # fmt: skip
    steps = s.steps
    for step_id in f.again:
        before = s.step(step_id)
        opened = StepState(attempt=before.attempt, undone_by=before.undone_by, was=before)
        steps = steps.put(step_id, opened)
    started = changed(
        s, actions=s.actions.put(f.action_run, action), action_run=f.action_run, steps=steps
    )
    gate = f"action:{f.action_id}"
    if gate not in s.gates:
        return started
    return changed(started, gates={**s.gates, gate: GateSeen(entry.seq)})  # once for each time


@on(e.ActionStopped)
def _(s: WindowState, entry: e.Entry, f: e.ActionStopped) -> WindowState:
    return change_action(s, f.action_run, stopped_at_step=f.step_id, stopped_reason=f.reason)


@on(e.ActionDecided)
def _(s: WindowState, entry: e.Entry, f: e.ActionDecided) -> WindowState:
    return change_action(s, f.action_run, stopped_at_step="", stopped_reason="", stop_asked_by="")


@on(e.ActionStopAsked)
def _(s: WindowState, entry: e.Entry, f: e.ActionStopAsked) -> WindowState:
    action = s.actions.get(f.action_run)
    if action is None or action.outcome is not None:
        return s
    return change_action(s, f.action_run, stop_asked_by=entry.actor)


@on(e.WentForward)
def _(s: WindowState, entry: e.Entry, f: e.WentForward) -> WindowState:
    if f.after != s.rollback_run:
        return s
    waited = {
        key: GateSeen(entry.seq)  # its time ran on while nobody was asked
        for key, gate in s.gates.items()
        if key.startswith("phase:") and gate.opened_at and not gate.passed_at
    }
    return changed(s, rollback_run="", gates={**s.gates, **waited})


@on(e.ActionFinished)
def _(s: WindowState, entry: e.Entry, f: e.ActionFinished) -> WindowState:
    after = change_action(
        s, f.action_run, outcome=f.outcome, reason=f.reason, finished_at=entry.at,
        finished_seq=entry.seq, stopped_at_step="", stopped_reason="",
    )  # fmt: skip
    under_way = "" if s.action_run == f.action_run else s.action_run
    ended = changed(after, action_run=under_way, steps=_as_before_again(s, f.action_run))
    action = s.actions.get(f.action_run)
    if action is None or action.action_id != ROLLBACK or s.rehearsal:
        return ended
    succeeded = f.outcome is e.Outcome.SUCCEEDED
    if succeeded or any(run.action_run == f.action_run for run in s.runs.values()):
        ended = changed(ended, rollback_run=f.action_run)
    return _undone(ended, entry, f.action_run) if succeeded else ended


def _as_before_again(s: WindowState, action_run: str) -> Grown[str, StepState]:
    """The steps, where those that were to be done once more and weren't are done as before: what
    they made the first time is still there."""
    action, steps = s.actions.get(action_run), s.steps
    for step_id in action.again if action is not None else ():
        seen = s.step(step_id)
        if seen.was is None or seen.status in (*ACTIVE, StepStatus.UNSETTLED):
            continue
        tried = f"once more: {seen.reason or 'not tried'}; what it made before stays"
        reason = f"{seen.was.reason}; {tried}" if seen.was.reason else tried
        steps = steps.put(step_id, changed(seen.was, attempt=seen.attempt, reason=reason))
    return steps


def _undone(s: WindowState, entry: e.Entry, action_run: str) -> WindowState:
    """What a rollback that succeeded has undone is open again; an open question stays one."""
    steps, ids = s.steps, undone_by(s, action_run)
    for step_id in ids:
        seen = s.step(step_id)
        done = seen.was or seen  # a jump may have opened it again
        if done.status is StepStatus.DONE:
            undone = changed(done, status=StepStatus.UNDONE, undone_by=action_run, was=None)
            steps = steps.put(step_id, undone)
    return asked_anew(changed(s, steps=steps), entry, ids)


def stop_answered(s: WindowState, run_id: str, outcome: e.Outcome, reason: str) -> WindowState:
    """What an action that stopped at this run's step makes of the outcome: it goes on when the
    step is done after all; otherwise it still waits for a choice."""
    run = s.runs[run_id]
    action = s.actions.get(run.action_run)
    if action is None or action.stopped_at_step != run.step_id:
        return s
    if outcome is e.Outcome.SUCCEEDED:
        return change_action(s, run.action_run, stopped_at_step="", stopped_reason="")
    said = f"{outcome.value}: {reason}" if reason else outcome.value
    return change_action(s, run.action_run, stopped_reason=said)


def change_action(s: WindowState, action_run: str, **changes: Any) -> WindowState:
    action = s.actions.get(action_run)
    if action is None:
        return s
    return changed(s, actions=s.actions.put(action_run, changed(action, **changes)))
