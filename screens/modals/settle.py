"""What happened to a step whose run is gone without a trace: what is known, what its evidence
says now, and the operator's word on it."""

from __future__ import annotations

from datetime import UTC, datetime

from rich.cells import cell_len
from textual.widgets import Input

from optibid_console import commands as c
from optibid_console.entries import Outcome
from optibid_console.launch_clock import format_span
from optibid_console.permit import permit
from optibid_console.runbook.model import Step
from optibid_console.state import RunState, StepState
from screens.glyphs import glyph
from screens.lines import BLANK, Line, Span, row, sign, spans, wrapped
from screens.modals.confirm import command_lines
from screens.modals.sheet import Page, Sheet, heading
from screens.view import View

_TWO_COLUMNS = 96
"""From so many columns on, the evidence stands beside what is known."""
_GAP = 3
_LATER = "later"
_ANSWERS = ((Outcome.SUCCEEDED, "it succeeded"), (Outcome.FAILED, "it failed"))


class SettleSheet(Sheet[c.Settle | None]):
    """Gives the operator's word with its reason, or None after Esc. Who watches can look."""

    look = "-danger"
    first_choice = f"option:{_LATER}"

    def __init__(self, view: View, run: RunState) -> None:
        self._run = run
        prompt = "what says so? it is recorded with your name" if view.drives else ""
        super().__init__(view, f"What happened to {run.step_id}?", prompt)

    @property
    def asked(self) -> bool:
        """Whether it is still in question."""
        return any(one.run_id == self._run.run_id for one in self.view.state.unsettled_runs())

    def make_lines(self, width: int, now: float) -> list[Line]:
        seen = self.view.state.steps[self._run.step_key]
        if width >= _TWO_COLUMNS:
            left = (width - _GAP) * 3 // 5
            lines = beside(
                known_lines(self._run, seen, left, now),
                evidence_lines(self.view, self._run, width - _GAP - left, now), left,
            )  # fmt: skip
        else:
            lines = known_lines(self._run, seen, width, now)
            lines += [BLANK, *evidence_lines(self.view, self._run, width, now)]
        if not self.asked:
            return [*lines, BLANK, *_answered(seen, width)]
        if not self.prompt:
            holder = self.view.holder or "nobody"
            return [*lines, BLANK, *wrapped(f"the operator decides: {holder}", width, "dim")]
        return [*lines, BLANK, *self._answers(width)]

    def pinned_lines(self, width: int, now: float) -> list[Line]:
        return [evidence_in_a_line(self.view, self._run, width, now)]

    def _answers(self, width: int) -> list[Line]:
        later = f"decide later: it stays open, {self._run.step_id} isn't run again"
        lines = [self._option(_LATER, Span(later), width)]
        for outcome, text in _ANSWERS:
            refused = permit(self.view.state, self._word(outcome, "given next"))
            tone = "dim" if refused else "strong"
            lines.append(self._option(outcome.value, Span(text, tone), width))
            if refused:
                lines += wrapped(refused, width, "dim", "     ")
        return lines

    def _option(self, value: str, text: Span, width: int) -> Line:
        key = f"option:{value}"
        chosen = (self.query_one(Page).chosen or self.first_choice) == key
        mark = Span(f" {sign('next')} ", "key") if chosen else Span("   ")
        return row(width, (mark, text), (), key)

    def action_page_move(self, step: int) -> None:
        super().action_page_move(step)
        self.redraw()

    def shown_keys(self) -> list[tuple[str, str]]:
        if not self.prompt:
            return [(sign("up-down"), "scroll"), ("Esc", "back")]
        answer = [(sign("up-down"), "choose"), ("Enter", "answer")]
        return [*answer, ("Esc", "back, nothing is decided")]

    def on_input_submitted(self, event: Input.Submitted) -> None:
        said = self.query_one(Page).chosen.removeprefix("option:")
        if not self.asked or (said == _LATER and not self.typed):
            self.dismiss(None)
            return
        if said == _LATER:
            self.problem = f"choose what happened with {sign('up-down')}, then Enter"
        elif not self.typed:
            self.problem = "it needs a reason: what says so?"
        else:
            word = self._word(Outcome(said), self.typed)
            self.problem = permit(self.view.state, word)
            if not self.problem:
                self.dismiss(word)
                return
        self.redraw()

    def _word(self, outcome: Outcome, reason: str) -> c.Settle:
        return c.Settle(self._run.step_id, self._run.run_id, outcome, reason)


