"""Observers over TCP: who is let in, that they send nothing, and that nobody loses anything."""

from __future__ import annotations

import asyncio
import logging
import os
import random
import socket
import stat
from contextlib import suppress
from pathlib import Path

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from optibid_console.commands import Abort
from optibid_console.entries import Entry, NoteWritten
from optibid_console.feed import doorway, listener, watcher
from optibid_console.feed.certificate import client_context, own_certificate, server_context
from optibid_console.feed.link import BadLink, Link, new_token, parse_link, split_address
from optibid_console.feed.messages import HANDED_OVER, SUBPROTOCOL, Asked, Hello
from optibid_console.feed.observer import ObserverSource
from optibid_console.feed.reading import TurnedAway
from optibid_console.feed.snapshot import Snapshots
from optibid_console.feed.wire import decode, encode_command, encode_hello
from optibid_console.signals import LogLines, Missed, Presence, Pulse
from optibid_console.source import CaughtUp, FeedDelay, Lost, Snapshot, SourceError
from optibid_console.state import WindowState
from tests.feed.observing import Shared, own_state
from tests.feed.screen import Screen

WITHIN_S = 30


@pytest.fixture
async def shared(window, tmp_path, monkeypatch):
    own_state(tmp_path, monkeypatch)
    monkeypatch.setattr(doorway, "FIRST_DELAY_S", 0.01)
    monkeypatch.setattr(doorway, "MOST_DELAY_S", 0.05)
    shared = Shared(window)
    await shared.start()
    yield shared
    await shared.listener.close("over")


@pytest.fixture
async def watch(shared):
    screens = []

    def watch(link: Link, name: str = "bob", **more) -> Screen:
        screens.append(Screen(ObserverSource(link, name, **more)))
        return screens[-1]

    yield watch
    for one in screens:
        one.task.cancel()
        await asyncio.gather(one.task, return_exceptions=True)


async def raw(link: Link, **more):
    """A connection that isn't greeted yet."""
    given = {"subprotocols": [SUBPROTOCOL], "compression": None, "ping_interval": None, **more}
    return await connect(f"wss://{link.address}/", ssl=client_context(), proxy=None, **given)


async def closed_with(ws) -> int:
    async with asyncio.timeout(WITHIN_S):
        with suppress(ConnectionClosed):
            while True:
                await ws.recv()
    return ws.close_code


async def test_an_observer_gets_every_entry_and_signals_and_has_no_way_to_send(
    shared, watch
) -> None:
    await shared.window.notes(5)
    one = watch(shared.link())
    await one.until(lambda events: CaughtUp(5) in events)
    assert not hasattr(one.source, "send")
    await shared.window.notes(3)
    shared.window.hub.signal(LogLines("app", b"hello\n", 1))
    await one.until(lambda events: any(isinstance(event, LogLines) for event in events))
    assert one.seqs() == list(range(1, 9))
    assert one.of(Entry) == await shared.window.journal.read(0, 100)
    await one.until(lambda events: any(isinstance(event, FeedDelay) for event in events))


async def test_any_message_after_the_greeting_closes_the_connection_with_1008(shared) -> None:
    link = shared.link()
    for message in (
        encode_command(Asked(1, Abort())).decode(), b"\x00", "", encode_hello(Hello("x", "watch")),
    ):  # fmt: skip
        ws = await raw(link)
        await ws.send(encode_hello(Hello("bob", "watch", token=link.token)), text=True)
        await ws.recv()
        await ws.send(message)
        assert await closed_with(ws) == 1008
    assert shared.window.controller.leavings == []


@pytest.mark.parametrize("want", ["drive", "watch"])
async def test_who_wants_to_drive_only_watches(shared, want) -> None:
    link = shared.link()
    ws = await raw(link)
    await ws.send(
        encode_hello(Hello("eve", want, token=link.token, take_over="mine now")), text=True
    )
    assert '"welcome"' in await ws.recv()
    assert shared.window.controller.holder is None
    await ws.close()


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


async def test_failed_greetings_are_answered_later_each_time(monkeypatch) -> None:
    waited = []

    async def note(delay_s: float) -> None:
        waited.append(delay_s)

    monkeypatch.setattr(doorway.asyncio, "sleep", note)
    strikes = doorway.Strikes()
    for _ in range(7):
        await strikes.failed("10.0.0.1", "no such link")
    await strikes.failed("10.0.0.2", "no such link")
    assert waited == [0.5, 1.0, 2.0, 4.0, 8.0, 8.0, 8.0, 0.5]
    strikes.came_in("10.0.0.1")
    await strikes.failed("10.0.0.1", "no such link")
    assert waited[-1] == 0.5


def _never(events: list) -> bool:
    return False


