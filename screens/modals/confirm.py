"""Confirms one thing with Enter, or with its words typed: a step before it runs. Esc is safe."""

from __future__ import annotations

from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.widgets import Input

from optibid_console.action_plan import PreviewStep, missing_facts, shown
from optibid_console.launch_clock import format_span
from optibid_console.pending import pending_lines, unread_words
from optibid_console.runbook.model import Step, StepKind
from optibid_console.runbook.summary import summary
from optibid_console.waiving import relies_on_waived
from screens.glyphs import glyph
from screens.lines import BLANK, Line, Span, row, sign, spans, wrapped
from screens.modals.choose import Body
from screens.modals.sheet import Sheet
from screens.view import View, what_went_wrong
from screens.waiting_lines import BY_HAND, awaited_lines


class Confirm(Sheet[str | None]):
    """Gives what was typed (empty without a prompt), or None after Esc."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("enter", "go", "go", show=False)]

    def __init__(
        self, view: View, title: str, body: Body, word: str, prompt: str = "", *, words: str = ""
    ) -> None:
        """`words`: what has to be typed; empty: Enter alone confirms it."""
        if words:
            self.look = "-danger"
            prompt = to_type(words)
        super().__init__(view, title, prompt)
        self._body = body
        self._word = word
        self._words = words

    def make_lines(self, width: int, now: float) -> list[Line]:
        return self._body(width, now)

    def shown_keys(self) -> list[tuple[str, str]]:
        return [("Enter", self._word), ("Esc", "cancel")]

    def action_go(self) -> None:
        if not self._words:
            self.dismiss(self.typed if self.prompt else "")
        elif self.typed == self._words:
            self.dismiss("")
        else:
            self.problem = f"type {self._words} exactly, or press Esc"
            self.redraw()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        self.action_go()


def to_type(words: str) -> str:
    """Returns the prompt of an input in which these words confirm something."""
    return f'Type "{words}" to start'


def confirm_step(view: View, step: Step, words: str = "") -> Confirm:
    """Returns the sheet with the exact command and its target before a step runs, with a note for
    a manual one; `words` have to be typed where they are given."""

    seen = view.state.step(step.id)
    failed = what_went_wrong(view, seen)

    def body(width: int, now: float) -> list[Line]:
        lines = wrapped(f"it failed before: {failed}", width, "failing") if failed else []
        return [*lines, *([BLANK] if failed else []), *step_lines(view, step, width)]

    if step.kind is StepKind.MANUAL:
        return Confirm(
            view, f"Confirm {step.id} {step.title}", body, "it is done", "note (optional)"
        )
    word = "wait for it" if step.kind is StepKind.WAIT else "run it"
    again = " again" if seen.attempt else ""
    why = "why again (optional)" if again else ""
    title = f"Run {step.id} {step.title}{again}"
    return Confirm(view, title, body, word + again, why, words=words)


def step_lines(view: View, step: Step, width: int) -> list[Line]:
    """What a step does, where, for how long and what proves it."""
    lines: list[Line] = []
    if step.note:
        lines += [*wrapped(step.note, width), BLANK]
    times = f"expected {format_span(step.expect_duration)}, at most {format_span(step.timeout)}"
    if step.kind is not StepKind.MANUAL:
        lines.append(row(width, (Span(times, "dim"),)))
    if step.evidence:
        lines += wrapped(f"proved by {', '.join(step.evidence)}", width, "dim")
    return [*lines, *_does(view, step, width)]


def _does(view: View, step: Step, width: int) -> list[Line]:
    """Returns the command and where it runs, or what a step does that runs none."""
    lines: list[Line] = []
    if step.kind.launches:
        missing = missing_facts(view.state, step.run)
        if missing:
            lines += wrapped(f"not known yet: {', '.join(missing)}", width, "warn")
        lines.append(row(width, spans(Span("on ", "dim"), Span(step.on or "local", "strong"))))
        lines += command_lines(shown(view.state, step.run), width)
        if step.kind is StepKind.MIGRATE:
            planned = PreviewStep(step.id, step.title, step.on, "", True, "", step.kind)
            for one in unread_words(view.state, (planned,)):
                lines += wrapped(one, width, "warn")
            for one in pending_lines(view.state, (planned,), view.now()):
                lines += wrapped(one, width, "plain", " " * (len(one) - len(one.lstrip())))
    elif step.kind is StepKind.WAIT:
        lines += wrapped("Waits until all of these read ok. Runs no command", width)
        lines += awaited_lines(view, step, width, view.now(), indent="  ")
    else:
        lines += wrapped(BY_HAND, width)
    for one in relies_on_waived(view.state, step, missing_facts(view.state, step.run)):
        lines += wrapped(f"{glyph('waived').drawn} {one}", width, "warn")
    return lines


def command_lines(command: str, width: int) -> list[Line]:
    """A command as it will be run, every line of it, long ones broken and indented; of one that
    the console wrote, what it does."""
    said = summary(command)
    mark = sign("dot") if said else "$"
    lines: list[Line] = []
    for line in said or command.strip().splitlines():
        first, *rest = wrapped(line, width - 6, "strong")  # what goes on stands two further in
        lines.append(Line((Span(f"  {mark} ", "accent"), *first.spans)))
        lines += [Line((Span("      "), *one.spans)) for one in rest]
    return lines
