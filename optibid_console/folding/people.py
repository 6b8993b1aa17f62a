"""What people's words do to the window."""

from __future__ import annotations

from optibid_console import entries as e
from optibid_console.changed import changed
from optibid_console.folding.register import on
from optibid_console.state import Escalation, ItemState, Note, Poll, WindowState


@on(e.ItemMarked)
def _(s: WindowState, entry: e.Entry, f: e.ItemMarked) -> WindowState:
    item = ItemState(f.mark, entry.actor, entry.at, f.note)
    return changed(s, items={**s.items, f.item_id: item})


@on(e.NoteWritten)
def _(s: WindowState, entry: e.Entry, f: e.NoteWritten) -> WindowState:
    notes = s.notes.add(Note(f.subject, f.text, entry.actor, entry.at))
    seen = bool(s.delivered) and entry.actor == s.operator
    return changed(s, notes=notes, delivered="" if seen else s.delivered)


@on(e.PollCalled)
def _(s: WindowState, entry: e.Entry, f: e.PollCalled) -> WindowState:
    poll = Poll(
        f.poll_id, f.question, f.roles, entry.at, entry.actor, gate=f.gate, called_seq=entry.seq
    )
    return changed(s, polls=s.polls.put(f.poll_id, poll))


@on(e.VoteCast)
def _(s: WindowState, entry: e.Entry, f: e.VoteCast) -> WindowState:
    poll = s.polls.get(f.poll_id)
    if poll is None:
        return s
    voted = changed(
        poll, votes={**poll.votes, f.role: f}, voted_at={**poll.voted_at, f.role: entry.at}
    )
    return changed(s, polls=s.polls.put(f.poll_id, voted))


@on(e.PollClosed)
def _(s: WindowState, entry: e.Entry, f: e.PollClosed) -> WindowState:
    poll = s.polls.get(f.poll_id)
    if poll is None:
        return s
    return changed(s, polls=s.polls.put(f.poll_id, changed(poll, result=f.result)))


@on(e.EscalationStarted)
def _(s: WindowState, entry: e.Entry, f: e.EscalationStarted) -> WindowState:
    tripped = frozenset(one for one, judged in s.criteria.items() if judged.tripped_seq)
    by_trigger = entry.actor == e.CONSOLE
    return changed(
        s, escalation=Escalation(entry.at, f.reason, by_trigger=by_trigger, triggers=tripped)
    )


@on(e.EscalationAcknowledged)
def _(s: WindowState, entry: e.Entry, f: e.EscalationAcknowledged) -> WindowState:
    if s.escalation is None:
        return s
    known = {**s.escalation.acknowledged, f.rung: entry.actor}
    return changed(s, escalation=changed(s.escalation, acknowledged=known))


@on(e.RungDue)
def _(s: WindowState, entry: e.Entry, f: e.RungDue) -> WindowState:
    if s.escalation is None:
        return s
    return changed(s, escalation=changed(s.escalation, due=s.escalation.due | {f.rung}))


@on(e.EscalationEnded)
def _(s: WindowState, entry: e.Entry, f: e.EscalationEnded) -> WindowState:
    return changed(s, escalation=None, escalation_ended_seq=entry.seq)
