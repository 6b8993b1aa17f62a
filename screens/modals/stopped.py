"""An action stopped at a failed step: retry, skip with a reason, or stop here."""

from __future__ import annotations

from optibid_console.commands import Decide
from optibid_console.entries import Choice
from optibid_console.permit import permit
from optibid_console.state import ActionState, StepStatus
from screens.lines import BLANK, Line, Span, row, wrapped
from screens.modals.choose import Choose, Option
from screens.modals.confirm import command_lines
from screens.modals.sheet import heading
from screens.view import View

LATER = "later"


def stopped_sheet(view: View, action: ActionState) -> Choose:
    """It can open by itself, so no single key decides: the first line is `look first`."""
    step_id = action.stopped_at_step
    step = view.state.step(step_id, action.action_run)
    run = view.state.runs.get(step.run_id)

    begun = step.status not in (StepStatus.PENDING, StepStatus.UNDONE)

    def body(width: int, now: float) -> list[Line]:
        word = "failed" if begun else "has not begun"
        tone = "failing" if begun else "warn"
        lines = [heading(f"{step_id} {word}"), *wrapped(action.stopped_reason, width, tone)]
        if step.command:
            lines += [BLANK, *command_lines(step.command, width)]
        for line in run.ended.last_lines[-5:] if run and run.ended else ():
            lines.append(row(width, (Span(f"  {line}", "dim"),)))
        return lines

    def options() -> tuple[Option, ...]:
        skip = Decide(action.action_run, Choice.SKIP, "given next")
        return (
            Option(LATER, "look first: the screen stays, Enter opens this again"),
            Option(Choice.RETRY.value, f"retry {step_id}" if begun else f"go on with {step_id}"),
            Option(Choice.SKIP.value, f"skip {step_id} and go on; asks for the reason", "",
                   permit(view.state, skip)),
            Option(Choice.STOP.value, f"stop {action.action_id} here"),
        )  # fmt: skip

    return Choose(view, f"{action.action_id} stopped", body, options, "-danger")
