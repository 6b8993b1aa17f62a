"""What people are told of an entry, through which channels and in which words. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from optibid_console import entries as e
from optibid_console.escalation import reach
from optibid_console.journal_head import head_text
from optibid_console.launch_clock import format_span
from optibid_console.runbook.channels import (
    DEFAULTS,
    ONLY_IN,
    Channel,
    ChannelKind,
    Event,
    Template,
)
from optibid_console.runbook.model import ROLLBACK, Runbook, filled_in
from optibid_console.runbook.shell_text import REFERENCE
from optibid_console.state import StepStatus, WindowState
from optibid_console.waiving import waived_lines

TOO_OLD_S = 900.0
"""What is older isn't told any more: it would only mislead."""
_LONGEST_REASON = 600
_NOTES_HEAD = (Event.WINDOW_OPENED, Event.PHASE_BEGUN, Event.WINDOW_CLOSED)
_NOT_BEGUN = (StepStatus.PENDING, StepStatus.SKIPPED, StepStatus.WAIVED)
_FAILURES = (e.Outcome.FAILED, e.Outcome.TIMED_OUT, e.Outcome.REFUSED)


@dataclass(frozen=True, slots=True)
class Message:
    """One thing that one channel has to tell."""

    about: int
    """The number of the entry that it is about: with the channel, its key."""
    channel: str
    event: Event
    at: float
    """When it happened: seconds since the epoch, UTC."""
    title: str
    body: str
    facts: Mapping[str, str]
    """For the channel's own body."""

    @property
    def key(self) -> tuple[int, str]:
        return self.about, self.channel


@dataclass(frozen=True, slots=True)
class _Happened:
    event: Event
    subject: str
    reason: str = ""
    more: Mapping[str, str] | None = None


def messages(
    before: WindowState, entry: e.Entry, after: WindowState, runbook: Runbook
) -> tuple[Message, ...]:
    """What is to be told because of `entry`, which turned `before` into `after`.

    Of a rehearsal nobody is told: nothing happens in it.
    """
    if after.rehearsal:
        return ()
    tells = _TELLS.get(type(entry.fact))
    happened = tells(before, entry, after, runbook) if tells else None
    if happened is None:
        return ()
    facts = _facts(entry, after, happened)
    return tuple(_messages(runbook, entry, happened.event, facts))


def marked_late(message: Message, now: float, *, repeat: bool = False) -> Message:
    """The message, saying that it comes late, when it happened, and whether the engine before
    may have told it already: a try that its end cut off may have got through."""
    moment = datetime.fromtimestamp(message.at, UTC).strftime("%H:%M:%SZ")
    again = ", may be a repeat" if repeat else ""
    late = f"LATE by {format_span(now - message.at)} (happened at {moment}{again}): {message.title}"
    return replace(message, title=late, facts={**message.facts, "message.title": late})


def outdated(message: Message, state: WindowState) -> str:
    """Why a message that waits must not be told any more; empty: it is still true."""
    if message.event is Event.ESCALATION_RUNG and state.escalation_ended_seq > message.about:
        return "the escalation was ended before this was told"
    return ""


def rehearsal(channel: Channel, runbook: Runbook, now: float) -> Message:
    """A message that only says that telling works: of the channel's first event."""
    event = channel.on[0]
    entry = e.Entry(0, now, 0.0, "console", e.Unread("test"), "", "")
    state = replace(
        WindowState(), facts={"window.version": runbook.window.version, "window.id": "test"}
    )
    contact = {name: name.rpartition(".")[2] for name in ONLY_IN.get(event, ())}
    happened = _Happened(event, "TEST", "Only a test: nothing has happened.", contact)
    facts = _facts(entry, replace(state, name=runbook.window.name), happened)
    (message,) = _messages(runbook, entry, event, facts, only=channel)
    title = f"TEST: {message.title}"
    return replace(message, title=title, facts={**message.facts, "message.title": title})


