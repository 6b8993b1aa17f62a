"""How an act is confirmed, by its consequence and not by the key that asks for it. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from optibid_console import commands as c
from optibid_console.action_plan import action_plan
from optibid_console.adopting import adopt_words
from optibid_console.direction import forward_words
from optibid_console.entries import Choice, Mark
from optibid_console.permit import awaits_confirmation, forced_words
from optibid_console.runbook.model import FORWARD, ROLLBACK, Action, Runbook, Step, StepKind
from optibid_console.state import WindowState
from optibid_console.unbacked import unbacked_words
from optibid_console.waiving import waive_words


class Ask(StrEnum):
    """What confirms an act."""

    NOTHING = "nothing"
    """It is done at once and can be taken back with the same key."""
    ENTER = "enter"
    """A sheet says what it does; Enter does it."""
    REASON = "reason"
    """Enter after a reason, which is recorded."""
    TYPED = "typed"
    """Its words are typed, then Enter."""


@dataclass(frozen=True, slots=True)
class Friction:
    """How an act is confirmed."""

    ask: Ask
    words: str = ""
    """What is typed; empty unless `ask` is `TYPED`."""
    role: str = ""
    """For whom it speaks: the sheet names the role."""

    @property
    def typed(self) -> bool:
        return self.ask is Ask.TYPED


_CHANGES_DATA = (StepKind.MIGRATE, StepKind.RESTORE)
_LOSES_NOTHING = (StepKind.BACKUP, StepKind.WAIT, StepKind.MANUAL)
_WITH_A_REASON = (
    c.SkipStep, c.AskWaiver, c.Jump, c.Settle, c.Hold, c.AssertCriterion, c.DecideGate,
    c.ChooseBackup, c.StartEscalation, c.EndEscalation, c.WriteNote, c.CallPoll, c.Share,
)  # fmt: skip


def friction(state: WindowState, runbook: Runbook, act: c.Command) -> Friction:
    """Returns how this act is confirmed, whichever way it is asked for."""
    match act:
        case c.RunStep(step_id):
            return _of_step(state, runbook, runbook.step(step_id))
        case c.StartAction(action_id, _, forced):
            action = runbook.action(action_id)
            return _of_action(state, runbook, action, forced) if action else Friction(Ask.ENTER)
        case c.WaiveStep(step_id):
            return Friction(Ask.TYPED, waive_words(step_id))
        case c.AdoptMigrations(database):
            return Friction(Ask.TYPED, adopt_words(database))
        case c.GoForward():
            return Friction(Ask.TYPED, forward_words(runbook))
        case c.CastVote(_, role):
            return Friction(Ask.ENTER, role=role)
        case c.Decide(_, choice):
            return Friction(Ask.REASON if choice is Choice.SKIP else Ask.ENTER)
        case c.MarkItem(_, mark):
            return Friction(Ask.NOTHING if mark in (Mark.DONE, Mark.OPEN) else Ask.REASON)
        case c.CloseWindow(outcome):
            return Friction(Ask.ENTER if outcome == "completed" else Ask.REASON)
        case c.LookAtRunbook():
            return Friction(Ask.NOTHING)
        case c.TakeOver(_, of):
            return Friction(Ask.TYPED, of) if of else Friction(Ask.REASON)
        case _:
            return Friction(Ask.REASON if isinstance(act, _WITH_A_REASON) else Ask.ENTER)


def _of_step(state: WindowState, runbook: Runbook, step: Step | None) -> Friction:
    """A change of a schema or of data is typed, with the words of the action that does it too; so
    is what changes something in an action that the runbook marks as dangerous. What a person did
    by hand is confirmed with Enter."""
    if step is None or awaits_confirmation(state) == step.id:
        return Friction(Ask.ENTER)
    using = [one for one in runbook.actions if step.id in one.uses and one.id != FORWARD]
    if step.kind in _CHANGES_DATA:
        return Friction(Ask.TYPED, next(map(_words, using), step.kind.value))
    dangerous = [one for one in using if _is_dangerous(one)]
    if dangerous and not _is_harmless(step):
        return Friction(Ask.TYPED, _words(dangerous[0]))
    return Friction(Ask.ENTER)


def _of_action(state: WindowState, runbook: Runbook, action: Action, forced: bool) -> Friction:
    """A rollback, the way forward again, a change of data, and what the runbook adds beside its
    phases are typed; an action of the phases asks what its steps ask."""
    if forced:
        words = forced_words(action) if action.id == ROLLBACK else unbacked_words(action)
        return Friction(Ask.TYPED, words)
    if action.id in (ROLLBACK, FORWARD) or _is_dangerous(action):
        return Friction(Ask.TYPED, _words(action))
    planned = [runbook.step(one.step_id) for one in action_plan(state, action) if one.included]
    steps = [one for one in planned if one is not None]
    own = bool(action.steps) and not all(_is_harmless(one) for one in steps)
    data = any(_of_step(state, runbook, one).typed for one in steps)
    return Friction(Ask.TYPED, _words(action)) if own or data else Friction(Ask.ENTER)


def _words(action: Action) -> str:
    return action.confirm or action.id


def _is_dangerous(action: Action) -> bool:
    """Returns whether the runbook says so: it gives the words to type, what the action loses, or
    facts (a backup) that it can't do without."""
    return bool(action.confirm or action.costs or action.needs_facts)


def _is_harmless(step: Step) -> bool:
    return step.read_only or step.kind in _LOSES_NOTHING
