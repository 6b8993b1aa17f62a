"""Engine and screens over a real socket: nothing lost, nothing doubled, nobody held up."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import sys
import time
from contextlib import aclosing
from pathlib import Path

import pytest

from optibid_console.commands import Abort, Accepted, Hold, Refused, WriteNote
from optibid_console.entries import Held
from optibid_console.feed.client import FeedSource
from optibid_console.signals import LogLines, Presence, Pulse
from optibid_console.source import Ended, Lost, Role, SourceError
from tests.feed.screen import caught_up, has_entry

WITHIN_S = 60


async def test_a_screen_gets_its_role_the_past_the_recent_and_the_present(window, attach) -> None:
    await window.notes(3)
    window.hub.signal(LogLines("backend", b"before\n", 1))
    screen = attach("ann", "drive")
    await screen.until(caught_up(3))
    assert screen.events[0] == Role(True, "ann")
    assert screen.seqs() == [1, 2, 3]
    await screen.until(lambda _: screen.of(LogLines))
    window.hub.signal(LogLines("backend", b"after\n", 1))
    await window.append("console", Held("x"))
    await screen.until(has_entry(4))
    assert [one.data for one in screen.of(LogLines)] == [b"before\n", b"after\n"]
    assert screen.seqs() == [1, 2, 3, 4]


async def test_a_screen_that_has_entries_gets_the_rest(window, attach) -> None:
    await window.notes(5)
    screen = attach("ann", after=3)
    await screen.until(caught_up(5))
    assert screen.seqs() == [4, 5]


async def test_entries_older_than_the_hub_remembers_come_from_the_journal(window, attach) -> None:
    await window.notes(600)
    await window.restart()
    await window.notes(10)
    screen = attach("ann")
    await screen.until(caught_up(610))
    assert screen.seqs() == list(range(1, 611))


async def test_commands_are_answered_while_nobody_takes_events(window) -> None:
    source = FeedSource(window.path, "ann", "drive")
    async with aclosing(source.events()) as events:
        assert await anext(events) == Role(True, "ann")
        assert await source.send(Hold("waiting")) == Accepted(seq=1)
        window.hub.signal(LogLines("backend", b"x" * 20_000_000, 1))
        assert await source.send(WriteNote("window", "hello")) == Accepted(seq=2)


async def test_a_watcher_is_refused_and_told_who_holds_the_window(window, attach) -> None:
    first = attach("ann", "drive")
    await first.until(caught_up(0))
    second = attach("bob", "drive")
    await second.until(caught_up(0))
    assert second.events[0] == Role(False, "ann")
    assert await second.source.send(Hold("mine")) == Refused("ann holds this window")
    await first.until(lambda _: Presence(("bob",)) in first.events)
    window.server.tell(window.server.screens()[1].id, Role(True, "bob"))
    await second.until(lambda _: Role(True, "bob") in second.events)


async def test_a_slow_command_does_not_hold_up_the_next(window, attach) -> None:
    screen = attach("ann", "drive")
    await screen.until(caught_up(0))
    slow = asyncio.create_task(screen.source.send(WriteNote("window", "wait")))
    await asyncio.sleep(0)
    assert await screen.source.send(Hold("now")) == Accepted(seq=1)
    assert not slow.done()
    window.controller.release.set()
    assert await slow == Accepted("waited")


async def test_a_bug_in_the_engine_is_an_answer(window, attach, caplog) -> None:
    screen = attach("ann", "drive")
    await screen.until(caught_up(0))
    reply = await screen.source.send(Abort())
    why = "internal error of the console (runtime error: a bug in the engine)"
    assert reply == Refused(f"the engine failed at it: {why}")
    assert "a bug in the engine" in caplog.text


async def test_leaving_and_being_lost_are_told_apart(window, attach) -> None:
    leaver = attach("ann", "drive")
    await leaver.until(caught_up(0))
    await leaver.close()
    await asyncio.wait_for(window.controller.gone.wait(), WITHIN_S)
    window.controller.gone.clear()
    lost = attach("bob", "drive")
    await lost.until(caught_up(0))
    lost.source._ws.transport.abort()
    await asyncio.wait_for(window.controller.gone.wait(), WITHIN_S)
    assert window.controller.leavings == [("ann", True), ("bob", False)]


async def test_the_end_reaches_every_screen_and_leaves_nothing(window, attach) -> None:
    screens = [attach("ann", "drive"), attach("bob")]
    for screen in screens:
        await screen.until(caught_up(0))
    entry = await window.append("console", Held("the last"))
    await window.server.close("the window was closed")
    for screen in screens:
        await asyncio.wait_for(screen.task, WITHIN_S)
        assert screen.events[-1] == Ended("the window was closed")
        assert screen.seqs() == [entry.seq]
    assert list(window.path.parent.iterdir()) == []


async def test_a_source_without_an_engine_says_so(tmp_path: Path) -> None:
    source = FeedSource(tmp_path / "none.sock", "ann", "watch")
    with pytest.raises(SourceError, match=r"no engine answers at .*none\.sock"):
        await anext(source.events())
    assert isinstance(await source.send(Hold("x")), Refused)


async def test_a_command_under_way_when_the_engine_dies_is_not_called_done(window, attach) -> None:
    screen = attach("ann", "drive")
    await screen.until(caught_up(0))
    asked = asyncio.create_task(screen.source.send(WriteNote("window", "wait")))
    await asyncio.wait_for(window.controller.waiting.wait(), WITHIN_S)
    window.server.screens()[0].ws.transport.abort()
    reply = await asyncio.wait_for(asked, WITHIN_S)
    assert isinstance(reply, Refused)
    assert "shows whether it was done" in reply.why


async def test_cut_at_random_points_every_entry_arrives_exactly_once(window, attach) -> None:
    rng = random.Random(5)
    screen = attach("ann")
    await screen.until(caught_up(0))
    for number in range(40):
        await window.notes(rng.randrange(6))
        window.hub.signal(LogLines("backend", f"{number}\n".encode(), 1))
        if rng.random() < 0.5:
            for one in window.server.screens():
                one.ws.transport.abort()
        await asyncio.sleep(rng.random() * 0.01)
    head = window.journal.head()[0]
    await screen.until(has_entry(head))
    await screen.until(lambda _: len(screen.of(LogLines)) >= 40)
    assert screen.seqs() == list(range(1, head + 1))
    assert [int(one.data) for one in screen.of(LogLines)] == list(range(40))
    assert all(one.attempt == 1 for one in screen.of(Lost))
    assert screen.of(Lost)


async def test_an_engine_that_starts_again_is_found_and_nothing_is_doubled(window, attach) -> None:
    await window.notes(3)
    window.hub.signal(LogLines("backend", b"first life\n", 1))
    source = attach("ann")
    await source.until(lambda _: source.of(LogLines))
    await window.server.close("over")
    assert source.events[-1] == Ended("over")
    killed = attach("bob")
    await asyncio.gather(killed.task, return_exceptions=True)
    assert isinstance(killed.task.exception(), SourceError)


async def test_an_engine_killed_and_started_again_is_found(window, attach) -> None:
    await window.notes(3)
    screen = attach("ann")
    await screen.until(caught_up(3))
    for listening in window.server._servers:
        listening.close(close_connections=False)
    for one in window.server.screens():
        one.ws.transport.abort()
    await screen.until(lambda _: any(one.attempt >= 2 for one in screen.of(Lost)))
    await window.restart()
    await window.notes(2)
    window.hub.signal(Pulse(1.0, 0.0))
    await screen.until(has_entry(5))
    await screen.until(lambda _: screen.of(Pulse))
    assert screen.seqs() == [1, 2, 3, 4, 5]
    assert "no engine answers" in screen.of(Lost)[1].why


CHILD = """
import asyncio, sys
from pathlib import Path
from optibid_console.feed.client import FeedSource
from optibid_console.entries import Entry
from optibid_console.signals import Missed, Pulse
from optibid_console.source import CaughtUp

