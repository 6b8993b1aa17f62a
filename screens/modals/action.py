"""Before anything irreversible: why now, what will happen, what it costs, how long, what is not
ready; then the action's name is typed."""

from __future__ import annotations

from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.widgets import Input

from optibid_console.action_plan import PreviewStep
from optibid_console.commands import StartAction
from optibid_console.friction import Ask, Friction, friction
from optibid_console.launch_clock import format_span
from optibid_console.plan import Preview, preview
from optibid_console.runbook.model import ROLLBACK, StepKind
from screens.lines import BLANK, Line, Span, row, sign, spans, wrapped
from screens.modals.confirm import command_lines, to_type
from screens.modals.sheet import Page, Sheet, heading
from screens.readiness_lines import readiness_lines
from screens.view import View


class ConfirmAction(Sheet[str | None]):
    """Gives the words that confirm it, or None after Esc. What it shows follows the window.

    The name counts once the end of the page was on screen: nobody goes without having
    had the costs before their eyes.
    """

    BINDINGS: ClassVar[list[BindingType]] = [Binding("enter", "go", "go", show=False)]

    def __init__(self, view: View, action_id: str) -> None:
        self._action_id = action_id
        self._read = False
        now = preview(view.state, action_id, view.now())
        asked = self._asked(view)
        self._startable = not now.refused
        self._typed = asked.typed or bool(now.override)
        self.look = "-danger" if self._typed else ""
        typed = self._typed and self._startable
        super().__init__(view, now.title, to_type(now.override or now.confirm) if typed else "")

    def _asked(self, view: View) -> Friction:
        book = view.state.runbook
        return (
            friction(view.state, book, StartAction(self._action_id))
            if book
            else Friction(Ask.TYPED)
        )

    def make_lines(self, width: int, now: float) -> list[Line]:
        costs = self.view.costs
        lines = preview_lines(
            preview(self.view.state, self._action_id, now, costs, self.view.panel_readings()), width
        )
        lines += readiness_lines(self.view, self._action_id, width, now)
        warned = self._unrecorded(width)
        return [*warned, BLANK, *lines] if warned else lines

    def pinned_lines(self, width: int, now: float) -> list[Line]:
        shown = preview(self.view.state, self._action_id, now)
        warned = self._unrecorded(width)
        if not shown.not_ready:
            age_s = _oldest_s(self.view, self._action_id, now)
            seen = f", as read in the last {format_span(age_s)}" if age_s is not None else ""
            return [*warned, row(width, (Span(f"everything is ready{seen}", "ok"),))]
        return [*warned, *wrapped(f"not ready: {'; '.join(shown.not_ready)}", width, "warn")]

    def _unrecorded(self, width: int) -> list[Line]:
        """That the journal is away: this sheet is then not the last word."""
        pulse = self.view.pulse
        if pulse is None or pulse.journal_ok or self._action_id != ROLLBACK:
            return []
        return wrapped("the journal can't be written: you are asked once more", width, "failing")

    def show_more(self, above: int, below: int) -> None:
        self._read = self._read or below <= 0
        super().show_more(above, below)

    def shown_keys(self) -> list[tuple[str, str]]:
        go = [("Enter", "start")] if self._startable else []
        return [*go, ("Esc", "cancel"), ("PgUp PgDn", "scroll")]

    def action_go(self) -> None:
        """Enter, where nothing has to be typed."""
        now = preview(self.view.state, self._action_id, self.view.now())
        if self._typed or now.refused or now.override or self._asked(self.view).typed:
            return  # the sheet says why, or its input takes the key
        self.dismiss(now.confirm)

    def on_input_submitted(self, event: Input.Submitted) -> None:
        now = preview(self.view.state, self._action_id, self.view.now())
        words = now.override or now.confirm
        if self.typed != words or now.refused:
            self.problem = now.refused or f"type {words} exactly, or press Esc"
        elif self._read:
            self.dismiss(self.typed)
            return
        else:
            self.query_one(Page).show_end()
            self.problem = "this is the rest of it: Enter again to go"
        self.redraw()


