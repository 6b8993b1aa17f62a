"""What people say: check items, assertions, escalation, telling."""

from __future__ import annotations

from optibid_console import commands as c
from optibid_console.entries import Mark, Verdict
from optibid_console.permit.rule import Rules
from optibid_console.runbook.model import Runbook
from optibid_console.state import CriterionState, WindowState


def _mark_item(runbook: Runbook, state: WindowState, command: c.MarkItem) -> str:
    if runbook.item(command.item_id) is None:
        return f"no check item {command.item_id!r}"
    explained = command.mark in (Mark.FAILED, Mark.NOT_APPLICABLE)
    return "say why" if explained and not command.note.strip() else ""


def _assert(runbook: Runbook, state: WindowState, command: c.AssertCriterion) -> str:
    criterion = runbook.criterion(command.criterion_id)
    if criterion is None:
        return f"no criterion {command.criterion_id!r}"
    asserted = bool(state.criteria.get(command.criterion_id, CriterionState()).by)
    if criterion.fail_when and command.verdict is not Verdict.FAIL and not asserted:
        return f"{criterion.title} is judged by the console: it can't be declared passed"
    return "" if command.reason.strip() else "say why"


def _start_escalation(runbook: Runbook, state: WindowState, command: c.StartEscalation) -> str:
    return "the escalation clock runs already" if state.escalation else ""


def _acknowledge(runbook: Runbook, state: WindowState, command: c.AcknowledgeEscalation) -> str:
    if state.escalation is None:
        return "the escalation clock doesn't run"
    if not 0 <= command.rung < len(runbook.escalation):
        return f"no rung {command.rung + 1}: the path has {len(runbook.escalation)}"
    return ""


def _end_escalation(runbook: Runbook, state: WindowState, command: c.EndEscalation) -> str:
    return "" if state.escalation else "the escalation clock doesn't run"


def _tell_again(runbook: Runbook, state: WindowState, command: c.TellAgain) -> str:
    return "" if state.telling.untold else "everything was told"


RULES: Rules = {
    c.MarkItem: _mark_item,
    c.AssertCriterion: _assert,
    c.StartEscalation: _start_escalation,
    c.AcknowledgeEscalation: _acknowledge,
    c.EndEscalation: _end_escalation,
    c.TellAgain: _tell_again,
}
