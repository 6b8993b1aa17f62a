"""A rehearsal: what is only walked in it, and what stands in for facts. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from optibid_console.action_plan import facts_named
from optibid_console.entries import Outcome
from optibid_console.runbook.model import Step, StepKind
from optibid_console.state import StepStatus, WindowState

_BEGINS = "(rehearsed: "


def stand_in(name: str) -> str:
    """What a fact is while the step that records it was only walked: `(rehearsed: backup.path)`."""
    return f"{_BEGINS}{name})"


def with_stand_ins(state: WindowState, text: str) -> Mapping[str, str]:
    """The window's facts; in a rehearsal a stand-in for each other one that `text` names."""
    if not state.rehearsal:
        return state.facts
    return {name: stand_in(name) for name in facts_named(text)} | dict(state.facts)


def unknown_facts(state: WindowState, text: str) -> tuple[str, ...]:
    """The facts that `text` names and whose real value nobody knows (yet)."""
    known = state.facts
    return tuple(one for one in facts_named(text) if known.get(one, _BEGINS).startswith(_BEGINS))


def why_walked(state: WindowState, step: Step) -> str:
    """Why this step isn't done in a rehearsal; empty: it is, or this is no rehearsal."""
    if not state.rehearsal:
        return ""
    if step.kind is StepKind.MANUAL:
        return "rehearsed: a person would confirm it"
    if step.kind is StepKind.WAIT:
        return "rehearsed: it would be waited for"
    if not step.read_only:
        return "rehearsed: it isn't marked read-only, so nothing was started"
    unknown = unknown_facts(state, step.run)
    return f"rehearsed: {', '.join(unknown)} isn't known in a rehearsal" if unknown else ""


def walked_through(state: WindowState, action_run: str) -> tuple[Outcome, str]:
    """How an action ends whose steps were all gone through, and why."""
    if not state.rehearsal:
        return Outcome.SUCCEEDED, ""
    seen = {one: state.step(one, action_run) for one in state.actions[action_run].steps}
    walked = sum(one.status is StepStatus.REHEARSED for one in seen.values())
    done = sum(one.status is StepStatus.DONE for one in seen.values())
    said = f"{_count(walked, 'step')} walked, {_count(done, 'read')} done"
    failed = [f"{step_id} {one.reason}" for step_id, one in seen.items()
              if one.status is StepStatus.FAILED]  # fmt: skip
    if failed:
        return Outcome.FAILED, f"{said}; {'; '.join(failed)}"
    return Outcome.REHEARSED, said


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def mismatch(rehearsal: bool) -> str:
    """What to say to who wants a rehearsal of a real window's journal, or the reverse."""
    if rehearsal:
        return (
            "this journal is a real window's: a rehearsal has a journal of its own; leave out "
            "--journal, or give another one"
        )
    return (
        "this journal is a rehearsal's: nothing real is done in it; give --rehearse to go on with "
        "the rehearsal, or another --journal"
    )
