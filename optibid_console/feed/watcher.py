"""One observer as the engine sees it: gets everything, is asked nothing, holds nobody up."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable
from typing import TYPE_CHECKING

from websockets.exceptions import ConnectionClosed
from websockets.protocol import State

from optibid_console.feed.messages import Frame
from optibid_console.feed.outbox import Mark, Outbox
from optibid_console.feed.wire import encode
from optibid_console.journal.journal import JournalError

if TYPE_CHECKING:
    from websockets.asyncio.server import ServerConnection

    from optibid_console.entries import Entry
    from optibid_console.feed.fan_out import Batch
    from optibid_console.feed.hub import Hub
    from optibid_console.feed.listener import Reader

BACKLOG_BYTES = 2_000_000
"""Of signals; entries wait in the journal."""
BUFFER_BYTES = 64 * 1024
"""On their way in the connection's own buffer; above that, the backlog fills."""
STUCK_S = 60.0
"""Who takes nothing for so long is let go; it comes back from the entry where it was."""
CLOSE_S = 1.0
READ_ENTRIES = 64
log = logging.getLogger(__name__)


class WatcherOutbox(Outbox):
    """A batch is written straight to the connection as long as nothing waits and the observer
    keeps up: it is made once for all, and costs no task to wake. Else as any outbox."""

    def __init__(self, ws: ServerConnection, sent: int) -> None:
        super().__init__(BACKLOG_BYTES)
        self._ws = ws
        self.sent = sent
        """The last entry that was written."""
        self.joined = 0
        """The last signal that was published before it joined."""

    def batch(self, batch: Batch) -> None:
        """What was published, in order; what it has already is left out."""
        due = not batch.first_entry or batch.first_entry == self.sent + 1
        new = not batch.first_signal or batch.first_signal > self.joined
        if batch.data and due and new and self._at_once():
            self._ws.transport.write(batch.data)
            self.sent = batch.last_entry or self.sent
            return
        for seq, frame in batch.frames:
            if seq:
                self.mark(seq)
            elif frame is not None and (new or frame.number > self.joined):
                self.signal(frame)

    def give_up(self) -> None:
        """Close the connection; the observer comes back from the entry where it was."""
        self._ws.transport.abort()

    def _at_once(self) -> bool:
        # whole frames between those of `websockets`, as its `broadcast` does it
        return (
            self.idle
            and self._ws.state is State.OPEN
            and self._ws.transport.get_write_buffer_size() < BUFFER_BYTES
        )


class Watcher:
    """An observer's connection."""

    def __init__(self, ws: ServerConnection, name: str, link: str, expires_at: float, after: int):
        self.name = name
        """As the operator sees it."""
        self.link = link
        """The name of the link with which it came."""
        self.expires_at = expires_at
        self.ws = ws
        self.outbox = WatcherOutbox(ws, after)

    async def pump(self, hub: Hub, journal: Reader) -> None:
        """Send what waits, until `Ended` was sent, the connection is gone or nothing is taken."""
        try:
            while True:
                item = await self.outbox.next()
                if isinstance(item, Mark):
                    await self._entries(item.seq, hub, journal)
                    continue
                await self.send(item)
                if item.last:
                    await self.ws.close(item.close_code, "ended")
                    return
        except ConnectionClosed:
            return
        except TimeoutError:
            log.info("observer %s took nothing for %g s: let go", self.name, STUCK_S)
            self.ws.transport.abort()
        except JournalError as error:
            log.error("observer %s: %s", self.name, error)
            await self.ws.close(1011, "the journal can't be read")

    async def send(self, frame: Frame) -> None:
        """Raises `TimeoutError` when it isn't taken, `ConnectionClosed`."""
        async with asyncio.timeout(STUCK_S):
            await self.ws.send(frame.data, text=frame.text)

    async def close(self, code: int, reason: str) -> None:
        """Turn it away now, whatever still waits for it."""
        try:
            async with asyncio.timeout(CLOSE_S):
                await self.ws.close(code, reason)
        except TimeoutError:  # it reads nothing, not even that
            self.ws.transport.abort()

    async def _entries(self, upto: int, hub: Hub, journal: Reader) -> None:
        while self.outbox.sent < upto:
            sent = self.outbox.sent
            frames: Iterable[Frame] | None = hub.recent_entries(sent, upto)
            if frames is None:
                entries: list[Entry] = await journal.read(sent, min(READ_ENTRIES, upto - sent))
                if not entries:
                    raise JournalError(f"entry {sent + 1} isn't in the journal")
                frames = (encode(entry) for entry in entries)
            for frame in frames:
                await self.send(frame)
                self.outbox.sent += 1
