"""One SSH connection to a host, kept alive: everything that needs the host shares it."""

from __future__ import annotations

import asyncio
import random
import socket
import struct
from collections.abc import Awaitable, Callable

import asyncssh

from optibid_console.runbook.model import TargetSpec
from optibid_console.targets.dialing import DialError, Line, dial
from optibid_console.targets.target import LinkListener, LinkLost, LinkState
from probes.text import one_line

_FIRST_DELAY_S = 0.5
_LONGEST_DELAY_S = 8.0
_LASTING_DELAY_S = 30.0
_LATENCY_EVERY_S = 5.0
_TCPI_RTT_OFFSET = 68
"""Where Linux's `struct tcp_info` (linux/tcp.h) has `tcpi_rtt`, in microseconds."""

OnConnected = Callable[[asyncssh.SSHClientConnection], Awaitable[None]]


def delay_s(attempt: int, lasting: bool, jitter: float) -> float:
    """How long to wait after failed attempt number `attempt` (from 1), in seconds.

    It doubles up to a limit; `jitter` (0 to 1) takes up to half of it, so that consoles
    don't come back all at once. A lasting failure is not hammered.
    """
    if lasting:
        return _LASTING_DELAY_S
    longest = min(_FIRST_DELAY_S * 2.0 ** min(attempt - 1, 10), _LONGEST_DELAY_S)
    return longest * (1 - jitter / 2)


class Connection:
    """Connects when it is first needed, notices a dead link, and connects again."""

    def __init__(
        self,
        spec: TargetSpec,
        on_link: LinkListener,
        on_connected: OnConnected,
        *,
        timeout_s: float,
    ) -> None:
        self._spec = spec
        self._on_link = on_link
        self._on_connected = on_connected
        self._timeout_s = timeout_s
        self._keeper: asyncio.Task[None] | None = None
        self._line: Line | None = None
        self._failures = 0
        """How many attempts failed, ever."""
        self._trouble = f"{spec.id}: {spec.host} hasn't answered yet"
        self._lasting = False
        self._news = asyncio.Event()
        """Replaced whenever an attempt ends."""

    def start(self) -> None:
        """Begin to connect, and keep at it until `close`."""
        if self._keeper is None:
            self._keeper = asyncio.create_task(self._keep(), name=f"ssh {self._spec.id}")
            self._keeper.add_done_callback(self._kept)

    @property
    def trouble(self) -> str:
        """Why there is no connection now; empty when there is one."""
        return "" if self._line is not None else self._trouble

    async def get(self) -> asyncssh.SSHClientConnection:
        """The live connection; waits while one is being made.

        Raises `LinkLost` (nothing was sent) when the attempt fails that is under way or
        next, at once after a lasting failure.
        """
        self.start()
        failures = self._failures
        while self._line is None:
            if self._lasting or self._failures > failures:
                raise LinkLost(self._trouble, sent=False)
            await self._news.wait()
        return self._line.connection

    async def close(self) -> None:
        """End the connection and everything that was made for it."""
        if self._keeper is not None:
            self._keeper.cancel()
            await asyncio.gather(self._keeper, return_exceptions=True)

    def _kept(self, keeper: asyncio.Task[None]) -> None:
        """Nobody connects any more: whoever waits for a connection has to know."""
        bug = None if keeper.cancelled() else keeper.exception()
        self._trouble = f"{self._spec.id}: the connection was closed" + (
            f": {bug!r}" if bug else ""
        )
        self._lasting = True
        if bug:
            self._show("refused", self._trouble, 0)
        self._tell_waiters()

    async def _keep(self) -> None:
        attempt = 0
        self._show("connecting", "", 0)
        while True:
            try:
                line = await dial(self._spec, self._timeout_s)
            except DialError as error:
                attempt += 1
                self._lasting = error.failure.lasting
                pause_s = delay_s(attempt, self._lasting, random.random())
                self._failed(error.failure.message, attempt, pause_s)
                await asyncio.sleep(pause_s)
            else:
                attempt = 0
                self._lasting = False
                await self._use(line)

    async def _use(self, line: Line) -> None:
        """Offer the connection until it is lost."""
        watcher = asyncio.create_task(self._watch(line.connection))
        try:
            why = await self._until_lost(line)
            watcher.cancel()
            self._trouble = f"{self._spec.id}: {why}"
            self._show("reconnecting", self._trouble, 1)
        finally:
            watcher.cancel()
            await line.close()

    async def _until_lost(self, line: Line) -> str:
        try:
            await self._on_connected(line.connection)
            self._line = line
            self._tell_waiters()
            await line.connection.wait_closed()
        except (OSError, asyncssh.Error) as error:
            return one_line(str(error), 200)
        finally:
            self._line = None
        return "the link was lost"

    async def _watch(self, connection: asyncssh.SSHClientConnection) -> None:
        """Show that it is connected, and how far away the host is, when that changes."""
        shown: float | None = None
        while True:
            latency_ms = _latency_ms(connection)
            if shown is None or abs((latency_ms or 0) - shown) > max(5.0, shown / 4):
                self._on_link(LinkState(self._spec.id, "connected", "", latency_ms))
                shown = latency_ms or 0.0
            await asyncio.sleep(_LATENCY_EVERY_S)

    def _failed(self, message: str, attempt: int, pause_s: float) -> None:
        self._failures += 1
        self._trouble = message
        state = "refused" if self._lasting else "reconnecting"
        self._show(state, f"{message}; retry in {pause_s:.0f} s", attempt)
        self._tell_waiters()

    def _show(self, state: str, detail: str, attempt: int) -> None:
        self._on_link(LinkState(self._spec.id, state, detail, None, attempt))

    def _tell_waiters(self) -> None:
        news, self._news = self._news, asyncio.Event()
        news.set()


def _latency_ms(connection: asyncssh.SSHClientConnection) -> float | None:
    """The kernel's smoothed round trip to the host (tcp(7), TCP_INFO), where it tells it."""
    link = connection.get_extra_info("socket")
    if link is None or not hasattr(socket, "TCP_INFO"):
        return None
    try:
        info = link.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _TCPI_RTT_OFFSET + 4)
        (rtt_us,) = struct.unpack_from("@I", info, _TCPI_RTT_OFFSET)
    except (OSError, struct.error):
        return None  # no TCP socket, or another kernel's layout
    return float(rtt_us) / 1000
