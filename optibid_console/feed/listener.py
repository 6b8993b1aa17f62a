"""The observers' listener: TCP, TLS and a token. It has no command handler at all.

After the greeting nothing is read but control frames: any message closes the connection. A token
is looked up at once, whatever failed before; only the answer to a failure is delayed.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Protocol

from websockets.asyncio.server import Server, ServerConnection
from websockets.exceptions import ConnectionClosed
from websockets.protocol import State

from optibid_console import __version__
from optibid_console.admission.connections import ConnectionLimits, Standing
from optibid_console.admission.listener import (
    LimitedListener,
    ListenerLimits,
)
from optibid_console.admission.throttle import AuthThrottle, ThrottlePolicy, TooManyFailures
from optibid_console.entries import Entry
from optibid_console.feed.attendance import Attendance
from optibid_console.feed.fan_out import FanOut
from optibid_console.feed.hub import Hub
from optibid_console.feed.messages import (
    HANDED_OVER,
    SUBPROTOCOL,
    TURNED_AWAY,
    Hello,
    SnapshotPart,
    Welcome,
    WireError,
)
from optibid_console.feed.rate_limited import RateLimitedConnection, new_connection
from optibid_console.feed.snapshot import Snapshots
from optibid_console.feed.watcher import Watcher
from optibid_console.feed.wire import decode_hello, encode
from optibid_console.source import CaughtUp, Ended

GREETING_S = 5.0
CONNECTIONS = ConnectionLimits(total=400, of_address=300, of_network=350)
"""File descriptors are the journal's and the targets' too; and many observers come through one
office's gateway."""
THROTTLE = ThrottlePolicy(first_s=0.5, most_s=8.0, forget_s=300.0, waiting=32, waiting_in_all=64)
TURNED_AWAY_LINE = "observer from {address} turned away: {why} ({count})"
FLUSH_S = 1.0
SWEEP_S = 1.0
SNAPSHOT_FROM = 500
"""Entries: a shorter window is joined by its entries."""
log = logging.getLogger(__name__)
_protocol_log = logging.getLogger(f"{__name__}.websockets")
_protocol_log.setLevel(logging.CRITICAL)  # garbage from the network is no news of the engine


class Reader(Protocol):
    """What of a journal observers need: to read it."""

    async def read(self, after: int, limit: int) -> list[Entry]: ...

    def head(self) -> tuple[int, str]: ...


@dataclass(frozen=True, slots=True)
class Pass:
    """With what an observer came in."""

    link: str
    expires_at: float


Admit = Callable[[str], Pass | str]
"""The pass for a token, or why there is none."""


def listener_limits(connections: ConnectionLimits = CONNECTIONS) -> ListenerLimits:
    """Returns what strangers on the observers' port may cost."""
    in_time = (Standing.SILENT, Standing.QUEUED, Standing.HANDSHAKING)
    return ListenerLimits(connections, deadlines=dict.fromkeys(in_time, GREETING_S))


