"""The WebSocket probe against the library's own server and against raw sockets."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from websockets.asyncio.server import ServerConnection
from websockets.asyncio.server import serve as serve_websocket
from websockets.http11 import Request, Response

from probes import registry
from probes.probe import Status, take
from probes.tls import Tls
from probes.websocket import WebSocketSettings
from tests.servers.raw import FakeHost, answers, certified, hangs

WELCOME = json.dumps({"type": "connection_established", "zone": "PJM"})
PATH = "/api/ws/ws/market/PJM"


async def welcomes(connection: ServerConnection) -> None:
    await connection.send(WELCOME)
    await connection.wait_closed()


@asynccontextmanager
async def market(handler=welcomes, **options) -> AsyncIterator[int]:
    async with serve_websocket(handler, "127.0.0.1", 0, **options) as server:
        yield next(iter(server.sockets)).getsockname()[1]


async def read(port: int, host=None, timeout_s: float = 5, url: str = "", **settings):
    made = WebSocketSettings(url=url or f"ws://127.0.0.1:{port}{PATH}", **settings)
    probe = registry.build("websocket", "market", made, host)
    reading = await take(probe, timeout_s)
    await probe.close()
    return reading


async def test_a_handshake_and_the_first_message_are_ok():
    async with market() as port:
        reading = await read(port, first={})
        assert (reading.status, reading.summary, reading.unit) == (Status.OK, "connected", "ms")
        assert reading.detail["first message type"] == '"connection_established"'
        assert reading.value is not None
        assert 0 < reading.value < reading.took_ms
        other = await read(port, first={"zone": "CAISO"})
        assert (other.status, other.summary) == (
            Status.FAILING,
            'first message zone "PJM", expected "CAISO"',
        )


def held_up(times: int) -> type[ServerConnection]:
    """A server's connection whose loop is held for a second when each of the first `times` frames
    comes, as by a login's bcrypt."""

    class Held(ServerConnection):
        left = times
        greeted = False

        def data_received(self, data: bytes) -> None:
            if self.greeted and self.left:
                self.left -= 1
                time.sleep(1.0)
            self.greeted = True
            super().data_received(data)

    return Held


async def test_one_late_ping_is_the_moment_and_every_late_one_the_server():
    wanted = {"first": {}, "ping": True, "max_ms": 500, "timeout_s": 20}
    async with market(create_connection=held_up(1)) as port:
        reading = await read(port, **wanted)
        assert reading.status is Status.OK, reading.summary
        assert reading.took_ms > 1000  # it met the login
    async with market(create_connection=held_up(3)) as port:
        reading = await read(port, **wanted)
        assert reading.status is Status.FAILING
        assert "ping" in reading.summary


async def test_a_ping_is_measured():
    async with market() as port:
        reading = await read(port, ping=True)
        assert reading.status is Status.OK
        assert reading.detail["ping"].endswith("ms")
        slow = await read(port, ping=True, max_ms=0)
        assert slow.status is Status.FAILING


async def test_headers_host_and_subprotocol_are_sent():
    seen: list[Request] = []

    def note(connection: ServerConnection, request: Request) -> None:
        seen.append(request)

    async with market(process_request=note, subprotocols=["market.v1"]) as port:
        headers = {"host": "api.optibid.example", "X-Zone": "PJM"}
        reading = await read(port, first={}, headers=headers, subprotocol="market.v1")
    assert reading.status is Status.OK
    assert seen[0].headers.get_all("Host") == ["api.optibid.example"]
    assert seen[0].headers["X-Zone"] == "PJM"
    assert seen[0].path == PATH


async def test_a_refused_handshake_names_the_status():
    def refuse(connection: ServerConnection, request: Request) -> Response:
        return connection.respond(403, "Forbidden\n")

    async with market(process_request=refuse) as port:
        reading = await read(port)
    assert (reading.status, reading.summary) == (
        Status.FAILING,
        "handshake refused: HTTP 403 Forbidden",
    )


