"""A TCP listener that admits connections one by one.

A connection costs a file descriptor and nothing else until its first bytes are there; then it
waits for its handshake, which a limited number begin a second and go through at once. When there
are too many, an unauthenticated one is evicted (`connections.py` says which), so a newcomer is
refused only where everybody else is authenticated.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import os
import socket
import ssl
from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from optibid_console.admission.connections import (
    ConnectionLimits,
    ConnectionsFull,
    ConnectionTable,
    Standing,
)
from optibid_console.admission.handshakes import HandshakeQueue, HandshakeRate
from optibid_console.admission.sources import Source, source_of
from optibid_console.admission.tls import SmallBufferTls

BACKLOG = 1_024
ACCEPTED_AT_ONCE, STARTED_AT_ONCE = 64, 8
"""In one turn of the event loop."""
SWEEP_S = 0.25
ACCEPT_AGAIN_S = 3.0
"""After the system had no file descriptor or memory left: 20 lines of the log a minute."""
TLS_RECORD = 0x16
"""The first byte of a TLS handshake (RFC 8446, 5.1)."""
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ListenerLimits:
    """Limits for connections that have not authenticated yet."""

    connections: ConnectionLimits
    handshakes: int = 128
    """At once."""
    burst: int = 256
    """Handshakes that begin without a wait, …"""
    per_s: float = 128.0
    """… and a second from then on: each costs the event loop a millisecond or two."""
    deadlines: Mapping[Standing, float] = field(default_factory=dict)
    """For how many seconds a connection may have a standing."""


class LimitedConnection:
    """An accepted connection from its TCP handshake until its socket is closed."""

    def __init__(self, listener: LimitedListener, sock: _Socket, source: Source) -> None:
        self.source = source
        self.socket = sock
        self._listener = listener
        self._transport: asyncio.BaseTransport | None = None
        self._opening = False
        self._evicted = False
        self.on_close: Callable[[], None] | None = None

    def move(self, standing: Standing) -> None:
        """Say how far it has come, also again: the one that has been idle for longest goes first
        of its standing."""
        self._listener.moved(self, standing)

    def open(self) -> None:
        """A transport is being made for it."""
        self._opening = True

    def connected(self, transport: asyncio.BaseTransport) -> None:
        """Its transport is there."""
        self._transport, self._opening = transport, False
        if self._evicted:
            self.abort()

    def not_opened(self) -> None:
        """No transport could be made for it, or its handshake failed."""
        self._opening = False
        self.abort()

    def closed(self) -> None:
        """Its socket is closed."""
        self._transport = None
        if self.on_close is not None:
            self.on_close()

    def abort(self) -> None:
        """Close it now, unsent data with it. Again: does nothing."""
        self._evicted = True
        if isinstance(self._transport, asyncio.WriteTransport):
            self._transport.abort()
        elif not self._opening:
            self._listener.forget_reader(self)
            self.socket.close()


class _Socket(socket.socket):
    """Tells when its file descriptor is given back, whoever closes it."""

    on_close: Callable[[], None] | None = None

    def close(self) -> None:
        told, self.on_close = self.on_close, None
        super().close()
        if told is not None:
            told()


Factory = Callable[[LimitedConnection], asyncio.Protocol]


class LimitedListener:
    """Listening sockets, and all connections that came through them."""

    def __init__(
        self,
        sockets: Sequence[socket.socket],
        limits: ListenerLimits,
        proxies: Container[str] = (),
    ) -> None:
        self._sockets = sockets
        self._limits = limits
        self._proxies = proxies
        self._table: ConnectionTable[LimitedConnection] = ConnectionTable(limits.connections)
        self._opening: set[asyncio.Task[None]] = set()
        self._timers: dict[str, asyncio.Handle] = {}
        self._factory: Factory | None = None
        self._context: ssl.SSLContext | None = None
        self.evicted = 0
        """Connections that made room for others."""
        self.refused = 0
        """Newcomers who found only authenticated connections."""

    @property
    def port(self) -> int:
        port: int = self._sockets[0].getsockname()[1]
        return port

    @property
    def inside(self) -> int:
        """Open connections."""
        return len(self._table)

    def count(self, standing: Standing) -> int:
        return self._table.count(standing)

    def is_serving(self) -> bool:
        return self._factory is not None and self._sockets[0].fileno() >= 0

    def start(self, factory: Factory, context: ssl.SSLContext | None) -> None:
        """Accept connections from now on; `factory` makes the protocol of one."""
        self._loop = asyncio.get_running_loop()
        now = self._loop.time()
        self._queue: HandshakeQueue[LimitedConnection] = HandshakeQueue(now)
        self._rate = HandshakeRate(self._limits.burst, self._limits.per_s, now)
        self._factory, self._context = factory, context
        self._listen()
        self._sweep()

    def close(self) -> None:
        """Accept nothing more, and close the connections that have no protocol yet."""
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()
        for sock in self._sockets:
            if self.is_serving():
                self._loop.remove_reader(sock)
        for sock in self._sockets:
            sock.close()
        for one in list(self._table):
            if self._table.standing(one) in (Standing.SILENT, Standing.QUEUED):
                one.abort()

    async def wait_closed(self) -> None:
        """Close every connection, and wait until the handshakes have ended."""
        for one in list(self._table):
            one.abort()
        if self._opening:
            await asyncio.wait(self._opening)

    def moved(self, connection: LimitedConnection, standing: Standing) -> None:
        self._table.move(connection, standing, self._loop.time())

    def forget_reader(self, connection: LimitedConnection) -> None:
        if connection.socket.fileno() >= 0:
            self._loop.remove_reader(connection.socket)

    def _listen(self) -> None:
        self._timers.pop("listen", None)
        for sock in self._sockets:
            self._loop.add_reader(sock, self._accept, sock)

    def _accept(self, listening: socket.socket) -> None:
        for _ in range(ACCEPTED_AT_ONCE):
            try:
                accepted, address = listening.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as error:  # no file descriptor or no memory
                log.error("connections can't be accepted: %s", error.strerror or error)
                for sock in self._sockets:
                    self._loop.remove_reader(sock)
                self._timers["listen"] = self._loop.call_later(ACCEPT_AGAIN_S, self._listen)
                return
            self._admit(accepted, source_of(str(address[0]), self._proxies))

    def _admit(self, accepted: socket.socket, source: Source) -> None:
        try:
            evicted = self._table.make_room(source)
        except ConnectionsFull:
            self.refused += 1
            accepted.close()
            return
        if evicted is not None:
            self._evict(evicted)
        sock = _Socket(accepted.family, accepted.type, accepted.proto, fileno=accepted.detach())
        sock.setblocking(False)
        connection = LimitedConnection(self, sock, source)
        sock.on_close = lambda: self._closed(connection)
        self._table.add(connection, source, self._loop.time())
        self._loop.add_reader(sock, self._first_bytes, connection)

    def _evict(self, connection: LimitedConnection) -> None:
        self.evicted += 1
        # what closes it may be due only in a later turn: it must not be chosen again until then
        self._forget(connection)
        connection.abort()

    def _forget(self, connection: LimitedConnection) -> None:
        self._queue.remove(connection)
        self._table.remove(connection)

    def _closed(self, connection: LimitedConnection) -> None:
        self._forget(connection)
        connection.closed()

    def _first_bytes(self, connection: LimitedConnection) -> None:
        try:
            first = connection.socket.recv(1, socket.MSG_PEEK)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            first = b""
        if not first or (self._context is not None and first[0] != TLS_RECORD):
            connection.abort()
            return
        self.forget_reader(connection)
        if connection.source.trusted:  # a proxy's connections are those of many clients
            self._start(connection)
            return
        connection.move(Standing.QUEUED)
        self._queue.add(connection, connection.source)
        self._start_later(0.0)

    def _start_later(self, delay_s: float) -> None:
        if "handshakes" not in self._timers:
            self._timers["handshakes"] = self._loop.call_later(delay_s, self._start_handshakes)

    def _start_handshakes(self) -> None:
        del self._timers["handshakes"]
        for _ in range(STARTED_AT_ONCE):
            if not self._queue:
                return
            wait_s = self._rate.take(self._loop.time())
            if wait_s:
                self._start_later(wait_s)
                return
            self._start(self._queue.take(self._loop.time()))
        self._start_later(0.0)

    def _start(self, connection: LimitedConnection) -> None:
        if self._table.count(Standing.HANDSHAKING) >= self._limits.handshakes:
            oldest = self._table.oldest(Standing.HANDSHAKING)
            assert oldest is not None
            self._evict(oldest)
        connection.move(Standing.HANDSHAKING)
        connection.open()
        task = self._loop.create_task(self._open(connection))
        self._opening.add(task)
        task.add_done_callback(self._opening.discard)

    async def _open(self, connection: LimitedConnection) -> None:
        assert self._factory is not None
        protocol: Any = self._factory(connection)
        waiter: asyncio.Future[None] | None = None
        if self._context is not None:
            waiter = self._loop.create_future()
            protocol = self._tls(connection, protocol, self._context, waiter)
        try:
            transport, _ = await self._loop.connect_accepted_socket(
                lambda: protocol, connection.socket
            )
            connection.connected(transport)
            if waiter is not None:
                await waiter
        except OSError:  # no TLS, too slow, gone: the transport is closed by whoever noticed
            connection.not_opened()
            return
        if self._table.standing(connection) is Standing.HANDSHAKING:
            connection.move(Standing.ANONYMOUS)

    def _tls(
        self, connection: LimitedConnection, protocol: asyncio.Protocol,
        context: ssl.SSLContext, waiter: asyncio.Future[None],
    ) -> SmallBufferTls:  # fmt: skip
        # typeshed asks for whole seconds, asyncio doesn't
        limit_s: Any = self._limits.deadlines.get(Standing.HANDSHAKING, 5.0)
        tls = SmallBufferTls(
            self._loop, protocol, context, waiter, server_side=True,
            ssl_handshake_timeout=limit_s, ssl_shutdown_timeout=1.0,
        )  # fmt: skip
        tls.connected = connection.connected
        return tls

    def _sweep(self) -> None:
        now = self._loop.time()
        for standing, limit_s in self._limits.deadlines.items():
            for one in self._table.overdue(standing, now - limit_s):
                one.abort()
        self._timers["sweep"] = self._loop.call_later(SWEEP_S, self._sweep)


def open_listener(
    host: str, port: int, limits: ListenerLimits, proxies: Container[str] = ()
) -> LimitedListener:
    """Returns a listener at an address, port 0: one that is free. Blocks (looks the name up).
    Raises `OSError`."""
    found = socket.getaddrinfo(host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    both = len({family for family, *_ in found}) > 1
    sockets: list[socket.socket] = []
    try:
        for family, _, _, _, address in found:
            sock = _listening(family, (address[0], port, *address[2:]), v6only=both)
            sockets += [sock] if sock else []
            port = port or (sock.getsockname()[1] if sock else 0)
        if not sockets:
            raise OSError(errno.EADDRNOTAVAIL, os.strerror(errno.EADDRNOTAVAIL))
    except OSError:
        for sock in sockets:
            sock.close()
        raise
    return LimitedListener(sockets, limits, proxies)


def _listening(
    family: int, address: tuple[str | int, ...], *, v6only: bool
) -> socket.socket | None:
    """Returns a socket that listens there; None: this machine has no such address. Raises
    `OSError`."""
    try:
        sock = socket.socket(family, socket.SOCK_STREAM)
    except OSError as error:
        if error.errno == errno.EAFNOSUPPORT:
            return None
        raise
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6 and v6only:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        sock.bind(address)
        sock.listen(BACKLOG)
        sock.setblocking(False)
    except OSError as error:
        sock.close()
        if error.errno == errno.EADDRNOTAVAIL:
            return None
        raise
    return sock