async def test_a_revoked_link_turns_its_observers_away_and_no_others(shared, watch) -> None:
    one, other = watch(shared.link("one")), watch(shared.link("other"))
    for screen in (one, other):
        await screen.until(lambda events: any(isinstance(e, CaughtUp) for e in events))
    await shared.listener.turn_away("one", "your link was taken back by ann")
    with pytest.raises(TurnedAway, match=r"^your link was taken back by ann$"):
        await one.until(_never)
    await shared.window.notes(1)
    await other.until(lambda events: any(isinstance(event, Entry) for event in events))


async def test_a_link_that_expires_turns_away_who_watches(shared, watch) -> None:
    one = watch(shared.link("brief", lasts_s=1.0))
    with pytest.raises(TurnedAway, match=r"^your link has expired$"):
        await one.until(_never)


async def test_the_certificate_is_checked_before_the_token_is_sent(
    shared, tmp_path, monkeypatch
) -> None:
    link = shared.link()
    got = bytearray()

    own_state(tmp_path / "other", monkeypatch)
    context, fingerprint = server_context()
    assert fingerprint != link.fingerprint
    server = await asyncio.start_server(_handshaking(got), "127.0.0.1", 0, ssl=context)
    port = server.sockets[0].getsockname()[1]
    other = Link("127.0.0.1", port, link.token, link.fingerprint)
    with pytest.raises(TurnedAway, match="another certificate"):
        await anext(ObserverSource(other, "bob").events())
    server.close()
    assert b"GET / HTTP/1.1" in got
    assert link.token.encode() not in got


