"""`[tell.ID]` and `[tell_templates.EVENT]`: who is told of what, and in which words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from probes.probe import Seconds


class Event(StrEnum):
    """What people can be told of."""

    WINDOW_OPENED = "window-opened"
    WINDOW_CLOSED = "window-closed"
    PHASE_BEGUN = "phase-begun"
    HELD = "held"
    RESUMED = "resumed"
    STEP_FAILED = "step-failed"
    CRITERION_TRIPPED = "criterion-tripped"
    CRITERION_CLEARED = "criterion-cleared"
    ESCALATION_RUNG = "escalation-rung"
    ESCALATION_ENDED = "escalation-ended"
    ROLLBACK_BEGUN = "rollback-begun"
    ROLLBACK_DONE = "rollback-done"
    ACTION_FAILED = "action-failed"


class ChannelKind(StrEnum):
    APPRISE = "apprise"
    STATUS_PAGE = "status-page"


@dataclass(frozen=True, slots=True)
class Template:
    """`[tell_templates.EVENT]`: the words of a message; what is empty keeps its default."""

    title: str = ""
    body: str = ""


@dataclass(frozen=True, slots=True)
class Channel:
    """`[tell.ID]`: somewhere people are told."""

    id: str
    kind: ChannelKind
    url: str
    """apprise: an Apprise URL (`slack://…`, `mailtos://…`); status-page: where the request goes."""
    on: tuple[Event, ...]
    """What is told here."""
    title: str = ""
    optional: bool = False
    """Left out, with a warning, where a `${NAME}` of it has no value; else that is an error."""
    timeout: Seconds = Seconds(20)
    """Of one try."""
    templates: Mapping[str, Template] = field(default_factory=dict)
    """Event → this channel's own words for it."""
    states: Mapping[str, str] = field(default_factory=dict)
    """Event → what `${message.state}` is: `partial_outage`."""
    method: str = "POST"
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Mapping[str, Any] = field(default_factory=dict)
    """Sent as JSON, its texts filled in; empty: title, body, state and event."""

    @property
    def name(self) -> str:
        return self.title or self.id

    def hears(self, event: Event) -> bool:
        """Whether this channel is told of `event`. Who is told of a rung is told of its end too,
        unless the channel gives each of its events a state."""
        if event is Event.ESCALATION_ENDED and Event.ESCALATION_RUNG in self.on:
            return event in self.on or not self.states
        return event in self.on


ALWAYS = (
    "window.name", "window.version", "window.id", "window.stamp", "event.id", "event.at",
    "event.by", "event.reason", "event.subject", "journal.head",
)  # fmt: skip
"""Facts of every message. `event.subject`: the phase, step, criterion, action or rung."""

ONLY_IN: Mapping[Event, tuple[str, ...]] = {
    Event.ESCALATION_RUNG: (
        "contact.role", "contact.name", "contact.phone", "contact.email", "contact.reach",
        "rung.after",
    ),
}  # fmt: skip
"""Facts that only messages of one event have."""

IN_BODY = ("message.title", "message.body", "message.state")
"""What a channel's `body` can say besides the facts."""

DEFAULTS: Mapping[Event, Template] = {
    Event.WINDOW_OPENED: Template(
        "${window.name} ${window.version}: window opened", "Opened by ${event.by}."
    ),
    Event.WINDOW_CLOSED: Template(
        "${window.name} ${window.version}: window closed, ${event.subject}",
        "Closed by ${event.by}. ${event.reason}",
    ),
    Event.PHASE_BEGUN: Template(
        "${window.name} ${window.version}: ${event.subject}", "The phase began at ${event.at}."
    ),
    Event.HELD: Template(
        "${window.name} ${window.version}: on hold", "Held by ${event.by}: ${event.reason}"
    ),
    Event.RESUMED: Template(
        "${window.name} ${window.version}: resumed", "Resumed by ${event.by}. ${event.reason}"
    ),
    Event.STEP_FAILED: Template(
        "${window.name} ${window.version}: step failed: ${event.subject}", "${event.reason}"
    ),
    Event.CRITERION_TRIPPED: Template(
        "${window.name} ${window.version}: ROLLBACK TRIGGER: ${event.subject}", "${event.reason}"
    ),
    Event.CRITERION_CLEARED: Template(
        "${window.name} ${window.version}: cleared: ${event.subject}", "${event.reason}"
    ),
    Event.ESCALATION_RUNG: Template(
        "${window.name} ${window.version}: ESCALATION ${rung.after}: ${event.subject}",
        "Call ${contact.reach}. ${event.reason}",
    ),
    Event.ESCALATION_ENDED: Template(
        "${window.name} ${window.version}: ESCALATION ENDED", "By ${event.by}. ${event.reason}"
    ),
    Event.ROLLBACK_BEGUN: Template(
        "${window.name} ${window.version}: ROLLBACK BEGUN", "By ${event.by}. ${event.reason}"
    ),
    Event.ROLLBACK_DONE: Template(
        "${window.name} ${window.version}: rollback done", "${event.reason}"
    ),
    Event.ACTION_FAILED: Template(
        "${window.name} ${window.version}: ${event.subject} failed", "${event.reason}"
    ),
}
