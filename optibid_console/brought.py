"""What a probe looks for and a rollback has taken back: neither red nor green. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from optibid_console.runbook.model import StepKind
from optibid_console.state import StepStatus, WindowState
from probes.probe import Reading, Status


@dataclass(frozen=True, slots=True)
class TakenBack:
    """The steps that bring what a probe looks for, taken back by a rollback."""

    steps: tuple[str, ...]
    at: float
    """When: seconds since the epoch, UTC."""

    @property
    def words(self) -> str:
        """`rolled back (2.1b)`."""
        return f"rolled back ({', '.join(self.steps)})"


def taken_back(state: WindowState, probe_id: str) -> TakenBack | None:
    """Returns what a rollback took back of what this probe looks for; None where nothing was, or
    where it was brought again since."""
    spec = state.runbook.probes.get(probe_id) if state.runbook else None
    if spec is None:
        return None
    found: dict[str, float] = {}
    for step_id in spec.brought_by:
        at = _undone_at(state, step_id)
        if at:
            found[step_id] = at
        elif state.step(step_id).status is not StepStatus.PENDING:
            return None
    return TakenBack(tuple(found), max(found.values())) if found else None


def meant(state: WindowState, reading: Reading) -> TakenBack | None:
    """Returns the rollback by which the reading is as it is: the probe doesn't find what was taken
    back, or has not looked since. None for every other reading; one without an answer is none."""
    gone = taken_back(state, reading.probe)
    if gone is None or reading.status is Status.ERROR or reading.away:
        return None
    return gone if reading.status is not Status.OK or reading.at < gone.at else None


def meant_words(gone: TakenBack, reading: Reading) -> str:
    """Returns what is shown of such a reading."""
    if reading.status is Status.OK:
        return f"{gone.words}; not read since"
    return f"{gone.words}: {reading.summary}"


def _undone_at(state: WindowState, step_id: str) -> float:
    """When a rollback undid the step, or restored the database that it had migrated; else 0."""
    seen = state.step(step_id)
    step = state.runbook.step(step_id) if state.runbook else None
    if seen.status is StepStatus.UNDONE:
        action = state.actions.get(seen.undone_by)
        return action.finished_at if action else seen.finished_at
    if step is None or step.kind is not StepKind.MIGRATE:
        return 0.0
    known = state.databases.get(step.database)
    restore = state.runs.get(known.restored.run_id) if known and known.restored else None
    run = state.runs.get(seen.run_id)
    if known is None or restore is None or run is None or run.started_seq > restore.started_seq:
        return 0.0
    return known.restored_at
