"""The engine's end of the feed: screens attach, get everything, and may send commands."""

from __future__ import annotations

import asyncio
import contextlib
import http
import logging
import os
import socket
from dataclasses import replace
from pathlib import Path
from typing import Protocol

from websockets.asyncio.server import Server, ServerConnection, unix_serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

from optibid_console import __version__
from optibid_console.commands import Command, Refused, Reply, TakeOver
from optibid_console.feed import socket_file
from optibid_console.feed.attendance import Attendance
from optibid_console.feed.hub import Hub
from optibid_console.feed.messages import (
    HANDED_OVER,
    Answer,
    Frame,
    Hello,
    Welcome,
    WireError,
)
from optibid_console.feed.screen import Attached
from optibid_console.feed.snapshot import Snapshots
from optibid_console.feed.wire import decode_command, decode_hello, encode
from optibid_console.journal.journal import Journal
from optibid_console.source import CaughtUp, Ended, Role, SourceError
from probes.error_words import bug_words

GREETING_S = 5.0
FLUSH_S = 1.0
_LOOK_S = 1.0
"""How often the engine looks whether its socket is there, in seconds."""
MAX_MESSAGE_BYTES = 64 * 1024
MAX_SCREENS = 64
MAX_UNANSWERED = 32
"""Commands of one screen that are being handled, or whose replies it doesn't take."""
log = logging.getLogger(__name__)
_protocol_log = logging.getLogger(f"{__name__}.websockets")
_protocol_log.setLevel(logging.CRITICAL)  # garbage on the socket is no news of the engine


class Controller(Protocol):
    """What decides: the engine. Without one the server takes no commands at all."""

    async def joined(self, screen: Attached) -> Role:
        """A screen was greeted; its role from now on."""

    async def left(self, screen: Attached, clean: bool) -> None:
        """A screen is gone. `clean`: it said so; else its connection was lost."""

    async def handle(self, command: Command, screen: Attached) -> Reply: ...


