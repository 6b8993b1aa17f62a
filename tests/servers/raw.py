"""Raw servers that misbehave exactly as told, and hosts as probes see them."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

import trustme

from probes.probe import Completed, HostError

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class Serve:
    """Starts servers on 127.0.0.1; all end with the test."""

    def __init__(self) -> None:
        self._servers: list[asyncio.Server] = []
        self._visits: set[asyncio.Task[None]] = set()

    async def __call__(self, handler: Handler, tls: ssl.SSLContext | None = None) -> int:
        """The port where `handler` meets each connection."""

        async def visit(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.current_task()
            assert task is not None
            self._visits.add(task)
            try:
                await handler(reader, writer)
            except (ConnectionError, asyncio.IncompleteReadError):
                pass  # the probe left, as some tests want it to
            finally:
                self._visits.discard(task)
                writer.transport.abort() if writer.transport.is_closing() else writer.close()

        server = await asyncio.start_server(visit, "127.0.0.1", 0, ssl=tls)
        self._servers.append(server)
        return int(server.sockets[0].getsockname()[1])

    async def end(self) -> None:
        for server in self._servers:
            server.close()
        visits = tuple(self._visits)
        for visit in visits:
            visit.cancel()
        await asyncio.gather(*visits, return_exceptions=True)


def answers(*pieces: bytes, seen: list[bytes] | None = None) -> Handler:
    """Reads one request's head, then writes these pieces and closes."""

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        if seen is not None:
            seen.append(head)
        for piece in pieces:
            writer.write(piece)
            await writer.drain()

    return handler


def http(body: str | bytes, status: str = "200 OK", headers: str = "") -> bytes:
    raw = body.encode() if isinstance(body, str) else body
    head = f"HTTP/1.1 {status}\r\nContent-Length: {len(raw)}\r\n{headers}\r\n"
    return head.encode() + raw


async def hangs(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Accepts, and never says a word."""
    await asyncio.Event().wait()


def certified(certificate: trustme.LeafCert) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate.configure_cert(context)
    return context


@dataclass
class FakeHost:
    """A host whose forwards lead where the test says, and whose commands give what it says."""

    name: str = "app-1"
    forwards: dict[tuple[str, int], tuple[str, int]] = field(default_factory=dict)
    lost: bool = False
    completed: Completed | Exception | None = None
    asked: list[tuple[str, Mapping[str, str]]] = field(default_factory=list)

    async def reach(self, host: str, port: int) -> tuple[str, int]:
        if self.lost:
            raise HostError(f"{self.name}: connection lost")
        return self.forwards.get((host, port), (host, port))

    async def knock(self, host: str, port: int) -> None:
        return

    async def reach_socket(self, path: str) -> str:
        raise HostError(f"{self.name}: no sockets here")

    async def authenticate(self, not_before: float) -> None:
        return

    async def execute(
        self,
        command: str,
        *,
        timeout_s: float,
        env: Mapping[str, str] | None = None,
        max_bytes: int = 1_000_000,
    ) -> Completed:
        self.asked.append((command, dict(env or {})))
        if isinstance(self.completed, Exception):
            raise self.completed
        return self.completed or Completed(0, b"", b"")

    def stream(self, command: str):  # type: ignore[no-untyped-def]
        raise HostError(f"{self.name}: no streams here")
