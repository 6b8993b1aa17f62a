"""Whom to call, the escalation clock with its rungs, and who was told."""

from __future__ import annotations

from collections.abc import Iterable

from optibid_console.escalation import gone_s, next_rung, ways_to
from optibid_console.launch_clock import format_span
from optibid_console.runbook.model import Contact, Runbook, Rung, filled_in
from screens.glyphs import glyph
from screens.lines import BLANK, Line, Span, row, spans
from screens.modals.choose import Choose, Option
from screens.modals.sheet import heading
from screens.modals.told import tell_again, telling_lines
from screens.view import View


def contacts_sheet(view: View) -> Choose:
    """`ack`, `start`, `end`, `again`, or only looked at."""

    def body(width: int, now: float) -> list[Line]:
        runbook = view.state.runbook
        if runbook is None:
            return []
        return [
            *_clock_lines(view, runbook, width, now),
            *_contact_lines(runbook.contacts.values(), width),
            *telling_lines(view, runbook, width, now),
        ]

    def options() -> tuple[Option, ...]:
        runbook = view.state.runbook
        if not view.drives or runbook is None:
            return ()
        again = tell_again(view)
        if not runbook.escalation:
            return again
        if view.state.escalation is None:
            return (Option("start", "start the escalation clock; asks why", "s"), *again)
        coming = next_rung(view.state, view.now())
        acknowledge = (
            ()
            if coming is None
            else (Option("ack", f"acknowledge rung {coming.index + 1}: it was done", "a"),)
        )
        return (*acknowledge, Option("end", "end the escalation; asks why", "e"), *again)

    return Choose(view, "Contacts and escalation", body, options)


def _clock_lines(view: View, runbook: Runbook, width: int, now: float) -> list[Line]:
    escalation = view.state.escalation
    if not runbook.escalation:
        return []
    if escalation is None:
        lines = [heading("Escalation: the clock doesn't run")]
    else:
        gone = format_span(now - escalation.started_at)
        lines = [heading(f"Escalation: {gone} since {escalation.reason}")]
    coming = next_rung(view.state, now)
    for index, rung in enumerate(runbook.escalation):
        current = coming is not None and index == coming.index
        lines.append(_rung_line(view, runbook, index, rung, current, width, now))
    return [*lines, BLANK]


def _rung_line(
    view: View, runbook: Runbook, index: int, rung: Rung, current: bool, width: int, now: float
) -> Line:
    contact = runbook.contacts.get(rung.contact)
    whom = f": {contact.role} {filled_in(contact.name)}".rstrip() if contact else ""
    escalation = view.state.escalation
    look, right = glyph("pending"), spans(Span(f"after {format_span(rung.after)}", "dim"))
    if escalation is not None:
        gone = gone_s(view.state, now)
        if index in escalation.acknowledged:
            look, right = glyph("done"), spans(Span(f"by {escalation.acknowledged[index]}", "dim"))
        elif gone >= rung.after:
            look, right = (
                glyph("failing"),
                spans(Span(f"due {format_span(gone - rung.after)} ago", "failing")),
            )
        elif current:
            look, right = (
                glyph("running"),
                spans(Span(f"in {format_span(rung.after - gone)}", "warn")),
            )
    return row(width, spans(Span(f"  {look.drawn} ", look.style), f"{rung.action}{whom}"), right)


def _contact_lines(contacts: Iterable[Contact], width: int) -> list[Line]:
    lines: list[Line] = []
    group = None
    for one in contacts:
        if one.group != group:
            lines.append(heading(one.group or "Contacts"))
            group = one.group
        reach = "  ".join(ways_to(one))
        left = spans(Span(f"  {one.role:<24} ", "plain"), Span(filled_in(one.name), "strong"))
        lines.append(row(width, left, spans(Span(reach, "accent"))))
    return lines
