"""TLS of one connection in little memory."""

from __future__ import annotations

import asyncio
from asyncio.sslproto import SSLProtocol
from collections.abc import Callable


class SmallBufferTls(SSLProtocol):
    """asyncio's TLS with a read buffer of one TLS record. Its own is 256 KiB from the first
    moment, which makes half-open handshakes the largest cost of a listener."""

    max_size = 16 * 1024
    connected: Callable[[asyncio.BaseTransport], None] | None = None
    """Told the TCP transport before the handshake begins."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        if self.connected is not None:
            self.connected(transport)
            self.connected = None
        super().connection_made(transport)
