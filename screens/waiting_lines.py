"""What a wait step waits for, probe by probe, and what a step by hand asks. Pure."""

from __future__ import annotations

from optibid_console.launch_clock import format_span
from optibid_console.runbook.model import Step, StepKind
from optibid_console.state import RunState
from screens.glyphs import glyph
from screens.lines import Line, Span, row, spans
from screens.view import View

BY_HAND = "You confirm it was done. Runs no command"


def awaited_lines(
    view: View,
    step: Step,
    width: int,
    now: float,
    *,
    since: float = 0.0,
    indent: str = "",
    aged: bool = True,
) -> list[Line]:
    """Returns a line for each probe that a wait step waits for: its state, its last reading and
    (`aged`) how old that is. An ok reading from before `since` (epoch seconds) doesn't end the wait
    and isn't drawn as one that does."""
    lines = []
    for name in step.wait_for:
        spec = view.state.runbook.probes.get(name) if view.state.runbook else None
        title = spec.title or name if spec else name
        reading, health = view.reading(name), view.health(name, now)
        if reading is None:
            look, said, age = glyph("pending"), "not read yet", ""
        else:
            early = health == "ok" and reading.at < since
            look = glyph("pending" if early else health)
            said = f"{'read before the wait' if early else look.word}: {reading.summary}"
            age = f"{format_span(max(now - reading.at, 0.0))} ago"
        left = spans(indent, Span(f"{look.drawn} ", look.style), title, Span(f"  {said}", "dim"))
        lines.append(row(width, left, spans(Span(age, "dim")) if aged else ()))
    return lines


def met_line(step: Step | None, run: RunState, width: int) -> Line:
    """Returns how a wait that succeeded is told: when what it waited for was met, and against
    which estimate; amber where it took longer."""
    spent_s = run.ended.duration_s if run.ended else 0.0
    look = glyph("ok")
    met = Span(f"{look.drawn} met after {format_span(spent_s)}", look.style)
    if step is None or not step.expect_duration:
        return row(width, (met,))
    over = spent_s > step.expect_duration
    text = f" of {format_span(step.expect_duration)}{', longer than expected' if over else ''}"
    return row(width, (met, Span(text, "warn" if over else "dim")))


def is_wait(run: RunState) -> bool:
    """Returns whether the run is a wait: nothing is launched for it."""
    return run.kind == StepKind.WAIT
