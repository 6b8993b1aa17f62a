"""A connection that is heard only as far as who watches has anything to say."""

from __future__ import annotations

import asyncio

from websockets.asyncio.server import ServerConnection

HEARD_BYTES = 8 * 1024
"""At once: an HTTP request and a greeting."""
HEARD_PER_S = 1024.0
"""And from then on: pings. A flood of them would be answered one by one, in the engine's loop."""


class Caller(ServerConnection):
    """Cut off, unread, when it sends more."""

    _credit = float(HEARD_BYTES)
    _heard_at = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._credit, self._heard_at = float(HEARD_BYTES), self.loop.time()
        super().connection_made(transport)

    def data_received(self, data: bytes) -> None:
        now = self.loop.time()
        earned = (now - self._heard_at) * HEARD_PER_S
        self._credit = min(self._credit + earned, HEARD_BYTES) - len(data)
        self._heard_at = now
        if self._credit < 0:
            self.transport.abort()
            return
        super().data_received(data)
