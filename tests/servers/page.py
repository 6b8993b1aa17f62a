"""A real HTTP server that people are told through: it answers as a test wants it to."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Page:
    """Records every request; answers with `statuses` in turn, then with 200."""

    port: int = 0
    statuses: list[int] = field(default_factory=list)
    hangs: bool = False
    """It reads requests and never answers."""
    refuses: bool = False
    """It answers 500 to everything."""
    asked: list[dict[str, Any]] = field(default_factory=list)
    """method, path, headers, body of each request, and the status that it got (0: none)."""
    came: asyncio.Condition = field(default_factory=asyncio.Condition)

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    async def until(self, count: int, limit_s: float = 30.0) -> list[dict[str, Any]]:
        """Wait until so many requests have come; gives them."""
        async with asyncio.timeout(limit_s), self.came:
            await self.came.wait_for(lambda: len(self.asked) >= count)
        return self.asked

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            await self._answer(reader, writer)
        writer.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        first, *rest = head.strip().split("\r\n")
        headers = {name.lower(): value for name, _, value in (one.partition(": ") for one in rest)}
        body = await reader.readexactly(int(headers.get("content-length", "0")))
        method, path, _ = first.split(" ")
        status = self.statuses.pop(0) if self.statuses else 500 if self.refuses else 200
        async with self.came:
            self.asked.append(
                {
                    "method": method, "path": path, "headers": headers, "body": json.loads(body),
                    "answer": 0 if self.hangs else status,
                }
            )  # fmt: skip
            self.came.notify_all()
        if self.hangs:
            await reader.read()  # until the client gives up
            return
        said = b"" if status == 200 else f"no, because {path} is not {body.decode()}".encode()
        writer.write(
            f"HTTP/1.1 {status} Said So\r\ncontent-length: {len(said)}\r\n"
            "connection: close\r\n\r\n".encode()
            + said
        )
        await writer.drain()


@contextlib.asynccontextmanager
async def open_page(*, hangs: bool = False) -> AsyncIterator[Page]:
    """The page on a free port of 127.0.0.1."""
    one = Page(hangs=hangs)
    server = await asyncio.start_server(one.serve, "127.0.0.1", 0)
    one.port = server.sockets[0].getsockname()[1]
    try:
        yield one
    finally:
        server.close()
