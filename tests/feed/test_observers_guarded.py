"""What somebody on the observers' port can do: nothing, and not for long."""

from __future__ import annotations

import asyncio
import logging
import os
import random
import ssl
import zlib
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.frames import Opcode

from optibid_console.admission.connections import ConnectionLimits
from optibid_console.admission.listener import ListenerLimits, open_listener
from optibid_console.admission.throttle import ThrottlePolicy
from optibid_console.feed import listener
from optibid_console.feed.certificate import client_context
from optibid_console.feed.link import Link, new_token
from optibid_console.feed.messages import Hello
from optibid_console.feed.observer import ObserverSource
from optibid_console.feed.rate_limited import HEARD_BYTES
from optibid_console.feed.reading import TurnedAway
from optibid_console.feed.wire import encode_hello
from optibid_console.source import CaughtUp, Lost
from tests.feed.observing import Shared, closed_with, own_state, raw
from tests.feed.screen import Screen

WITHIN_S = 30


async def test_without_the_right_token_nobody_comes_in_and_it_is_logged_without_it(
    shared, caplog
) -> None:
    shared.link()
    wrong = Link("127.0.0.1", shared.port, new_token(), shared.fingerprint)
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            with pytest.raises(TurnedAway, match="no such link"):
                await anext(ObserverSource(wrong, "eve").events())
    logged = [one.getMessage() for one in caplog.records]
    assert [line for line in logged if "turned away" in line][-1].endswith("(2 times)")
    assert wrong.token not in "".join(logged)
    assert shared.listener.watchers == 0


async def test_pages_of_a_browser_and_other_protocols_are_refused(shared) -> None:
    link = shared.link()
    with pytest.raises(InvalidStatus, match="403"):
        await raw(link, origin="https://evil.example")
    with pytest.raises(InvalidStatus, match="400"):
        await raw(link, subprotocols=["chat"])
    with suppress(InvalidStatus):  # none at all: refused at the latest when it greets
        ws = await raw(link, subprotocols=None)
        assert await closed_with(ws) == 1002


async def test_who_greets_with_too_much_or_not_at_all_is_closed(shared, monkeypatch) -> None:
    monkeypatch.setattr(listener, "GREETING_S", 0.3)
    link = shared.link()
    silent, long = await raw(link), await raw(link)
    await long.send("x" * 5_000)
    assert await closed_with(long) == 1009
    assert await closed_with(silent) == 1008


async def test_the_oldest_silent_connection_makes_room_for_the_next_one(
    window, tmp_path, monkeypatch
) -> None:
    own_state(tmp_path, monkeypatch)
    shared = Shared(window)
    shared.door.close()
    limits = ListenerLimits(ConnectionLimits(total=4, of_address=3, of_network=4))
    shared.door = open_listener("127.0.0.1", 0, limits)
    shared.port = shared.door.port
    await shared.start()
    idle = [await asyncio.open_connection("127.0.0.1", shared.port) for _ in range(4)]
    assert await asyncio.wait_for(idle[0][0].read(1), WITHIN_S) == b""
    assert (shared.door.inside, shared.door.evicted, shared.door.refused) == (3, 1, 0)
    one = Screen(ObserverSource(shared.link(), "bob"))
    await one.until(lambda events: any(isinstance(event, CaughtUp) for event in events))
    for _, writer in idle:
        writer.transport.abort()
    async with asyncio.timeout(WITHIN_S):
        while shared.door.inside > 1:
            await asyncio.sleep(0.02)
    await one.close()
    await shared.listener.close("over")


async def test_observers_are_never_evicted(window, tmp_path, monkeypatch) -> None:
    own_state(tmp_path, monkeypatch)
    shared = Shared(window)
    shared.door.close()
    shared.door = open_listener("127.0.0.1", 0, ListenerLimits(ConnectionLimits(2, 2, 2)))
    shared.port = shared.door.port
    await shared.start()
    link = shared.link()
    both = [Screen(ObserverSource(link, name)) for name in ("ann", "bob")]
    for one in both:
        await one.until(lambda events: any(isinstance(event, CaughtUp) for event in events))
    reader, writer = await asyncio.open_connection("127.0.0.1", shared.port)
    assert await asyncio.wait_for(reader.read(1), WITHIN_S) == b""
    writer.transport.abort()
    assert (shared.listener.watchers, shared.door.refused) == (2, 1)
    for one in both:
        assert one.of(Lost) == []
        await one.close()
    await shared.listener.close("over")


