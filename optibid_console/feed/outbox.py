"""What waits for one screen: bounded, in order, and never in the engine's way."""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass, replace
from typing import Generic, TypeVar

from optibid_console.feed.messages import Frame
from optibid_console.feed.wire import encode
from optibid_console.signals import Missed

T = TypeVar("T")

QUEUE_BYTES = 8_000_000
MAX_MARKS = 1_000


@dataclass(frozen=True, slots=True)
class Mark:
    """All entries up to `seq` are in the journal: the screen is due those it lacks."""

    seq: int


class _Lane(Generic[T]):
    """A queue whose items keep their place among those of the other lanes."""

    def __init__(self) -> None:
        self.items: deque[tuple[int, T]] = deque()

    def place(self) -> float:
        return self.items[0][0] if self.items else float("inf")

    def pop(self) -> T:
        return self.items.popleft()[1]


class Outbox:
    """Four lanes in one order. Signals beyond `limit_bytes` push out the oldest ones, bulky
    ones (log lines, output) first; what was pushed out is counted and told as `Missed`.

    Entries wait as marks, not as bytes: the screen's pump reads them from the journal.
    """

    def __init__(self, limit_bytes: int = QUEUE_BYTES) -> None:
        self._limit = limit_bytes
        self._bytes = 0
        self._placed = 0
        self._marks: _Lane[Mark] = _Lane()
        self._control: _Lane[Frame] = _Lane()
        self._small: _Lane[Frame] = _Lane()
        self._bulky: _Lane[Frame] = _Lane()
        self._missed_signals = 0
        self._missed_lines = 0
        self._idle = False
        self._filled = asyncio.Event()

    @property
    def waiting_bytes(self) -> int:
        """Of the signals."""
        return self._bytes

    @property
    def waiting_control(self) -> int:
        """How many control frames wait."""
        return len(self._control.items)

    def mark(self, seq: int) -> None:
        """Entries up to `seq` are there."""
        self._put(self._marks, Mark(seq))
        if len(self._marks.items) > MAX_MARKS:
            self._marks.pop()  # the next mark covers it

    def control(self, frame: Frame) -> None:
        """A frame that must not be lost: a role, a reply, the end."""
        self._put(self._control, frame)

    def signal(self, frame: Frame) -> None:
        """A signal's frame; it may push out older ones."""
        self._put(self._bulky if frame.bulky else self._small, frame)
        self._bytes += len(frame.data)
        while self._bytes > self._limit:
            pushed = (self._bulky if self._bulky.items else self._small).pop()
            self._bytes -= len(pushed.data)
            self._missed_signals += pushed.signals
            self._missed_lines += pushed.lines

    def missed(self, signals: int, lines: int) -> None:
        """So many were never put in here: it is told before the next signal."""
        self._missed_signals += signals
        self._missed_lines += lines
        self._filled.set()

    def entry(self, seq: int, frame: Frame) -> None:
        """The entry `seq` is there, and this is its frame."""
        self.mark(seq)

    @property
    def idle(self) -> bool:
        """Nothing waits, and all that was taken is on its way."""
        return self._idle and not (
            self._marks.items or self._control.items or self._small.items or self._bulky.items
        )

    async def next(self) -> Mark | Frame:
        """What the screen is to get next; waits for it."""
        while True:
            found = self.take()
            if found is not None:
                return found
            self._filled.clear()
            self._idle = True
            try:
                await self._filled.wait()
            finally:
                self._idle = False

    def take(self) -> Mark | Frame | None:
        """What is next; None: nothing waits."""
        signals = self._small if self._small.place() < self._bulky.place() else self._bulky
        kept: _Lane[Mark] | _Lane[Frame] = self._control
        if self._marks.place() < self._control.place():
            kept = self._marks
        if kept.items and kept.place() < signals.place():
            return kept.pop()
        if self._missed_signals:
            missed = Missed(self._missed_signals, self._missed_lines)
            self._missed_signals = self._missed_lines = 0
            return replace(encode(missed), signals=missed.signals, lines=missed.lines)
        if not signals.items:
            return None
        frame = signals.pop()
        self._bytes -= len(frame.data)
        return frame

    def _put(self, lane: _Lane[T], item: T) -> None:
        self._placed += 1
        lane.items.append((self._placed, item))
        self._filled.set()
