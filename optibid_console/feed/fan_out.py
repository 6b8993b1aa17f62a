"""What goes to all observers: gathered, put together once, and written in short turns.

The screens on this machine don't wait for it: an operator's screen is written to first, and
after each turn the engine's loop does everything else that is due.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

from optibid_console.feed.hub import Hub
from optibid_console.feed.messages import Frame
from optibid_console.feed.outbox import Mark, Outbox

if TYPE_CHECKING:
    from optibid_console.feed.watcher import WatcherOutbox

GATHER_S = 0.05
"""For so long signals are gathered; an entry goes at once, with what came before it."""
TURN_S = 0.002
"""So long at most observers are written to before the loop does something else."""
BATCH_BYTES = 64 * 1024
BACKLOG_BYTES = 2_000_000
"""Of signals that come faster than all observers can be written to."""
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Batch:
    """Frames that follow each other, and their bytes: the same for each observer."""

    frames: tuple[tuple[int, Frame | None], ...]
    """Each with its number when it is an entry, else 0; None: only the journal has it still."""
    data: bytes
    """All of them as WebSocket frames; empty when not all are there."""
    first_entry: int = 0
    last_entry: int = 0
    first_signal: int = 0
    """Its number in this life of the engine; 0: there is none."""


class FanOut:
    """One for all observers of a listener; attached to the hub as a screen's outbox is."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._waiting = Outbox(BACKLOG_BYTES)
        self._watchers: dict[WatcherOutbox, None] = {}
        self._upto: int | None = None
        self._pressing = asyncio.Event()
        self._timer: asyncio.TimerHandle | None = None
        self._closing = False
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._task = asyncio.create_task(self._run())
        self._hub.attach(self, signals_after=self._hub.numbered)

    async def close(self) -> None:
        """Write what still waits, and no more. Does nothing when closed."""
        task, self._task = self._task, None
        if task is None:
            return
        self._hub.detach(self)
        self._closing = True
        self._pressing.set()
        await task

    def add(self, watcher: WatcherOutbox) -> None:
        """From now on it gets what is published."""
        self._watchers[watcher] = None

    def remove(self, watcher: WatcherOutbox) -> None:
        """Nothing more for it. Does nothing when it isn't there."""
        self._watchers.pop(watcher, None)

    def entry(self, seq: int, frame: Frame) -> None:
        """The entry `seq` is there."""
        if self._upto is None:
            self._upto = seq - 1
        self._waiting.mark(seq)
        self._pressing.set()

    def signal(self, frame: Frame) -> None:
        self._waiting.signal(frame)
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(GATHER_S, self._pressing.set)
        if self._waiting.waiting_bytes >= BATCH_BYTES:
            self._pressing.set()

    def missed(self, signals: int, lines: int) -> None:
        self._waiting.missed(signals, lines)

    async def _run(self) -> None:
        while not self._closing:
            await self._gather()
            while (batch := self._next()) is not None:
                await self._deliver(batch)

    async def _gather(self) -> None:
        await self._pressing.wait()
        self._pressing.clear()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        await asyncio.sleep(0)  # the screens on this machine are woken: they are first

    def _next(self) -> Batch | None:
        frames: list[tuple[int, Frame | None]] = []
        size = 0
        while size < BATCH_BYTES:
            item = self._waiting.take()
            if item is None:
                break
            more = self._entries(item.seq) if isinstance(item, Mark) else [(0, item)]
            frames += more
            size += sum(len(frame.data) for _, frame in more if frame is not None)
        return _batch(tuple(frames)) if frames else None

    def _entries(self, upto: int) -> list[tuple[int, Frame | None]]:
        first = (self._upto or 0) + 1
        self._upto = max(upto, first - 1)
        found = self._hub.recent_entries(first - 1, upto) if first <= upto else []
        return [(upto, None)] if found is None else list(enumerate(found, first))

    async def _deliver(self, batch: Batch) -> None:
        loop = asyncio.get_running_loop()
        until = loop.time() + TURN_S
        for one in tuple(self._watchers):
            if one in self._watchers:
                self._give(one, batch)
            if loop.time() >= until:
                await asyncio.sleep(0)
                until = loop.time() + TURN_S

    def _give(self, watcher: WatcherOutbox, batch: Batch) -> None:
        try:
            watcher.batch(batch)
        except Exception:  # one observer's trouble must not reach the others; the log names it
            log.exception("an observer can't be written to")
            self.remove(watcher)
            watcher.give_up()


def _batch(frames: tuple[tuple[int, Frame | None], ...]) -> Batch:
    whole = [frame for _, frame in frames if frame is not None]
    data = b"".join(map(websocket_frame, whole)) if len(whole) == len(frames) else b""
    entries = [seq for seq, _ in frames if seq]
    first_signal = next((one.number for one in whole if one.number), 0)
    return Batch(
        frames, data, entries[0] if entries else 0, entries[-1] if entries else 0, first_signal
    )


def websocket_frame(frame: Frame) -> bytes:
    """The bytes of a server's WebSocket frame (RFC 6455 5.2)."""
    size = len(frame.data)
    head = bytes([0x81 if frame.text else 0x82])
    if size < 126:
        head += bytes([size])
    elif size < 1 << 16:
        head += b"\x7e" + size.to_bytes(2, "big")
    else:
        head += b"\x7f" + size.to_bytes(8, "big")
    return head + frame.data
