"""A phase's gate as a line under it: how it stands, what it waits for, for how long."""

from __future__ import annotations

from optibid_console.gates import SECOND_PERSON, Standing, judge, waiting
from optibid_console.launch_clock import format_span
from optibid_console.runbook.model import Phase
from optibid_console.state import GateSeen
from screens.glyphs import glyph
from screens.lines import Line, Span, row, spans
from screens.view import View

GATE_LOOKS = {
    Standing.OPEN: "done", Standing.WAITING: "held", Standing.REFUSED: "failed",
    Standing.TIMED_OUT: "warn",
}  # fmt: skip
"""The glyph of each standing."""


def gate_line(view: View, phase: Phase, width: int, now: float) -> list[Line]:
    """The line of a phase that has a gate; none where it has none."""
    runbook, key = view.state.runbook, f"phase:{phase.id}"
    if phase.gate is None or runbook is None or view.state.rehearsal:
        return []
    at, seen = judge(view.state, runbook, key, now), view.state.gates.get(key, GateSeen())
    look = glyph(GATE_LOOKS[at.standing])
    said, word = ", ".join(at.missing), at.standing.value
    if seen.passed_at:
        word, said = "passed", ""
    elif at.standing is Standing.REFUSED:
        said = at.refused
    elif at.standing is Standing.WAITING and not seen.opened_at:
        look, word = glyph("pending"), "not asked yet"
    left = spans(
        "   ", Span(f"{look.drawn} ", look.style), Span(f"gate {word}", look.style),
        Span(f" {said}" if said else "", "dim"),
    )  # fmt: skip
    time = f"{format_span(max(at.left_s, 0.0))} left" if at.left_s is not None else ""
    return [row(width, left, spans(Span(time, "warn")) if time else (), f"gate:{key}")]


def wants_second_person(view: View) -> bool:
    """Whether a gate waits for somebody other than the operator."""
    runbook, now = view.state.runbook, view.now()
    return runbook is not None and any(
        SECOND_PERSON in judge(view.state, runbook, key, now).missing
        for key in waiting(view.state, now)
    )
