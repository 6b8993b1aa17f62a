"""What holds of every journal, in a file as on a server."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from typing import Any

import pytest

from optibid_console.entries import (
    GENESIS,
    Held,
    OperatorTook,
    Unread,
    WindowClosed,
    seal,
)
from optibid_console.journal import places
from optibid_console.journal.following import JournalWatch
from optibid_console.journal.journal import JournalError
from optibid_console.journal.lease import Deposed, LeaseHeld, this_engine
from optibid_console.source import CaughtUp, Ended, Role
from tests.journal.conftest import Kept


async def test_what_was_appended_is_read_back_by_number(kept: Kept) -> None:
    journal = await kept.open()
    assert journal.head() == (0, GENESIS)
    first = await journal.append("oncall-1", Held("waiting ✓ \x1b[2J"), mono=5)
    second = await journal.append("console", Unread("of-a-newer-kind", {"x": [1, None]}))
    assert (first.seq, first.prev, first.mono) == (1, GENESIS, 5.0)
    assert (second.seq, second.prev) == (2, first.hash)
    assert await journal.read(0, 10) == [first, second]
    assert await journal.read(1, 10) == [second]
    assert await journal.read(0, 1) == [first]
    assert journal.head() == (2, second.hash)
    await journal.close()


async def test_what_a_fact_says_keeps_its_order(kept: Kept) -> None:
    panels = {"p95": 1, "errors": 2, "cpu": 3}
    journal = await kept.open()
    await journal.append("console", Unread("of-a-newer-kind", {"panels": panels}))
    (entry,) = await journal.read(0, 10)
    await journal.close()
    assert isinstance(entry.fact, Unread)
    assert list(entry.fact.body["panels"]) == ["p95", "errors", "cpu"]
    assert kept.verify().problem == ""


async def test_an_opened_journal_goes_on_where_it_was(kept: Kept) -> None:
    await kept.fill(3)
    journal = await kept.open()
    entry = await journal.append("oncall-2", Held("again"))
    await journal.close()
    assert entry.seq == 4
    assert kept.verify().entries == 4
    assert kept.verify().problem == ""


async def test_appends_at_once_are_one_chain(kept: Kept) -> None:
    journal = await kept.open()
    entries = await asyncio.gather(*(journal.append("a", Held(str(i))) for i in range(50)))
    await journal.close()
    assert [one.seq for one in entries] == list(range(1, 51))
    assert kept.verify().head == entries[-1].hash


async def test_a_cancelled_append_leaves_a_chain_that_holds(kept: Kept) -> None:
    journal = await kept.open()
    task = asyncio.create_task(journal.append("a", Held("cancelled")))
    await asyncio.sleep(0)
    task.cancel()
    entry = await journal.append("a", Held("after it"))
    await journal.close()
    assert entry.seq in (1, 2)
    assert kept.verify().entries == entry.seq


async def test_two_writers_are_noticed(kept: Kept) -> None:
    one = await kept.open()
    two = await kept.open()
    await one.append("a", Held("first"))
    with pytest.raises(JournalError, match="another console writes this journal"):
        await two.append("b", Held("second"))
    await one.close()
    await two.close()
    assert kept.verify().entries == 1


async def test_a_killed_writer_loses_nothing_that_it_had_been_told(kept: Kept) -> None:
    program = f"""
import asyncio
from optibid_console.entries import Held
from optibid_console.journal.places import open_journal
from optibid_console.journal_place import place_of
async def main():
    journal = await open_journal(place_of({str(kept.place)!r}))
    while True:
        entry = await journal.append("a", Held("x"))
        print(entry.seq, flush=True)
