"""One attacker: opens connections at a rate from given source addresses, and prints how many.

`python flood.py KIND HOST PORT SOURCES RATE SECONDS`; SOURCES are addresses with commas between.
Prints `ready` once the first connection is made; ends after SECONDS, or with standard input.

| kind | each connection |
| --- | --- |
| silent | sends nothing |
| bare | sends nothing, or is closed at once |
| half-open | sends a TLS ClientHello, and nothing then |
| token | greets the feed with a wrong token |
| enter | posts wrong tokens to the page's `/enter`, one after the other |
"""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import secrets
import socket
import ssl
import sys
import time
from collections import deque
from contextlib import suppress

HELD = 3_000
"""Connections that an attacker holds at most; the oldest is closed by itself."""


class Flood:
    def __init__(self, kind: str, host: str, port: int, sources: list[str]) -> None:
        self.kind = kind
        self.target = (host, port)
        self.sources = itertools.cycle(sources)
        self.opened = self.failed = 0
        self.held: deque[asyncio.StreamWriter | socket.socket] = deque()
        self.tasks: set[asyncio.Task[None]] = set()
        self.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        self.tls.check_hostname, self.tls.verify_mode = False, ssl.CERT_NONE
        self.first = asyncio.Event()

    async def run(self, rate: float, seconds: float) -> None:
        began, number = time.monotonic(), 0
        stopped = asyncio.create_task(asyncio.to_thread(sys.stdin.read))
        while time.monotonic() - began < seconds and not stopped.done():
            while number < (time.monotonic() - began) * rate + 1:
                number += 1
                task = asyncio.create_task(self.one(number))
                self.tasks.add(task)
                task.add_done_callback(self.tasks.discard)
            await asyncio.sleep(0.005)

    async def one(self, number: int) -> None:
        try:
            async with asyncio.timeout(20):
                await getattr(self, self.kind.replace("-", "_"))(number)
        except (OSError, TimeoutError, EOFError):
            self.failed += 1

    async def connected(self) -> socket.socket:
        sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        sock.setblocking(False)
        sock.bind((next(self.sources), 0))
        try:
            await asyncio.get_running_loop().sock_connect(sock, self.target)
        except BaseException:
            sock.close()
            raise
        self.opened += 1
        self.first.set()
        return sock

    def hold(self, sock: socket.socket) -> None:
        self.held.append(sock)
        if len(self.held) > HELD:
            self.held.popleft().close()

    async def silent(self, number: int) -> None:
        self.hold(await self.connected())

    async def bare(self, number: int) -> None:
        sock = await self.connected()
        if number % 2:
            self.hold(sock)
        else:
            sock.close()

    async def half_open(self, number: int) -> None:
        sock = await self.connected()
        outgoing = ssl.MemoryBIO()
        with suppress(ssl.SSLWantReadError):
            self.tls.wrap_bio(ssl.MemoryBIO(), outgoing).do_handshake()
        await asyncio.get_running_loop().sock_sendall(sock, outgoing.read())
        self.hold(sock)

    async def token(self, number: int) -> None:
        reader, writer = await asyncio.open_connection(
            sock=await self.connected(), ssl=self.tls, server_hostname=""
        )
        hello = {"hello": 1, "name": "eve", "want": "watch", "after": 0,
                 "token": secrets.token_urlsafe(32)}  # fmt: skip
        payload = json.dumps(hello).encode()
        writer.write(
            b"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==\r\nSec-WebSocket-Version: 13\r\n"
            b"Sec-WebSocket-Protocol: optibid-feed.1\r\n\r\n"
        )
        await reader.readuntil(b"\r\n\r\n")
        writer.write(bytes([0x81, 0xFE]) + len(payload).to_bytes(2, "big") + bytes(4) + payload)
        await reader.read()
        writer.transport.abort()

    async def enter(self, number: int) -> None:
        host, port = self.target
        reader, writer = await asyncio.open_connection(sock=await self.connected())
        while True:
            body = json.dumps({"token": secrets.token_urlsafe(32)}).encode()
            forwarded = f"X-Forwarded-For: 198.51.100.{number % 250}\r\n"
            writer.write(
                f"POST /enter HTTP/1.1\r\nHost: {host}:{port}\r\nOrigin: http://{host}:{port}\r\n"
                f"{forwarded}Content-Type: application/json\r\n"
                f"Content-Length: {len(body)}\r\n\r\n".encode()
                + body
            )
            head = await reader.readuntil(b"\r\n\r\n")
            length = int(head.lower().split(b"content-length:")[1].split()[0])
            await reader.readexactly(length)


async def main() -> None:
    kind, host, port, sources, rate, seconds = sys.argv[1:7]
    flood = Flood(kind, host, int(port), sources.split(","))
    running = asyncio.create_task(flood.run(float(rate), float(seconds)))
    await flood.first.wait()
    print("ready", flush=True)
    await running
    print(json.dumps({"opened": flood.opened, "failed": flood.failed}), flush=True)
    os._exit(0)  # a thread still waits for standard input


if __name__ == "__main__":
    asyncio.run(main())
