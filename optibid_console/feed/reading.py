"""A screen's end of the feed, whatever it goes over: found again when it is lost."""

from __future__ import annotations

import asyncio
import random
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import AsyncGenerator
from contextlib import aclosing, suppress
from typing import TYPE_CHECKING

from optibid_console.entries import Entry
from optibid_console.feed.messages import (
    HANDED_OVER,
    TURNED_AWAY,
    VERSION,
    Answer,
    Hello,
    SnapshotPart,
    Welcome,
    WireError,
)
from optibid_console.feed.wire import decode, encode_hello
from optibid_console.source import Ended, Event, Lost, Snapshot, SourceError

if TYPE_CHECKING:
    from websockets.asyncio.client import ClientConnection
    from websockets.exceptions import ConnectionClosed

GREETING_S = 10.0
RETRY_FIRST_S = 0.2
RETRY_MOST_S = 5.0
UNREAD_BYTES = 8_000_000
MAX_MESSAGE_BYTES = 64 * 1024 * 1024


class FeedReader(ABC):
    """The entries and signals of one window, over as many connections as it takes.

    `events()` is iterated once. The first connection that fails raises `SourceError`;
    one that is lost later gives `Lost` and is made again, from the last entry on. Who isn't let
    in any more gets `TurnedAway`, also in the middle.
    """

    def __init__(self, name: str, after: int = 0) -> None:
        self.name = name
        self._seq = after
        self._life = ""
        self._signals_after = 0
        self._ws: ClientConnection | None = None
        self._inbox = Inbox()
        self._parts: list[bytes] = []
        self._closing = asyncio.Event()

    @abstractmethod
    async def _connect(self) -> ClientConnection:
        """A greeted connection. Raises `SourceError`."""

    @abstractmethod
    def _hello(self) -> Hello:
        """How this screen greets."""

    async def events(self) -> AsyncGenerator[Event, None]:
        attempt = 0
        greeted_once = False
        try:
            while not self._closing.is_set():
                try:
                    ws = self._ws = await self._connect()
                except SourceError as error:
                    if not greeted_once or isinstance(error, TurnedAway):
                        raise
                    why = str(error)
                else:
                    if self._closing.is_set():  # it was closed before there was this connection
                        self._ws = None
                        await _leave(ws)
                        return
                    greeted_once, attempt = True, 0
                    async with aclosing(self._receive(ws)) as received:
                        async for event in received:
                            yield event
                            if isinstance(event, Ended):
                                return
                    why = _why(ws)
                    if ws.close_code == TURNED_AWAY:
                        raise TurnedAway(ws.close_reason or "your link was taken back")
                    if ws.close_code == HANDED_OVER:
                        self._handed_over()
                        why = "another engine has this window"
                if not self._closing.is_set():
                    attempt += 1
                    retry_s = _retry_s(attempt)
                    yield Lost(why, attempt, retry_s)
                    with suppress(TimeoutError):
                        await asyncio.wait_for(self._closing.wait(), retry_s)
        finally:
            await self.close()

    async def close(self) -> None:
        """Leave; the engine sees that it was on purpose. Again: does nothing."""
        self._closing.set()
        ws, self._ws = self._ws, None
        if ws is not None:
            await ws.close()
        self._gone()

    def _handed_over(self) -> None:  # noqa: B027 (most do nothing then)
        """Another engine has this window."""

    def _gone(self) -> None:  # noqa: B027 (most do nothing then)
        """The connection is gone."""

    def _answered(self, answer: Answer) -> None:  # noqa: B027 (most do nothing then)
        """The engine replied to a command."""

    def _awaits(self) -> bool:
        """Whether a reply is awaited: it must be found however much is unread."""
        return False

    async def _greet(self, ws: ClientConnection) -> None:
        """Raises `SourceError`, `ConnectionClosed`."""
        await ws.send(encode_hello(self._hello()), text=True)
        try:
            welcome, _ = decode(await ws.recv())
        except WireError as error:
            await ws.close()
            raise SourceError(f"what answers there is no engine: {error}") from error
        if not isinstance(welcome, Welcome):
            await ws.close()
            raise SourceError(f"the engine doesn't speak version {VERSION} of the feed")
        if welcome.life != self._life:
            self._life, self._signals_after = welcome.life, 0

    async def _receive(self, ws: ClientConnection) -> AsyncGenerator[Event, None]:
        """The events of one connection, until it is lost.

        A task reads it, so that a reply is found also while nobody takes events.
        """
        inbox = self._inbox = Inbox()
        tasks = self._beside(ws, inbox)
        try:
            async with aclosing(inbox.messages()) as messages:
                async for message, number in messages:
                    if isinstance(message, SnapshotPart):
                        whole = await self._whole(message)
                        if whole is not None:
                            self._seq = whole.state.seq
                            yield whole
                        continue
                    if isinstance(message, Entry):
                        if message.seq != self._seq + 1:
                            await ws.close(1002, "an entry out of order")
                            return
                        self._seq = message.seq
                    if number:
                        self._signals_after = number
                    yield message
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            if self._ws is ws:
                self._ws = None
            self._gone()
            await _leave(ws)

    async def _whole(self, part: SnapshotPart) -> Snapshot | None:
        """The state, once its last part is there. Raises `SourceError`."""
        if part.part == 0:
            self._parts.clear()
        self._parts.append(part.data)
        if part.part + 1 < part.of:
            return None
        from optibid_console.feed.snapshot import unpacked

        data = b"".join(self._parts)
        self._parts.clear()
        try:
            return Snapshot(await asyncio.to_thread(unpacked, data))
        except ValueError as error:
            raise SourceError(f"the engine sent what isn't understood here: {error}") from error

    def _beside(self, ws: ClientConnection, inbox: Inbox) -> list[asyncio.Task[None]]:
        """What goes on while a connection lasts."""
        return [asyncio.create_task(self._read(ws, inbox))]

    async def _read(self, ws: ClientConnection, inbox: Inbox) -> None:
        try:
            async for frame in ws:
                try:
                    message, number = decode(frame)
                except WireError as error:
                    await ws.close(1002, str(error)[:100])
                    return
                if isinstance(message, Answer):
                    self._answered(message)
                elif message is not None and not isinstance(message, Welcome):
                    if not self._awaits():
                        await inbox.room()
                    inbox.put(message, number, len(frame))
        except closed_errors():
            return
        finally:
            inbox.end()


