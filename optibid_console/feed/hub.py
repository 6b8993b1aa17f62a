"""Who gets what: the engine publishes once, each attached screen has its own outbox."""

from __future__ import annotations

import secrets
from collections import deque
from typing import Protocol

from optibid_console.entries import Entry
from optibid_console.feed.messages import Frame
from optibid_console.feed.recent import Recent
from optibid_console.feed.tally import Tally
from optibid_console.feed.wire import encode
from optibid_console.signals import Signal

ENTRIES_BYTES = 4_000_000


class Receiver(Protocol):
    """Who is told what is published: an outbox, or one for many."""

    def entry(self, seq: int, frame: Frame) -> None: ...

    def signal(self, frame: Frame) -> None: ...

    def missed(self, signals: int, lines: int) -> None: ...


class Hub:
    """Publishing never waits and costs the same however slow a screen is."""

    def __init__(self) -> None:
        self.life = secrets.token_hex(8)
        """A random name for this life of the engine: signal numbers count within it."""
        self._tally = Tally()
        self._recent = Recent()
        self._receivers: dict[Receiver, None] = {}
        self._entries: deque[tuple[int, Frame]] = deque()
        self._entries_bytes = 0

    @property
    def numbered(self) -> int:
        """The number of the last signal."""
        return self._tally.signals

    def entry(self, entry: Entry) -> None:
        """Publish an entry that the journal has committed."""
        frame = encode(entry)
        if self._entries and self._entries[-1][0] + 1 != entry.seq:
            self._entries.clear()  # only a run without gaps can stand in for the journal
            self._entries_bytes = 0
        self._entries.append((entry.seq, frame))
        self._entries_bytes += len(frame.data)
        while self._entries_bytes > ENTRIES_BYTES:
            self._entries_bytes -= len(self._entries.popleft()[1].data)
        for one in self._receivers:
            one.entry(entry.seq, frame)

    def signal(self, signal: Signal) -> None:
        """Publish a signal: encoded once, remembered for screens that come later."""
        frame = encode(signal, self.numbered + 1)
        self._tally.add(frame.lines)
        self._recent.keep(signal, frame)
        for one in self._receivers:
            one.signal(frame)

    def forget(self, kind: str, name: str) -> None:
        """Give no screen that comes later what was told of this `probe`, `panel` or `link`."""
        self._recent.forget(kind, name)

    def newest(self) -> list[Frame]:
        """The last signal of each kind and subject, in order; no log lines and no output."""
        return self._recent.newest()

    def attach(self, receiver: Receiver, *, signals_after: int = 0) -> None:
        """From now on it gets everything; first the recent signals above that number."""
        self.give_recent(receiver, signals_after)
        self._receivers[receiver] = None

    def give_recent(self, receiver: Receiver, signals_after: int = 0) -> None:
        """The recent signals above that number (0: it had none before). Those that aren't kept
        any more are missed."""
        frames = self._recent.frames(signals_after)
        missed = self.numbered - signals_after - len(frames)
        if signals_after and missed > 0:
            lines = self._tally.lines_since(signals_after) - sum(one.lines for one in frames)
            receiver.missed(missed, max(lines, 0))
        for frame in frames:
            receiver.signal(frame)

    def detach(self, receiver: Receiver) -> None:
        """Nothing more for it. Does nothing when it isn't attached."""
        self._receivers.pop(receiver, None)

    def recent_entries(self, after: int, upto: int) -> list[Frame] | None:
        """The frames of entries `after + 1` to `upto`; None when not all are remembered."""
        if not self._entries or self._entries[0][0] > after + 1 or self._entries[-1][0] < upto:
            return None
        start = after + 1 - self._entries[0][0]
        return [self._entries[i][1] for i in range(start, start + upto - after)]
