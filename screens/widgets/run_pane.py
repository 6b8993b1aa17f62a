"""The run pane: what a run printed, how long it takes, and what is known of its outcome."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, overload

from rich.cells import cell_len
from textual.binding import Binding, BindingType

from optibid_console.entries import Outcome
from optibid_console.launch_clock import format_span
from optibid_console.runbook.model import Step, StepKind
from optibid_console.runbook.summary import summary
from optibid_console.signals import NOTICE
from optibid_console.state import RunState, StepState, StepStatus
from probes.text import counted
from screens.glyphs import glyph
from screens.lines import Line, Span, cut, row, sign, spans, wrapped
from screens.progress_line import progress_line
from screens.run_output import STDERR, RunOutput, last_rewrite
from screens.sanitise import clean
from screens.view import View
from screens.waiting_lines import BY_HAND, awaited_lines, is_wait, met_line
from screens.widgets.pane import Pane

MAX_CHARS = 4096
"""So many characters of a line can be seen by moving to the right."""


_LOOKS = {STDERR: ("stderr", "warn"), NOTICE: ("notice", "accent")}
"""The sign in the gutter and the tone of a line; what the command prints can't get there."""


class OutputLines(Sequence[Line]):
    """The lines of a run as drawn: before the output, the output, after it. Made when asked."""

    def __init__(
        self, output: RunOutput, head: list[Line], tail: list[Line], width: int, left: int = 0
    ) -> None:
        self.output, self.head, self.tail = output, head, tail
        self.width, self.left = width, left
        self._count = len(output)

    def __len__(self) -> int:
        return len(self.head) + self._count + len(self.tail)

    @overload
    def __getitem__(self, index: int) -> Line: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Line]: ...
    def __getitem__(self, index: int | slice) -> Line | Sequence[Line]:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        if index < len(self.head):
            return self.head[index]
        index -= len(self.head)
        if index < self._count:
            return self._shown(self.output[index], self.output.stream(index))
        return self.tail[index - self._count]

    def _shown(self, raw: bytes, stream: str) -> Line:
        mark, tone = _LOOKS.get(stream, ("", "plain"))
        gutter = Span(sign(mark) if mark else " ", tone)
        text = clean(last_rewrite(raw), MAX_CHARS + self.left)
        if self.left and text:
            text = sign("more") + text[self.left + 1 :]
        return Line((gutter, Span(cut(text, self.width - 1), tone)))


def run_head(view: View, run: RunState, width: int) -> list[Line]:
    """The command as it was run, and what was dropped of the output."""
    lines = [
        row(width, spans(Span(f"{sign('dot')} ", "accent"), Span(one, "dim")))
        for one in summary(run.command)
    ] or [_command_line(run, width)]
    output = view.outputs.get(run.run_id)
    if output is not None and output.first_line:
        lines.append(
            row(width, (Span(f"({output.first_line} earlier lines are not kept here)", "dim"),))
        )
    return lines


def _command_line(run: RunState, width: int) -> Line:
    first, *rest = run.command.strip().splitlines() or [""]
    if not first:
        limit = f"waits until all of these read ok, at most {format_span(run.timeout_s)}"
        return row(width, (Span(limit if is_wait(run) else BY_HAND, "dim"),))
    more = f" {sign('more')} {counted(len(rest), 'more line')}" if rest else ""
    return row(width, spans(Span("$ ", "accent"), Span(first + more, "dim")))


