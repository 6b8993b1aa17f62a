"""A WebSocket endpoint: the handshake, the first message, a ping's way there and back.

What counts as `failing` and what as `error` is told in `probes.reaching`.
"""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from statistics import median
from typing import Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import (
    ConnectionClosed,
    InvalidStatus,
    InvalidURI,
    NegotiationError,
    WebSocketException,
)
from websockets.typing import Subprotocol
from websockets.uri import WebSocketURI, parse_uri

from probes import expectation, reaching
from probes.aside import judged
from probes.deadline import time_left_s
from probes.error_words import causes
from probes.expectation import Finding
from probes.http import GATEWAY_ERRORS, USER_AGENT
from probes.probe import Host, Reading, Status
from probes.text import one_line
from probes.tls import Tls, expires_at, judge_expiry

_log = logging.getLogger("probes.websocket.wire")
_log.addHandler(logging.NullHandler())
_log.propagate = False  # the library logs each refused handshake; the reading says it


@dataclass(frozen=True, slots=True)
class WebSocketSettings:
    """The settings of `kind = "websocket"`."""

    url: str
    headers: Mapping[str, str] = field(default_factory=dict)
    """Sent with the handshake; `Host` here replaces the URL's."""
    subprotocol: str = ""
    first: Mapping[str, Any] | None = None
    """What the first message, JSON, must say by dotted path. An empty table means
    OptiBid's `{ type = "connection_established" }`; left out, no message is awaited."""
    ping: bool = False
    """Measure a ping's way there and back: then it is the reading's value. Of one that is later
    than `warn_ms` or `max_ms`, the median with two more."""
    warn_ms: float | None = None
    max_ms: float | None = None
    max_bytes: int = 1_000_000
    """A longer first message fails."""
    tls: Tls = field(default_factory=Tls)

    def problems(self) -> Iterator[tuple[str, str]]:
        if "${" not in self.url:  # a secret is filled in later
            try:
                parse_uri(self.url)
            except (InvalidURI, ValueError):
                yield "url", f"not a ws:// or wss:// address: {one_line(self.url)!r}"
        for path, wish in expectation.by_path(self.first or {}):
            wrong = expectation.problems(wish, self.max_bytes, "max_bytes")
            yield from ((f"first.{path}", say) for say in wrong)
        if self.max_bytes < 1:
            yield "max_bytes", f"must be at least 1, not {self.max_bytes}"
        yield from self.tls.problems()

    def patterns(self) -> Iterator[tuple[str, str, int]]:
        """Its regular expressions by key, each with the longest text that it is held against."""
        for path, wish in expectation.by_path(self.first or {}):
            for pattern in expectation.patterns_in(wish):
                yield f"first.{path}", pattern, self.max_bytes


_PAUSE_S = 0.2
"""Between a late ping and the next."""
OPTIBID_FIRST = {"type": "connection_established"}


@dataclass(slots=True)
class _Progress:
    """How far it got, for what is said when time runs out."""

    stage: str = "not connected"


class WebSocketProbe:
    """Opens a WebSocket, from here or as `host` sees it, once a reading.

    The reading's value is the time of the handshake, or of the ping, in ms.
    """

    Settings = WebSocketSettings

    def __init__(self, name: str, settings: WebSocketSettings, host: Host | None) -> None:
        self.name = name
        self._settings = settings
        self._host = host

    async def read(self) -> Reading:
        at, started = time.time(), time.monotonic()
        uri = parse_uri(self._settings.url)
        progress = _Progress()
        try:
            async with asyncio.timeout(time_left_s()):
                findings, value = await self._visit(uri, progress)
        except (OSError, WebSocketException, TimeoutError) as error:
            seen = await reaching.seen_from(self._host, uri.host, uri.port, error)
            fault = _fault(seen, uri, progress)
            summary = expectation.Summary(fault.status, fault.summary, {})
            value, away = None, fault.away
        else:
            summary, away = expectation.summarise(findings, "connected"), False
        text = summary.text
        if self._settings.tls.insecure:
            text += " (certificate not checked)"
        took_ms = (time.monotonic() - started) * 1000
        detail = {"url": f"{uri.host}:{uri.port}{uri.resource_name}", **summary.detail}
        return Reading(self.name, summary.status, text, at, took_ms, value, "ms", detail, away)

    async def close(self) -> None:
        """Nothing is kept open."""

    async def _visit(self, uri: WebSocketURI, progress: _Progress) -> tuple[list[Finding], float]:
        started = time.monotonic()
        connection = await self._connect(uri)
        handshake_ms = (time.monotonic() - started) * 1000
        until = expires_at(connection.transport.get_extra_info("ssl_object"))
        try:
            findings, value = await self._talk(connection, handshake_ms, progress)
        except BaseException:
            connection.transport.abort()  # no goodbye to what may be hanging
            raise
        await connection.close()
        return [*findings, *judge_expiry(until, self._settings.tls, time.time())], value

    async def _talk(
        self, connection: ClientConnection, handshake_ms: float, progress: _Progress
    ) -> tuple[list[Finding], float]:
        settings = self._settings
        findings: list[Finding] = []
        if settings.first is not None:
            progress.stage = "connected, but no first message"
            message = await connection.recv()
            expected = settings.first or OPTIBID_FIRST
            steps = expectation.steps_of(pattern for _, pattern, _ in settings.patterns())
            findings += await judged(
                lambda: judge_first(message, expected),
                steps * len(message),
                f"the first message of {len(message):,} bytes",
            )
        if not settings.ping:
            return [*findings, _judge_time("handshake", handshake_ms, settings)], handshake_ms
        progress.stage = "connected, but no answer to a ping"
        ping_ms = await _ping(connection)
        if _judge_time("ping", ping_ms, settings).status is not Status.OK:
            ping_ms = await _usual_ping(connection, ping_ms)
        return [*findings, _judge_time("ping", ping_ms, settings)], ping_ms

    async def _connect(self, uri: WebSocketURI) -> ClientConnection:
        """The handshake, at the first of the host's addresses that lets us in."""
        tried = await reaching.addresses(self._host, uri.host, uri.port)
        for address, port in tried[:-1]:
            try:
                async with asyncio.timeout(time_left_s() / len(tried)):
                    return await self._connect_at(address, port, uri)
            except (OSError, TimeoutError):
                continue
        return await self._connect_at(*tried[-1], uri)

    async def _connect_at(self, address: str, port: int, uri: WebSocketURI) -> ClientConnection:
        settings = self._settings
        names = {name.lower(): name for name in settings.headers}
        wanted = settings.headers.get(names.get("host", ""), "")
        tls: dict[str, Any] = {}
        if uri.secure:
            tls["ssl"] = settings.tls.context()
            tls["server_hostname"] = settings.tls.server_name or uri.host
        return await connect(
            # The library makes the Host header from the address: so it gets the one wanted.
            _with_netloc(uri, wanted) if wanted else settings.url,
            host=address,
            port=port,
            proxy=None,
            additional_headers=[(k, v) for k, v in settings.headers.items() if k.lower() != "host"],
            subprotocols=[Subprotocol(settings.subprotocol)] if settings.subprotocol else None,
            compression=None,
            open_timeout=None,
            ping_interval=None,
            close_timeout=0.2,
            max_size=settings.max_bytes,
            user_agent_header=None if "user-agent" in names else USER_AGENT,
            max_queue=4,
            logger=_log,
            **tls,
        )


