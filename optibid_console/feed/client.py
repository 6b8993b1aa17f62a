"""The operator's end of the feed: a source over the engine's Unix socket that can send."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING

from optibid_console.commands import Command, Refused, Reply
from optibid_console.feed.messages import Answer, Asked, Hello
from optibid_console.feed.reading import (
    GREETING_S,
    MAX_MESSAGE_BYTES,
    FeedReader,
    closed_errors,
)
from optibid_console.feed.wire import encode_command
from optibid_console.source import SourceError
from probes.error_words import error_words

if TYPE_CHECKING:
    from websockets.asyncio.client import ClientConnection

Dial = Callable[[], Awaitable[Path]]
"""Gives the engine's socket, each time that it is to be connected. Raises `SourceError`."""

REPLY_S = 30.0


class FeedSource(FeedReader):
    """A `ControlSource` over the engine's Unix socket."""

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
        super().__init__(name, after)
        self._where = where
        self._want = want
        self._take_over = take_over
        self._on_close = on_close
        self._numbers = itertools.count(1)
        self._asked: dict[int, asyncio.Future[Reply]] = {}

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
        except closed_errors():
            return _unanswered()
        finally:
            self._asked.pop(number, None)

    async def close(self) -> None:
        """Leave; the engine sees that it was on purpose. Again: does nothing."""
        await super().close()
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
            why = error_words(error, file=False)
            raise SourceError(f"no engine answers at {path}: {why}") from error
        self._take_over = ""
        return ws

    def _hello(self) -> Hello:
        return Hello(
            self.name, self._want, self._seq, self._life, self._signals_after, self._take_over,
            snapshot=not self._seq,
        )  # fmt: skip

    def _handed_over(self) -> None:
        self._want = "watch"  # deposed: it doesn't drive by itself again

    def _awaits(self) -> bool:
        return bool(self._asked)

    def _answered(self, answer: Answer) -> None:
        asked = self._asked.get(answer.id)
        if asked is not None and not asked.done():
            asked.set_result(answer.reply)

    def _gone(self) -> None:
        for answer in self._asked.values():
            if not answer.done():
                answer.set_result(_unanswered())


def _unanswered() -> Refused:
    return Refused(
        "the connection was lost before the engine answered: the window shows whether it was done"
    )
