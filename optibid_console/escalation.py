"""The escalation clock: when it starts, which rungs are due, and whom to call next. Pure.

OptiBid's checklist, "Escalation Path": 15, 30, 45 and 60 minutes after the first failing
criterion. Times are clock seconds, as the window's own: `speed` of them in a second.
"""

from __future__ import annotations

from dataclasses import dataclass

from optibid_console.entries import Verdict
from optibid_console.launch_clock import format_span
from optibid_console.runbook.model import Contact, Rung, filled_in
from optibid_console.state import WindowState


@dataclass(frozen=True, slots=True)
class NextRung:
    """The first rung that nobody has acknowledged."""

    index: int
    rung: Rung
    contact: Contact | None
    due_in_s: float
    """Clock seconds until its time comes; negative: since it came."""


def starting_reason(state: WindowState) -> str:
    """Why the clock has to start now; empty when it hasn't to.

    It starts with the first criterion that trips. What somebody has ended starts anew only
    with a criterion that trips after that.
    """
    runbook = state.runbook
    if runbook is None or state.escalation or state.closed:
        return ""
    tripped = [
        (one.tripped_seq, criterion_id)
        for criterion_id, one in state.criteria.items()
        if one.verdict is Verdict.FAIL and one.tripped_seq > state.escalation_ended_seq
    ]
    if not tripped:
        return ""
    criterion_id = min(tripped)[1]
    criterion = runbook.criterion(criterion_id)
    title = criterion.title if criterion else criterion_id
    return f"{title}: {state.criteria[criterion_id].reason}"


def ending_reason(state: WindowState, now: float) -> str:
    """Why the escalation is over; empty while it isn't.

    It ends when each trigger that belongs to it has passed for as long as it must hold to trip:
    a value that swings around its limit doesn't start the clock again and again. A clock that
    a person started is ended by a person.
    """
    runbook, escalation = state.runbook, state.escalation
    if runbook is None or escalation is None or not escalation.by_trigger or state.closed:
        return ""
    cleared = []
    for criterion_id in sorted(escalation.triggers):
        criterion, judged = runbook.criterion(criterion_id), state.criteria.get(criterion_id)
        if criterion is None or judged is None:
            continue  # it isn't in the runbook any more
        clear = judged.verdict in (Verdict.PASS, Verdict.AS_BEFORE) and not judged.tripped_seq
        if not clear or now - judged.since < criterion.hold_for:
            return ""
        cleared.append(f"{criterion.title}: {judged.reason}")
    return f"cleared: {'; '.join(cleared) or 'its triggers are gone from the runbook'}"


def gone_s(state: WindowState, now: float) -> float:
    """Clock seconds since the escalation clock started; 0 while it doesn't run."""
    return (now - state.escalation.started_at) * state.speed if state.escalation else 0.0


def newly_due(state: WindowState, now: float) -> tuple[int, ...]:
    """The rungs whose time has come, that nobody acknowledged and nobody was told of."""
    runbook, escalation = state.runbook, state.escalation
    if runbook is None or escalation is None or state.closed is not None:
        return ()
    gone = gone_s(state, now)
    return tuple(
        index
        for index, rung in enumerate(runbook.escalation)
        if gone >= rung.after
        and index not in escalation.due
        and index not in escalation.acknowledged
    )


def next_rung(state: WindowState, now: float) -> NextRung | None:
    """Whom to call next; None when the clock doesn't run or all is acknowledged."""
    runbook, escalation = state.runbook, state.escalation
    if runbook is None or escalation is None:
        return None
    for index, rung in enumerate(runbook.escalation):
        if index not in escalation.acknowledged:
            due_in_s = rung.after - gone_s(state, now)
            return NextRung(index, rung, runbook.contacts.get(rung.contact), due_in_s)
    return None


def reach(contact: Contact | None) -> str:
    """`Secondary On-Call Ada, +44 20 …, ada@…`, or `…, no number set`; empty without a contact."""
    if contact is None:
        return ""
    who = f"{contact.role} {filled_in(contact.name)}".rstrip()
    return ", ".join((who, *ways_to(contact)))


def ways_to(contact: Contact) -> tuple[str, ...]:
    """How a contact is reached: phone and email as far as they are filled in."""
    known = tuple(one for one in (filled_in(contact.phone), filled_in(contact.email)) if one)
    return known or ("no number set",)


def in_words(due_in_s: float) -> str:
    """`in 4:10`, or `DUE for 1:02`."""
    span = format_span(abs(due_in_s))
    return f"in {span}" if due_in_s > 0 else f"DUE for {span}"
