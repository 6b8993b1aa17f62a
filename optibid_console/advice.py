"""The one current action of a window: what is to be done now, and by which acts. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum

from optibid_console import commands as c
from optibid_console import gates
from optibid_console.aborting import to_stop
from optibid_console.direction import Direction, direction, in_short, last_rollback
from optibid_console.friction import friction
from optibid_console.permit import awaits_confirmation, permit
from optibid_console.plan import next_move
from optibid_console.runbook.model import FORWARD, ROLLBACK, Runbook, Step, StepKind
from optibid_console.state import ActionState, RunState, StepStatus, WindowState
from optibid_console.waiving import left_out_of


class Situation(StrEnum):
    """The window's situation, which decides the current action."""

    OPENING = "opening"
    LOST = "lost"
    JOURNAL_AWAY = "journal-away"
    UNSETTLED = "unsettled"
    ACTION_STOPPED = "action-stopped"
    PERSON = "waiting-for-person"
    UNKNOWN = "unknown"
    ACTION_RUNNING = "action-running"
    STEP_RUNNING = "step-running"
    ROLLED_BACK = "rolled-back"
    INCOMPLETE = "rollback-incomplete"
    TRIPPED = "tripped"
    FAILED = "step-failed"
    WAIVER = "waiver"
    HELD = "on-hold"
    GATE = "gate"
    READY = "step-ready"
    COMPLETE = "complete"
    CLOSED = "closed"


@dataclass(frozen=True, slots=True)
class Seat:
    """A screen's own state: its role, its feed and whether the journal can be written."""

    drives: bool = True
    observer: bool = False
    """It has no way to send."""
    lost: str = ""
    """Why nothing comes from the engine; empty: it does."""
    journal: str = ""
    """Why the journal can't be written; empty: it can."""


@dataclass(frozen=True, slots=True)
class Way:
    """One way on: an act by the name of its key or as `action:ID`, and what it does."""

    act: str
    word: str


@dataclass(frozen=True, slots=True)
class Advice:
    """The current action, with the ways to carry it out."""

    situation: Situation
    text: str
    ways: tuple[Way, ...] = ()
    subject: str = ""
    """The line of the timeline on which `open` does the first of `ways`."""


def advice(state: WindowState, now: float, seat: Seat | None = None) -> Advice:
    """Returns the current action at `now` (epoch seconds), as it is for this seat."""
    seat = seat or Seat()
    if state.runbook is None:
        return Advice(Situation.OPENING, "The window is being opened")
    if state.closed is not None:
        return Advice(Situation.CLOSED, f"CLOSED: {state.closed.outcome}{_but(state)}", _LEAVE)
    if seat.lost:
        return Advice(Situation.LOST, f"Nothing comes from the engine: {seat.lost}", _LEAVE)
    found = _of_state(state, state.runbook, now, seat)
    return found if seat.drives else _watched(found, seat)


_LEAVE = (Way("leave", "leave"),)
_OPEN = "open"


def _but(state: WindowState) -> str:
    """Returns the steps that were left out, so that an end over them never looks whole."""
    left = left_out_of(state)
    return f", {left}" if left else ""


def _watched(found: Advice, seat: Seat) -> Advice:
    """The same for somebody who only watches: the acts of others aren't offered."""
    ways = () if seat.observer else (Way("lease", "take over"),)
    if found.situation is Situation.GATE and not seat.observer:
        ways = (Way("poll", "look, or confirm"), *ways)
    if found.situation is Situation.WAIVER and not seat.observer:
        ways = (Way(_OPEN, "look, or confirm"), *ways)
    return replace(found, ways=ways)


def _of_state(state: WindowState, book: Runbook, now: float, seat: Seat) -> Advice:
    found = _awaited(state, book, seat) or _under_way(state, book) or _rollback_ended(state)
    return found or _ahead(state, book, now)


def _awaited(state: WindowState, book: Runbook, seat: Seat) -> Advice | None:
    """Returns the advice for a state that waits for the operator; None where none does."""
    if seat.journal and not state.spill:
        running = _stop(state) if to_stop(state) is not None else ()
        ways = (*running, *_back(state))
        return Advice(Situation.JOURNAL_AWAY, "NOT RECORDING: nothing can start", ways)
    action, waiting = state.action(), awaits_confirmation(state)
    for run in state.unsettled_runs():
        text = f"{_named(book, run.step_id)}: say how it ended"
        ways = (Way(_OPEN, "settle"), *_back(state))
        return Advice(Situation.UNSETTLED, text, ways, _line(run))
    if action is not None and action.stopped_at_step:
        return _stopped(state, book, action)
    if waiting:
        run = next(one for one in state.active_runs() if one.step_id == waiting)
        text = f"{_named(book, waiting)} is waiting for you: do it, then confirm"
        ways = (Way(_OPEN, "confirm"), *_stop(state))
        return Advice(Situation.PERSON, text, ways, _line(run))
    return None


def _stopped(state: WindowState, book: Runbook, action: ActionState) -> Advice:
    at = action.stopped_at_step
    begun = state.step(at, action.action_run).status is not StepStatus.PENDING
    text = f"{_title(book, action.action_id)} stopped at {_named(book, at)}"
    word = "retry, skip or stop" if begun else "go on, or stop"
    key = f"astep:{action.action_run}/{at}"
    return Advice(Situation.ACTION_STOPPED, text, (Way(_OPEN, word), *_back(state)), key)