class FeedServer:
    """Serves one window's hub and journal on a Unix socket.

    A screen that sends anything but a greeting and commands is closed (1002, 1008); one
    that reads nothing costs a bounded queue and delays nobody.
    """

    def __init__(
        self,
        path: Path,
        hub: Hub,
        journal: Journal,
        controller: Controller | None = None,
        attendance: Attendance | None = None,
        snapshots: Snapshots | None = None,
    ) -> None:
        self._snapshots = snapshots
        self._attendance = attendance or Attendance(hub)
        self.path = path
        self._hub = hub
        self._journal = journal
        self._controller = controller
        self._connections: set[ServerConnection] = set()
        self._screens: dict[str, Attached] = {}
        self._named = 0
        self._commands: set[asyncio.Task[None]] = set()
        self._servers: list[Server] = []
        """The newest one listens at `path`; empty: closed, or not started."""
        self._keeping: asyncio.Task[None] | None = None
        self._inode = 0

    async def start(self, *, replace: bool = False) -> None:
        """Listen from now on. `replace`: in the place of an engine that was deposed, whatever
        it does with its own listener. Raises `SourceError`."""
        await self._listen_at_path(replace=replace)
        self._keeping = asyncio.create_task(self._keep())

    async def _listen_at_path(self, *, replace: bool) -> None:
        listener = await asyncio.to_thread(socket_file.listen, self.path, replace=replace)
        self._inode = os.stat(self.path).st_ino
        server = await unix_serve(
            self._serve,
            sock=listener,
            compression=None,
            ping_interval=None,
            open_timeout=GREETING_S,
            close_timeout=1.0,
            max_size=MAX_MESSAGE_BYTES,
            origins=[None],  # no browser has business here
            process_request=_same_user,
            server_header=None,
            logger=_protocol_log,
        )
        self._servers.append(server)

    async def _keep(self) -> None:
        """Listen at the path again when somebody deleted the socket; screens that are attached
        stay. Until cancelled.

        Missing once, it may be a take-over that is about to make its own.
        """
        missing, told = False, ""
        while True:
            await asyncio.sleep(_LOOK_S)
            again, missing = missing, not await asyncio.to_thread(self.path.exists)
            if not (again and missing):
                continue
            try:
                await self._listen_at_path(replace=False)
                told = ""
            except SourceError as error:
                if str(error) != told:
                    log.warning("nobody can attach: %s", error)
                told = str(error)

    async def close(self, reason: str) -> None:
        """Tell every screen that it is over, take the socket away. Does nothing when closed."""
        await self._finish(encode(Ended(reason)))

    async def hand_over(self, role: Role) -> None:
        """Another engine has this window: each screen may only watch from now on, and has to
        find that engine. Does nothing when closed."""
        await self._finish(replace(encode(role), last=True, close_code=HANDED_OVER))

    async def _finish(self, last: Frame) -> None:
        servers, self._servers = self._servers, []
        if not servers:
            return
        if self._keeping is not None:
            self._keeping.cancel()
        for server in servers:
            server.close(close_connections=False)
        self._unlink()
        screens = list(self._screens.values())
        for screen in screens:
            screen.outbox.control(last)
        if screens:
            waits = [asyncio.ensure_future(screen.ws.wait_closed()) for screen in screens]
            _, late = await asyncio.wait(waits, timeout=FLUSH_S)
            for wait in late:
                wait.cancel()
        for ws in self._connections:
            ws.transport.abort()
        for task in list(self._commands):
            task.cancel()
        await asyncio.gather(*self._commands, return_exceptions=True)
        for server in servers:
            await server.wait_closed()

    def tell(self, screen_id: str, role: Role) -> None:
        """Change what a screen may do. Does nothing when it has left."""
        screen = self._screens.get(screen_id)
        if screen is not None:
            screen.tell(role)
            self._announce()

    def screens(self) -> tuple[Attached, ...]:
        """All that are attached, in the order in which they came."""
        return tuple(self._screens.values())

    def _announce(self) -> None:
        """Who watches: every screen that isn't the operator's."""
        watching = [one.name for one in self._screens.values() if not one.role.operator]
        self._attendance.set("screens", tuple(watching))

    async def _serve(self, ws: ServerConnection) -> None:
        if not self._servers:
            return
        self._connections.add(ws)
        try:
            hello = await self._greeting(ws)
            if hello is not None:
                await self._attend(ws, hello)
        except ConnectionClosed:
            return
        except Exception:  # one screen's trouble must not reach the engine; its log names it
            log.exception("a screen's connection failed")
            await ws.close(1011, "the engine failed to serve this screen")
        finally:
            self._connections.discard(ws)

    async def _greeting(self, ws: ServerConnection) -> Hello | None:
        try:
            async with asyncio.timeout(GREETING_S):
                hello = decode_hello(await ws.recv())
        except TimeoutError:
            await ws.close(1008, f"no greeting within {GREETING_S:g} s")
        except WireError as error:
            await ws.close(1002, _reason(str(error)))
        else:
            if len(self._screens) >= MAX_SCREENS:
                await ws.close(1013, f"{MAX_SCREENS} screens are attached already")
            elif hello.after > self._journal.head()[0]:
                await ws.close(1008, f"after: the journal has {self._journal.head()[0]} entries")
            else:
                return hello
        return None

    async def _attend(self, ws: ServerConnection, hello: Hello) -> None:
        self._named += 1
        screen = Attached(ws, hello, f"screen-{self._named}")
        self._screens[screen.id] = screen
        try:
            await ws.send(
                encode(Welcome(screen.id, self._hub.life, __version__, os.getpid())).data, text=True
            )
            await self._join(screen, hello)
            await self._converse(screen)
        finally:
            self._hub.detach(screen.outbox)
            del self._screens[screen.id]
            self._announce()
            if self._controller is not None:
                await self._controller.left(screen, clean=ws.close_code in (1000, 1001))

    async def _join(self, screen: Attached, hello: Hello) -> None:
        role = Role(operator=False)
        if self._controller is not None:
            role = await self._controller.joined(screen)
        screen.tell(role)
        if self._controller is not None and hello.take_over and not role.operator:
            await self._controller.handle(TakeOver(hello.take_over), screen)
        head = self._journal.head()[0]
        screen.outbox.mark(head)
        screen.outbox.control(encode(CaughtUp(head)))
        known = hello.signals_after if hello.life == self._hub.life else 0
        self._hub.attach(screen.outbox, signals_after=known)
        self._announce()

    async def _converse(self, screen: Attached) -> None:
        tasks = [
            asyncio.create_task(screen.pump(self._hub, self._journal, self._snapshots)),
            asyncio.create_task(screen.watch()),
        ]
        try:
            await self._listen(screen)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _listen(self, screen: Attached) -> None:
        under_way = 0

        def over(task: asyncio.Task[None]) -> None:
            nonlocal under_way
            under_way -= 1
            self._commands.discard(task)

        async for frame in screen.ws:
            if self._controller is None:
                await screen.ws.close(1008, "this feed takes no commands")
                return
            if under_way + screen.outbox.waiting_control >= MAX_UNANSWERED:
                await screen.ws.close(1008, f"more than {MAX_UNANSWERED} unanswered commands")
                return
            try:
                asked = decode_command(frame)
            except WireError as error:
                await screen.ws.close(1008, _reason(str(error)))
                return
            under_way += 1
            # a task each: an abort must not wait behind a command that takes its time
            task = asyncio.create_task(
                self._handle(self._controller, asked.id, asked.command, screen)
            )
            self._commands.add(task)
            task.add_done_callback(over)

    async def _handle(
        self, controller: Controller, number: int, command: Command, screen: Attached
    ) -> None:
        try:
            reply = await controller.handle(command, screen)
        except Exception as error:  # the person gets an answer, the engine's log the traceback
            log.exception("command %r failed", command)
            reply = Refused(f"the engine failed at it: {bug_words(error)}")
        screen.outbox.control(encode(Answer(number, reply)))

    def _unlink(self) -> None:
        with contextlib.suppress(FileNotFoundError):
            if os.stat(self.path).st_ino == self._inode:
                os.unlink(self.path)


def _same_user(ws: ServerConnection, request: Request) -> Response | None:
    connection: socket.socket = ws.transport.get_extra_info("socket")
    uid = socket_file.peer_uid(connection)
    if uid in (None, 0, os.geteuid()):
        return None
    return ws.respond(http.HTTPStatus.FORBIDDEN, "this window is another user's\n")


def _reason(text: str) -> str:
    """At most what fits into a close frame: 123 bytes (RFC 6455 5.5)."""
    return text.encode()[:120].decode(errors="ignore")
