"""Before anything irreversible: why now, what it costs, how long, what is ready, and last what will
happen; then the action's name is typed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.widgets import Input

from optibid_console.action_plan import PreviewStep
from optibid_console.commands import StartAction
from optibid_console.friction import Ask, Friction, friction
from optibid_console.launch_clock import format_span
from optibid_console.plan import Preview, preview
from optibid_console.runbook.model import ROLLBACK, StepKind
from screens.glyphs import glyph
from screens.lines import BLANK, Line, Span, row, sign, spans, wrapped
from screens.modals.confirm import command_lines, to_type
from screens.modals.sheet import Page, Sheet, heading
from screens.readiness_lines import readiness_lines
from screens.view import View

_OLD_S = 30.0


class ConfirmAction(Sheet[str | None]):
    """Gives the words that confirm it, or None after Esc. What it shows follows the window.

    The name counts once everything before the commands was on screen: nobody starts without
    having had the costs before their eyes. Until then Enter turns to the next page.
    """

    BINDINGS: ClassVar[list[BindingType]] = [Binding("enter", "go", "go", show=False)]

    def __init__(self, view: View, action_id: str) -> None:
        self._action_id = action_id
        self._seen_to = 0
        """How many lines from the first on have been on screen."""
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

    def _preview(self, now: float) -> Preview:
        view = self.view
        return preview(view.state, self._action_id, now, view.costs, view.panel_readings())

    def make_lines(self, width: int, now: float) -> list[Line]:
        shown = self._preview(now)
        return [*self._reasons(shown, width, now), *will_happen(shown, width)]

    def _reasons(self, shown: Preview, width: int, now: float) -> list[Line]:
        """Returns all that is said before the commands."""
        warned = self._unrecorded(width)
        ready = readiness_lines(self.view, self._action_id, width, now)
        doubt = any(health != "ok" for _, health in _readings(self.view, self._action_id, now))
        said = reasons(shown, width, ready, in_doubt=doubt)
        return [*warned, *([BLANK] if warned else []), *said]

    def pinned_lines(self, width: int, now: float) -> list[Line]:
        shown = preview(self.view.state, self._action_id, now)
        warned = self._unrecorded(width)
        if shown.not_ready:
            text = f"Not ready: {'; '.join(shown.not_ready)}"
            return [*warned, *wrapped(text, width, "warn")]
        age_s = _oldest_s(self.view, self._action_id, now)
        # a fresh reading needs no age that ticks
        seen = f", read {_span(age_s)} ago" if age_s is not None and age_s >= _OLD_S else ""
        readings = _readings(self.view, self._action_id, now)
        tone = "ok" if all(health == "ok" for _, health in readings) else "warn"
        return [*warned, row(width, (Span(f"{ready_words(readings)}{seen}", tone),))]

    def _unrecorded(self, width: int) -> list[Line]:
        """That the journal is away: this sheet is then not the last word."""
        pulse = self.view.pulse
        if pulse is None or pulse.journal_ok or self._action_id != ROLLBACK:
            return []
        return wrapped("the journal can't be written: you are asked once more", width, "failing")

    def show_more(self, above: int, below: int, count: int) -> None:
        if above <= self._seen_to:
            self._seen_to = max(self._seen_to, count - max(below, 0))
        super().show_more(above, below, count)

    def _left(self) -> int:
        """Returns how many lines before the commands have not been on screen yet."""
        now, width = self.view.now(), self.query_one(Page).size.width
        shown = self._preview(now)
        return len(self._reasons(shown, width, now)) - self._seen_to

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
            self.problem = now.refused or f'Type "{words}" exactly, or press Esc'
        elif self._left() <= 0:
            self.dismiss(self.typed)
            return
        else:
            page = self.query_one(Page)
            page.show_from(self._seen_to)
            more = self._left() > 0
            self.problem = "Read on, then Enter again" if more else "Now Enter starts it"
        self.redraw()


def _oldest_s(view: View, action_id: str, now: float) -> float | None:
    """How old the oldest of the readings is by which the action is ready; None: it needs none."""
    action = view.state.runbook.action(action_id) if view.state.runbook else None
    readings = [view.reading(one) for one in action.ready_when] if action else []
    return max((now - one.at for one in readings if one), default=None)


def preview_lines(shown: Preview, width: int) -> list[Line]:
    """Returns the five parts, always in this order: why, cost, time, readiness, commands."""
    return [*reasons(shown, width), *will_happen(shown, width)]


def reasons(
    shown: Preview, width: int, ready: Sequence[Line] = (), *, in_doubt: bool = False
) -> list[Line]:
    """Returns all that decides whether to start; of nothing to do only what would be missing.
    `ready`: a line for each reading that makes it ready; `in_doubt`: not all of them read ok now.
    """
    word = "Not ready" if shown.not_ready else "Readiness" if in_doubt else "Ready"
    readiness = [heading(word)]
    readiness += [line for one in shown.not_ready for line in wrapped(one, width, "warn", "  ")]
    readiness += ready
    if not ready and not shown.not_ready:
        readiness.append(row(width, (Span("  nothing is missing", "dim"),)))
    if not any(one.included for one in shown.steps):
        return [*_nothing(shown, width), BLANK, *readiness]
    lines: list[Line] = []
    if shown.rehearsal:
        text = "REHEARSAL: only what is marked read-only is done, all else is walked."
        lines += [*wrapped(text, width, "warn"), BLANK]
    if shown.refused:
        lines += [*wrapped(f"It can't be started: {shown.refused}", width, "failing"), BLANK]
    why = _bullets(shown.why_now, "no trigger has tripped, no panel fails", width, "failing")
    cost = _bullets(shown.costs, "nothing is lost", width, "warn")
    lines += [heading("Why now"), *why, BLANK, heading("What it costs"), *cost]
    lines += [BLANK, heading("How long"), _time_line(shown, width), *_measured(shown, width)]
    return [*lines, BLANK, *readiness]


def will_happen(shown: Preview, width: int) -> list[Line]:
    """Returns the commands, with what is left out and which migrations are applied."""
    included = [one for one in shown.steps if one.included]
    if not included:
        return []
    lines = [BLANK, heading("What will happen")]
    for number, step in enumerate(included, 1):
        lines += _step_lines(number, step, width)
    if shown.pending:
        lines += [BLANK, heading("Migrations")]
        for one in shown.pending:
            indent = " " * (2 + len(one) - len(one.lstrip()))
            lines += wrapped(one, width, "strong", indent)
    for step in (one for one in shown.steps if not one.included):
        text = f"  not {step.step_id} {step.title}: {step.because}"
        lines += wrapped(text, width, "dim", "  ")
    return lines


def _readings(view: View, action_id: str, now: float) -> list[tuple[str, str]]:
    """Returns the title and the health of each probe that makes the action ready."""
    book = view.state.runbook
    action = book.action(action_id) if book else None
    names = action.ready_when if action else ()
    specs = [book.probes[one] for one in names if one in book.probes] if book else []
    return [(spec.title or spec.id, view.health(spec.id, now)) for spec in specs]


def ready_words(readings: Sequence[tuple[str, str]]) -> str:
    """Returns `Ready: backup verified ✓ disk to restore ✓`, with each title's health."""
    if not readings:
        return "Ready: nothing is missing"
    lead = "Ready" if all(health == "ok" for _, health in readings) else "Readiness"
    return f"{lead}: {' '.join(f'{title} {glyph(health).drawn}' for title, health in readings)}"


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
    estimate = f"  about {_span(shown.estimate_s)}"
    if shown.time_left_s is None:
        return row(width, spans(estimate))
    dot = f" {sign('dot')} "
    if shown.time_left_s < 0:
        late = f"{dot}the window's planned end was {_span(shown.time_left_s)} ago"
        return row(width, spans(estimate, Span(late, "warn")))
    tone = "warn" if shown.estimate_s > shown.time_left_s else "plain"
    left = f"{dot}window ends in {_span(shown.time_left_s)}"
    return row(width, spans(Span(estimate, tone), Span(left, tone)))


def _span(seconds: float) -> str:
    """Returns `0 s`, `59 s`, `1:00`: with its unit where it is short."""
    whole = abs(int(seconds))
    return f"{whole} s" if whole < 60 else format_span(seconds)