FUZZED = 150


def resident_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


async def test_random_bytes_frames_greetings_and_slow_senders_change_nothing(shared, watch) -> None:
    """No entry, no crash, bounded connections and memory; who watches notices nothing."""
    chance = random.Random(11)
    link = shared.link()
    good = watch(link)
    await shared.window.notes(2)
    await good.until(lambda _: good.seqs() == [1, 2])

    async def bytes_on_the_port() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", shared.port)
        writer.write(chance.randbytes(chance.randrange(2_000)))
        with suppress(OSError, TimeoutError):
            await asyncio.wait_for(reader.read(100), 0.2)
        writer.transport.abort()

    async def bytes_in_tls() -> None:
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", shared.port, ssl=client_context()
        )
        text = b"GET / HTTP/1.1\r\n" if chance.random() < 0.5 else b""
        writer.write(text + chance.randbytes(chance.randrange(20_000)))
        with suppress(OSError, TimeoutError):
            await asyncio.wait_for(reader.read(100), 0.2)
        writer.transport.abort()

    async def frames() -> None:
        ws = await raw(link)
        if chance.random() < 0.5:
            await ws.send(encode_hello(Hello("f", "watch", token=link.token)), text=True)
            await ws.recv()
        ws.transport.write(chance.randbytes(chance.randrange(1, 500)))
        with suppress(TimeoutError, ConnectionClosed):
            async with asyncio.timeout(0.2):
                while True:
                    await ws.recv()
        ws.transport.abort()

    async def greeting() -> None:
        ws = await raw(link)
        hello = bytearray(encode_hello(Hello("g", "watch", token=link.token)))
        for _ in range(chance.randrange(1, 6)):
            hello[chance.randrange(len(hello))] = chance.randrange(256)
        with suppress(ConnectionClosed, TimeoutError):
            await ws.send(bytes(hello), text=chance.random() < 0.5)
            await asyncio.wait_for(ws.recv(), 0.3)
        ws.transport.abort()

    async def slowly() -> None:
        _, writer = await asyncio.open_connection("127.0.0.1", shared.port, ssl=client_context())
        for one in b"GET / HTTP/1.1\r\nHost: x":
            writer.write(bytes([one]))
            await asyncio.sleep(0.005)
        writer.transport.abort()

    kinds = (bytes_on_the_port, bytes_in_tls, frames, greeting, slowly)
    for _ in range(FUZZED // 15):
        await asyncio.gather(*(chance.choice(kinds)() for _ in range(15)), return_exceptions=True)
    held = resident_bytes()
    for _ in range(FUZZED // 15):
        await asyncio.gather(*(chance.choice(kinds)() for _ in range(15)), return_exceptions=True)
    assert resident_bytes() - held < 8_000_000
    await shared.window.notes(2)
    await good.until(lambda _: good.seqs() == [1, 2, 3, 4])
    assert good.of(Lost) == []
    assert shared.window.journal.head()[0] == 4
    async with asyncio.timeout(WITHIN_S):
        while shared.door.inside > 1:
            await asyncio.sleep(0.05)


def tls_hello() -> bytes:
    """The first bytes of a TLS handshake."""
    outgoing = ssl.MemoryBIO()
    tls = client_context().wrap_bio(ssl.MemoryBIO(), outgoing)
    with suppress(ssl.SSLWantReadError):
        tls.do_handshake()
    return outgoing.read()


@pytest.mark.parametrize("how", ["silent", "slowly in TLS", "slowly in HTTP"])
async def test_who_comes_and_says_nothing_whole_is_gone_in_time(
    window, tmp_path, monkeypatch, how
) -> None:
    """Slowloris: the time is counted from the beginning, not from the last byte."""
    own_state(tmp_path, monkeypatch)
    monkeypatch.setattr(listener, "GREETING_S", 0.5)
    shared = Shared(window)
    await shared.start()
    tls = client_context() if how == "slowly in HTTP" else None
    text = tls_hello() if how == "slowly in TLS" else b"GET / HTTP/1.1\r\nHost: x\r\nA: " * 20
    callers = [await asyncio.open_connection("127.0.0.1", shared.port, ssl=tls) for _ in range(20)]

    async def drip(writer: asyncio.StreamWriter) -> int:
        for number, one in enumerate(text[:-1]):
            writer.write(bytes([one]))
            await asyncio.sleep(0.05)
            if writer.transport.is_closing():
                return number
        return len(text)

    assert shared.door.inside == 20
    dripping = [asyncio.create_task(drip(w)) for _, w in callers if how != "silent"]
    async with asyncio.timeout(WITHIN_S):
        for reader, _ in callers:
            with suppress(OSError):
                await reader.read()
        while shared.door.inside:
            await asyncio.sleep(0.02)
    assert all(number < len(text) - 1 for number in await asyncio.gather(*dripping))
    for _, writer in callers:
        writer.transport.abort()
    await shared.listener.close("over")


@pytest.mark.parametrize("greeted", [False, True])
async def test_a_flood_of_pings_is_cut_off_unread(shared, greeted) -> None:
    """Each would be answered in the engine's loop."""
    link = shared.link()
    ws = await raw(link)
    if greeted:
        await ws.send(encode_hello(Hello("bob", "watch", token=link.token)), text=True)
        await ws.recv()
    ping = b"\x89\x80\x00\x00\x00\x00"  # masked with zeros, empty (RFC 6455 5.2)
    answered = 0
    handle = ws.process_event

    def count(event) -> None:
        nonlocal answered
        answered += getattr(event, "opcode", None) == Opcode.PONG
        handle(event)

    ws.process_event = count
    for _ in range(100):
        if ws.transport.is_closing():
            break
        ws.transport.write(ping * 1000)
        await asyncio.sleep(0.005)
    assert await closed_with(ws) == 1006
    assert answered <= HEARD_BYTES / len(ping)


async def test_an_observer_may_ping_as_often_as_one_does(shared, watch) -> None:
    link = shared.link()
    ws = await raw(link)
    await ws.send(encode_hello(Hello("bob", "watch", token=link.token)), text=True)
    await ws.recv()
    for _ in range(300):
        await (await ws.ping())
    assert shared.listener.watchers == 1
    ws.transport.abort()


async def test_more_headers_than_a_request_has_are_cut_off(shared) -> None:
    for text in (b"A" * 60_000, b"A: b\r\n" * 8_000, b"A: " + b"b" * 60_000 + b"\r\n"):
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", shared.port, ssl=client_context()
        )
        writer.write(b"GET / HTTP/1.1\r\n" + text)
        with suppress(OSError):
            assert b"101" not in await asyncio.wait_for(reader.read(), WITHIN_S)
        writer.transport.abort()


async def test_nothing_is_unpacked_for_who_asks_to_send_packed(shared) -> None:
    """A compression bomb has nothing to go off in."""
    ws = await raw(shared.link(), compression="deflate")
    assert ws.protocol.extensions == []
    packed = zlib.compress(b"\x00" * 3_000_000, 9)
    ws.transport.write(b"\xc1\xfe" + len(packed).to_bytes(2, "big") + bytes(4) + packed)
    assert await closed_with(ws) == 1002


@pytest.mark.slow
async def test_a_thousand_failed_connects_leave_nothing(window, tmp_path, monkeypatch) -> None:
    own_state(tmp_path, monkeypatch)
    monkeypatch.setattr(listener, "THROTTLE", ThrottlePolicy(first_s=0.0, most_s=0.0))
    shared = Shared(window)
    shared.door.close()
    shared.door = open_listener(
        "127.0.0.1", 0, replace(listener.listener_limits(), burst=10_000, per_s=1e6)
    )
    shared.port = shared.door.port
    await shared.start()
    wrong = Link("127.0.0.1", shared.port, new_token(), shared.fingerprint)

    async def fail(number: int) -> None:
        if number % 2:
            _, writer = await asyncio.open_connection("127.0.0.1", shared.port)
            writer.write(b"no TLS at all")
            await asyncio.sleep(0)
            writer.transport.abort()
            return
        ws = await raw(wrong)
        await ws.send(encode_hello(Hello("eve", "watch", token=wrong.token)), text=True)
        await closed_with(ws)

    async def many(count: int) -> None:
        for first in range(0, count, 20):
            await asyncio.gather(*(fail(n) for n in range(first, first + 20)))
        async with asyncio.timeout(WITHIN_S):
            while shared.door.inside or shared.listener._connections:
                await asyncio.sleep(0.02)

    await many(600)  # what the allocator and TLS keep once, they have then
    before = resident_bytes()
    await many(1000)
    assert resident_bytes() - before < 12_000_000
    await shared.listener.close("over")