class TurnedAway(SourceError):
    """The engine doesn't let this screen in, and won't later."""

    exit_code = 3


class Inbox:
    """What was read and not yet taken: bounded in bytes, except while a reply is awaited."""

    def __init__(self) -> None:
        self._waiting: deque[tuple[Event | SnapshotPart, int, int]] = deque()
        self._bytes = 0
        self._over = False
        self._filled = asyncio.Event()
        self._emptied = asyncio.Event()
        self._emptied.set()

    def put(self, event: Event | SnapshotPart, number: int, size: int) -> None:
        self._waiting.append((event, number, size))
        self._bytes += size
        if self._bytes > UNREAD_BYTES:
            self._emptied.clear()
        self._filled.set()

    @property
    def is_full(self) -> bool:
        return not self._emptied.is_set()

    def end(self) -> None:
        self._over = True
        self._filled.set()

    def make_room(self) -> None:
        self._emptied.set()

    async def room(self) -> None:
        await self._emptied.wait()

    async def messages(self) -> AsyncGenerator[tuple[Event | SnapshotPart, int], None]:
        while True:
            while self._waiting:
                event, number, size = self._waiting.popleft()
                self._bytes -= size
                if self._bytes <= UNREAD_BYTES:
                    self._emptied.set()
                yield event, number
            if self._over:
                return
            self._filled.clear()
            await self._filled.wait()


def _retry_s(attempt: int) -> float:
    """Doubling up to a limit, with jitter so that many screens don't come back at once."""
    waited_s = min(RETRY_FIRST_S * 2.0 ** min(attempt - 1, 10), RETRY_MOST_S)
    return waited_s * random.uniform(0.8, 1.2)


async def _leave(ws: ClientConnection) -> None:
    """Close it. What was still coming is read and dropped: the other end's goodbye is behind it."""
    closing = asyncio.create_task(ws.close())
    with suppress(closed_errors()):
        async for _ in ws:
            pass
    await closing


def _why(ws: ClientConnection) -> str:
    said = ws.close_reason
    return f"the engine closed the connection: {said}" if said else "the connection was lost"


def closed_errors() -> type[ConnectionClosed]:
    """Loaded with the first connection, not before the first paint."""
    from websockets.exceptions import ConnectionClosed

    return ConnectionClosed
