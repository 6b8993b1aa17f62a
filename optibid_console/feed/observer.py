"""An observer's end of the feed: a source over TCP and TLS that has no way to send."""

from __future__ import annotations

import asyncio
import ssl
from typing import TYPE_CHECKING

from optibid_console.feed.link import Link, same_hash
from optibid_console.feed.messages import SUBPROTOCOL, TURNED_AWAY, Hello
from optibid_console.feed.reading import (
    GREETING_S,
    MAX_MESSAGE_BYTES,
    FeedReader,
    Inbox,
    TurnedAway,
    closed_errors,
)
from optibid_console.source import FeedDelay, SourceError

if TYPE_CHECKING:
    from websockets.asyncio.client import ClientConnection

PING_EVERY_S = 5.0
SILENT_S = 15.0
"""An engine whose machine answers no ping for so long is lost."""


class OtherCertificate(TurnedAway):
    """What answers isn't what the link was made by; its token has nothing to do with it."""


class ObserverSource(FeedReader):
    """A `Source` from a link. After the greeting it sends pings (RFC 6455 5.5.2) and nothing
    else: they measure the feed's delay, and find a connection that is dead."""

    def __init__(self, link: Link, name: str, after: int = 0, *, snapshot: bool = False) -> None:
        """`snapshot`: a `Snapshot` will do in place of the entries of a long window."""
        super().__init__(name, after)
        self._snapshot = snapshot
        self._link = link

    def _hello(self) -> Hello:
        return Hello(
            self.name,
            "watch",
            self._seq,
            self._life,
            self._signals_after,
            token=self._link.token,
            snapshot=self._snapshot and not self._seq,
        )

    async def _connect(self) -> ClientConnection:
        from websockets.asyncio.client import connect
        from websockets.exceptions import ConnectionClosed, WebSocketException
        from websockets.typing import Subprotocol

        link = self._link
        at = f"the engine at {link.address}"
        scheme = "wss" if link.fingerprint else "ws"
        try:
            async with asyncio.timeout(GREETING_S):
                ws = await connect(
                    f"{scheme}://{link.address}/",
                    ssl=_context() if link.fingerprint else None,
                    subprotocols=[Subprotocol(SUBPROTOCOL)],
                    compression=None,
                    ping_interval=None,
                    open_timeout=None,
                    close_timeout=1.0,
                    max_size=MAX_MESSAGE_BYTES,
                    user_agent_header=None,
                    proxy=None,
                )
                await self._check(ws)
                await self._greet(ws)
        except ConnectionClosed as error:
            said = error.rcvd.reason if error.rcvd else "it closed the connection"
            if error.rcvd and error.rcvd.code == TURNED_AWAY:
                raise TurnedAway(f"{at} turns this link away: {said}") from error
            raise SourceError(f"{at} turns this screen away: {said}") from error
        except TimeoutError as error:
            raise SourceError(f"{at} doesn't answer within {GREETING_S:g} s") from error
        except ssl.SSLError as error:
            why = error.reason or "no TLS"
            raise SourceError(f"{at} doesn't speak TLS as the link says: {why}") from error
        except (OSError, WebSocketException) as error:
            why = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
            raise SourceError(f"{at} can't be reached: {why}") from error
        return ws

    async def _check(self, ws: ClientConnection) -> None:
        """That the certificate is the link's, before the token is sent."""
        if not self._link.fingerprint:
            return
        from optibid_console.feed.certificate import fingerprint

        tls = ws.transport.get_extra_info("ssl_object")
        der = tls.getpeercert(binary_form=True) if tls is not None else None
        if der is None or not same_hash(fingerprint(der), self._link.fingerprint):
            ws.transport.abort()
            raise OtherCertificate(
                f"what answers at {self._link.address} has another certificate than the link "
                "says: it is another machine, or somebody is in between. Nothing was sent; "
                "ask for a new link"
            )

    def _beside(self, ws: ClientConnection, inbox: Inbox) -> list[asyncio.Task[None]]:
        return [*super()._beside(ws, inbox), asyncio.create_task(self._ping(ws, inbox))]

    async def _ping(self, ws: ClientConnection, inbox: Inbox) -> None:
        try:
            while True:
                try:
                    async with asyncio.timeout(SILENT_S):
                        delay_s = await (await ws.ping())
                except TimeoutError:
                    if not inbox.is_full:  # else the answer may be behind what nobody takes
                        ws.transport.abort()
                        return
                else:
                    inbox.put(FeedDelay(round(delay_s * 1000, 1)), 0, 0)
                await asyncio.sleep(PING_EVERY_S)
        except closed_errors():
            return


def _context() -> ssl.SSLContext:
    from optibid_console.feed.certificate import client_context

    return client_context()