def run_tail(view: View, run: RunState, width: int, now: float) -> list[Line]:
    """What is known of the outcome: the end, its reason and the evidence, or what is asked."""
    lines: list[Line] = []
    if run.abort_asked_by and run.ended is None:
        lines.append(row(width, (Span(f"abort asked by {run.abort_asked_by}", "warn"),)))
    if run.unreachable and run.ended is None:
        look = glyph("unknown")
        text = (
            f"{look.drawn} outcome unknown: {run.unreachable}. The run goes on by itself on "
            f"{run.target}; it is asked as soon as it answers, and nothing is started again."
        )
        lines += wrapped(text, width, look.style)
    if run.ended is None:
        if is_wait(run) and (spec := _spec_of(view, run)) is not None:
            lines += awaited_lines(view, spec, width, now, since=run.started_at)
        progress = view.progress.get(run.run_id)
        lines += [progress_line(progress, width)] if progress else []
        return [*lines, *_lock_lines(view, run, width)]
    lines += _silent_lines(view, run, width)
    step = _step_of(view, run)
    if is_wait(run) and run.ended.outcome is Outcome.SUCCEEDED:
        lines.append(met_line(_spec_of(view, run), run, width))
    elif run.kind != StepKind.MANUAL:
        lines += wrapped(_end_text(run), width, "ok" if run.ended.exit_status == 0 else "failing")
    for reading in step.evidence if step else ():
        look = glyph(reading.status.value)
        lines += wrapped(
            f"{look.drawn} evidence {reading.probe}: {reading.summary}", width, look.style
        )
    if step is not None and step.status not in (StepStatus.RUNNING, StepStatus.CHECKING):
        well = step.status is StepStatus.DONE
        looks = {
            StepStatus.UNKNOWN: "unknown",
            StepStatus.UNSETTLED: "unsettled",
            StepStatus.REHEARSED: "rehearsed",
        }
        look = glyph("done" if well else looks.get(step.status, "failed"))
        word = step.outcome.value if step.outcome else step.status.value
        said = f"{look.drawn} step {run.step_id} {word}"
        by = f", settled by {step.settled_by}" if step.settled_by else ""
        why = f"{by}: {step.reason}" if step.reason else by
        lines += wrapped(said + why, width, look.style)
    elif step is not None:
        lines.append(row(width, (Span(f"taking the evidence {sign('more')}", "running"),)))
    return lines


def _lock_lines(view: View, run: RunState, width: int) -> list[Line]:
    """Who waits for whom in the database that it migrates."""
    seen = view.locks.get(run.run_id)
    if seen is None:
        return []
    if seen.problem:
        return wrapped(f"locks of {seen.database} can't be seen: {seen.problem}", width, "unknown")
    look = glyph("warn")
    return [
        line
        for wait in seen.waits
        for line in wrapped(f"{look.drawn} {wait.words}", width, look.style)
    ]


def _silent_lines(view: View, run: RunState, width: int) -> list[Line]:
    """A screen that came later has no output; the journal kept the last lines."""
    if run.run_id in view.outputs or run.ended is None:
        return []
    return [row(width, (Span(f" {one}"),)) for one in run.ended.last_lines]


def _end_text(run: RunState) -> str:
    ended = run.ended
    if ended is None:
        return ""
    how = f"exit {ended.exit_status}" if ended.exit_status is not None else ended.outcome.value
    if ended.signal:
        how = f"ended by {ended.signal}"
    why = f": {ended.reason}" if ended.reason and ended.outcome is not Outcome.SUCCEEDED else ""
    return f"{sign('rule') * 2} {how} after {format_span(ended.duration_s)}{why}"


def _spec_of(view: View, run: RunState) -> Step | None:
    return view.state.runbook.step(run.step_id) if view.state.runbook else None


def _step_of(view: View, run: RunState) -> StepState | None:
    step = view.state.steps.get(run.step_key)
    return step if step is not None and step.run_id == run.run_id else None


def run_title(view: View, run: RunState | None, now: float) -> str:
    """Returns `Run 2.1b on app-1 1:12/2:30 running`."""
    if run is None:
        return "Run"
    spec = _spec_of(view, run)
    place = f" on {run.target}" if run.target else ""
    if run.ended is not None:
        word, spent = run.ended.outcome.value, format_span(run.ended.duration_s)
        step = _step_of(view, run)
        if step is not None and step.status is StepStatus.FAILED and step.outcome:
            word = step.outcome.value
    else:
        by_hand = run.kind == StepKind.MANUAL
        running = "waiting" if is_wait(run) else "running"
        word = "unknown" if run.unreachable else "waits for a person" if by_hand else running
        spent = format_span(now - run.started_at)
        spent += f"/{format_span(spec.expect_duration)}" if spec and not by_hand else ""
    return f"Run {run.step_id}{place} {spent} {word}"


def over_estimate(view: View, run: RunState, now: float) -> str:
    """Returns `over 0:03` while a run takes longer than the runbook expects, else nothing."""
    spec = _spec_of(view, run)
    if run.ended is not None or spec is None or spec.kind is StepKind.MANUAL:
        return ""
    expected_s = float(spec.expect_duration)
    late = 0 < expected_s < now - run.started_at
    return f"over {format_span(expected_s)}" if late else ""


