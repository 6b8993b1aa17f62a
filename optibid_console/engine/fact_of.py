"""The fact that a command becomes which only records something. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from optibid_console import commands as c
from optibid_console import entries as e
from optibid_console.again import earlier_backup
from optibid_console.jumping import route
from optibid_console.state import WindowState


def fact_of(
    command: c.Command,
    state: WindowState,
    now: float,
    sight: Callable[[], Mapping[str, str]],
    by: str,
) -> e.Fact:
    """`now`: seconds since the epoch, UTC. `sight`: what the console shows, for a vote. `by`: the
    name of the screen that asks.

    Raises `ValueError` for a command that does more than to record something.
    """
    match command:
        case c.SkipStep(step_id, reason):
            return e.StepSkipped(step_id, reason)
        case c.AskWaiver(step_id, reason):
            return e.WaiverAsked(step_id, reason)
        case c.ConfirmWaiver(step_id, _, note):
            asked = state.waiver
            assert asked is not None  # permit has looked
            return e.StepWaived(step_id, asked.reason, asked.by, by, note)
        case c.WaiveStep(step_id, reason):
            return e.StepWaived(step_id, reason, by)
        case c.Jump(step_id, reason):
            way = route(state, step_id)
            return e.Jumped(step_id, reason, way.skipped, way.again, way.kept)
        case c.Settle(step_id, run_id, outcome, reason):
            return e.StepSettled(step_id, run_id, outcome, reason)
        case c.ChooseBackup(database, path, reason):
            chosen = earlier_backup(state, database, path)
            assert chosen is not None  # permit has looked
            return e.BackupChosen(chosen.recorded, reason)
        case c.GoForward(_, reason):
            return e.WentForward(state.rollback_run, reason)
        case c.Hold(reason):
            return e.Held(reason)
        case c.Resume(note):
            assert state.hold is not None  # permit has looked
            return e.Resumed(round(now - state.hold.since, 3), note)
        case c.MarkItem(item_id, mark, note):
            return e.ItemMarked(item_id, mark, note)
        case c.WriteNote(subject, text):
            return e.NoteWritten(subject, text)
        case c.AssertCriterion(criterion_id, verdict, reason):
            return e.CriterionAsserted(criterion_id, verdict, reason)
        case c.ConfirmGate(gate, note):
            return e.GateConfirmed(gate, note)
        case c.DecideGate(gate, decision, reason):
            return e.GateDecided(gate, decision, reason)
        case c.CastVote(poll_id, role, vote, note):
            return e.VoteCast(poll_id, role, vote, note, sight())
        case c.ClosePoll(poll_id):
            return e.PollClosed(poll_id, state.polls[poll_id].tally())
        case c.StartEscalation(reason):
            return e.EscalationStarted(reason)
        case c.AcknowledgeEscalation(rung, note):
            return e.EscalationAcknowledged(rung, note)
        case c.EndEscalation(reason):
            return e.EscalationEnded(reason)
    raise ValueError(f"{type(command).__name__} isn't known here")
