"""However an observer is cut off or falls behind, it gets every entry once."""

from __future__ import annotations

import asyncio
import random

import pytest

from optibid_console.admission.handshakes import HandshakeRate
from optibid_console.entries import Entry, NoteWritten
from optibid_console.feed import listener, watcher
from optibid_console.feed.messages import HANDED_OVER, Hello
from optibid_console.feed.observer import ObserverSource
from optibid_console.feed.snapshot import Snapshots
from optibid_console.feed.wire import decode, encode_hello
from optibid_console.signals import LogLines, Missed, Presence, Pulse
from optibid_console.source import CaughtUp, Lost, Snapshot
from optibid_console.state import WindowState
from tests.feed.observing import Shared, own_state, raw
from tests.feed.screen import Screen

WITHIN_S = 30


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

    monkeypatch.setattr(HandshakeRate, "take", lambda rate, now: 0.0)
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
