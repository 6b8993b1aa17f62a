"""The launch clock: where the window is against T-0 and against its plan. Pure.

Clock seconds are what the runbook's offsets are in; `state.speed` of them pass in one
wall second (1 in production, more in the demo).
"""

from __future__ import annotations

from dataclasses import dataclass

from optibid_console.direction import Direction, direction
from optibid_console.runbook.model import Phase, Runbook
from optibid_console.state import ACTIVE, OVER, WindowState


@dataclass(frozen=True, slots=True)
class LaunchClock:
    """What the clock says at one moment."""

    offset_s: float
    """Clock seconds from T-0; negative before it."""
    held: bool
    phase_index: int
    """The current phase, from 0; the number of phases when all are over."""
    drift_s: float
    """Clock seconds behind the plan; negative: ahead of it; 0 while nothing is due, and from the
    start of a rollback on."""
    end_offset_s: float
    """The plan's end, in clock seconds from T-0."""
    forecast_end_s: float
    """When it will end as things are, in clock seconds from T-0."""


def read_clock(state: WindowState, now: float) -> LaunchClock:
    """The launch clock at `now` (seconds since the epoch, UTC)."""
    moment = state.hold.since if state.hold else (state.closed_at or now)
    offset_s = (moment - state.t0) * state.speed
    runbook = state.runbook
    if runbook is None or not runbook.phases:
        return LaunchClock(offset_s, state.hold is not None, 0, 0.0, 0.0, 0.0)
    index = current_phase(runbook, state)
    forward = direction(state) is Direction.FORWARD
    drift_s = _drift(runbook, state, index, offset_s, moment) if forward else 0.0
    end_s = plan_end(runbook)
    forecast_s = max(end_s + max(drift_s, 0.0), offset_s)
    return LaunchClock(offset_s, state.hold is not None, index, drift_s, end_s, forecast_s)


def current_phase(runbook: Runbook, state: WindowState) -> int:
    """The first phase with a step that is neither done nor skipped."""
    for index, phase in enumerate(runbook.phases):
        if any(state.step(step.id).status not in OVER for step in phase.steps):
            return index
    return len(runbook.phases)


def plan_end(runbook: Runbook) -> float:
    """The plan's end in clock seconds from T-0."""
    last = runbook.phases[-1]
    return float(last.until if last.until is not None else last.at)


def planned_start(phase: Phase, step_id: str, speed: float) -> float:
    """When a step is planned to begin: its phase's offset and the steps before it."""
    planned = float(phase.at)
    for step in phase.steps:
        if step.id == step_id:
            break
        planned += step.expect_duration * speed
    return planned


def _drift(
    runbook: Runbook, state: WindowState, index: int, offset_s: float, moment: float
) -> float:
    if index >= len(runbook.phases):
        return 0.0
    phase = runbook.phases[index]
    for step in phase.steps:
        seen = state.step(step.id)
        if seen.status in OVER:
            continue
        planned = planned_start(phase, step.id, state.speed)
        if seen.status in ACTIVE:
            begun = (seen.started_at - state.t0) * state.speed
            over = (moment - seen.started_at - step.expect_duration) * state.speed
            return begun - planned + max(over, 0.0)
        return offset_s - planned
    return 0.0


def format_offset(offset_s: float) -> str:
    """`T-00:42:17`, `T+00:03:00`."""
    sign = "-" if offset_s < 0 else "+"
    whole = abs(int(offset_s))
    return f"T{sign}{whole // 3600:02}:{whole // 60 % 60:02}:{whole % 60:02}"


def format_span(seconds: float) -> str:
    """`0:12`, `3:10`, `1:02:03`: a span of time, without its sign."""
    whole = abs(int(seconds))
    if whole >= 3600:
        return f"{whole // 3600}:{whole // 60 % 60:02}:{whole % 60:02}"
    return f"{whole // 60}:{whole % 60:02}"