def filled(value: Any, known: Callable[[str], str]) -> Any:
    """A JSON value with each `${NAME}` in its texts replaced by what `known` says, in one pass:
    what a value brings is never read again."""
    if isinstance(value, str):
        return "${".join(
            REFERENCE.sub(lambda match: known(match[1]), part) for part in value.split("$${")
        )
    if isinstance(value, Mapping):
        return {key: filled(one, known) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [filled(one, known) for one in value]
    return value


def _messages(
    runbook: Runbook, entry: e.Entry, event: Event, facts: Mapping[str, str],
    only: Channel | None = None,
) -> Iterator[Message]:  # fmt: skip
    for channel in (only,) if only else runbook.tell.values():
        if not only and not channel.hears(event):
            continue
        words = _words(runbook, channel, event)
        title = " ".join(filled(words.title, lambda name: facts.get(name, "")).split())
        body = filled(words.body, lambda name: facts.get(name, "")).strip()
        if event in _NOTES_HEAD and channel.kind is ChannelKind.APPRISE:
            body = _with_head(body, facts.get("journal.head", ""))
        own = {
            **facts, "message.title": title, "message.body": body,
            "message.state": channel.states.get(event, ""),
        }  # fmt: skip
        yield Message(entry.seq, channel.id, event, entry.at, title, body, own)


def _with_head(body: str, head: str) -> str:
    """The body with the journal's head, so that it stands where nobody can change it with the
    journal; people who read a status page have no use for it."""
    return body if head in body else f"{body}\nJournal head {head}"


def _words(runbook: Runbook, channel: Channel, event: Event) -> Template:
    """The channel's own words, else the runbook's, else the default; title and body apart."""
    given = (channel.templates.get(event), runbook.tell_templates.get(event), DEFAULTS[event])
    there = [one for one in given if one is not None]
    return Template(
        next(one.title for one in there if one.title), next(one.body for one in there if one.body)
    )


def _facts(entry: e.Entry, state: WindowState, happened: _Happened) -> dict[str, str]:
    reason = happened.reason
    if len(reason) > _LONGEST_REASON:
        reason = f"{reason[: _LONGEST_REASON - 1]}…"
    return {
        **state.facts,
        "window.name": state.name,
        "event.id": happened.event.value,
        "event.at": datetime.fromtimestamp(entry.at, UTC).strftime("%H:%M:%SZ"),
        "event.by": entry.actor,
        "event.subject": happened.subject,
        "event.reason": reason,
        "journal.head": head_text(state) if state.seq == entry.seq else "",
        **(happened.more or {}),
    }


# What each kind of fact tells

_Tells = Callable[[WindowState, e.Entry, WindowState, Runbook], _Happened | None]


def _opened(
    _: WindowState, entry: e.Entry, after: WindowState, runbook: Runbook
) -> _Happened | None:
    return _Happened(Event.WINDOW_OPENED, f"{after.name} {after.version}")


def _closed(
    _: WindowState, entry: e.Entry, after: WindowState, runbook: Runbook
) -> _Happened | None:
    fact = entry.fact
    assert isinstance(fact, e.WindowClosed)
    waived = waived_lines(after)
    note = "; ".join(one for one in (fact.note, *waived) if one)
    return _Happened(Event.WINDOW_CLOSED, fact.outcome, note)


def _held(_: WindowState, entry: e.Entry, after: WindowState, runbook: Runbook) -> _Happened | None:
    fact = entry.fact
    assert isinstance(fact, e.Held)
    return _Happened(Event.HELD, "hold", fact.reason)


def _resumed(
    _: WindowState, entry: e.Entry, after: WindowState, runbook: Runbook
) -> _Happened | None:
    fact = entry.fact
    assert isinstance(fact, e.Resumed)
    shifted = f"What is left shifts by {format_span(fact.shift_s)}."
    return _Happened(Event.RESUMED, "resumed", f"{shifted} {fact.note}".strip())


def _step_started(
    before: WindowState, entry: e.Entry, after: WindowState, runbook: Runbook
) -> _Happened | None:
    fact = entry.fact
    assert isinstance(fact, e.StepStarted)
    phase = runbook.phase_of(fact.step_id)
    if phase is None or any(before.step(one.id).status not in _NOT_BEGUN for one in phase.steps):
        return None
    return _Happened(Event.PHASE_BEGUN, phase.title)


def _step_finished(
    _: WindowState, entry: e.Entry, after: WindowState, runbook: Runbook
) -> _Happened | None:
    fact = entry.fact
    assert isinstance(fact, e.StepFinished)
    if fact.outcome not in _FAILURES:
        return None
    step = runbook.step(fact.step_id)
    title = f"{fact.step_id} {step.title}" if step else fact.step_id
    return _Happened(Event.STEP_FAILED, title, fact.reason or fact.outcome.value)


def _judged(
    before: WindowState, entry: e.Entry, after: WindowState, runbook: Runbook
) -> _Happened | None:
    fact = entry.fact
    assert isinstance(fact, e.CriterionJudged | e.CriterionAsserted)
    seen = before.criteria.get(fact.criterion_id)
    was, now = (seen.tripped_seq if seen else 0), after.criteria[fact.criterion_id].tripped_seq
    if bool(was) == bool(now):
        return None
    criterion = runbook.criterion(fact.criterion_id)
    event = Event.CRITERION_TRIPPED if now else Event.CRITERION_CLEARED
    return _Happened(event, criterion.title if criterion else fact.criterion_id, fact.reason)


def _rung_due(
    _: WindowState, entry: e.Entry, after: WindowState, runbook: Runbook
) -> _Happened | None:
    fact = entry.fact
    assert isinstance(fact, e.RungDue)
    contact = runbook.contacts.get(fact.contact)
    rungs = runbook.escalation[fact.rung : fact.rung + 1]
    more = {
        "contact.role": contact.role if contact else "",
        "contact.name": filled_in(contact.name) if contact else "",
        "contact.phone": filled_in(contact.phone) if contact else "",
        "contact.email": filled_in(contact.email) if contact else "",
        "contact.reach": reach(contact) or "the on-call engineer",
        "rung.after": format_span(rungs[0].after) if rungs else "",
    }
    reason = after.escalation.reason if after.escalation else ""
    return _Happened(Event.ESCALATION_RUNG, fact.action, reason, more)


def _escalation_ended(
    before: WindowState, entry: e.Entry, after: WindowState, runbook: Runbook
) -> _Happened | None:
    """The end of an escalation that people were told of."""
    fact = entry.fact
    assert isinstance(fact, e.EscalationEnded)
    if before.escalation is None or not before.escalation.due:
        return None
    return _Happened(Event.ESCALATION_ENDED, "escalation ended", fact.reason)


def _action_started(
    _: WindowState, entry: e.Entry, after: WindowState, runbook: Runbook
) -> _Happened | None:
    fact = entry.fact
    assert isinstance(fact, e.ActionStarted)
    if fact.action_id != ROLLBACK:
        return None
    unready = f"begun though not ready: {', '.join(fact.not_ready)}" if fact.not_ready else ""
    why = "; ".join((*fact.why, *filter(None, (unready,))))
    return _Happened(Event.ROLLBACK_BEGUN, _title(runbook, fact.action_id), why)


def _action_stopped(
    _: WindowState, entry: e.Entry, after: WindowState, runbook: Runbook
) -> _Happened | None:
    fact = entry.fact
    assert isinstance(fact, e.ActionStopped)
    action = after.actions.get(fact.action_run)
    if action is None:
        return None
    why = f"Stopped at {fact.step_id}: {fact.reason}"
    return _Happened(Event.ACTION_FAILED, _title(runbook, action.action_id), why)


def _action_finished(
    _: WindowState, entry: e.Entry, after: WindowState, runbook: Runbook
) -> _Happened | None:
    fact = entry.fact
    assert isinstance(fact, e.ActionFinished)
    action = after.actions.get(fact.action_run)
    if action is None:
        return None
    title = _title(runbook, action.action_id)
    if fact.outcome is not e.Outcome.SUCCEEDED:
        return _Happened(Event.ACTION_FAILED, title, fact.reason or fact.outcome.value)
    if action.action_id != ROLLBACK:
        return None
    took = f"It took {format_span(entry.at - action.started_at)}."
    return _Happened(Event.ROLLBACK_DONE, title, f"{took} {fact.reason}".strip())


def _title(runbook: Runbook, action_id: str) -> str:
    action = runbook.action(action_id)
    return action.title if action else action_id


_TELLS: Mapping[type[Any], _Tells] = {
    e.WindowOpened: _opened,
    e.WindowClosed: _closed,
    e.Held: _held,
    e.Resumed: _resumed,
    e.StepStarted: _step_started,
    e.StepFinished: _step_finished,
    e.CriterionJudged: _judged,
    e.CriterionAsserted: _judged,
    e.RungDue: _rung_due,
    e.EscalationEnded: _escalation_ended,
    e.ActionStarted: _action_started,
    e.ActionStopped: _action_stopped,
    e.ActionFinished: _action_finished,
}