async def test_a_close_names_its_code_and_reason():
    async def closes(connection: ServerConnection) -> None:
        await connection.close(1008, "Unknown zone\x1b[31m XX")

    async with market(closes) as port:
        reading = await read(port, first={})
    assert (reading.status, reading.summary) == (
        Status.FAILING,
        "closed with 1008 Unknown zone XX",
    )


async def test_no_first_message_in_time_is_told_from_no_connection(serve):
    async def quiet(connection: ServerConnection) -> None:
        await connection.wait_closed()

    async with market(quiet) as port:
        reading = await read(port, first={}, timeout_s=2)
    assert reading.status is Status.FAILING
    assert reading.summary.endswith("within 2 s: connected, but no first message")

    port = await serve(hangs)
    reading = await read(port, timeout_s=2)
    assert reading.summary.endswith("within 2 s: not connected")
    assert reading.status is Status.FAILING


@pytest.mark.parametrize("message", ["not json", b"\xff\xfe", "[" * 50_000])
async def test_a_first_message_that_cannot_be_read_fails(message):
    async def babbles(connection: ServerConnection) -> None:
        await connection.send(message)
        await connection.wait_closed()

    async with market(babbles) as port:
        reading = await read(port, first={})
    assert reading.status is Status.FAILING
    assert "expected JSON" in reading.summary


async def test_a_huge_first_message_is_not_taken_in():
    async def floods(connection: ServerConnection) -> None:
        await connection.send("x" * 2_000_000)

    async with market(floods) as port:
        reading = await read(port, first={})
    assert reading.status is Status.FAILING
    assert reading.summary.startswith("the first message is too big")


@pytest.mark.parametrize("garbage", [b"SSH-2.0-OpenSSH\r\n", b"\0\xff\x1b[2J\r\n\r\n", b""])
async def test_garbage_is_not_a_websocket(serve, garbage):
    reading = await read(await serve(answers(garbage)))
    assert reading.status is Status.FAILING
    assert "doesn't answer as a WebSocket does" in reading.summary
    assert "\x1b" not in reading.summary


async def test_refused_and_a_lost_link_are_told_apart(nobody):
    reading = await read(nobody)
    assert reading.status is Status.FAILING
    assert reading.summary == f"127.0.0.1:{nobody} refused the connection"
    reading = await read(nobody, FakeHost(lost=True))
    assert (reading.status, reading.summary) == (Status.ERROR, "app-1: connection lost")


async def test_tls_is_verified_for_the_urls_name_through_a_host(ca, ca_file):
    context = certified(ca.issue_cert("api.optibid.example"))
    async with market(ssl=context) as port:
        host = FakeHost(
            forwards={(name, 443): ("127.0.0.1", port) for name in ("api.optibid.example", "wrong")}
        )
        url = "wss://api.optibid.example/api/ws/ws/market/PJM"
        assert (await read(0, host, url=url, tls=Tls(ca=ca_file))).status is Status.OK
        reading = await read(0, host, url="wss://wrong/", tls=Tls(ca=ca_file))
        assert reading.status is Status.FAILING
        assert "is for another name" in reading.summary
        reading = await read(0, host, url=url)
        assert "that we don't trust" in reading.summary
        reading = await read(0, host, url=url, tls=Tls(insecure=True))
        assert (reading.status, reading.summary) == (
            Status.OK,
            "connected (certificate not checked)",
        )


async def test_a_server_that_never_says_goodbye_costs_little():
    gone = asyncio.Event()

    async def rude(connection: ServerConnection) -> None:
        await connection.send(WELCOME)
        connection.transport.pause_reading()
        await gone.wait()
        connection.transport.abort()

    async with market(rude) as port:
        reading = await read(port, first={}, timeout_s=5)
        gone.set()
    assert reading.status is Status.OK
    assert reading.took_ms < 2000


def test_bad_settings_are_named():
    settings = WebSocketSettings(url="http://x/", first={"a": {"matches": "("}}, max_bytes=0)
    assert [key for key, _ in settings.problems()] == ["url", "first.a", "max_bytes"]
