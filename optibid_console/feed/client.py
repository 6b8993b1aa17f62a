"""A screen's end of the feed: a source that finds its engine again when it lost it."""

from __future__ import annotations

import asyncio
import itertools
import random
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from optibid_console.commands import Command, Refused, Reply
from optibid_console.entries import Entry
from optibid_console.feed.wire import (
    HANDED_OVER,
    VERSION,
    Answer,
    Asked,
    Hello,
    Welcome,
    WireError,
    decode,
    encode_command,
    encode_hello,
)
from optibid_console.source import Ended, Event, Lost, SourceError

if TYPE_CHECKING:
    from websockets.asyncio.client import ClientConnection

Dial = Callable[[], Awaitable[Path]]
"""Gives the engine's socket, each time that it is to be connected. Raises `SourceError`."""

GREETING_S = 10.0
REPLY_S = 30.0
RETRY_FIRST_S = 0.2
RETRY_MOST_S = 5.0
UNREAD_BYTES = 8_000_000
MAX_MESSAGE_BYTES = 64 * 1024 * 1024


class FeedSource:
    """A `ControlSource` over the engine's Unix socket.

    `events()` is iterated once. The first connection that fails raises `SourceError`;
    one that is lost later gives `Lost` and is made again, from the last entry on.
    """

    def __init__(
        self,
        where: Path | Dial,
        name: str,
        want: str,
        after: int = 0,
        *,
        take_over: str = "",
        on_close: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        """`take_over`: why the window is taken from who drives it, once.

        `on_close` is awaited at the end: it lets go of what `where` holds.
        """
        self.name = name
        self._where = where
        self._want = want
        self._take_over = take_over
        self._seq = after
        self._life = ""
        self._signals_after = 0
        self._on_close = on_close
        self._ws: ClientConnection | None = None
        self._inbox = _Inbox()
        self._numbers = itertools.count(1)
        self._asked: dict[int, asyncio.Future[Reply]] = {}
        self._closing = asyncio.Event()

    async def events(self) -> AsyncGenerator[Event, None]:
        attempt = 0
        greeted_once = False
        try:
            while not self._closing.is_set():
                try:
                    ws = self._ws = await self._connect()
                except SourceError as error:
                    if not greeted_once:
                        raise
                    why = str(error)
                else:
                    greeted_once, attempt = True, 0
                    async with aclosing(self._receive(ws)) as received:
                        async for event in received:
                            yield event
                            if isinstance(event, Ended):
                                return
                    why = _why(ws)
                    if ws.close_code == HANDED_OVER:  # deposed: it doesn't drive by itself again
                        self._want, why = "watch", "another engine has this window"
                if not self._closing.is_set():
                    attempt += 1
                    retry_s = _retry_s(attempt)
                    yield Lost(why, attempt, retry_s)
                    with suppress(TimeoutError):
                        await asyncio.wait_for(self._closing.wait(), retry_s)
        finally:
            await self.close()

    async def send(self, command: Command) -> Reply:
        """Ask the engine. Never raises: without an engine it is refused, in words."""
        ws = self._ws
        if ws is None or self._closing.is_set():
            return Refused("the engine can't be reached: nothing was sent")
        number = next(self._numbers)
        answer: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
        self._asked[number] = answer
        self._inbox.make_room()
        try:
            async with asyncio.timeout(REPLY_S):
                await ws.send(encode_command(Asked(number, command)), text=True)
                return await answer
        except TimeoutError:
            return Refused(f"no answer within {REPLY_S:g} s: the window shows whether it was done")
        except _closed_errors():
            return _unanswered()
        finally:
            self._asked.pop(number, None)

    async def close(self) -> None:
        """Leave; the engine sees that it was on purpose. Again: does nothing."""
        self._closing.set()
        ws, self._ws = self._ws, None
        if ws is not None:
            await ws.close()
        self._give_up()
        on_close, self._on_close = self._on_close, None
        if on_close is not None:
            await on_close()

    async def _connect(self) -> ClientConnection:
        from websockets.asyncio.client import unix_connect
        from websockets.exceptions import ConnectionClosed, WebSocketException

        path = self._where if isinstance(self._where, Path) else await self._where()
        try:
            async with asyncio.timeout(GREETING_S):
                ws = await unix_connect(
                    str(path),
                    compression=None,
                    ping_interval=None,
                    open_timeout=None,
                    close_timeout=1.0,
                    max_size=MAX_MESSAGE_BYTES,
                    user_agent_header=None,
                )
                await self._greet(ws)
        except ConnectionClosed as error:
            said = error.rcvd.reason if error.rcvd else "it closed the connection"
            raise SourceError(f"the engine at {path} turns this screen away: {said}") from error
        except TimeoutError as error:
            raise SourceError(
                f"the engine at {path} doesn't answer within {GREETING_S:g} s"
            ) from error
        except (OSError, WebSocketException) as error:
            why = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
            raise SourceError(f"no engine answers at {path}: {why}") from error
        return ws

    async def _greet(self, ws: ClientConnection) -> None:
        hello = Hello(
            self.name, self._want, self._seq, self._life, self._signals_after, self._take_over
        )
        await ws.send(encode_hello(hello), text=True)
        try:
            welcome, _ = decode(await ws.recv())
        except WireError as error:
            await ws.close()
            raise SourceError(f"what answers there is no engine: {error}") from error
        if not isinstance(welcome, Welcome):
            await ws.close()
            raise SourceError(f"the engine doesn't speak version {VERSION} of the feed")
        self._take_over = ""
        if welcome.life != self._life:
            self._life, self._signals_after = welcome.life, 0

    async def _receive(self, ws: ClientConnection) -> AsyncGenerator[Event, None]:
        """The events of one connection, until it is lost.

        A task reads it, so that a reply is found also while nobody takes events.
        """
        inbox = self._inbox = _Inbox()
        reader = asyncio.create_task(self._read(ws, inbox))
        try:
            async with aclosing(inbox.messages()) as messages:
                async for message, number in messages:
                    if isinstance(message, Entry):
                        if message.seq != self._seq + 1:
                            await ws.close(1002, "an entry out of order")
                            return
                        self._seq = message.seq
                    if number:
                        self._signals_after = number
                    yield message
        finally:
            reader.cancel()
            await asyncio.gather(reader, return_exceptions=True)
            if self._ws is ws:
                self._ws = None
            self._give_up()
            await ws.close()

    async def _read(self, ws: ClientConnection, inbox: _Inbox) -> None:
        try:
            async for frame in ws:
                try:
                    message, number = decode(frame)
                except WireError as error:
                    await ws.close(1002, str(error)[:100])
                    return
                if isinstance(message, Answer):
                    answer = self._asked.get(message.id)
                    if answer is not None and not answer.done():
                        answer.set_result(message.reply)
                elif message is not None and not isinstance(message, Welcome):
                    if not self._asked:
                        await inbox.room()
                    inbox.put(message, number, len(frame))
        except _closed_errors():
            return
        finally:
            inbox.end()

    def _give_up(self) -> None:
        for answer in self._asked.values():
            if not answer.done():
                answer.set_result(_unanswered())


class _Inbox:
    """What was read and not yet taken: bounded in bytes, except while a reply is awaited."""

    def __init__(self) -> None:
        self._waiting: deque[tuple[Event, int, int]] = deque()
        self._bytes = 0
        self._over = False
        self._filled = asyncio.Event()
        self._emptied = asyncio.Event()
        self._emptied.set()

    def put(self, event: Event, number: int, size: int) -> None:
        self._waiting.append((event, number, size))
        self._bytes += size
        if self._bytes > UNREAD_BYTES:
            self._emptied.clear()
        self._filled.set()

    def end(self) -> None:
        self._over = True
        self._filled.set()

    def make_room(self) -> None:
        self._emptied.set()

    async def room(self) -> None:
        await self._emptied.wait()

    async def messages(self) -> AsyncGenerator[tuple[Event, int], None]:
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


def _why(ws: ClientConnection) -> str:
    said = ws.close_reason
    return f"the engine closed the connection: {said}" if said else "the connection was lost"


def _unanswered() -> Refused:
    return Refused(
        "the connection was lost before the engine answered: the window shows whether it was done"
    )


def _closed_errors() -> type[Exception]:
    from websockets.exceptions import ConnectionClosed

    return ConnectionClosed
