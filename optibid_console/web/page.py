"""One open page: its WebSocket, its process, and what may pass between them."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from aiohttp import WSCloseCode, WSMsgType, web

from optibid_console.feed.reading import TurnedAway
from optibid_console.printed import safe
from optibid_console.web.flow import Asleep, Flow
from optibid_console.web.page_process import PageProcess
from probes.error_words import error_words

MAX_MESSAGE_BYTES = 64 * 1024
HEARTBEAT_S = 10.0
"""A browser answers pings itself (RFC 6455 5.5.2); one that is gone is noticed within 15 s."""


class Page:
    """A browser's page, from its greeting until its process is gone."""

    LEFT: ClassVar[int] = 4001
    """Its person left, or the window's screen ended: it doesn't come back by itself."""
    NOT_LET_IN: ClassVar[int] = 4003
    ASLEEP: ClassVar[int] = 4008
    TOO_MANY: ClassVar[int] = 4013

    def __init__(self, argv: Sequence[str], key: Mapping[str, str]) -> None:
        self.socket = web.WebSocketResponse(
            heartbeat=HEARTBEAT_S, max_msg_size=MAX_MESSAGE_BYTES, timeout=2.0
        )
        self._flow = Flow()
        self.process = PageProcess(argv, key, write=self._write, ended=self._ended)

    async def open(self, request: web.Request) -> None:
        await self.socket.prepare(request)

    async def serve(self, request: web.Request) -> None:
        """Run the page's process until either of them ends; gives back nothing before it is
        gone."""
        width, height = _number(request.query.get("width")), _number(request.query.get("height"))
        try:
            await self.process.start(width or 80, height or 24)
        except OSError as error:
            await self.close(
                WSCloseCode.TRY_AGAIN_LATER, f"No process can be started: {error_words(error)}"
            )
            return
        try:
            await self._listen()
        finally:
            await asyncio.shield(asyncio.ensure_future(self.process.stop()))

    async def close(self, code: int, reason: str) -> None:
        """Close it and say why; what is left of the reason has to fit (RFC 6455 5.5)."""
        message = safe(reason).encode()[:120].decode(errors="ignore").encode()
        with contextlib.suppress(ConnectionError, RuntimeError):
            await self.socket.close(code=code, message=message)

    async def _write(self, data: bytes) -> None:
        try:
            await self._flow.room()
        except Asleep:
            await self.close(self.ASLEEP, "This page slept.")
            raise ConnectionResetError("the page sleeps") from None
        self._flow.sent(len(data))
        await self.socket.send_bytes(data)

    @property
    def turned_away(self) -> bool:
        """Whether its process ended because the feed doesn't take its token any more."""
        return self.process.exit_code == TurnedAway.exit_code

    async def _ended(self) -> None:
        said = self.process.said
        if self.turned_away:
            await self.close(self.NOT_LET_IN, f"{said[:1].upper()}{said[1:]}.")
            return
        await self.close(self.LEFT, f"The screen ended: {said}" if said else "You left the window.")

    async def _listen(self) -> None:
        async for message in self.socket:
            if message.type is not WSMsgType.TEXT or not await self._take(message.data):
                await self.close(WSCloseCode.POLICY_VIOLATION, "That was no message of a page.")
                return

    async def _take(self, text: str) -> bool:
        """Do what a message says; whether it is one."""
        try:
            kind, *values = json.loads(text)
        except (ValueError, TypeError, RecursionError):
            return False
        value: Any = values[0] if values else None
        match kind, value:
            case "stdin", str():
                await self.process.send_bytes(value.encode("utf-8", "replace"))
            case "resize", {"width": int(width), "height": int(height)}:
                await self.process.set_terminal_size(width, height)
            case "taken", int():
                self._flow.taken(value)
            case "ping", str():
                await self.socket.send_json(["pong", value[:32]])
            case "focus", _:
                await self.process.focus()
            case "blur", _:
                await self.process.blur()
            case _:
                return False
        return True


def _number(text: str | None) -> int:
    return int(text) if text and text.isascii() and text.isdigit() and len(text) < 6 else 0
