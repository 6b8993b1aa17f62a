"""A step as a line: its glyph and title, how long it takes, and why it went wrong."""

from __future__ import annotations

from optibid_console.launch_clock import format_span
from optibid_console.runbook.model import Step, StepKind
from optibid_console.signals import Progress
from optibid_console.state import ACTIVE, StepState, StepStatus
from screens.glyphs import glyph
from screens.lines import Line, Span, Spans, row, sign, spans
from screens.progress_line import percent
from screens.view import View, what_went_wrong
from screens.waiting_lines import awaited_lines

_LOOKS = {StepStatus.CHECKING: "running"}


def look_of(status: StepStatus) -> str:
    """The name of a step's glyph."""
    return _LOOKS.get(status, status.value)


def step_spans(
    step: Step, seen: StepState, now: float, is_next: bool, progress: Progress | None = None,
    undoer: str = "",
) -> tuple[Spans, Spans]:  # fmt: skip
    """A step's left and right part: glyph and title; word, share, time and expected time.

    `undoer`: the step of an unfinished rollback that began to undo this one.
    """
    if undoer and seen.status not in ACTIVE:
        look = glyph("undone")
        title = Span(f"   {look.drawn} {step.id} {step.title}", "dim")
        return spans(title), spans(Span(f"being undone, {undoer}", glyph("warn").style))
    no_worse = seen.as_before and seen.status is StepStatus.DONE
    look = glyph("warn" if no_worse else look_of(seen.status))
    quiet = (StepStatus.SKIPPED, StepStatus.REHEARSED, StepStatus.UNDONE)
    tone = "dim" if seen.status in quiet else "plain"
    if seen.status in ACTIVE or seen.status is StepStatus.UNSETTLED or is_next:
        tone = "strong"
    mark = Span(f" {sign('next')} ", "accent") if is_next else Span("   ")
    left = spans(mark, Span(f"{look.drawn} ", look.style), Span(f"{step.id} {step.title}", tone))
    return left, _step_end(step, seen, now, is_next, percent(progress) if progress else "")


def _step_end(step: Step, seen: StepState, now: float, is_next: bool, share: str) -> Spans:
    expected = format_span(step.expect_duration)
    again = f"try {seen.attempt} " if seen.attempt > 1 else ""
    if seen.status in ACTIVE and step.kind is StepKind.MANUAL:
        return spans(Span(f"to confirm {format_span(now - seen.started_at)}", "warn"))
    if seen.status in ACTIVE:
        spent_s = now - seen.started_at
        word = {StepStatus.CHECKING: "checking ", StepStatus.UNKNOWN: "unknown "}.get(
            seen.status, ""
        )
        over = spent_s > step.expect_duration
        tone = "warn" if over else glyph(look_of(seen.status)).style
        late = " over" if over else ""
        share = f"{share} " if share and not word else ""
        return spans(Span(f"{again}{word}{share}{format_span(spent_s)}/{expected}{late}", tone))
    spent = format_span(seen.finished_at - seen.started_at) if seen.started_at else ""
    match seen.status:
        case StepStatus.DONE if seen.as_before:
            return spans(Span(f"{again}as before {spent}", glyph("warn").style))
        case StepStatus.DONE:
            return spans(Span(f"{again}{spent}", "dim"))
        case StepStatus.UNSETTLED:
            look = glyph("unsettled")
            return spans(Span(f" {look.drawn} {again}{look.word} ", look.style))
        case StepStatus.FAILED:
            word = seen.outcome.value if seen.outcome else "failed"
            return spans(Span(f"{again}{word} {spent}", glyph("failed").style))
        case StepStatus.SKIPPED:
            return spans(Span("skipped", glyph("skipped").style))
        case StepStatus.WAIVED:
            return spans(Span("waived", glyph("waived").style))
        case StepStatus.REHEARSED:
            return spans(Span("rehearsed", glyph("rehearsed").style))
        case StepStatus.UNDONE:
            return spans(Span("rolled back", glyph("undone").style))
        case StepStatus.PENDING if seen.was is not None:
            return spans(Span("next, again" if is_next else "again", "accent"))
    kind = {StepKind.MANUAL: "by hand", StepKind.WAIT: f"wait ~{expected}"}.get(
        step.kind, f"~{expected}"
    )
    return spans(Span(f"next {kind}", "accent") if is_next else Span(kind, "dim"))


def why_lines(view: View, step: Step, seen: StepState, width: int, now: float) -> list[Line]:
    """Returns what stands under a step: the probes that it waits for now, that it is no worse than
    before, why it was waived, or what is known of one that went wrong."""
    if step.kind is StepKind.WAIT and seen.status in ACTIVE:
        since, indent = seen.started_at, " " * 5
        return awaited_lines(view, step, width, now, since=since, indent=indent, aged=False)
    if seen.as_before and seen.status is StepStatus.DONE:
        return [row(width, (Span(f"     {seen.reason}", glyph("warn").style),))]
    if seen.status is StepStatus.WAIVED:
        return [row(width, (Span(f"     waived {seen.reason}", glyph("waived").style),))]
    said = what_went_wrong(view, seen)
    if not said:
        return []
    return [row(width, (Span(f"     {said}", glyph(look_of(seen.status)).style),))]