async def main():
    async for event in FeedSource(Path(sys.argv[1]), "suspended", "drive").events():
        if isinstance(event, Entry):
            print("entry", event.seq, flush=True)
        elif isinstance(event, (CaughtUp, Pulse, Missed)):
            print(type(event).__name__, flush=True)

asyncio.run(main())
"""


@pytest.mark.alone
async def test_a_suspended_screen_delays_nobody_and_comes_back_to_the_present(
    window, attach
) -> None:
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-c", CHILD, str(window.path), stdout=asyncio.subprocess.PIPE
    )
    assert child.stdout is not None
    try:
        while await asyncio.wait_for(child.stdout.readline(), WITHIN_S) != b"CaughtUp\n":
            pass
        other = attach("bob")
        await other.until(caught_up(0))
        os.kill(child.pid, signal.SIGSTOP)
        suspended = window.server.screens()[0]
        slowest_s = 0.0
        for number in range(400):
            begun = time.monotonic()
            window.hub.signal(LogLines("backend", (b"x" * 119 + b"\n") * 1000, 1000))
            await window.append("console", Held(str(number)))
            slowest_s = max(slowest_s, time.monotonic() - begun)
        await other.until(has_entry(400))
        assert suspended.outbox.waiting_bytes <= 8_000_000
        async with asyncio.timeout(WITHIN_S):
            while suspended.stalled_s() == 0.0:
                await asyncio.sleep(0.1)
        third = attach("eve", "drive")
        await third.until(caught_up(400))
        assert third.events[0].holder == "suspended"
        assert third.events[0].stalled_s >= 1.0
        window.hub.signal(Pulse(1.0, 0.0))
        os.kill(child.pid, signal.SIGCONT)
        said = []
        while not said or said[-1] != b"Pulse\n":
            said.append(await asyncio.wait_for(child.stdout.readline(), WITHIN_S))
        entries = [int(line.split()[1]) for line in said if line.startswith(b"entry")]
        assert entries == list(range(1, 401))
        assert b"Missed\n" in said
        assert slowest_s < 1.0
        async with asyncio.timeout(WITHIN_S):
            while suspended.stalled_s() != 0.0:
                await asyncio.sleep(0.05)
    finally:
        child.kill()
        await child.wait()