def _oldest_s(view: View, action_id: str, now: float) -> float | None:
    """How old the oldest of the readings is by which the action is ready; None: it needs none."""
    action = view.state.runbook.action(action_id) if view.state.runbook else None
    readings = [view.reading(one) for one in action.ready_when] if action else []
    return max((now - one.at for one in readings if one), default=None)


def preview_lines(shown: Preview, width: int) -> list[Line]:
    """The five parts, always in this order; of nothing to do only what would be missing."""
    included = [one for one in shown.steps if one.included]
    ready = [
        BLANK,
        heading("What is not ready"),
        *_bullets(shown.not_ready, "everything is ready", width, "warn"),
    ]
    if not included:
        return [*_nothing(shown, width), *ready]
    lines: list[Line] = []
    if shown.rehearsal:
        text = "REHEARSAL: only what is marked read-only is done, all else is walked."
        lines += [*wrapped(text, width, "warn"), BLANK]
    if shown.refused:
        lines += [*wrapped(f"It can't be started: {shown.refused}", width, "failing"), BLANK]
    lines += [
        heading("Why now"),
        *_bullets(shown.why_now, "no trigger has tripped, no panel fails", width, "failing"),
    ]
    lines += [BLANK, heading("What will happen")]
    for number, step in enumerate(included, 1):
        lines += _step_lines(number, step, width)
    if shown.pending:
        lines += [BLANK, heading("Migrations")]
        lines += [row(width, (Span(f"  {one}", "strong"),)) for one in shown.pending]
    left_out = [one for one in shown.steps if not one.included]
    for step in left_out:
        text = f"  not {step.step_id} {step.title}: {step.because}"
        lines += wrapped(text, width, "dim", "  ")
    lines += [
        BLANK,
        heading("What it costs"),
        *_bullets(shown.costs, "nothing is lost", width, "warn"),
    ]
    return [
        *lines,
        BLANK,
        heading("How long"),
        _time_line(shown, width),
        *_measured(shown, width),
        *ready,
    ]


def _measured(shown: Preview, width: int) -> list[Line]:
    return wrapped(shown.measured, width, "dim", "  ") if shown.measured else []


def _nothing(shown: Preview, width: int) -> list[Line]:
    """Why none of its steps would be done: once where it is the same for all."""
    reasons = {one.because for one in shown.steps}
    if len(reasons) <= 1:
        why = next(iter(reasons), "it has no steps")
        return wrapped(f"Nothing to do: {why}.", width, "strong")
    lines = wrapped("Nothing to do.", width, "strong")
    for step in shown.steps:
        lines += wrapped(f"{step.step_id} {step.title}: {step.because}", width, "dim", "  ")
    return lines


def _bullets(texts: tuple[str, ...], none: str, width: int, tone: str) -> list[Line]:
    if not texts:
        return [row(width, (Span(f"  {none}", "dim"),))]
    return [line for text in texts for line in wrapped(text, width, tone, "  ")]


def _step_lines(number: int, step: PreviewStep, width: int) -> list[Line]:
    where = spans(Span(step.target, "accent")) if step.target else ()
    because = "" if step.because == "always" else f"  {step.because}"
    title = Span(f"{step.step_id} {step.title}", "strong")
    left = spans(f"  {number}. ", title, Span(because, "dim"))
    lines = [row(width, left, where)]
    if step.kind.launches:
        lines += [Line((Span("   "), *one.spans)) for one in command_lines(step.command, width - 3)]
    else:
        by_hand = "by hand: " if step.kind is StepKind.MANUAL else ""
        lines += wrapped(f"{by_hand}{step.command}", width, "plain", "     ")
    return lines


def _time_line(shown: Preview, width: int) -> Line:
    estimate = f"  about {format_span(shown.estimate_s)}"
    if shown.time_left_s is None:
        return row(width, spans(estimate))
    if shown.time_left_s < 0:
        late = f", the plan's end was {format_span(shown.time_left_s)} ago"
        return row(width, spans(estimate, Span(late, "warn")))
    tone = "warn" if shown.estimate_s > shown.time_left_s else "plain"
    left = f" {sign('dot')} {format_span(shown.time_left_s)} left until the plan's end"
    return row(width, spans(Span(estimate, tone), Span(left, tone)))