def _handshaking(got: bytearray):
    """A server that takes the upgrade, as somebody in between would."""
    import base64
    import hashlib

    async def serve(reader, writer) -> None:
        with suppress(OSError):
            head = await reader.readuntil(b"\r\n\r\n")
            got.extend(head)
            key = next(
                line.split(b": ")[1] for line in head.split(b"\r\n")
                if line.lower().startswith(b"sec-websocket-key")
            )  # fmt: skip
            accept = base64.b64encode(
                hashlib.sha1(key + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest()
            )
            writer.write(
                b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                b"Sec-WebSocket-Accept: " + accept + b"\r\nSec-WebSocket-Protocol: "
                + SUBPROTOCOL.encode() + b"\r\n\r\n"
            )  # fmt: skip
            while data := await reader.read(4096):
                got.extend(data)

    return serve


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


async def test_so_many_connections_and_no_more(window, tmp_path, monkeypatch) -> None:
    own_state(tmp_path, monkeypatch)
    shared = Shared(window)
    shared.door.close()
    shared.door = doorway.open_doorway("127.0.0.1", 0, most=4, most_from_one=3)
    shared.port = shared.door.getsockname()[1]
    await shared.start()
    idle = [socket.create_connection(("127.0.0.1", shared.port)) for _ in range(3)]
    reader, writer = await asyncio.open_connection("127.0.0.1", shared.port)
    assert await asyncio.wait_for(reader.read(1), WITHIN_S) == b""
    writer.transport.abort()
    assert (shared.door.inside, shared.door.turned_away) == (3, 1)
    for one in idle:
        one.close()
    async with asyncio.timeout(WITHIN_S):
        while shared.door.inside:
            await asyncio.sleep(0.02)
    one = Screen(ObserverSource(shared.link(), "bob"))
    await one.until(lambda events: any(isinstance(event, CaughtUp) for event in events))
    await one.close()
    await shared.listener.close("over")


async def test_a_long_window_is_joined_by_a_snapshot_and_what_follows(
    window, tmp_path, monkeypatch
) -> None:
    own_state(tmp_path, monkeypatch)
    monkeypatch.setattr(listener, "SNAPSHOT_FROM", 50)
    state = WindowState()

    async def append() -> None:
        nonlocal state
        state = state.apply(await window.append("ann", NoteWritten("window", "ü" * 50)))

    for _ in range(120):
        await append()
    shared = Shared(window)
    shared.snapshots = Snapshots(lambda: state)
    await shared.start()
    link = shared.link()
    one = Screen(ObserverSource(link, "bob", snapshot=True))
    await one.until(lambda events: any(isinstance(event, CaughtUp) for event in events))
    for _ in range(7):
        await append()
    await one.until(lambda events: bool(events) and isinstance(events[-1], Entry)
                    and events[-1].seq == 127)  # fmt: skip
    (joined,) = one.of(Snapshot)
    assert joined.state.notes == state.notes[: len(joined.state.notes)]
    after = joined.state
    for entry in one.of(Entry):
        after = after.apply(entry)
    assert (after.seq, after.head, after.notes) == (127, state.head, state.notes)
    old = Screen(ObserverSource(link, "json"))
    await old.until(lambda events: any(isinstance(event, CaughtUp) for event in events))
    assert old.seqs() == list(range(1, 128))
    for screen in (one, old):
        await screen.close()
    await shared.listener.close("over")


async def test_an_observer_that_reads_nothing_costs_little_and_misses_no_entry(
    shared, watch, monkeypatch
) -> None:
    link, hub = shared.link(), shared.window.hub
    ws = await raw(link, max_queue=1)
    await ws.send(encode_hello(Hello("slow", "watch", token=link.token)), text=True)
    await ws.recv()
    ws.transport.pause_reading()
    quick = watch(link, "quick")
    await quick.until(lambda events: any(isinstance(event, CaughtUp) for event in events))
    (slow,) = [one for one in shared.listener._watchers if one.name.startswith("slow")]
    for number in range(600):
        hub.signal(LogLines("app", b"x" * 50_000 + b"\n", 1))
        if number % 10 == 0:
            await shared.window.notes(1)
        await asyncio.sleep(0)
    await quick.until(lambda events: sum(isinstance(event, Entry) for event in events) == 60)
    assert slow.outbox.waiting_bytes <= watcher.BACKLOG_BYTES
    assert slow.ws.transport.get_write_buffer_size() < 4 * watcher.BUFFER_BYTES
    ws.transport.resume_reading()
    seqs, missed = [], 0
    async with asyncio.timeout(WITHIN_S):
        while len(seqs) < 60:
            message, _ = decode(await ws.recv())
            if isinstance(message, Entry):
                seqs.append(message.seq)
            elif isinstance(message, Missed):
                missed += message.lines
    assert seqs == list(range(1, 61))
    assert missed > 0
    ws.transport.abort()


async def test_who_comes_back_is_told_how_many_signals_passed_by_meanwhile(shared, watch) -> None:
    link, hub = shared.link(), shared.window.hub
    one = watch(link)
    await one.until(lambda events: any(isinstance(event, CaughtUp) for event in events))
    hub.signal(LogLines("app", b"first\n", 1))
    await one.until(lambda events: any(isinstance(event, LogLines) for event in events))
    await shared.listener.close("gone", code=HANDED_OVER)
    for number in range(40):
        hub.signal(LogLines("app", b"x" * 49_999 + b"\n", 2))
        hub.signal(Pulse(float(number), 0.0, True))
    await shared.restart()
    await one.until(lambda events: any(isinstance(event, Missed) for event in events))
    await one.until(lambda events: sum(isinstance(e, CaughtUp) for e in events) == 2)
    hub.signal(Pulse(99.0, 0.0, True))
    await one.until(lambda events: any(isinstance(e, Pulse) and e.at == 99.0 for e in events))
    (missed,) = one.of(Missed)
    lines = [event for event in one.of(LogLines) if len(event.data) > 10]
    assert 0 < len(lines) < 40  # the newest of them
    assert missed.lines == 2 * (40 - len(lines))
    got = sum(isinstance(event, LogLines | Pulse | Presence) for event in one.events)
    assert missed.signals + got == hub.numbered


async def test_who_takes_nothing_for_long_is_let_go_and_comes_back_where_it_was(
    shared, watch, monkeypatch
) -> None:
    monkeypatch.setattr(watcher, "STUCK_S", 0.5)
    link, hub = shared.link(), shared.window.hub
    one = watch(link)
    await one.until(lambda events: any(isinstance(event, CaughtUp) for event in events))
    one.source._ws.transport.pause_reading()
    async with asyncio.timeout(WITHIN_S):
        while shared.listener.watchers:
            hub.signal(LogLines("app", b"x" * 500_000 + b"\n", 1))
            await shared.window.notes(1)
            await asyncio.sleep(0.02)
    one.source._ws.transport.resume_reading()
    head = shared.window.journal.head()[0]
    await one.until(lambda events: any(isinstance(event, Lost) for event in events))
    await one.until(lambda _: one.seqs() == list(range(1, head + 1)))


@pytest.mark.slow
async def test_a_thousand_lost_connections_lose_double_and_reorder_nothing(
    shared, monkeypatch
) -> None:
    """At random points, with entries all the time: each list equals the journal."""
    from optibid_console.feed import reading

    monkeypatch.setattr(reading, "RETRY_FIRST_S", 0.001)
    monkeypatch.setattr(reading, "RETRY_MOST_S", 0.005)
    chance = random.Random(7)
    screens = [Screen(ObserverSource(shared.link(f"o{i}"), f"o{i}")) for i in range(8)]
    for one in screens:
        await one.until(lambda events: any(isinstance(event, CaughtUp) for event in events))
    lost = 0
    async with asyncio.timeout(120):
        while lost < 1000:
            await shared.window.notes(chance.randrange(3))
            shared.window.hub.signal(Pulse(1.0, 0.1))
            for ws in chance.sample(
                sorted(shared.listener._connections, key=id),
                k=min(len(shared.listener._connections), chance.randrange(1, 5)),
            ):
                if ws.subprotocol is not None:
                    ws.transport.abort()
                    lost += 1
            await asyncio.sleep(chance.random() * 0.01)
    head = shared.window.journal.head()[0]
    kept = await shared.window.journal.read(0, head)
    for screen in screens:
        await screen.until(lambda _, one=screen: one.seqs()[-1:] == [head])
        assert screen.of(Entry) == kept
        await screen.close()
    assert sum(len(one.of(Lost)) for one in screens) > 300


async def test_who_leaves_while_it_is_found_again_has_left(shared, watch, monkeypatch) -> None:
    one = watch(shared.link())
    await one.until(lambda events: any(isinstance(event, CaughtUp) for event in events))
    connect, connecting = one.source._connect, asyncio.Event()

    async def slow():
        connecting.set()
        ws = await connect()
        await one.source._closing.wait()
        return ws

    monkeypatch.setattr(one.source, "_connect", slow)
    for ws in list(shared.listener._connections):
        ws.transport.abort()
    await connecting.wait()
    await one.close()
    assert not isinstance(one.events[-1], CaughtUp)


async def test_observers_find_the_next_engine_at_the_same_place(shared, watch) -> None:
    one = watch(shared.link())
    await shared.window.notes(3)
    await one.until(lambda _: one.seqs() == [1, 2, 3])
    await shared.listener.hand_over()
    await one.until(lambda events: any(isinstance(event, Lost) for event in events))
    await shared.window.notes(2)
    await shared.restart()
    await one.until(lambda _: one.seqs() == [1, 2, 3, 4, 5])


async def test_names_come_and_go_in_one_signal_for_many(shared, watch) -> None:
    heard = watch(shared.link("ops"), "ann")
    others = [watch(shared.link("sales"), f"s{i}") for i in range(5)]
    await heard.until(
        lambda _: bool(heard.of(Presence)) and len(heard.of(Presence)[-1].watching) == 6
    )
    assert heard.of(Presence)[-1].watching[0] == "ann (ops)"
    for one in others:
        await one.close()
    await heard.until(lambda _: heard.of(Presence)[-1].watching == ("ann (ops)",))
    assert len(heard.of(Presence)) < 9


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


def test_the_certificate_is_made_once_and_only_its_owner_reads_it(tmp_path, monkeypatch) -> None:
    own_state(tmp_path, monkeypatch)
    path = own_certificate()
    before = path.read_bytes()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert own_certificate().read_bytes() == before
    assert server_context()[1] == server_context(str(path))[1]
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("content", ["", "nonsense", "-----BEGIN CERTIFICATE-----\nx\n"])
def test_a_certificate_that_is_none_is_an_error_that_names_it(tmp_path, content) -> None:
    (tmp_path / "c.pem").write_text(content)
    with pytest.raises(SourceError, match=r"c\.pem can't be used as certificate"):
        server_context(str(tmp_path / "c.pem"))


def test_a_link_says_all_and_shows_no_token_in_its_repr() -> None:
    link = Link("deploy-1", 7443, "t" * 43, "f" * 43)
    assert link.text() == f"optibid://deploy-1:7443/#{'t' * 43}@{'f' * 43}"
    assert parse_link(link.text()) == link
    plain = Link("::1", 80, "t" * 43)
    assert plain.text() == f"optibid+plain://[::1]:80/#{'t' * 43}"
    assert parse_link(f" {plain.text()}\n") == plain
    assert "ttt" not in repr(link)


@pytest.mark.parametrize(
    "text",
    ["", "nonsense", "https://h:1/#" + "t" * 43, "optibid://h/#" + "t" * 43, "optibid://h:1/",
     "optibid://h:1/#" + "t" * 43, "optibid://h:1/#" + "t" * 42 + "@" + "f" * 43,
     "optibid://h:99999/#" + "t" * 43, "optibid://u@h:1/#" + "t" * 43 + "@" + "f" * 43,
     "optibid+plain://h:1/#" + "t" * 43 + "@", "optibid://[::1/#" + "t" * 43],
)  # fmt: skip
def test_what_is_no_link_is_refused_and_its_token_never_shown(text) -> None:
    with pytest.raises(BadLink) as refused:
        parse_link(text)
    assert "ttt" not in str(refused.value)


@pytest.mark.parametrize(
    ("text", "address"),
    [("h", ("h", 7443)), ("h:1", ("h", 1)), (":5", ("0.0.0.0", 5)), ("[::1]:8", ("::1", 8))],
)
def test_an_address_may_leave_out_its_host_or_its_port(text, address) -> None:
    assert split_address(text) == address


@pytest.mark.parametrize("text", ["", "h:x", "h:1/x", "u@h:1", "h:70000"])
def test_what_is_no_address_is_refused(text) -> None:
    with pytest.raises(ValueError, match="no HOST:PORT"):
        split_address(text)
