"""How a headless action ends: its exit status, a sentence, and the ways on. Pure."""

from __future__ import annotations

import shlex
from dataclasses import dataclass

from optibid_console import commands as c
from optibid_console import entries as e
from optibid_console.again import words_of
from optibid_console.kept import kept_lines
from optibid_console.launch_clock import format_span
from optibid_console.permit import forced_words, permit
from optibid_console.preflight import anyway_words
from optibid_console.runbook.model import ROLLBACK, Action
from optibid_console.state import ActionState, WindowState


@dataclass(frozen=True, slots=True)
class Result:
    """How the command ends."""

    exit_status: int
    said: str
    """In a sentence."""
    way_on: tuple[str, ...] = ()
    """What can be done next: a line each."""


def unconfirmed(state: WindowState, action: Action, typed: str) -> str:
    """Returns why this word doesn't start the action; empty: it does."""
    confirm = words_of(state, action)
    words = [confirm, forced_words(action)] if action.id == ROLLBACK else [confirm]
    if typed in (*words, *map(anyway_words, words)):
        return ""
    word = confirm if confirm.isalnum() else f'"{confirm}"'
    return f"type --confirm {word} to do it"


def all_the_same(again: str, words: str) -> tuple[str, ...]:
    """The way to an action that was refused, where `words` begin it all the same."""
    return (f"begin it all the same   {again} --confirm {shlex.quote(words)}",) if words else ()


def exit_status(outcome: e.Outcome | None) -> int:
    """0 for what is done, 4 for what nobody knows, 1 for everything else."""
    if outcome in (None, e.Outcome.UNKNOWN):
        return 4
    return 0 if outcome in (e.Outcome.SUCCEEDED, e.Outcome.REHEARSED) else 1


def over(state: WindowState, action: ActionState) -> Result:
    """Returns the result of an action with an outcome; of a rollback with what it has kept."""
    outcome = action.outcome
    took = format_span(action.finished_at - action.started_at)
    why = f": {action.reason}" if action.reason else ""
    said = f"{action.action_id} {outcome.value if outcome else ''} after {took}{why}"
    kept = kept_lines(state, action.finished_at) if action.action_id == ROLLBACK else ()
    return Result(exit_status(outcome), said, tuple(f"kept {one}" for one in kept))


def stopped(state: WindowState, action: ActionState, again: str) -> Result:
    """The result of an action that waits for a choice, with the choices."""
    step_id = action.stopped_at_step
    skip = c.Decide(action.action_run, e.Choice.SKIP, "given next")
    why_not = permit(state, skip)
    skipping = f'skip it      {again} --decide skip --reason "WHY"'
    way_on = (
        f"retry it     {again} --decide retry",
        f"can't skip   {why_not}" if why_not else skipping,
        f'stop here    {again} --decide stop --reason "WHY"',
    )
    unknown = state.step(step_id, action.action_run).outcome is e.Outcome.UNKNOWN
    said = f"{action.action_id} stopped at {step_id}: {action.stopped_reason}"
    return Result(4 if unknown else 1, said, way_on)


def by_hand(state: WindowState, action: ActionState, step_id: str, again: str) -> Result:
    """The result of an action that waits for what a person does."""
    step = state.runbook.step(step_id) if state.runbook else None
    what = f"{step_id} {step.title}" if step else step_id
    note = f": {step.note}" if step and step.note else ""
    said = f"{action.action_id} waits for a person: {what}{note}"
    return Result(4, said, (f'it is done   {again} --decide done --reason "NOTE"',))
