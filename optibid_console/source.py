"""Where a screen gets its window from: a live engine, a feed, a recording. All look alike."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from optibid_console.entries import Entry
from optibid_console.errors import SourceError as SourceError
from optibid_console.signals import Signal

if TYPE_CHECKING:
    from optibid_console.commands import Command, Reply
    from optibid_console.state import WindowState


@dataclass(frozen=True, slots=True)
class Lost:
    """The source lost its engine and tries again."""

    why: str
    attempt: int
    retry_in_s: float


@dataclass(frozen=True, slots=True)
class CaughtUp:
    """All entries up to `seq` were delivered; what follows happens now."""

    seq: int


@dataclass(frozen=True, slots=True)
class Ended:
    """The window is closed or the engine has stopped: nothing more will come."""

    reason: str


@dataclass(frozen=True, slots=True)
class Role:
    """What this screen may do from now on: first after the greeting, again when it changes."""

    operator: bool
    holder: str = ""
    """Who holds the lease; empty: nobody."""
    since: float = 0.0
    stalled_s: float = 0.0
    """For how long the holder's screen hasn't taken anything; `elsewhere`: the age of the last
    heartbeat of their engine, once that is silent."""
    elsewhere: bool = False
    """The window is driven by another console's engine: this is what the journal says of it."""
    unmerged: str = ""
    """What was recorded here by itself and isn't in the journal, where, and how it comes there."""


@dataclass(frozen=True, slots=True)
class FeedDelay:
    """How long a question to the engine and its answer take on the way here."""

    round_trip_ms: float


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The window after entry `state.seq`, in place of all entries up to it: at most once, and
    before any entry."""

    state: WindowState


Event = Entry | Signal | CaughtUp | Role | Lost | Ended | FeedDelay | Snapshot


class Source(Protocol):
    """Entries in order, each exactly once, with signals between them."""

    name: str
    """Who looks: the operator's or observer's name."""

    def events(self) -> AsyncIterator[Event]: ...

    async def close(self) -> None: ...


class ControlSource(Source, Protocol):
    """A source through which commands can be sent. What only watches has no `send`."""

    async def send(self, command: Command) -> Reply: ...
