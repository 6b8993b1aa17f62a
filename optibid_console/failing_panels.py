"""Panels beyond their limits, and what the triggers make of them. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from optibid_console.criteria import parse
from optibid_console.entries import Verdict
from optibid_console.runbook.model import Criterion, PanelSpec, Runbook
from optibid_console.scope import judged_from
from optibid_console.state import WindowState
from optibid_console.units import format_value
from probes.probe import Reading, Status


@dataclass(frozen=True, slots=True)
class FailingPanel:
    """A panel beyond its limit."""

    id: str
    said: str
    """`errors 52 %, limit 5 %`."""
    judged: str
    """What the triggers make of it: `judged from phase 3 (Backend deployment)`."""
    tripped: bool
    """A trigger on this panel has tripped: it says the rest."""

    @property
    def words(self) -> str:
        return f"{self.said}: {self.judged}"


def failing_panels(
    state: WindowState, readings: Mapping[str, Reading] | None = None
) -> tuple[FailingPanel, ...]:
    """The panels that fail by `readings` (by the journal's when not given), in their order."""
    runbook = state.runbook
    if runbook is None:
        return ()
    seen = state.panels if readings is None else readings
    return tuple(
        FailingPanel(
            spec.id, _said(spec, seen[spec.id]), *_judged(runbook, state, spec.id)
        )
        for spec in runbook.panels.values()
        if spec.id in seen and seen[spec.id].status is Status.FAILING
    )  # fmt: skip


def _said(spec: PanelSpec, reading: Reading) -> str:
    unit, value = reading.unit or spec.unit, reading.value
    words = f"{spec.title or spec.id} {format_value(value, unit)}"
    if value is None:
        return words
    for limit, beyond in (
        (spec.fail_above, spec.fail_above is not None and value > spec.fail_above),
        (spec.fail_below, spec.fail_below is not None and value < spec.fail_below),
    ):
        if beyond:
            return f"{words}, limit {format_value(limit, unit)}"
    return f"{words}: {reading.summary}" if reading.summary else words


def _judged(runbook: Runbook, state: WindowState, panel_id: str) -> tuple[str, bool]:
    """What the triggers on this panel say, and whether one has tripped."""
    triggers = tuple(_triggers_on(runbook, panel_id))
    if not triggers:
        return "no trigger judges it", False
    judged = [state.criteria.get(one.id) for one in triggers]
    if any(one is not None and one.verdict is Verdict.FAIL for one in judged):
        return "a trigger has tripped", True
    waiting = [words for one in triggers if (words := judged_from(runbook, state, one))]
    if len(waiting) == len(triggers):
        return waiting[0], False
    for criterion, known in zip(triggers, judged, strict=True):
        if not judged_from(runbook, state, criterion):
            so = f"{known.verdict.value}: {known.reason}" if known else "not yet"
            return f"judged by “{criterion.title}”, {so}", False
    raise AssertionError("unreachable")


def _triggers_on(runbook: Runbook, panel_id: str) -> Iterator[Criterion]:
    for criterion in runbook.criteria:
        clauses = parse(criterion.fail_when) if criterion.fail_when else ()
        if any(one.key == ("panel", panel_id) for one in clauses):
            yield criterion