class ObserverListener:
    """Serves a hub and a journal to observers with a token. Bounded in connections, in time to
    greet, in what it reads and in what waits for each."""

    def __init__(
        self,
        hub: Hub,
        journal: Reader,
        admit: Admit,
        attendance: Attendance,
        snapshots: Snapshots | None = None,
    ) -> None:
        """`snapshots`: of the window; without them all observers get all entries."""
        self._snapshots = snapshots
        self._hub = hub
        self._journal = journal
        self._admit = admit
        self._attendance = attendance
        self._watchers: set[Watcher] = set()
        self._connections: set[ServerConnection] = set()
        self._throttle = AuthThrottle(THROTTLE, TURNED_AWAY_LINE, log.warning)
        self._fan_out = FanOut(hub)
        self._server: Server | None = None
        self._listener: LimitedListener | None = None
        self._sweeping: asyncio.Task[None] | None = None

    async def start(self, listener: LimitedListener, context: ssl.SSLContext | None) -> None:
        """Serve its connections from now on, with TLS when there is a context."""
        server = Server(_not_used, self._open, _protocol_log)
        # asked by `websockets` for is_serving() alone
        server.server = listener  # type: ignore[assignment]
        self._server, self._listener = server, listener
        listener.start(lambda limited: new_connection(server, limited, _protocol_log), context)
        self._fan_out.start()
        self._sweeping = asyncio.create_task(self._sweep())

    @property
    def watchers(self) -> int:
        return len(self._watchers)

    async def close(self, reason: str, *, code: int = 1000) -> None:
        """Tell every observer that it is over. Does nothing when closed."""
        server, self._server = self._server, None
        listener, self._listener = self._listener, None
        if server is None or listener is None:
            return
        listener.close()
        self._throttle.close()
        if self._sweeping is not None:
            self._sweeping.cancel()
            await asyncio.gather(self._sweeping, return_exceptions=True)
        await self._fan_out.close()
        watchers = list(self._watchers)
        for one in watchers:
            if code == 1000:
                one.outbox.control(encode(Ended(reason)))
        turned = [one.close(code, reason) for one in watchers if code != 1000]
        waits = [asyncio.ensure_future(one.ws.wait_closed()) for one in watchers]
        if waits:
            await asyncio.gather(*turned, return_exceptions=True)
            _, late = await asyncio.wait(waits, timeout=FLUSH_S)
            for wait in late:
                wait.cancel()
        for ws in list(self._connections):
            ws.transport.abort()
        await listener.wait_closed()
        if server.handler_tasks:
            await asyncio.wait(server.handler_tasks)
        self._attendance.set("observers", ())

    async def hand_over(self) -> None:
        """Another engine has this window: who watches has to find that one."""
        await self.close("another engine has this window", code=HANDED_OVER)

    async def turn_away(self, link: str, why: str) -> None:
        """Close all who came with this link, now."""
        gone = [one.close(TURNED_AWAY, why) for one in self._watchers if one.link == link]
        await asyncio.gather(*gone, return_exceptions=True)

    async def _sweep(self) -> None:
        """Links expire also while somebody watches."""
        while True:
            await asyncio.sleep(SWEEP_S)
            now = time.time()
            over = [one for one in self._watchers if one.expires_at <= now]
            closing: list[Awaitable[None]] = [
                one.close(TURNED_AWAY, "your link has expired") for one in over
            ]
            await asyncio.gather(*closing, return_exceptions=True)

    async def _open(self, ws: ServerConnection) -> None:
        """Serve one connection, from the WebSocket's opening handshake (RFC 6455, 4.2) on."""
        try:
            if await _opened(ws):
                async with ws:
                    await self._serve(ws)
        except Exception:  # one observer's trouble must not reach the engine; its log names it
            log.exception("an observer's connection failed")
        finally:
            ws.transport.abort()
            task = asyncio.current_task()
            assert task is not None
            ws.server.handler_tasks.discard(task)

    async def _serve(self, ws: ServerConnection) -> None:
        if self._server is None:
            return
        assert isinstance(ws, RateLimitedConnection)
        self._connections.add(ws)
        try:
            came = await self._greeting(ws)
            if came is not None:
                await self._attend(ws, *came)
        except ConnectionClosed:
            return
        except TimeoutError:
            ws.transport.abort()
        except Exception:  # one observer's trouble must not reach the engine; its log names it
            log.exception("an observer's connection failed")
            await ws.close(1011, "the engine failed to serve this observer")
        finally:
            self._connections.discard(ws)

    async def _greeting(self, ws: RateLimitedConnection) -> tuple[Hello, Pass] | None:
        """Returns who it is and with what it came; None: it was turned away."""
        code, why = TURNED_AWAY, ""
        try:
            if ws.subprotocol != SUBPROTOCOL:
                code, why = 1002, f"the feed speaks {SUBPROTOCOL}"
            else:
                async with asyncio.timeout(GREETING_S):
                    hello = decode_hello(await ws.recv())
        except TimeoutError:
            code, why = 1008, f"no greeting within {GREETING_S:g} s"
        except WireError:
            code, why = 1002, "that is no greeting"  # what it says may be a token
        if why:
            await self._turn_away(ws, code, why)
            return None
        admitted = self._admit(hello.token)
        if isinstance(admitted, str):
            await self._turn_away(ws, code, admitted)
            return None
        ws.limited.move(Standing.AUTHENTICATED)
        head = self._journal.head()[0]
        if hello.after > head:
            await ws.close(1008, f"after: the journal has {head} entries")
            return None
        self._throttle.succeeded(_address(ws))
        return hello, admitted

    async def _turn_away(self, ws: RateLimitedConnection, code: int, why: str) -> None:
        """Close it, later each time. `why` must not quote what was sent."""
        ws.limited.move(Standing.FAILED)
        with suppress(TooManyFailures):
            await self._throttle.failed(_address(ws), why)
        await ws.close(code, why)

    async def _attend(self, ws: ServerConnection, hello: Hello, admitted: Pass) -> None:
        name = admitted.link if hello.name == admitted.link else f"{hello.name} ({admitted.link})"
        watcher = Watcher(ws, name, admitted.link, admitted.expires_at, hello.after)
        tasks: list[asyncio.Task[None]] = []
        _let_go_when_silent(ws)
        try:
            await ws.send(encode(Welcome("", self._hub.life, __version__)).data, text=True)
            self._watchers.add(watcher)
            if hello.snapshot and not hello.after and self._snapshots is not None:
                await self._send_snapshot(watcher, self._snapshots)
            self._join(watcher, hello)
            tasks.append(asyncio.create_task(watcher.pump(self._hub, self._journal)))
            async for _ in ws:
                await watcher.close(1008, "observers send nothing")
                return
        finally:
            self._watchers.discard(watcher)
            self._fan_out.remove(watcher.outbox)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            self._announce()

    async def _send_snapshot(self, watcher: Watcher, snapshots: Snapshots) -> None:
        head = self._journal.head()[0]
        if head < SNAPSHOT_FROM:
            return
        seq, parts = await snapshots.at(head)
        for i, part in enumerate(parts):
            await watcher.send(encode(SnapshotPart(seq, i, len(parts), part)))
        watcher.outbox.sent = seq

    def _join(self, watcher: Watcher, hello: Hello) -> None:
        head = self._journal.head()[0]
        watcher.outbox.mark(head)
        watcher.outbox.control(encode(CaughtUp(head)))
        known = hello.signals_after if hello.life == self._hub.life else 0
        self._hub.give_recent(watcher.outbox, known)
        watcher.outbox.joined = self._hub.numbered
        self._fan_out.add(watcher.outbox)
        self._announce()

    def _announce(self) -> None:
        if self._server is not None:
            self._attendance.set("observers", tuple(sorted(one.name for one in self._watchers)))


async def _opened(ws: ServerConnection) -> bool:
    """Returns whether a WebSocket was opened in time; what a stranger sends instead is no news."""
    try:
        async with asyncio.timeout(GREETING_S):
            await ws.handshake(server_header=None)
    except Exception as error:
        _protocol_log.debug("no WebSocket: %s", error)
    return ws.protocol.state is State.OPEN


async def _not_used() -> asyncio.Server:
    raise NotImplementedError("connections come from a LimitedListener")


def _address(ws: ServerConnection) -> str:
    address = ws.remote_address
    return str(address[0]) if address else "?"


def _let_go_when_silent(ws: ServerConnection) -> None:
    """Let the system end a connection whose other end acknowledges nothing (tcp(7)); there is a
    pulse to acknowledge each second."""
    option = getattr(socket, "TCP_USER_TIMEOUT", None)
    if option is not None:
        ws.transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, option, 60_000)
