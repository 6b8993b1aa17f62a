"""Waived steps: the words, what relies on them, and how a phase ends that left steps out. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from optibid_console.runbook.facts import recorded_by
from optibid_console.runbook.model import Runbook, Step
from optibid_console.state.steps import StepState, StepStatus, Waiver

if TYPE_CHECKING:
    from optibid_console.state import WindowState

_LEFT_OUT = {
    StepStatus.FAILED: "failed",
    StepStatus.WAIVED: "waived",
    StepStatus.SKIPPED: "skipped",
}


def waive_words(step_id: str) -> str:
    """Returns what the operator types to waive a step alone."""
    return f"waive {step_id}"


def waives(state: WindowState, step_id: str) -> bool:
    """Returns whether leaving this step out is a waiver: it is required, and this is no
    rehearsal."""
    step = state.runbook.step(step_id) if state.runbook else None
    return step is not None and step.required and not state.rehearsal


def left_out(states: Iterable[StepState]) -> str:
    """Returns how many steps weren't done though the window went on: `1 waived, 2 skipped`; empty
    when all were."""
    seen = list(states)
    counts = {word: sum(one.status is status for one in seen) for status, word in _LEFT_OUT.items()}
    before = sum(one.status is StepStatus.DONE and bool(one.as_before) for one in seen)
    counts["as before"] = before
    return ", ".join(f"{count} {word}" for word, count in counts.items() if count)


def left_out_of(state: WindowState) -> str:
    """Returns the same for all steps of the phases."""
    steps = state.runbook.steps() if state.runbook else ()
    return left_out(state.step(step.id) for _, step in steps)


def waived_lines(state: WindowState) -> tuple[str, ...]:
    """Returns each waiver of the window: the step, who waived it and why."""
    return tuple(
        f"{one.step_id} waived {one.in_words()}{_since(state, one)}"
        for one in state.waived.values()
    )


def _since(state: WindowState, waiver: Waiver) -> str:
    status = state.step(waiver.step_id).status
    return "" if status is StepStatus.WAIVED else f"; it is {status.value} since"


def waived_facts(state: WindowState, names: Iterable[str]) -> dict[str, str]:
    """Returns each of these facts that a waived step would have recorded, with that step."""
    runbook = state.runbook
    if runbook is None:
        return {}
    found: dict[str, str] = {}
    for step in _waived(state, runbook):
        found |= {name: step.id for name in names if name in recorded_by(step)}
    return found


def relies_on_waived(state: WindowState, step: Step, missing: Iterable[str]) -> tuple[str, ...]:
    """Returns what a step needs of waived ones, in a sentence each: the facts in `missing` that
    they would have recorded, and what the same probes would have proved."""
    runbook = state.runbook
    if runbook is None:
        return ()
    said = [
        f"{name} isn't recorded: {by} was waived"
        for name, by in waived_facts(state, missing).items()
    ]
    looks_at = {*step.evidence, *step.wait_for}
    for waived in _waived(state, runbook):
        shared = [one for one in (*waived.evidence, *waived.wait_for) if one in looks_at]
        if shared and waived.id != step.id:
            said.append(f"{', '.join(shared)} proves {waived.id} too, and {waived.id} was waived")
    return tuple(dict.fromkeys(said))


def _waived(state: WindowState, runbook: Runbook) -> list[Step]:
    return [step for _, step in runbook.steps() if state.step(step.id).status is StepStatus.WAIVED]
