"""One attached screen as the engine sees it: who it is, what waits for it, how it keeps up."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Iterable
from typing import TYPE_CHECKING

from websockets.exceptions import ConnectionClosed

from optibid_console.feed.messages import Frame, Hello, SnapshotPart
from optibid_console.feed.outbox import Mark, Outbox
from optibid_console.feed.wire import encode
from optibid_console.journal.journal import Journal, JournalError
from optibid_console.source import Role

if TYPE_CHECKING:
    from websockets.asyncio.server import ServerConnection

    from optibid_console.feed.hub import Hub
    from optibid_console.feed.snapshot import Snapshots

PING_EVERY_S = 2.0
STALLED_AFTER_S = 1.0
READ_ENTRIES = 256
log = logging.getLogger(__name__)


class Attached:
    """A screen's connection. Its pump sends what waits in its outbox and nothing else does."""

    def __init__(self, ws: ServerConnection, hello: Hello, screen_id: str) -> None:
        self.id = screen_id
        self.name = hello.name
        self.want = hello.want
        """`drive` or `watch`."""
        self.role = Role(operator=False)
        """What it was last told that it may do."""
        self.outbox = Outbox()
        self.ws = ws
        self._sent = hello.after
        self._snapshot = hello.snapshot
        self._pinged_at: float | None = None

    def stalled_s(self) -> float:
        """For how long it hasn't answered: its process is suspended, its terminal is unread
        or its link is dead. 0 while it keeps up."""
        if self._pinged_at is None:
            return 0.0
        silent_s = time.monotonic() - self._pinged_at
        return silent_s if silent_s >= STALLED_AFTER_S else 0.0

    def tell(self, role: Role) -> None:
        self.role = role
        self.outbox.control(encode(role))

    async def pump(self, hub: Hub, journal: Journal, snapshots: Snapshots | None = None) -> None:
        """Send what waits, until `Ended` was sent or the connection is gone.

        `snapshots`: for a screen that comes while the journal can't be read.
        """
        try:
            while True:
                item = await self.outbox.next()
                if isinstance(item, Mark):
                    try:
                        await self._entries(item.seq, hub, journal)
                    except JournalError:
                        if snapshots is None or self._sent or not self._snapshot:
                            raise
                        await self._send_snapshot(item.seq, snapshots)
                        await self._entries(item.seq, hub, journal)
                    continue
                await self.ws.send(item.data, text=item.text)
                if item.last:
                    await self.ws.close(item.close_code, "ended")
                    return
        except ConnectionClosed:
            return
        except JournalError as error:
            log.error("screen %s: %s", self.id, error)
            await self.ws.close(1011, "the journal can't be read")

    async def watch(self) -> None:
        """Ask again and again whether the screen's event loop still turns (RFC 6455 5.5.2).

        It answers without a line of its own code; one that doesn't is stalled, not
        closed: at most one ping is ever on its way.
        """
        try:
            while True:
                self._pinged_at = time.monotonic()
                answered = await self.ws.ping()
                await answered
                self._pinged_at = None
                await asyncio.sleep(PING_EVERY_S)
        except ConnectionClosed:
            return

    async def _send_snapshot(self, head: int, snapshots: Snapshots) -> None:
        seq, parts = await snapshots.at(head)
        for i, part in enumerate(parts):
            await self.ws.send(encode(SnapshotPart(seq, i, len(parts), part)).data, text=False)
        self._sent = seq

    async def _entries(self, upto: int, hub: Hub, journal: Journal) -> None:
        while self._sent < upto:
            frames: Iterable[Frame] | None = hub.recent_entries(self._sent, upto)
            if frames is None:
                limit = min(READ_ENTRIES, upto - self._sent)
                entries = await journal.read(self._sent, limit)
                if not entries:
                    raise JournalError(f"entry {self._sent + 1} isn't in the journal")
                frames = [encode(entry) for entry in entries]
            for frame in frames:
                await self.ws.send(frame.data, text=True)
                self._sent += 1
