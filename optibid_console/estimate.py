"""How long steps and actions will take, and by what that is known. Pure.

Measured where it can be: in this window, else in earlier windows, else in the last rehearsal;
what was never measured is as the runbook expects.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

from optibid_console.action_plan import PreviewStep, action_plan
from optibid_console.entries import Outcome
from optibid_console.runbook.model import Action, Step, StepKind
from optibid_console.state import WindowState
from optibid_console.units import format_bytes


@dataclass(frozen=True, slots=True)
class Expected:
    """How long one step will take."""

    seconds: float
    known_by: str
    """Said after the step's id: `measured in this window`."""


def expected(state: WindowState, step: Step) -> Expected:
    """How long this step will take, as far as anybody can know."""
    took = [
        run.ended.duration_s
        for run in state.runs.values()
        if run.step_id == step.id and run.ended and run.ended.outcome is Outcome.SUCCEEDED
    ]
    if took and step.kind is not StepKind.MANUAL:
        return Expected(took[-1], "measured in this window")
    return (
        _earlier(state, step)
        or _by_backup(state, step)
        or _rehearsed(state, step)
        or Expected(float(step.expect_duration), "not measured, as the runbook expects")
    )


def estimate_s(state: WindowState, action: Action) -> float:
    """How long the action would take, in wall seconds."""
    return sum(one.seconds for _, one in _of(state, action_plan(state, action)))


def known_by(state: WindowState, steps: Iterable[PreviewStep]) -> str:
    """Where the estimate of these steps comes from: `R1, R3 measured in 3 earlier windows,
    median; R2 not measured, as the runbook expects`. Empty: nothing would be done."""
    by: dict[str, list[str]] = {}
    for step_id, one in _of(state, steps):
        by.setdefault(one.known_by, []).append(step_id)
    unmeasured = [one for one in by if one.startswith("not ")]
    order = [*(one for one in by if one not in unmeasured), *unmeasured]
    return "; ".join(f"{', '.join(by[one])} {one}" for one in order)


def _of(state: WindowState, steps: Iterable[PreviewStep]) -> Iterable[tuple[str, Expected]]:
    for planned in steps:
        step = state.runbook.step(planned.step_id) if state.runbook else None
        if step is not None and planned.included:
            yield step.id, expected(state, step)


def _earlier(state: WindowState, step: Step) -> Expected | None:
    """By earlier windows; a restore by how fast they restored, and by this window's backup."""
    found = state.earlier.steps.get(step.id) if state.earlier else None
    if found is None:
        return None
    one = found.windows == 1
    where = "one earlier window" if one else f"{found.windows} earlier windows, median"
    made = state.artifacts.get(step.database) if step.kind is StepKind.RESTORE else None
    if made is not None and found.bytes_per_s > 0:
        size = made.recorded.size_bytes
        by = f"for {format_bytes(size)} at the rate of {where}"
        return Expected(size / found.bytes_per_s, by)
    return Expected(found.seconds, f"measured in {where}")


def _by_backup(state: WindowState, step: Step) -> Expected | None:
    """At most how long a restore takes, going by the backup that it restores.

    Dumping and reading back took longer than restoring wherever it was measured (three times
    with 1,000,000 rows); indexes that are slow to build are what the rest is for.
    """
    made = state.artifacts.get(step.database) if step.kind is StepKind.RESTORE else None
    run = state.runs.get(made.recorded.run_id) if made else None
    if run is None or run.ended is None or not run.ended.duration_s:
        return None
    return Expected(run.ended.duration_s, "at most as long as this window's backup took")


def _rehearsed(state: WindowState, step: Step) -> Expected | None:
    took_s = state.rehearsed.durations_s.get(step.id, 0.0) if state.rehearsed else 0.0
    if state.rehearsed is None or not took_s:
        return None
    at = datetime.fromtimestamp(state.rehearsed.at, UTC).strftime("%Y-%m-%d %H:%MZ")
    return Expected(took_s, f"measured in rehearsal {at}")
