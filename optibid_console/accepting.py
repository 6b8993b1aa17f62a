"""The changes that a new runbook makes to a window under way, and why one is refused. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from optibid_console.codec import from_plain, to_plain
from optibid_console.runbook.changes import differences
from optibid_console.runbook.difference import Change, measured_anew
from optibid_console.runbook.model import Action, Criterion, Runbook, Step
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
    return _settled_for_good(old, new) or _under_way(state, old, new) or _asked(state, old, new)


def _settled_for_good(old: Runbook, new: Runbook) -> str:
    """Returns what a window keeps from its opening to its end and `new` says otherwise."""
    before, after = old.window, new.window
    if before.stack != after.stack:
        return (
            f"the window's stack is {before.stack}, not {after.stack}: what was recorded to go "
            "back to is of that stack. Open another window"
        )
    if before.name != after.name:
        return f"the window's name is {before.name!r}, not {after.name!r}: it is found by its name"
    if before.speed != after.speed:
        return f"the window's clock runs at speed {before.speed:g}, not {after.speed:g}"
    return ""


def _asked(state: WindowState, old: Runbook, new: Runbook) -> str:
    """Returns what somebody was asked for, or told, that `new` makes another thing."""
    asked = state.waiver
    if asked is not None and old.step(asked.step_id) != new.step(asked.step_id):
        return f"a second person is asked to waive {asked.step_id}, and the step is another one"
    if state.escalation is not None and old.escalation != new.escalation:
        return "the escalation clock runs, and its rungs are others: it has to end first"
    return ""


def _under_way(state: WindowState, old: Runbook, new: Runbook) -> str:
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


def changes(state: WindowState, new: Runbook) -> tuple[Change, ...]:
    """Returns all that `new` changes for the window, in groups: first the steps that are done and
    those to come."""
    old, new = state.runbook, _as_recorded(new)
    if old is None:
        return ()
    steps = sorted(_step_changes(state, old, new), key=lambda one: one.group)
    return (
        *steps, *_phase_changes(old, new), *_item_changes(state, old, new), *_other(old, new),
    )  # fmt: skip


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
    return (one.text for one in _step_changes(state, old, new))


def _step_changes(state: WindowState, old: Runbook, new: Runbook) -> Iterator[Change]:
    before = {step.id: step for _, step in old.steps()}
    after = {step.id: step for _, step in new.steps()}
    last_over = max(
        (i for i, one in enumerate(after) if state.step(one).status in OVER), default=-1
    )

    def change(step_id: str, text: str, details: Iterable[str] = ()) -> Change:
        begun = state.step(step_id).status is not StepStatus.PENDING
        return Change("steps done" if begun else "steps to come", text, tuple(details))

    for step_id in before:
        if step_id not in after:
            yield change(step_id, f"{step_id} is removed{_history(state, step_id)}")
    for index, (step_id, step) in enumerate(after.items()):
        if step_id not in before:
            yield change(step_id, f"{step_id} {step.title} is new{_place(step, index < last_over)}")
        elif step != before[step_id]:
            what = f"{step_id} {step.title} changes{_when(state, step_id)}"
            yield change(step_id, what, _keys(before[step_id], step))


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


def _keys(old: Any, new: Any) -> tuple[str, ...]:
    return tuple(differences(to_plain(old), to_plain(new)))


def _phase_changes(old: Runbook, new: Runbook) -> Iterator[Change]:
    before = {one.id: replace(one, steps=()) for one in old.phases}
    after = {one.id: replace(one, steps=()) for one in new.phases}
    yield from _each("phases", before, after, lambda name: "")
    if [name for name in before if name in after] != [name for name in after if name in before]:
        yield Change("phases", f"their order is {', '.join(after)}")
    steps, now = ([step.id for _, step in one.steps()] for one in (old, new))
    if [one for one in steps if one in now] != [one for one in now if one in steps]:
        yield Change("phases", "steps stand in another order or phase")


def _item_changes(state: WindowState, old: Runbook, new: Runbook) -> Iterator[Change]:
    anew = measured_anew(old, new)

    def observed(kind: str) -> Callable[[str], str]:
        return lambda name: (
            ": it measures something else, so its history begins anew"
            if (kind, name) in anew
            else ": its history stays"
        )

    def tripped(name: str) -> str:
        judged = state.criteria.get(name)
        return "; it is tripped now" if judged is not None and judged.tripped_seq else ""

    def done(name: str) -> str:
        before = any(one.action_id == name for one in state.actions.values())
        return ": it was done as it was before" if before else ""

    for kind, say in _SAYS.items():
        yield from _each(kind, getattr(old, kind), getattr(new, kind), say)
    yield from _each("probes", old.probes, new.probes, observed("probe"))
    yield from _each("panels", old.panels, new.panels, observed("panel"))
    judged_anew = ": judged by what is read from now on"
    yield from _each(
        "criteria", *_by_id(old.criteria, new.criteria),
        lambda name: judged_anew + tripped(name), tripped,
    )  # fmt: skip
    yield from _each("actions", *_by_id(old.actions, new.actions), done, done)


def _by_id(
    old: Iterable[Criterion | Action], new: Iterable[Criterion | Action]
) -> tuple[dict[str, Any], dict[str, Any]]:
    return {one.id: one for one in old}, {one.id: one for one in new}


_SAYS: Mapping[str, Callable[[str], str]] = {
    "targets": lambda name: ": connected to anew",
    "databases": lambda name: ": connected to anew",
    "tails": lambda name: ": followed anew",
    "tell": lambda name: "",
}


def _each(
    kind: str,
    before: Mapping[str, Any],
    after: Mapping[str, Any],
    changing: Callable[[str], str],
    removed: Callable[[str], str] = lambda name: "",
) -> Iterator[Change]:
    """Yields what is added, changed and removed of one kind, with what follows from it."""
    for name, one in after.items():
        if name not in before:
            yield Change(kind, f"{name} is new")
        elif one != before[name]:
            yield Change(kind, f"{name} changes{changing(name)}", _keys(before[name], one))
    for name in before:
        if name not in after:
            yield Change(kind, f"{name} is removed{removed(name)}")


_OTHER = (
    "window", "environment", "services", "checklist", "contacts", "escalation", "signoffs", "keys",
    "tell_templates",
)  # fmt: skip


def _other(old: Runbook, new: Runbook) -> Iterator[Change]:
    for name in _OTHER:
        details = _keys(getattr(old, name), getattr(new, name))
        if details:
            said = "changes"
            if name == "window" and old.window.t0 != new.window.t0:
                said = "changes; this window keeps its own T-0"
            yield Change("others", f"{name} {said}", details)
