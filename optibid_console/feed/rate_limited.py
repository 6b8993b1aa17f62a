"""An observer's WebSocket connection, read only as fast as an observer has anything to say."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from websockets.asyncio.server import Server, ServerConnection
from websockets.server import ServerProtocol
from websockets.typing import LoggerLike, Subprotocol

from optibid_console.feed.messages import SUBPROTOCOL
from optibid_console.feed.watcher import BUFFER_BYTES

if TYPE_CHECKING:
    from optibid_console.admission.listener import LimitedConnection

MAX_GREETING_BYTES = 4_096
HEARD_BYTES = 8 * 1024
"""At once: an HTTP request and a greeting."""
HEARD_PER_S = 1024.0
"""And from then on: pings. A flood of them would be answered one by one, in the engine's loop."""


class RateLimitedConnection(ServerConnection):
    """Aborted, unread, when it sends more."""

    _credit = float(HEARD_BYTES)
    _heard_at = 0.0

    def __init__(self, limited: LimitedConnection, *given: Any, **more: Any) -> None:
        super().__init__(*given, **more)
        self.limited = limited
        """The connection as its listener counts it."""

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


def new_connection(
    server: Server, limited: LimitedConnection, logger: LoggerLike
) -> RateLimitedConnection:
    """Returns the protocol of an accepted connection: the observers' subprotocol, no compression
    and no keepalive pings."""
    protocol = ServerProtocol(
        origins=[None],  # no page of a browser has business here
        subprotocols=[Subprotocol(SUBPROTOCOL)],
        max_size=MAX_GREETING_BYTES,
        logger=logger,
    )
    return RateLimitedConnection(
        limited, protocol, server,
        ping_interval=None, close_timeout=1.0, max_queue=1, write_limit=BUFFER_BYTES,
    )  # fmt: skip