def place_warning(pinned: bool, newer: int, follows: bool, below: int) -> str:
    """Returns why the newest isn't in sight: the pane shows a run that a person chose while
    `newer` runs began after it, or was scrolled up while `below` lines came. Empty while it
    follows."""
    if pinned:
        return f"PINNED, {newer} newer, f follows"
    if not follows:
        return f"paused, {counted(below, 'newer line')}, f follows"
    return ""


class RunPane(Pane):
    """Follows the output of the run under way; stops following when scrolled up."""

    chooses = False
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("f", "follow", "follow", show=False),
        Binding("left", "aside(-1)", "left", show=False),
        Binding("right", "aside(1)", "right", show=False),
        Binding("left_square_bracket", "other(-1)", "run before", show=False),
        Binding("right_square_bracket", "other(1)", "next run", show=False),
    ]

    def __init__(self, view: View) -> None:
        super().__init__(view, "run")
        self.follows = True
        self.left = 0
        self.pinned = ""
        """A run that the person chose; empty: the one under way."""
        self._newest_when_pinned = ""
        self._seen_end = 0
        self._shown_run = ""

    def run_state(self) -> RunState | None:
        """Returns the run that is shown: the pinned one until another run starts."""
        if self.pinned and self._newest() != self._newest_when_pinned:
            self.pinned = ""
        return self.view.state.runs.get(self.pinned) or self.view.shown_run()

    def make_lines(self, width: int, now: float) -> Sequence[Line]:
        run = self.run_state()
        if run is None:
            return [row(width, (Span("no step has been run yet", "dim"),))]
        if run.run_id != self._shown_run:
            self._shown_run, self.follows, self.left, self.top = run.run_id, True, 0, 0
        output = self.view.outputs.get(run.run_id) or RunOutput()
        head, tail = run_head(self.view, run, width), run_tail(self.view, run, width, now)
        return OutputLines(output, head, tail, width, self.left)

    def _keep_place(self) -> None:
        if self.follows:
            self.top = len(self.lines) - self.size.height
            self._seen_end = len(self.lines)
        super()._keep_place()

    def _newest(self) -> str:
        return self.view.state.last_run

    def title(self, now: float) -> str:
        shift = f"  from column {self.left}" if self.left else ""
        return run_title(self.view, self.run_state(), now) + shift

    def title_warning(self, now: float) -> str:
        run, shown = self.run_state(), self.view.shown_run()
        if run is None:
            return ""
        pinned = bool(self.pinned) and run is not shown
        runs = list(self.view.state.runs)
        newer = len(runs) - 1 - runs.index(run.run_id) if pinned else 0
        below = max(len(self.lines) - self._seen_end, 0)
        place = place_warning(pinned, newer, self.follows, below)
        late = over_estimate(self.view, run, now)
        return "  ".join(one for one in (late, place) if one)

    def scrolled(self) -> None:
        at_end = self.top >= len(self.lines) - self.size.height
        if self.follows and not at_end:
            self._seen_end = len(self.lines)
        self.follows = at_end

    def release(self) -> bool:
        shown = self.view.shown_run()
        elsewhere = bool(self.pinned) and (shown is None or shown.run_id != self.pinned)
        was = elsewhere or not self.follows or self.left > 0
        self.pinned, self.follows, self.left = "", True, 0
        self.redraw()
        return was

    def show_run(self, run_id: str) -> None:
        """Show this run until Esc, f, or the start of another run."""
        self.pinned, self._newest_when_pinned = run_id, self._newest()
        self.redraw()

    def action_follow(self) -> None:
        self.pinned, self.follows = "", True
        self.redraw()

    def action_aside(self, direction: int) -> None:
        step = max(self.size.width // 2, 1)
        longest = max((cell_len(line.text) for line in self._visible()), default=0)
        if direction > 0 and longest < self.size.width:
            return
        self.left = max(0, min(self.left + direction * step, MAX_CHARS))
        self.redraw()

    def _visible(self) -> Sequence[Line]:
        return [
            self.lines[i]
            for i in range(self.top, min(self.top + self.size.height, len(self.lines)))
        ]

    def action_other(self, step: int) -> None:
        runs = list(self.view.state.runs)
        run = self.run_state()
        if run is None:
            return
        index = max(0, min(runs.index(run.run_id) + step, len(runs) - 1))
        self.show_run(runs[index])
