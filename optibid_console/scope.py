"""When a criterion is judged: from which phase on, and not of what we stop ourselves. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from optibid_console.runbook.model import Criterion, Runbook, Step, StepKind
from optibid_console.state import ActionState, StepState, StepStatus, WindowState

IDLE_S = 120.0
"""A silence is over when nothing of its steps has run for so long: nobody goes on."""
_NOT_BEGUN = (StepStatus.PENDING, StepStatus.SKIPPED, StepStatus.REHEARSED)
_ENDED_BADLY = (StepStatus.FAILED, StepStatus.UNDONE, StepStatus.WAIVED)
_AT_WORK = (StepStatus.RUNNING, StepStatus.CHECKING)


@dataclass(frozen=True, slots=True)
class Silence:
    """Why the triggers say nothing about a probe or panel, or said nothing."""

    why: str
    ended_at: float = 0.0
    """0: it is silent now."""


def phase_begun(runbook: Runbook, state: WindowState, phase_id: str) -> bool:
    """Returns whether a step of this phase or of a later one was begun."""
    return phase_begun_at(runbook, state, phase_id) is not None


def phase_begun_at(runbook: Runbook, state: WindowState, phase_id: str) -> float | None:
    """Returns when the first step of this phase or of a later one was begun (epoch seconds), or
    None when none was.

    A step that was tried again counts with its last try.
    """
    ids = [phase.id for phase in runbook.phases]
    if phase_id not in ids:
        return None
    later = runbook.phases[ids.index(phase_id) :]
    begun = [
        seen.started_at or seen.finished_at
        for phase in later
        for step in phase.steps
        if _begun(seen := state.step(step.id))
    ]
    return min(begun, default=None)


def _begun(seen: StepState) -> bool:
    if seen.status is StepStatus.WAIVED:
        return bool(seen.started_at)
    return seen.status not in (StepStatus.PENDING, StepStatus.SKIPPED)


def judged_from(runbook: Runbook, state: WindowState, criterion: Criterion) -> str:
    """`judged from phase 3 (Backend deployment)`; empty when it is judged now."""
    if not criterion.active_from or phase_begun(runbook, state, criterion.active_from):
        return ""
    for number, phase in enumerate(runbook.phases, 1):
        if phase.id == criterion.active_from:
            return f"judged from phase {number} ({phase.title})"
    return f"judged from phase {criterion.active_from}"


def silences(runbook: Runbook, state: WindowState, now: float) -> dict[str, Silence]:
    """Probe or panel id → its silence now, or the last one that ended.

    It begins with the step that stops the service, and ends with the next wait of the same
    action or of the phases, however that ends; with a failure or stop before that; and when
    nothing goes on for `IDLE_S`.
    """
    found: dict[str, Silence] = {}
    for steps, action in _sequences(runbook, state):
        for index, step in enumerate(steps):
            if not step.stops:
                continue
            silence = _silence(state, step, steps[index + 1 :], action, now)
            for one in step.stops if silence else ():
                found[one] = _louder(found.get(one), silence)
    return found


def _sequences(
    runbook: Runbook, state: WindowState
) -> Iterator[tuple[tuple[Step, ...], ActionState | None]]:
    """The steps in the order in which they are done: of the phases, and of each action run that
    has steps of its own."""
    yield tuple(step for _, step in runbook.steps()), None
    for run in state.actions.values():
        action = runbook.action(run.action_id)
        if action is not None and action.steps:
            yield action.steps, run


def _silence(
    state: WindowState, step: Step, after: tuple[Step, ...], action: ActionState | None, now: float
) -> Silence | None:
    """The silence that `step` began; `after`: the steps that follow it."""
    run = action.action_run if action else ""
    seen = state.step(step.id, run)
    if seen.status in _NOT_BEGUN or not seen.started_at:
        return None
    waits = [index for index, one in enumerate(after) if one.kind is StepKind.WAIT]
    covered = after[: waits[0] + 1] if waits else ()
    who = f"{action.action_id} stops it ({step.id})" if action else f"{step.id} stops it"
    why = f"silent while {who}, until {covered[-1].id if covered else f'{step.id} is over'}"
    since = [one for one in (state.step(s.id, run) for s in covered)
             if one.started_at >= seen.started_at]  # fmt: skip
    return Silence(why, _ended_at(state, seen, since, covered, action, now))


def _ended_at(
    state: WindowState,
    seen: StepState,
    since: list[StepState],
    covered: tuple[Step, ...],
    action: ActionState | None,
    now: float,
) -> float:
    """When a silence ended; 0 while it lasts."""
    begun = [seen, *since]
    last = max(max(one.started_at, one.finished_at) for one in begun)
    failed = any(one.status in _ENDED_BADLY for one in begun)
    waited = state.step(covered[-1].id, action.action_run if action else "") if covered else seen
    over = waited in begun and waited.status not in _AT_WORK and waited.finished_at > 0
    stopped = action is not None and bool(action.stopped_at_step or action.finished_at)
    if failed or over or stopped:
        return last
    if not any(one.status in _AT_WORK for one in begun) and now - last > IDLE_S:
        return last + IDLE_S
    return 0.0


def _louder(one: Silence | None, other: Silence | None) -> Silence:
    """Of two silences of one thing: the one that lasts, else the one that ended last."""
    assert other is not None
    if one is None or not other.ended_at:
        return other
    return one if not one.ended_at or one.ended_at >= other.ended_at else other