async def _ping(connection: ClientConnection) -> float:
    started = time.monotonic()
    await (await connection.ping())
    return (time.monotonic() - started) * 1000


async def _usual_ping(connection: ClientConnection, late_ms: float) -> float:
    """The median of a late ping and two more: one that met a moment in which the server was busy
    (a login's bcrypt holds its loop for 0.3 s) says nothing about the others."""
    times_ms = [late_ms]
    for _ in range(2):
        await asyncio.sleep(_PAUSE_S)
        times_ms.append(await _ping(connection))
    return median(times_ms)


def judge_first(message: str | bytes, expected: Mapping[str, Any]) -> list[Finding]:
    """What the first message says. Pure."""
    try:
        document = json.loads(message)
    except (ValueError, RecursionError):
        begin = one_line(message[:1000], 60)
        return [Finding(Status.FAILING, "first message", "JSON", f'"{begin}"')]
    return expectation.judge_paths("first message ", expected, document)


def _judge_time(what: str, took_ms: float, settings: WebSocketSettings) -> Finding:
    for limit, status in ((settings.max_ms, Status.FAILING), (settings.warn_ms, Status.WARN)):
        if limit is not None and took_ms > limit:
            return Finding(status, what, f"at most {limit:g} ms", f"{took_ms:.0f} ms")
    return Finding(Status.OK, what, "", f"{took_ms:.0f} ms")


def _fault(error: BaseException, uri: WebSocketURI, progress: _Progress) -> reaching.Fault:
    if isinstance(error, TimeoutError):
        return reaching.silent(uri.host, uri.port, progress.stage)
    if isinstance(error, InvalidStatus):
        said = one_line(bytes(error.response.body or b""), 60)
        words = f"handshake refused: HTTP {error.response.status_code}"
        away = error.response.status_code in GATEWAY_ERRORS
        return reaching.Fault(Status.FAILING, words + (f" {said}" if said else ""), away)
    if isinstance(error, ConnectionClosed):
        away = error.rcvd is None and error.sent is None
        return reaching.Fault(Status.FAILING, _closed(error), away)
    if isinstance(error, NegotiationError):
        return reaching.Fault(Status.FAILING, f"handshake: {one_line(str(error))}")
    fault = reaching.fault_of(error, uri.host, uri.port)
    if fault is not None:
        return fault
    said = one_line(str(error), 80)
    words = f"{uri.host}:{uri.port} doesn't answer as a WebSocket does: {said}"
    left = any(isinstance(one, EOFError) for one in causes(error))
    return reaching.Fault(Status.FAILING, words, away=left)


def _closed(error: ConnectionClosed) -> str:
    """RFC 6455 §7.4: the close code and reason of whoever closed."""
    if error.rcvd is not None:
        reason = one_line(error.rcvd.reason, 80)
        return f"closed with {error.rcvd.code}" + (f" {reason}" if reason else "")
    if error.sent is not None and error.sent.code == 1009:
        return f"the first message is too big: {one_line(error.sent.reason, 80)}"
    return "the connection broke without a close"


def _with_netloc(uri: WebSocketURI, netloc: str) -> str:
    return f"{'wss' if uri.secure else 'ws'}://{netloc}{uri.resource_name}"
