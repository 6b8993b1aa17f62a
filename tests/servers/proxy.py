"""A wire to a server that a test can break: also just as an answer is on its way."""

from __future__ import annotations

import asyncio
from contextlib import suppress


class Proxy:
    """Carries bytes between a port of its own and a server's."""

    def __init__(self, host: str, port: int) -> None:
        self._to = (host, port)
        self._open: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None
        self.swallows = False
        """Whether the server's next answer is lost, and the connection with it."""
        self.refuses = False
        self.port = 0

    async def start(self) -> Proxy:
        self._server = await asyncio.start_server(self._carry, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    def cut(self, refuses: bool = True) -> None:
        """End every connection; `refuses`: and let nobody in."""
        self.refuses = refuses
        for one in self._open:
            one.transport.abort()

    async def close(self) -> None:
        assert self._server is not None
        self.cut()
        self._server.close()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.refuses:
            writer.transport.abort()
            return
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        both = {writer}
        self._open |= both
        try:
            with suppress(OSError):  # nobody listens there just now
                far_reader, far_writer = await asyncio.open_connection(*self._to)
                both.add(far_writer)
                self._open.add(far_writer)
                await asyncio.gather(self._pump(reader, far_writer), self._back(far_reader, writer))
        finally:
            self._open -= both
            for one in both:
                one.transport.abort()
            self._tasks.discard(task)

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            while data := await reader.read(1 << 16):
                writer.write(data)
                await writer.drain()
        writer.transport.abort()

    async def _back(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            while data := await reader.read(1 << 16):
                if self.swallows:
                    self.swallows = False
                    break
                writer.write(data)
                await writer.drain()
        writer.transport.abort()
