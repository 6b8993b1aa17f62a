"""The listener itself, with a protocol that greets each connection."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import suppress

import pytest

from optibid_console.admission.connections import ConnectionLimits, Standing
from optibid_console.admission.listener import (
    LimitedConnection,
    LimitedListener,
    ListenerLimits,
    open_listener,
)
from optibid_console.feed.certificate import client_context, server_context
from tests.feed.observing import own_state

WITHIN_S = 30
MANY = ConnectionLimits(100, 100, 100)


class Greeting(asyncio.Protocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        transport.write(b"hello")


@pytest.fixture
async def listening() -> AsyncIterator[Callable[..., LimitedListener]]:
    opened: list[LimitedListener] = []

    def listen(limits: ListenerLimits, host="127.0.0.1", proxies=(), tls=None) -> LimitedListener:
        opened.append(open_listener(host, 0, limits, proxies))
        opened[-1].start(greet, tls)
        return opened[-1]

    def greet(connection: LimitedConnection) -> asyncio.Protocol:
        return Greeting()

    yield listen
    for one in opened:
        one.close()
        await asyncio.wait_for(one.wait_closed(), WITHIN_S)


async def greeted(port: int, host: str = "127.0.0.1", **more) -> asyncio.StreamWriter:
    reader, writer = await asyncio.open_connection(host, port, **more)
    writer.write(b"x")
    assert await asyncio.wait_for(reader.readexactly(5), WITHIN_S) == b"hello"
    return writer


async def left(writer: asyncio.StreamWriter) -> None:
    writer.close()
    with suppress(OSError):
        await asyncio.wait_for(writer.wait_closed(), WITHIN_S)


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(WITHIN_S):
        while not holds():
            await asyncio.sleep(0.01)


async def test_a_name_with_two_addresses_is_listened_at_on_one_port(listening) -> None:
    families = {one[0] for one in socket.getaddrinfo("localhost", 0, type=socket.SOCK_STREAM)}
    one = listening(ListenerLimits(MANY), host="localhost")
    hosts = {socket.AF_INET: "127.0.0.1", socket.AF_INET6: "::1"}
    writers = []
    for family in families:
        if family == socket.AF_INET6 and not _has_ipv6():
            continue
        writers.append(await greeted(one.port, hosts[family]))
    assert writers
    for writer in writers:
        writer.transport.abort()


def _has_ipv6() -> bool:
    with suppress(OSError), socket.socket(socket.AF_INET6, socket.SOCK_STREAM) as sock:
        sock.bind(("::1", 0))
        return True
    return False


@pytest.mark.skipif(not _has_ipv6(), reason="this machine has no ::1")
async def test_the_oldest_silent_one_of_an_ipv6_network_makes_room(listening) -> None:
    one = listening(ListenerLimits(ConnectionLimits(9, 2, 2)), host="::1")
    silent = [await asyncio.open_connection("::1", one.port) for _ in range(3)]
    assert await asyncio.wait_for(silent[0][0].read(), WITHIN_S) == b""
    writer = await greeted(one.port, "::1")
    for _, other in silent:
        other.transport.abort()
    writer.transport.abort()
    await until(lambda: not one.inside)


async def test_handshakes_above_the_rate_wait_for_their_turn(listening) -> None:
    one = listening(ListenerLimits(MANY, burst=2, per_s=20.0))
    loop = asyncio.get_running_loop()
    began = loop.time()
    writers = await asyncio.gather(*(greeted(one.port) for _ in range(6)))
    assert loop.time() - began >= 4 / 20.0 - 0.01
    assert one.count(Standing.ANONYMOUS) == 6
    for writer in writers:
        writer.transport.abort()


async def test_a_named_proxy_has_no_limit_of_its_address_and_does_not_wait(listening) -> None:
    limits = ListenerLimits(ConnectionLimits(6, 2, 2), burst=1, per_s=0.001)
    one = listening(limits, proxies={"127.0.0.1"})
    writers = [await greeted(one.port) for _ in range(5)]
    assert one.inside == 5
    for writer in writers:
        writer.transport.abort()


async def test_a_stalled_handshake_makes_room_for_the_next_one(
    listening, tmp_path, monkeypatch
) -> None:
    own_state(tmp_path, monkeypatch)
    tls, _ = await asyncio.to_thread(server_context)
    one = listening(ListenerLimits(MANY, handshakes=2), tls=tls)
    stalled = []
    for _ in range(2):
        stalled.append(await asyncio.open_connection("127.0.0.1", one.port))
        stalled[-1][1].write(b"\x16\x03\x01")
    await until(lambda: one.count(Standing.HANDSHAKING) == 2)
    writer = await greeted(one.port, ssl=client_context())
    assert await asyncio.wait_for(stalled[0][0].read(), WITHIN_S) == b""
    assert (one.evicted, one.inside) == (1, 2)
    for other in (stalled[0][1], stalled[1][1], writer):
        await left(other)


async def test_what_is_no_tls_gets_no_handshake(listening, tmp_path, monkeypatch) -> None:
    own_state(tmp_path, monkeypatch)
    tls, _ = await asyncio.to_thread(server_context)
    one = listening(ListenerLimits(MANY, burst=1, per_s=0.001), tls=tls)
    for _ in range(5):
        reader, writer = await asyncio.open_connection("127.0.0.1", one.port)
        writer.write(b"GET / HTTP/1.1\r\n\r\n")
        with suppress(ConnectionResetError):
            assert await asyncio.wait_for(reader.read(), WITHIN_S) == b""
        writer.transport.abort()
    await left(await greeted(one.port, ssl=client_context()))


async def test_each_standing_has_its_deadline_and_closing_ends_all(listening) -> None:
    limits = ListenerLimits(MANY, deadlines={Standing.SILENT: 0.2, Standing.ANONYMOUS: 60.0})
    one = listening(limits)
    writer = await greeted(one.port)
    reader, silent = await asyncio.open_connection("127.0.0.1", one.port)
    assert await asyncio.wait_for(reader.read(), WITHIN_S) == b""
    assert one.inside == 1
    one.close()
    assert not one.is_serving()
    await asyncio.wait_for(one.wait_closed(), WITHIN_S)
    await until(lambda: not one.inside)
    for other in (writer, silent):
        other.transport.abort()
