"""How a required step is waived: what is lost by it, and who confirms it."""

from __future__ import annotations

from optibid_console.runbook.facts import recorded_by
from optibid_console.runbook.model import StepKind
from optibid_console.waiving import waive_words
from screens.glyphs import glyph
from screens.lines import Line, wrapped
from screens.modals.choose import Choose, Option
from screens.view import View, what_went_wrong

SECOND = "second"
ALONE = "alone"


def waive_sheet(view: View, step_id: str) -> Choose:
    """Returns the sheet that offers the two ways to waive a required step."""
    step = view.state.runbook.step(step_id) if view.state.runbook else None
    title = f"Waive {step_id} {step.title}" if step else f"Waive {step_id}"

    def body(width: int, now: float) -> list[Line]:
        failed = what_went_wrong(view, view.state.step(step_id))
        lines = wrapped(f"it failed before: {failed}", width, "failing") if failed else []
        lines += wrapped("It is required. It is not run, and the window goes on without it.", width)
        facts = recorded_by(step) if step else ()
        if facts:
            lines += wrapped(f"{mark()} nothing records {', '.join(facts)}", width, "warn")
        if step is not None and step.evidence:
            proved = ", ".join(step.evidence)
            lines += wrapped(f"{mark()} {proved}: not asked for by it", width, "warn")
        if step is not None and step.kind is StepKind.BACKUP:
            still = f"{mark()} migrations of {step.database} stay locked: there is no backup"
            lines += wrapped(still, width, "warn")
        return lines

    def mark() -> str:
        return glyph("waived").drawn

    options = (
        Option(SECOND, "ask a second person to confirm it; asks why"),
        Option(ALONE, f'alone: type "{waive_words(step_id)}"; asks why'),
    )
    return Choose(view, title, body, lambda: options, "-danger")
