"""What the facts about steps and runs do to the window."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from optibid_console import entries as e
from optibid_console.backup_facts import backup_prefixes, facts_of_backup
from optibid_console.changed import changed
from optibid_console.folding.actions import stop_answered
from optibid_console.folding.databases import backup_recorded, migration_begins, step_over
from optibid_console.folding.gates import asked_anew
from optibid_console.folding.register import on
from optibid_console.persistent import Grown
from optibid_console.runbook.model import ROLLBACK, StepKind
from optibid_console.state import (
    ACTIVE,
    Artifact,
    RunState,
    StepState,
    StepStatus,
    Waiver,
    WindowState,
)

_ENDED = {
    e.Outcome.SUCCEEDED: StepStatus.DONE,
    e.Outcome.UNKNOWN: StepStatus.UNSETTLED,
    e.Outcome.REHEARSED: StepStatus.REHEARSED,
}


@on(e.StepStarted)
def _(s: WindowState, entry: e.Entry, f: e.StepStarted) -> WindowState:
    key = s.step_key(f.step_id, f.action_run)
    before = s.steps.get(key)
    step = StepState(
        StepStatus.RUNNING, f.run_id, f.attempt, f.target, f.command, entry.at, by=entry.actor,
        undone_by=before.undone_by if before else "",
        was=before.was if before and _again(s, f) else None,
    )  # fmt: skip
    run = RunState(
        f.run_id, key, f.step_id, f.target, f.command, entry.at, entry.actor, f.epoch,
        f.timeout_s, f.kind, f.action_run, entry.seq, s.moment(entry),
    )  # fmt: skip
    action = s.actions.get(f.action_run)
    actions = s.actions
    if action is not None:
        begun = changed(action, stopped_at_step="", stopped_reason="")
        actions = s.actions.put(f.action_run, begun)
    after = changed(
        s, steps=s.steps.put(key, step), runs=s.runs.put(f.run_id, run), last_run=f.run_id,
        actions=actions, rollback_run="" if _goes_forward(s, f) else s.rollback_run,
        waiver=_still_asked(s, f.step_id),
    )  # fmt: skip
    return migration_begins(after, f)


def _again(s: WindowState, f: e.StepStarted) -> bool:
    """Whether the step was done before, and its action does it once more."""
    action = s.actions.get(f.action_run)
    return action is not None and f.step_id in action.again


def _goes_forward(s: WindowState, f: e.StepStarted) -> bool:
    """Whether this start ends what a rollback left: a step of the phases, other than a backup,
    that no rollback runs. Windows of before `WentForward` went on that way."""
    action = s.actions.get(f.action_run)
    phase = s.runbook.phase_of(f.step_id) if s.runbook else None
    by_rollback = action is not None and action.action_id == ROLLBACK
    return phase is not None and f.kind != StepKind.BACKUP and not by_rollback


@on(e.RunLaunched)
def _(s: WindowState, entry: e.Entry, f: e.RunLaunched) -> WindowState:
    return _run_and_step(s, f.run_id, StepStatus.RUNNING, launched=True, unreachable="")


@on(e.RunUnreachable)
def _(s: WindowState, entry: e.Entry, f: e.RunUnreachable) -> WindowState:
    return _run_and_step(s, f.run_id, StepStatus.UNKNOWN, unreachable=f.why)


@on(e.RunEnded)
def _(s: WindowState, entry: e.Entry, f: e.RunEnded) -> WindowState:
    run, step = _unsettled(s, f.run_id)
    if run is not None and step is not None and f.outcome is not e.Outcome.UNKNOWN:
        # its target came back and knows the end: what was unknown is looked at anew
        asked = changed(
            step, status=StepStatus.CHECKING, outcome=None, reason="", finished_at=0.0, evidence=()
        )
        return changed(
            s, runs=s.runs.put(f.run_id, changed(run, ended=f)),
            steps=s.steps.put(run.step_key, asked),
        )  # fmt: skip
    return _run_and_step(s, f.run_id, StepStatus.CHECKING, ended=f, unreachable="")


@on(e.AbortAsked)
def _(s: WindowState, entry: e.Entry, f: e.AbortAsked) -> WindowState:
    return _run_and_step(s, f.run_id, None, abort_asked_by=entry.actor)


@on(e.EvidenceTaken)
def _(s: WindowState, entry: e.Entry, f: e.EvidenceTaken) -> WindowState:
    return _step_of_run(s, f.run_id, evidence=f.readings)


@on(e.StepFinished)
def _(s: WindowState, entry: e.Entry, f: e.StepFinished) -> WindowState:
    again = {"undone_by": "", "was": None} if f.outcome is e.Outcome.SUCCEEDED else {}
    after = _step_of_run(
        s, f.run_id, status=_ENDED.get(f.outcome, StepStatus.FAILED), outcome=f.outcome,
        reason=f.reason, finished_at=entry.at, as_before=f.as_before, **again,
    )  # fmt: skip
    if after is s:
        return s
    return step_over(stop_answered(after, f.run_id, f.outcome, f.reason), f)


@on(e.StepSettled)
def _(s: WindowState, entry: e.Entry, f: e.StepSettled) -> WindowState:
    run, step = _unsettled(s, f.run_id)
    if run is None or step is None or f.outcome is e.Outcome.UNKNOWN:
        return s
    settled = changed(
        step, status=_ENDED.get(f.outcome, StepStatus.FAILED), outcome=f.outcome,
        reason=f.reason, finished_at=entry.at, settled_by=entry.actor,
        undone_by="" if f.outcome is e.Outcome.SUCCEEDED else step.undone_by,
    )  # fmt: skip
    after = changed(s, steps=s.steps.put(run.step_key, settled))
    return stop_answered(after, f.run_id, f.outcome, f"settled by {entry.actor}: {f.reason}")


@on(e.StepSkipped)
def _(s: WindowState, entry: e.Entry, f: e.StepSkipped) -> WindowState:
    key = s.step_key(f.step_id, f.action_run)
    steps = s.steps.put(key, _skipped(s, key, entry, f.reason))
    return changed(s, steps=steps, waiver=_still_asked(s, f.step_id))


def _skipped(s: WindowState, key: str, entry: e.Entry, reason: str) -> StepState:
    return changed(
        s.steps.get(key, StepState()), status=StepStatus.SKIPPED, reason=reason, by=entry.actor,
        finished_at=entry.at, was=None,
    )  # fmt: skip


@on(e.WaiverAsked)
def _(s: WindowState, entry: e.Entry, f: e.WaiverAsked) -> WindowState:
    return changed(s, waiver=Waiver(f.step_id, f.reason, entry.actor, entry.at, entry.seq))


@on(e.StepWaived)
def _(s: WindowState, entry: e.Entry, f: e.StepWaived) -> WindowState:
    given = Waiver(f.step_id, f.reason, f.by, entry.at, entry.seq, f.second, f.note)
    waived = changed(
        s.steps.get(f.step_id, StepState()), status=StepStatus.WAIVED, outcome=None,
        reason=given.in_words(), by=f.by, finished_at=entry.at, was=None,
    )  # fmt: skip
    return changed(
        s, steps=s.steps.put(f.step_id, waived), waived={**s.waived, f.step_id: given}, waiver=None
    )


def _still_asked(s: WindowState, *step_ids: str) -> Waiver | None:
    """The waiver that waits, unless one of these steps is its own: the step goes another way."""
    return None if s.waiver is not None and s.waiver.step_id in step_ids else s.waiver


@on(e.Jumped)
def _(s: WindowState, entry: e.Entry, f: e.Jumped) -> WindowState:
    steps, said = s.steps, f"jumped to {f.step_id}: {f.reason}"
    for step_id in f.skipped:
        steps = steps.put(step_id, _skipped(s, step_id, entry, said))
    for step_id in f.again:
        before = s.steps.get(step_id, StepState())
        opened = StepState(
            attempt=before.attempt, reason=f"again: {f.reason}", by=entry.actor,
            undone_by=before.undone_by, was=before,
        )  # fmt: skip
        steps = steps.put(step_id, opened)
    for step_id in f.kept:
        before = s.steps.get(step_id, StepState())
        steps = steps.put(step_id, before.was or before)
    after = changed(s, steps=steps, waiver=None)
    return asked_anew(after, entry, f.again)


@on(e.FactRecorded)
def _(s: WindowState, entry: e.Entry, f: e.FactRecorded) -> WindowState:
    moment = datetime.fromtimestamp(entry.at, UTC).strftime("%H:%M:%SZ")
    return changed(s, facts={**s.facts, f.name: f.value, f"{f.name}.at": moment})


@on(e.BackupChosen)
def _(s: WindowState, entry: e.Entry, f: e.BackupChosen) -> WindowState:
    made = f.artifact
    chosen = next((one for one in s.earlier_artifacts if one.recorded == made), None)
    after = _artifact(s, chosen or Artifact(made, entry.actor, entry.at))
    moment = datetime.fromtimestamp(entry.at, UTC).strftime("%H:%M:%SZ")
    facts, replaced = dict(s.facts), s.artifacts.get(made.name)
    last, own = backup_prefixes(made.name)
    is_last = replaced is not None and facts.get(f"{last}.path") == replaced.recorded.path
    for name, value in facts_of_backup(made, (last, own) if is_last else (own,)).items():
        facts |= {name: value, f"{name}.at": moment}
    return changed(after, facts=facts)


@on(e.ArtifactRecorded)
def _(s: WindowState, entry: e.Entry, f: e.ArtifactRecorded) -> WindowState:
    return _artifact(s, Artifact(f, entry.actor, entry.at))


def _artifact(s: WindowState, made: Artifact) -> WindowState:
    """What can be gone back to is this one from now on; what was before it is kept as well."""
    f = made.recorded
    before = s.artifacts.get(f.name)
    earlier = s.earlier_artifacts
    if before is not None and before.recorded.path != f.path:
        earlier = (*(one for one in earlier if one.recorded.path != f.path), before)
    after = changed(s, artifacts={**s.artifacts, f.name: made}, earlier_artifacts=earlier)
    return backup_recorded(after, f)


def _run_and_step(
    s: WindowState, run_id: str, status: StepStatus | None, **changes: Any
) -> WindowState:
    """Change a run, and its step's status; an ended run isn't changed by what comes late."""
    run = s.runs.get(run_id)
    if run is None or run.ended is not None:
        return s
    runs = s.runs.put(run_id, changed(run, **changes))
    steps = s.steps if status is None else _steps_of_run(s, run, status=status)
    return changed(s, runs=runs, steps=steps)


def _step_of_run(s: WindowState, run_id: str, **changes: Any) -> WindowState:
    """Change the step that a run belongs to; one that has ended or runs again stays."""
    run = s.runs.get(run_id)
    steps = s.steps if run is None else _steps_of_run(s, run, **changes)
    return s if steps is s.steps else changed(s, steps=steps)


def _steps_of_run(s: WindowState, run: RunState, **changes: Any) -> Grown[str, StepState]:
    step = s.steps.get(run.step_key)
    if step is None or step.run_id != run.run_id or step.status not in ACTIVE:
        return s.steps
    return s.steps.put(run.step_key, changed(step, **changes))


def _unsettled(s: WindowState, run_id: str) -> tuple[RunState | None, StepState | None]:
    """The run and its step while it waits for the operator's word on it."""
    run = s.runs.get(run_id)
    step = s.steps.get(run.step_key) if run else None
    if step is None or step.run_id != run_id or step.status is not StepStatus.UNSETTLED:
        return None, None
    return run, step
