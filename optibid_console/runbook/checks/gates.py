"""What must hold of gates: that they ask for something, and that it can come."""

from __future__ import annotations

from collections.abc import Iterator

from optibid_console.runbook.model import ROLLBACK, Gate, Runbook
from optibid_console.runbook.positions import KeyPath
from optibid_console.runbook.problems import Problems


def check_gates(runbook: Runbook, problems: Problems) -> None:
    """Note every gate that names nothing, asks for nothing, or could never open."""
    for path, gate, later in _gates(runbook):
        wrong = any(problems.noted((*path, key)) for key in ("signoffs", "criteria"))
        if not (gate.signoffs or gate.second_person or gate.criteria or wrong):
            problems.add(path, "asks for nothing: give it signoffs, second_person or criteria")
        if gate.on_timeout != "hold" and gate.timeout <= 0:
            message = "means nothing without a timeout"
            problems.add((*path, "on_timeout"), message, gate.on_timeout)
        for index, role in enumerate(gate.signoffs):
            if role not in runbook.signoffs:
                problems.no_such((*path, "signoffs", index), "role", role, runbook.signoffs)
        for index, name in enumerate(gate.criteria if gate.criteria != "all" else ()):
            criterion = runbook.criterion(name)
            where = (*path, "criteria", index)
            if criterion is None:
                known = [one.id for one in runbook.criteria]
                problems.no_such(where, "criterion", name, known)
            elif criterion.active_from in later:
                message = f'is judged from phase "{criterion.active_from}" on, so not by then'
                problems.add(where, message, name)
    for index, action in enumerate(runbook.actions):
        if action.id == ROLLBACK and action.gate is not None:
            path = ("actions", index, "gate")
            problems.add(path, "nothing may stand in the way of the rollback: take its gate out")


def _gates(runbook: Runbook) -> Iterator[tuple[KeyPath, Gate, tuple[str, ...]]]:
    """Each gate with its key path, and the phases that can't have begun when it is asked."""
    ids = tuple(phase.id for phase in runbook.phases)
    for index, phase in enumerate(runbook.phases):
        if phase.gate is not None:
            yield ("phases", index, "gate"), phase.gate, ids[index:]
    for index, action in enumerate(runbook.actions):
        if action.gate is not None:
            yield ("actions", index, "gate"), action.gate, ()