asyncio.run(main())
"""
    await (await kept.open()).close()
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        said = [int(process.stdout.readline()) for _ in range(20)]
        os.kill(process.pid, signal.SIGKILL)
        said += [int(line) for line in process.stdout]
    assert kept.verify().problem == ""
    assert kept.verify().entries >= said[-1]
    journal = await kept.open()
    await journal.append("b", Held("goes on"))
    await journal.close()


async def test_a_journal_is_read_while_another_writes_it(kept: Kept) -> None:
    journal = await kept.open()
    entry = await journal.append("a", Held("x"))
    assert list(places.entries_of(kept.place)) == [entry]
    assert not places.is_closed(kept.place)
    reader = await kept.open(writable=False)
    with pytest.raises(JournalError, match="can't be written"):
        await reader.append("b", Held("y"))
    await reader.close()
    await journal.close()


@asynccontextmanager
async def two(kept: Kept) -> AsyncIterator[tuple[Any, Any]]:
    one = await kept.open()
    other = await kept.open()
    yield one, other
    await one.close()
    await other.close()


async def test_the_second_engine_is_told_who_holds_it_and_since_when(kept: Kept) -> None:
    async with two(kept) as (one, other):
        lease = await one.acquire("ann", this_engine())
        assert (lease.epoch, lease.holder) == (1, "ann")
        said = rf"process {os.getpid()} on .* that ann started has held this window since"
        with pytest.raises(LeaseHeld, match=said):
            await other.acquire("bob", this_engine())
        assert (await other.lease()).holder == "ann"


async def test_a_take_over_needs_a_reason_and_what_the_deposed_one_appends_is_rejected(
    kept: Kept,
) -> None:
    async with two(kept) as (one, other):
        await one.acquire("ann", this_engine())
        await one.append("ann", Held("first"))
        with pytest.raises(LeaseHeld):
            await other.acquire("bob", this_engine(), "  ", "ann")
        lease = await other.acquire("bob", this_engine(), "her laptop died", "ann")
        assert lease.epoch == 2
        for attempt in (one.append("ann", Held("late")), one.beat()):
            with pytest.raises(Deposed, match="bob took this window over at") as caught:
                await attempt
            assert (caught.value.holder, caught.value.since) == ("bob", lease.taken_at)
        assert (await other.append("bob", Held("second"))).seq == 2
        await one.release()  # what is another's stays
        await other.beat()
    assert kept.verify().entries == 2


async def test_a_lease_that_was_given_back_is_free_and_its_epoch_stays(kept: Kept) -> None:
    async with two(kept) as (one, other):
        await one.acquire("ann", this_engine())
        await one.append("ann", OperatorTook("bob", 7))
        await one.release()
        assert (await other.acquire("carl", this_engine())).epoch == 8


async def test_who_never_took_the_lease_writes_only_while_nobody_has_it(kept: Kept) -> None:
    async with two(kept) as (one, other):
        await other.append("x", Held("nobody has it"))
        await one.acquire("ann", this_engine())
        with pytest.raises(Deposed):
            await other.append("x", Held("not mine"))


RACER = """
import asyncio, sys
from optibid_console.journal.lease import LeaseHeld, this_engine
from optibid_console.journal.places import open_journal
from optibid_console.journal_place import place_of
async def main():
    journal = await open_journal(place_of(sys.argv[1]))
    print("ready", flush=True)
    sys.stdin.readline()
    try:
        await journal.acquire(sys.argv[2], this_engine())
    except LeaseHeld:
        print("lost", flush=True)
    else:
        print("won", flush=True)
    sys.stdin.readline()
asyncio.run(main())
"""


def racer(kept: Kept, name: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", RACER, str(kept.place), name],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip


def hear(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def tell(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None
    process.stdin.write("\n")
    process.stdin.flush()


async def test_of_two_processes_that_race_exactly_one_gets_it_and_a_killed_one_leaves_it(
    kept: Kept,
) -> None:
    await (await kept.open()).close()
    racers = [racer(kept, name) for name in ("ann", "bob")]
    try:
        assert [hear(one) for one in racers] == ["ready", "ready"]
        for one in racers:
            tell(one)
        said = [hear(one) for one in racers]
        assert sorted(said) == ["lost", "won"]
        winner = racers[said.index("won")]
        journal = await kept.open()
        winner.send_signal(signal.SIGSTOP)
        with pytest.raises(LeaseHeld):
            await journal.acquire("carl", this_engine())
        winner.kill()
        winner.wait()
        assert (await journal.acquire("carl", this_engine())).epoch == 2
        await journal.close()
    finally:
        for one in racers:
            one.kill()
            one.communicate()


async def test_what_is_sealed_elsewhere_is_taken_whole_or_not_at_all(kept: Kept) -> None:
    async with two(kept) as (one, other):
        lease = await one.acquire("ann", this_engine())
        seq, prev = one.head()
        first = seal(seq + 1, 1.0, 1.0, "ann", Held("x"), prev)
        second = seal(seq + 2, 2.0, 2.0, "ann", OperatorTook("bob", lease.epoch + 4), first.hash)
        await one.append_sealed([first, second])
        assert one.head() == (2, second.hash)
        assert (await one.lease()).epoch == lease.epoch + 4
        with pytest.raises(JournalError, match="went on meanwhile"):
            await one.append_sealed([first, second])
        await one.append("ann", Held("goes on"))
        await other.acquire("bob", this_engine(), "x", "ann")
        third = seal(4, 1.0, 1.0, "ann", Held("x"), one.head()[1])
        with pytest.raises(Deposed):
            await one.append_sealed([third])
    assert kept.verify().entries == 3


async def test_who_watches_is_told_of_entries_who_holds_it_and_that_it_was_closed(
    kept: Kept,
) -> None:
    journal = await kept.open()
    await journal.acquire("ann", this_engine())
    first = await journal.append("ann", Held("x"))
    watch = JournalWatch(kept.place, "bob")
    async with aclosing(watch.events()) as events, asyncio.timeout(60):
        seen = [await anext(events) for _ in range(3)]
        assert seen == [Role(False, "ann", seen[0].since, elsewhere=True), first, CaughtUp(1)]
        second = await journal.append("ann", WindowClosed("completed"))
        assert [await anext(events), await anext(events)] == [
            second, Ended("the window is closed: completed"),
        ]  # fmt: skip
    assert places.is_closed(kept.place)
    assert not hasattr(watch, "send")
    await journal.close()
