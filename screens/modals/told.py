"""The channels through which people are told, and what they weren't told."""

from __future__ import annotations

from datetime import UTC, datetime

from optibid_console.launch_clock import format_span
from optibid_console.runbook.channels import Channel
from optibid_console.runbook.model import Runbook
from optibid_console.state import Untold
from probes.text import counted
from screens.glyphs import glyph
from screens.lines import BLANK, Line, Span, row, spans, wrapped
from screens.modals.choose import Option
from screens.modals.sheet import heading
from screens.view import View


def telling_lines(view: View, runbook: Runbook, width: int, now: float) -> list[Line]:
    """A line for each channel, then what failed with the reason; nothing without channels."""
    if not runbook.tell:
        return []
    lines = [BLANK, heading("Telling people")]
    lines += [_channel_line(view, one, width) for one in runbook.tell.values()]
    for one in view.state.telling.untold.values():
        lines += _untold_lines(runbook, one, width, now)
    return lines


def tell_again(view: View) -> tuple[Option, ...]:
    """The way on where something wasn't told."""
    count = len(view.state.telling.untold)
    if not count or view.state.closed is not None:
        return ()
    return (Option("again", f"tell the {count} that failed again now", "t"),)


def _channel_line(view: View, channel: Channel, width: int) -> Line:
    telling = view.state.telling
    look, said = glyph("pending"), "nothing was told yet"
    if channel.id in telling.off:
        look, said = glyph("skipped"), f"not used: {telling.off[channel.id]}"
    elif channel.id in telling.last:
        title, at = telling.last[channel.id]
        moment = datetime.fromtimestamp(at, UTC).strftime("%H:%M:%SZ")
        look, said = glyph("done"), f"{moment}  {title}"
    left = spans(Span(f"  {look.drawn} ", look.style), Span(f"{channel.name:<24} ", "plain"))
    return row(width, (*left, Span(said, "dim")))


def _untold_lines(runbook: Runbook, one: Untold, width: int, now: float) -> list[Line]:
    look = glyph("warn")
    tried = f"tried {counted(one.attempts, 'time')}"
    again = f"again in {format_span(max(one.retry_at - now, 0))}" if one.retry_at else "given up"
    channel = runbook.tell.get(one.channel)
    name = channel.name if channel else one.channel
    head = spans(Span(f"  {look.drawn} ", look.style), f"not told to {name}: {one.title}")
    return [
        row(width, head, spans(Span(f"{tried}, {again}", look.style))),
        *wrapped(one.reason, width, "dim", "      "),
    ]
