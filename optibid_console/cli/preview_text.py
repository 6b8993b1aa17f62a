"""What an action would do, as text: the five parts of the modal, in its order. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from optibid_console.action_plan import PreviewStep
from optibid_console.launch_clock import format_span
from optibid_console.plan import Preview
from optibid_console.runbook.model import StepKind
from probes.text import one_line, plain_line


def preview_text(shown: Preview) -> Iterator[str]:
    """Why now, what will happen, what it costs, how long, what is not ready: line by line,
    safe for any terminal."""
    included = [one for one in shown.steps if one.included]
    yield one_line(shown.title)
    if shown.rehearsal:
        yield "REHEARSAL: only what is marked read-only is done, all else is walked"
    if included:
        yield from _part("Why now", shown.why_now, "no trigger has tripped, no panel fails")
        yield from ("", "What will happen")
        for number, step in enumerate(included, 1):
            yield from _step(number, step)
        yield from _left_out(shown)
        yield from _part("What it costs", shown.costs, "nothing is lost")
        yield from ("", "How long", f"  {_time(shown)}")
        if shown.measured:
            yield f"  {shown.measured}"
    else:
        yield from ("", "Nothing to do", *_left_out(shown))
    yield from _part("What is not ready", shown.not_ready, "everything is ready")


def _part(title: str, texts: Iterable[str], none: str) -> Iterator[str]:
    lines = [one_line(one, 400) for one in texts]
    yield from ("", title)
    for line in lines or [none]:
        yield f"  {line}"


def _left_out(shown: Preview) -> Iterator[str]:
    for step in shown.steps:
        if not step.included:
            yield one_line(f"not {step.step_id} {step.title}: {step.because}", 400)


def _step(number: int, step: PreviewStep) -> Iterator[str]:
    where = f" on {step.target}" if step.target else ""
    because = "" if step.because == "always" else f"  ({step.because})"
    yield f"  {number}. {one_line(f'{step.step_id} {step.title}{where}{because}', 400)}"
    by_hand = "by hand: " if step.kind is StepKind.MANUAL else ""
    for line in f"{by_hand}{step.command}".rstrip("\n").split("\n"):
        yield f"     {plain_line(line)}"


def _time(shown: Preview) -> str:
    estimate = f"about {format_span(shown.estimate_s)}"
    if shown.time_left_s is None:
        return estimate
    span = format_span(shown.time_left_s)
    if shown.time_left_s < 0:
        return f"{estimate}, the plan's end was {span} ago"
    return f"{estimate}, {span} left until the plan's end"