def known_lines(run: RunState, seen: StepState, width: int, now: float) -> list[Line]:
    """The command, where and when it was launched, what it printed last, why nobody knows."""
    look = glyph("unsettled")
    why = seen.reason or "it is gone without an exit status"
    at = datetime.fromtimestamp(run.started_at, UTC).strftime("%H:%M:%SZ")
    ago = format_span(now - run.started_at)
    lines = [heading("What is known"), *wrapped(f"{look.drawn} unknown: {why}", width, look.style)]
    started = f"launched {at}, {ago} ago, by {run.by} on {run.target}"
    lines += [*wrapped(started, width, "dim"), *command_lines(run.command, width)]
    last = run.ended.last_lines[-4:] if run.ended else ()
    lines.append(row(width, (Span("it printed last" if last else "it printed nothing", "dim"),)))
    return [*lines, *(row(width, spans("  ", one)) for one in last)]


def evidence_lines(view: View, run: RunState, width: int, now: float) -> list[Line]:
    """What the step's evidence says now, with its age, and what it said when the run was gone."""
    step = _step(view, run)
    lines = [heading("Its evidence now")]
    if step is None or not step.evidence:
        text = "the runbook names none for this step: look at its target yourself"
        return [*lines, *wrapped(text, width, "warn")]
    then = {one.probe: one for one in view.state.steps[run.step_key].evidence}
    for name in step.evidence:
        look = glyph(view.health(name, now))
        reading = view.reading(name)
        age = f"{format_span(now - reading.at)} ago" if reading else "not read yet"
        left = spans(Span(f"{look.drawn} {look.word} ", look.style), Span(_title(view, name)))
        lines.append(row(width, left, spans(Span(age, "dim"))))
        if reading is not None:
            lines += wrapped(reading.summary, width, "plain", "  ")
        before = then.get(name)
        if before is not None:
            was = f"when it was gone: {before.status.value}, {before.summary}"
            lines += wrapped(was, width, "dim", "  ")
    return lines


def evidence_in_a_line(view: View, run: RunState, width: int, now: float) -> Line:
    """The same for where the page doesn't fit."""
    step = _step(view, run)
    said: list[Span] = [Span("evidence now", "dim")]
    for name in step.evidence if step else ():
        look = glyph(view.health(name, now))
        said += [Span(f"  {look.drawn} {look.word}", look.style), Span(f" {_title(view, name)}")]
    return row(width, said if len(said) > 1 else (Span("no evidence is named for it", "warn"),))


def beside(left: list[Line], right: list[Line], width: int) -> list[Line]:
    """Two columns, the left one `width` cells wide."""
    rows = max(len(left), len(right))
    padded = [left + [BLANK] * (rows - len(left)), right + [BLANK] * (rows - len(right))]
    lines = []
    for one, other in zip(*padded, strict=True):
        room = Span(" " * (width + _GAP - cell_len(one.text)))
        lines.append(Line((*one.spans, room, *other.spans)))
    return lines


def _answered(seen: StepState, width: int) -> list[Line]:
    by = f"settled by {seen.settled_by}" if seen.settled_by else "its target came back with it"
    word = seen.outcome.value if seen.outcome else seen.status.value
    said = f"it is known now, {by}: {word}{f', {seen.reason}' if seen.reason else ''}"
    return wrapped(said, width, "strong")


def _step(view: View, run: RunState) -> Step | None:
    return view.state.runbook.step(run.step_id) if view.state.runbook else None


def _title(view: View, probe: str) -> str:
    spec = view.state.runbook.probes.get(probe) if view.state.runbook else None
    return spec.title or probe if spec else probe
