"""What makes an action ready: each probe that says so, with what it read and how old that is."""

from __future__ import annotations

from optibid_console.launch_clock import format_span
from screens.glyphs import glyph
from screens.lines import Line, Span, row, spans
from screens.view import View


def readiness_lines(view: View, action_id: str, width: int, now: float) -> list[Line]:
    """A line for each of the action's `ready_when`; none where it has none."""
    book = view.state.runbook
    action = book.action(action_id) if book else None
    if book is None or action is None:
        return []
    lines = []
    for name in action.ready_when:
        spec = book.probes.get(name)
        title = spec.title or name if spec else name
        reading, health = view.reading(name), view.health(name, now)
        if reading is None:
            look, said, age = glyph("pending"), "not read yet", ""
        else:
            look, said = glyph(health), reading.summary
            age = f"{format_span(max(now - reading.at, 0.0))} ago"
        left = spans(Span(f"  {look.drawn} ", look.style), title, Span(f"  {said}", "dim"))
        lines.append(row(width, left, spans(Span(age, "dim"))))
    return lines