def _under_way(state: WindowState, book: Runbook) -> Advice | None:
    """What runs: the console goes on by itself."""
    action, runs = state.action(), state.unfinished_runs()
    run = runs[-1] if runs else None
    subject = _line(run) if run else f"action:{action.action_run}" if action else ""
    ways = (*_stop(state), *_back(state))
    if run is not None and run.unreachable and run.ended is None:
        text = f"{_named(book, run.step_id)}: outcome unknown until {run.target} answers"
        return Advice(Situation.UNKNOWN, text, ways, subject)
    if action is not None:
        at = f": {_named(book, run.step_id)}" if run else ""
        place = _place(action, run)
        text = f"{_title(book, action.action_id)} runs{place}{at}"
        return Advice(Situation.ACTION_RUNNING, text, ways, subject)
    if run is not None:
        where = f" on {run.target}" if run.target else ""
        word = "waits" if run.kind == StepKind.WAIT else "runs"
        text = f"{_named(book, run.step_id)} {word}{where}"
        return Advice(Situation.STEP_RUNNING, text, ways, subject)
    return None


def _place(action: ActionState, run: RunState | None) -> str:
    if run is None or run.step_id not in action.steps:
        return ""
    return f", {action.steps.index(run.step_id) + 1} of {len(action.steps)}"


def _rollback_ended(state: WindowState) -> Advice | None:
    """The end of a rollback: nothing goes forward by itself."""
    last = last_rollback(state)
    if last is None:
        return None
    subject = f"action:{last.action_run}"
    if direction(state) is Direction.ROLLED_BACK:
        text = f"ROLLED BACK {in_short(state)}"
        ways = (Way(_OPEN, "close the window"), *_forward(state))
        return Advice(Situation.ROLLED_BACK, text, ways, subject)
    text = f"ROLLBACK INCOMPLETE: {last.reason or 'it ended without success'}"
    ways = (*_back(state, "roll back again"), Way("leave", "go forward or leave"))
    return Advice(Situation.INCOMPLETE, text, ways, subject)


def _ahead(state: WindowState, book: Runbook, now: float) -> Advice:
    """The next step, or what stands before it."""
    move = next_move(state)
    step = book.step(move.step_id)
    if step is None:
        text = f"Every step is over{_but(state)}"
        return Advice(Situation.COMPLETE, text, (Way("leave", "close"),))
    subject, run = f"step:{step.id}", Way(_OPEN, _run_word(state, book, step))
    tripped, back = _tripped(state, book), _back(state)
    if tripped and back:
        text = f"{tripped}: roll back, or go on with {_named(book, step.id)}"
        return Advice(Situation.TRIPPED, text, (*back, run), subject)
    if state.hold is not None:
        text = f"ON HOLD by {state.hold.by}: {state.hold.reason}"
        return Advice(Situation.HELD, text, (Way("hold", "resume"), *back), subject)
    if state.waiver is not None and state.waiver.step_id == step.id:
        text = f"{_named(book, step.id)}: a second person confirms its waiver"
        return Advice(Situation.WAIVER, text, (run, Way("skip", "waive"), *back), subject)
    if state.step(step.id).status is StepStatus.FAILED:
        skip = (Way("skip", "waive" if step.required else "skip"),)
        text = f"{_named(book, step.id)} failed"
        return Advice(Situation.FAILED, text, (run, *skip, *back), subject)
    key = gates.first_shut(state, book, gates.before_step(book, step.id), now)
    if key:
        missing = ", ".join(gates.judge(state, book, key, now).missing)
        text = f"Gate of {gates.title_of(book, key)}: {missing or 'no-go'}"
        return Advice(Situation.GATE, text, (Way("poll", "how to go on"),), subject)
    return Advice(Situation.READY, f"Next: {_named(book, step.id)}", (run,), subject)


def _run_word(state: WindowState, book: Runbook, step: Step) -> str:
    if step.kind is StepKind.MANUAL:
        return "confirm"
    asked = friction(state, book, c.RunStep(step.id))
    again = " again" if state.step(step.id).status is StepStatus.FAILED else ""
    return f"run{again}, type {asked.words}" if asked.typed else f"run{again}"


def _tripped(state: WindowState, book: Runbook) -> str:
    for criterion_id in state.failing_criteria():
        criterion = book.criterion(criterion_id)
        return criterion.title if criterion else criterion_id
    return ""


def _back(state: WindowState, word: str = "rollback") -> tuple[Way, ...]:
    """The way back, where a rollback could be started now."""
    action = state.runbook.action(ROLLBACK) if state.runbook else None
    words = (action.confirm or action.id) if action else ""
    if action is None or permit(state, c.StartAction(ROLLBACK, words)):
        return ()
    return (Way(f"action:{ROLLBACK}", word),)


def _forward(state: WindowState) -> tuple[Way, ...]:
    """The runbook's action that goes forward again; without one, the sheet of `q` has the way."""
    action = state.runbook.action(FORWARD) if state.runbook else None
    words = (action.confirm or action.id) if action else ""
    if action is None or permit(state, c.StartAction(FORWARD, words)):
        return ()
    return (Way(f"action:{FORWARD}", "forward again"),)


def _stop(state: WindowState) -> tuple[Way, ...]:
    return (Way("abort", f"stop {'the action' if state.action() else 'it'}"),)


def _line(run: RunState) -> str:
    return f"astep:{run.step_key}" if "/" in run.step_key else f"step:{run.step_key}"


def _named(book: Runbook, step_id: str) -> str:
    step = book.step(step_id)
    return f"{step_id} {step.title}" if step else step_id


def _title(book: Runbook, action_id: str) -> str:
    action = book.action(action_id)
    return action.title if action else action_id
