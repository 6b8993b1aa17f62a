"""What each kind of fact does to the window. Pure; registered in `state.FOLDS`."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, TypeVar

from optibid_console import entries as e
from optibid_console.changed import changed
from optibid_console.codec import from_plain
from optibid_console.database_folding import migration_begins, step_over
from optibid_console.persistent import Grown
from optibid_console.runbook.model import ROLLBACK, Runbook
from optibid_console.state import (
    ACTIVE,
    FOLDS,
    ActionState,
    CriterionState,
    Escalation,
    Fold,
    GateSeen,
    Hold,
    ItemState,
    Note,
    Poll,
    RunState,
    SharedLink,
    SharingState,
    StepState,
    StepStatus,
    Untold,
    WindowState,
)
from optibid_console.undone import undone_by

F = TypeVar("F")


_ENDED = {
    e.Outcome.SUCCEEDED: StepStatus.DONE,
    e.Outcome.UNKNOWN: StepStatus.UNSETTLED,
    e.Outcome.REHEARSED: StepStatus.REHEARSED,
}


def _on(kind: type[F]) -> Callable[[Callable[[WindowState, e.Entry, F], WindowState]], Fold]:
    def register(fold_one: Callable[[WindowState, e.Entry, F], WindowState]) -> Fold:
        FOLDS[kind] = fold_one
        return fold_one

    return register


@_on(e.WindowOpened)
def _(s: WindowState, entry: e.Entry, f: e.WindowOpened) -> WindowState:
    return changed(
        s, window_id=f.window_id, name=f.name, version=f.version, stamp=f.stamp, t0=f.t0,
        speed=f.speed, digest=f.digest, runbook=from_plain(Runbook, f.runbook),
        opened_at=entry.at, rehearsal=f.rehearsal,
        facts={"window.id": f.window_id, "window.stamp": f.stamp, "window.version": f.version},
    )  # fmt: skip


@_on(e.EngineStarted)
def _(s: WindowState, entry: e.Entry, f: e.EngineStarted) -> WindowState:
    return changed(s, engine=f, epoch=max(s.epoch, f.epoch))


@_on(e.RunbookAccepted)
def _(s: WindowState, entry: e.Entry, f: e.RunbookAccepted) -> WindowState:
    runbook = from_plain(Runbook, f.runbook)
    window = runbook.window
    return changed(
        s, digest=f.digest, runbook=runbook, name=window.name, version=window.version,
        speed=window.speed, facts={**s.facts, "window.version": window.version},
    )  # fmt: skip


@_on(e.RehearsalMeasured)
def _(s: WindowState, entry: e.Entry, f: e.RehearsalMeasured) -> WindowState:
    return changed(s, rehearsed=f)


@_on(e.WindowsMeasured)
def _(s: WindowState, entry: e.Entry, f: e.WindowsMeasured) -> WindowState:
    return changed(s, earlier=f)


@_on(e.EngineStopped)
def _(s: WindowState, entry: e.Entry, f: e.EngineStopped) -> WindowState:
    return changed(s, engine=None)


@_on(e.SpillOpened)
def _(s: WindowState, entry: e.Entry, f: e.SpillOpened) -> WindowState:
    return changed(s, spill=f.path)


@_on(e.SpillMerged)
def _(s: WindowState, entry: e.Entry, f: e.SpillMerged) -> WindowState:
    return changed(s, spill="")


@_on(e.OperatorTook)
def _(s: WindowState, entry: e.Entry, f: e.OperatorTook) -> WindowState:
    return changed(s, operator=f.operator, epoch=f.epoch, operator_since=entry.at)


@_on(e.OperatorLeft)
def _(s: WindowState, entry: e.Entry, f: e.OperatorLeft) -> WindowState:
    if f.operator != s.operator:
        return s
    return changed(s, operator="", operator_since=entry.at)


@_on(e.T0Set)
def _(s: WindowState, entry: e.Entry, f: e.T0Set) -> WindowState:
    return changed(s, t0=f.t0)


@_on(e.Held)
def _(s: WindowState, entry: e.Entry, f: e.Held) -> WindowState:
    return changed(s, hold=Hold(entry.at, f.reason, entry.actor))


@_on(e.Resumed)
def _(s: WindowState, entry: e.Entry, f: e.Resumed) -> WindowState:
    return changed(s, hold=None, t0=s.t0 + f.shift_s, held_s=s.held_s + f.shift_s)


@_on(e.WindowClosed)
def _(s: WindowState, entry: e.Entry, f: e.WindowClosed) -> WindowState:
    return changed(s, closed=f, closed_at=entry.at)


@_on(e.StepStarted)
def _(s: WindowState, entry: e.Entry, f: e.StepStarted) -> WindowState:
    key = s.step_key(f.step_id, f.action_run)
    before = s.steps.get(key)
    step = StepState(
        StepStatus.RUNNING, f.run_id, f.attempt, f.target, f.command, entry.at, by=entry.actor,
        undone_by=before.undone_by if before else "",
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
        actions=actions,
    )  # fmt: skip
    return migration_begins(after, f)


@_on(e.RunLaunched)
def _(s: WindowState, entry: e.Entry, f: e.RunLaunched) -> WindowState:
    return _run_and_step(s, f.run_id, StepStatus.RUNNING, launched=True, unreachable="")


@_on(e.RunUnreachable)
def _(s: WindowState, entry: e.Entry, f: e.RunUnreachable) -> WindowState:
    return _run_and_step(s, f.run_id, StepStatus.UNKNOWN, unreachable=f.why)


@_on(e.RunEnded)
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


@_on(e.AbortAsked)
def _(s: WindowState, entry: e.Entry, f: e.AbortAsked) -> WindowState:
    return _run_and_step(s, f.run_id, None, abort_asked_by=entry.actor)


@_on(e.EvidenceTaken)
def _(s: WindowState, entry: e.Entry, f: e.EvidenceTaken) -> WindowState:
    return _step_of_run(s, f.run_id, evidence=f.readings)


@_on(e.StepFinished)
def _(s: WindowState, entry: e.Entry, f: e.StepFinished) -> WindowState:
    again = {"undone_by": ""} if f.outcome is e.Outcome.SUCCEEDED else {}
    after = _step_of_run(
        s, f.run_id, status=_ENDED.get(f.outcome, StepStatus.FAILED), outcome=f.outcome,
        reason=f.reason, finished_at=entry.at, **again,
    )  # fmt: skip
    if after is s:
        return s
    return step_over(_stop_answered(after, f.run_id, f.outcome, f.reason), f)


@_on(e.StepSettled)
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
    return _stop_answered(after, f.run_id, f.outcome, f"settled by {entry.actor}: {f.reason}")


@_on(e.StepSkipped)
def _(s: WindowState, entry: e.Entry, f: e.StepSkipped) -> WindowState:
    key = s.step_key(f.step_id, f.action_run)
    return changed(s, steps=s.steps.put(key, _skipped(s, key, entry, f.reason)))


def _skipped(s: WindowState, key: str, entry: e.Entry, reason: str) -> StepState:
    return changed(
        s.steps.get(key, StepState()), status=StepStatus.SKIPPED, reason=reason, by=entry.actor,
        finished_at=entry.at, was=None,
    )  # fmt: skip


@_on(e.Jumped)
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
    return _asked_anew(changed(s, steps=steps), entry, f.again)


def _asked_anew(s: WindowState, entry: e.Entry, step_ids: tuple[str, ...]) -> WindowState:
    """The gates of the phases of these steps begin anew: what was said before is void."""
    found = (s.runbook.phase_of(one) if s.runbook else None for one in step_ids)
    keys = {f"phase:{phase.id}" for phase in found if phase is not None}
    void = {key: GateSeen(entry.seq) for key in keys & s.gates.keys()}
    return changed(s, gates={**s.gates, **void}) if void else s


@_on(e.FactRecorded)
def _(s: WindowState, entry: e.Entry, f: e.FactRecorded) -> WindowState:
    moment = datetime.fromtimestamp(entry.at, UTC).strftime("%H:%M:%SZ")
    return changed(s, facts={**s.facts, f.name: f.value, f"{f.name}.at": moment})


@_on(e.ActionStarted)
def _(s: WindowState, entry: e.Entry, f: e.ActionStarted) -> WindowState:
    action = ActionState(
        f.action_id, f.action_run, f.steps, entry.actor, entry.at, f.why, s.moment(entry)
    )
    started = changed(s, actions=s.actions.put(f.action_run, action), action_run=f.action_run)
    gate = f"action:{f.action_id}"
    if gate not in s.gates:
        return started
    return changed(started, gates={**s.gates, gate: GateSeen(entry.seq)})  # once for each time


@_on(e.ActionStopped)
def _(s: WindowState, entry: e.Entry, f: e.ActionStopped) -> WindowState:
    return _action(s, f.action_run, stopped_at_step=f.step_id, stopped_reason=f.reason)


@_on(e.ActionDecided)
def _(s: WindowState, entry: e.Entry, f: e.ActionDecided) -> WindowState:
    return _action(s, f.action_run, stopped_at_step="", stopped_reason="")


@_on(e.ActionFinished)
def _(s: WindowState, entry: e.Entry, f: e.ActionFinished) -> WindowState:
    after = _action(
        s, f.action_run, outcome=f.outcome, reason=f.reason, finished_at=entry.at,
        finished_seq=entry.seq, stopped_at_step="", stopped_reason="",
    )  # fmt: skip
    under_way = "" if s.action_run == f.action_run else s.action_run
    ended = changed(after, action_run=under_way)
    action = s.actions.get(f.action_run)
    if f.outcome is not e.Outcome.SUCCEEDED or action is None or action.action_id != ROLLBACK:
        return ended
    return _undone(ended, entry, f.action_run)


def _undone(s: WindowState, entry: e.Entry, action_run: str) -> WindowState:
    """What a rollback that succeeded has undone is open again; an open question stays one."""
    steps, ids = s.steps, undone_by(s, action_run)
    for step_id in ids:
        seen = s.step(step_id)
        done = seen.was or seen  # a jump may have opened it again
        if done.status is StepStatus.DONE:
            undone = changed(done, status=StepStatus.UNDONE, undone_by=action_run, was=None)
            steps = steps.put(step_id, undone)
    return _asked_anew(changed(s, steps=steps), entry, ids)


@_on(e.GateOpened)
def _(s: WindowState, entry: e.Entry, f: e.GateOpened) -> WindowState:
    opened = GateSeen(entry.seq, entry.at, s.held_s, f.timeout_s, f.on_timeout)
    return changed(s, gates={**s.gates, f.gate: opened})


@_on(e.GateConfirmed)
def _(s: WindowState, entry: e.Entry, f: e.GateConfirmed) -> WindowState:
    seen = s.gates.get(f.gate, GateSeen())
    return _gate(s, f.gate, confirmed={**seen.confirmed, entry.actor: entry.at})


@_on(e.GateTimedOut)
def _(s: WindowState, entry: e.Entry, f: e.GateTimedOut) -> WindowState:
    return _gate(s, f.gate, timed_out_at=entry.at)


@_on(e.GateDecided)
def _(s: WindowState, entry: e.Entry, f: e.GateDecided) -> WindowState:
    if f.decision == "wait":  # as long as before, from now on
        return _gate(s, f.gate, timed_out_at=0.0, opened_at=entry.at, opened_held_s=s.held_s)
    return _gate(s, f.gate, decided=f, decided_by=entry.actor)


@_on(e.GatePassed)
def _(s: WindowState, entry: e.Entry, f: e.GatePassed) -> WindowState:
    return _gate(s, f.gate, passed_at=entry.at, grounds=f.grounds)


def _gate(s: WindowState, key: str, **changes: Any) -> WindowState:
    return changed(s, gates={**s.gates, key: changed(s.gates.get(key, GateSeen()), **changes)})


@_on(e.ItemMarked)
def _(s: WindowState, entry: e.Entry, f: e.ItemMarked) -> WindowState:
    item = ItemState(f.mark, entry.actor, entry.at, f.note)
    return changed(s, items={**s.items, f.item_id: item})


@_on(e.NoteWritten)
def _(s: WindowState, entry: e.Entry, f: e.NoteWritten) -> WindowState:
    return changed(s, notes=s.notes.add(Note(f.subject, f.text, entry.actor, entry.at)))


@_on(e.PollCalled)
def _(s: WindowState, entry: e.Entry, f: e.PollCalled) -> WindowState:
    poll = Poll(
        f.poll_id, f.question, f.roles, entry.at, entry.actor, gate=f.gate, called_seq=entry.seq
    )
    return changed(s, polls=s.polls.put(f.poll_id, poll))


@_on(e.VoteCast)
def _(s: WindowState, entry: e.Entry, f: e.VoteCast) -> WindowState:
    poll = s.polls.get(f.poll_id)
    if poll is None:
        return s
    voted = changed(
        poll, votes={**poll.votes, f.role: f}, voted_at={**poll.voted_at, f.role: entry.at}
    )
    return changed(s, polls=s.polls.put(f.poll_id, voted))


@_on(e.PollClosed)
def _(s: WindowState, entry: e.Entry, f: e.PollClosed) -> WindowState:
    poll = s.polls.get(f.poll_id)
    if poll is None:
        return s
    return changed(s, polls=s.polls.put(f.poll_id, changed(poll, result=f.result)))


@_on(e.EscalationStarted)
def _(s: WindowState, entry: e.Entry, f: e.EscalationStarted) -> WindowState:
    return changed(s, escalation=Escalation(entry.at, f.reason))


@_on(e.EscalationAcknowledged)
def _(s: WindowState, entry: e.Entry, f: e.EscalationAcknowledged) -> WindowState:
    if s.escalation is None:
        return s
    known = {**s.escalation.acknowledged, f.rung: entry.actor}
    return changed(s, escalation=changed(s.escalation, acknowledged=known))


@_on(e.RungDue)
def _(s: WindowState, entry: e.Entry, f: e.RungDue) -> WindowState:
    if s.escalation is None:
        return s
    return changed(s, escalation=changed(s.escalation, due=s.escalation.due | {f.rung}))


@_on(e.EscalationEnded)
def _(s: WindowState, entry: e.Entry, f: e.EscalationEnded) -> WindowState:
    return changed(s, escalation=None, escalation_ended_seq=entry.seq)


@_on(e.Told)
def _(s: WindowState, entry: e.Entry, f: e.Told) -> WindowState:
    key, told = (f.about, f.channel), s.telling
    return changed(s, telling=changed(
        told,
        settled=told.settled.put(key, True),
        untold={one: what for one, what in told.untold.items() if one != key},
        last={**told.last, f.channel: (f.title, entry.at)},
    ))  # fmt: skip


@_on(e.TellingFailed)
def _(s: WindowState, entry: e.Entry, f: e.TellingFailed) -> WindowState:
    retry_at = 0.0 if f.over else entry.at + f.retry_in_s
    untold = Untold(f.about, f.channel, f.title, entry.at, f.reason, f.attempt, retry_at)
    return _untold(s, untold, settled=f.over)


@_on(e.TellingSkipped)
def _(s: WindowState, entry: e.Entry, f: e.TellingSkipped) -> WindowState:
    before = s.telling.untold.get((f.about, f.channel))
    attempts = before.attempts if before else 0
    untold = Untold(f.about, f.channel, f.title, entry.at, f.reason, attempts)
    return _untold(s, untold, settled=True)


def _untold(s: WindowState, one: Untold, *, settled: bool) -> WindowState:
    key, told = (one.about, one.channel), s.telling
    after = changed(told, untold={**told.untold, key: one})
    return changed(
        s, telling=changed(after, settled=told.settled.put(key, False)) if settled else after
    )


@_on(e.ChannelsSet)
def _(s: WindowState, entry: e.Entry, f: e.ChannelsSet) -> WindowState:
    return changed(s, telling=changed(s.telling, off=dict(f.off)))


@_on(e.ProbeChanged)
def _(s: WindowState, entry: e.Entry, f: e.ProbeChanged) -> WindowState:
    if f.subject == "panel":
        return changed(s, panels={**s.panels, f.reading.probe: f.reading})
    return changed(s, readings={**s.readings, f.reading.probe: f.reading})


@_on(e.BaselineTaken)
def _(s: WindowState, entry: e.Entry, f: e.BaselineTaken) -> WindowState:
    return changed(s, baseline=dict(f.values))


@_on(e.CriterionJudged)
def _(s: WindowState, entry: e.Entry, f: e.CriterionJudged) -> WindowState:
    before = s.criteria.get(f.criterion_id)
    if before is not None and before.by:
        return s  # judged a moment before a person said otherwise
    tripped = _tripped_seq(s, entry, f.criterion_id, f.verdict)
    judged = CriterionState(f.verdict, f.reason, f.since, tripped_seq=tripped)
    return changed(s, criteria={**s.criteria, f.criterion_id: judged})


@_on(e.CriterionAsserted)
def _(s: WindowState, entry: e.Entry, f: e.CriterionAsserted) -> WindowState:
    tripped = _tripped_seq(s, entry, f.criterion_id, f.verdict)
    criterion = s.runbook.criterion(f.criterion_id) if s.runbook else None
    judged = CriterionState(f.verdict, f.reason, entry.at, entry.actor, tripped)
    if f.verdict is e.Verdict.PASS and criterion is not None and criterion.fail_when:
        said = f"{entry.actor} takes the assertion back: {f.reason}"
        judged = CriterionState(e.Verdict.INCONCLUSIVE, said, entry.at, tripped_seq=tripped)
    return changed(s, criteria={**s.criteria, f.criterion_id: judged})


def _tripped_seq(s: WindowState, entry: e.Entry, criterion_id: str, verdict: e.Verdict) -> int:
    """No data clears nothing: only a pass does."""
    before = s.criteria.get(criterion_id)
    tripped = before.tripped_seq if before else 0
    if verdict is e.Verdict.PASS:
        return 0
    return tripped or (entry.seq if verdict is e.Verdict.FAIL else 0)


@_on(e.ReadinessChanged)
def _(s: WindowState, entry: e.Entry, f: e.ReadinessChanged) -> WindowState:
    return changed(s, readiness={**s.readiness, f.action_id: f})


@_on(e.SharingStarted)
def _(s: WindowState, entry: e.Entry, f: e.SharingStarted) -> WindowState:
    return changed(s, sharing=changed(s.sharing, started=f, stopped=""))


@_on(e.SharingStopped)
def _(s: WindowState, entry: e.Entry, f: e.SharingStopped) -> WindowState:
    return changed(s, sharing=SharingState(stopped=f.reason))


@_on(e.WatchShared)
def _(s: WindowState, entry: e.Entry, f: e.WatchShared) -> WindowState:
    link = SharedLink(f.name, f.token_sha256, f.expires_at, entry.actor, entry.at)
    return changed(s, sharing=changed(s.sharing, links={**s.sharing.links, f.name: link}))


@_on(e.WatchRevoked)
def _(s: WindowState, entry: e.Entry, f: e.WatchRevoked) -> WindowState:
    left = {name: one for name, one in s.sharing.links.items() if name != f.name}
    return changed(s, sharing=changed(s.sharing, links=left))


@_on(e.LinkChanged)
def _(s: WindowState, entry: e.Entry, f: e.LinkChanged) -> WindowState:
    return changed(s, links={**s.links, f.target: f})


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


def _stop_answered(s: WindowState, run_id: str, outcome: e.Outcome, reason: str) -> WindowState:
    """What an action that stopped at this run's step makes of the outcome: it goes on when the
    step is done after all; otherwise it still waits for a choice."""
    run = s.runs[run_id]
    action = s.actions.get(run.action_run)
    if action is None or action.stopped_at_step != run.step_id:
        return s
    if outcome is e.Outcome.SUCCEEDED:
        return _action(s, run.action_run, stopped_at_step="", stopped_reason="")
    said = f"{outcome.value}: {reason}" if reason else outcome.value
    return _action(s, run.action_run, stopped_reason=said)


def _action(s: WindowState, action_run: str, **changes: Any) -> WindowState:
    action = s.actions.get(action_run)
    if action is None:
        return s
    return changed(s, actions=s.actions.put(action_run, changed(action, **changes)))
