"""The changes that a new runbook makes to a window under way, and why one is refused. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from optibid_console.codec import from_plain, to_plain
from optibid_console.runbook.model import Runbook, Step
from optibid_console.state import ACTIVE, OVER, StepStatus, WindowState

_NAMED = ("targets", "databases", "probes", "panels", "tails")
_LISTED = ("criteria", "actions")


def why_not_accepted(state: WindowState, new: Runbook) -> str:
    """Returns why the window can't go on by `new`: it would take away, or change, what is under way
    or waits to be settled. Empty when it can. Steps that are over may be removed: what they did
    stays in the journal."""
    old, new = state.runbook, _as_recorded(new)
    if old is None:
        return ""
    action = state.action()
    if action is not None and new.action(action.action_id) != old.action(action.action_id):
        return (
            f"{action.action_id} is under way, and its action is another one: it has to end first"
        )
    for run in (*state.unfinished_runs(), *state.unsettled_runs()):
        word = state.steps[run.step_key].status.value
        step = new.step(run.step_id)
        if step is None:
            return f"{run.step_id} is {word}, and it is no step any more: it has to end first"
        if step != old.step(run.step_id):
            return f"{run.step_id} is {word}, and the step is another one: it has to end first"
        if run.target and new.targets.get(run.target) != old.targets.get(run.target):
            return f"{run.step_id} is {word} on {run.target}, and that target is another one"
    return ""


def consequences(state: WindowState, new: Runbook) -> tuple[str, ...]:
    """Returns what `new` changes for the window, a line each: for the steps that are over or to
    come, and for what is observed."""
    old, new = state.runbook, _as_recorded(new)
    if old is None:
        return ()
    return (*_of_steps(state, old, new), *_of_names(old, new))


def _as_recorded(runbook: Runbook) -> Runbook:
    """Returns it as a journal gives it back, so that what is alike compares as equal."""
    recorded: Runbook = from_plain(Runbook, to_plain(runbook))
    return recorded


def _of_steps(state: WindowState, old: Runbook, new: Runbook) -> Iterator[str]:
    before = {step.id: step for _, step in old.steps()}
    after = {step.id: step for _, step in new.steps()}
    last_over = max(
        (i for i, one in enumerate(after) if state.step(one).status in OVER), default=-1
    )
    for step_id in before:
        if step_id not in after:
            yield f"{step_id} is removed{_history(state, step_id)}"
    for index, (step_id, step) in enumerate(after.items()):
        if step_id not in before:
            yield f"{step_id} {step.title} is new{_place(step, index < last_over)}"
        elif step != before[step_id]:
            yield f"{step_id} {step.title} changes{_when(state, step_id)}"


def _history(state: WindowState, step_id: str) -> str:
    seen = state.step(step_id)
    if seen.status is StepStatus.PENDING:
        return ": it isn't run"
    return f": it was {seen.status.value}, which stays in the journal"


def _place(step: Step, behind: bool) -> str:
    if not behind:
        return ", to come"
    need = "it is required: the window goes back to it" if step.required else "it is the next one"
    return f", before steps that are over; {need}"


def _when(state: WindowState, step_id: str) -> str:
    seen = state.step(step_id)
    if seen.status in OVER:
        return f": it is {seen.status.value} already, as it was before; it isn't run again"
    if seen.status in ACTIVE:
        return ": it is under way as it was before"
    return ": it is run as it is now"


def _of_names(old: Runbook, new: Runbook) -> Iterator[str]:
    for kind in _NAMED:
        yield from _differs(kind, getattr(old, kind), getattr(new, kind))
    for kind in _LISTED:
        before = {one.id: one for one in getattr(old, kind)}
        yield from _differs(kind, before, {one.id: one for one in getattr(new, kind)})


def _differs(kind: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[str]:
    for word, names in (
        ("added", [one for one in new if one not in old]),
        ("removed", [one for one in old if one not in new]),
        ("changed", [one for one in new if one in old and new[one] != old[one]]),
    ):
        if names:
            yield f"{kind} {word}: {', '.join(names)}"
