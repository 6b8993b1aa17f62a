"""When a criterion is judged: from which phase on. Pure."""

from __future__ import annotations

from optibid_console.runbook.model import Criterion, Runbook
from optibid_console.state import StepStatus, WindowState


def phase_begun(runbook: Runbook, state: WindowState, phase_id: str) -> bool:
    """Whether a step of this phase or of a later one was begun."""
    ids = [phase.id for phase in runbook.phases]
    if phase_id not in ids:
        return False
    later = runbook.phases[ids.index(phase_id) :]
    return any(
        state.step(step.id).status not in (StepStatus.PENDING, StepStatus.SKIPPED)
        for phase in later
        for step in phase.steps
    )


def judged_from(runbook: Runbook, state: WindowState, criterion: Criterion) -> str:
    """`judged from phase 3 (Backend deployment)`; empty when it is judged now."""
    if not criterion.active_from or phase_begun(runbook, state, criterion.active_from):
        return ""
    for number, phase in enumerate(runbook.phases, 1):
        if phase.id == criterion.active_from:
            return f"judged from phase {number} ({phase.title})"
    return f"judged from phase {criterion.active_from}"
