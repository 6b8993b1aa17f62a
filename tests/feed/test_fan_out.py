"""What all observers get: one piece for all, in order, and never in the way of anybody else."""

from __future__ import annotations

import asyncio
import time

import pytest
from websockets.frames import Frame as WebSocketFrame
from websockets.protocol import State
from websockets.streams import StreamReader

from optibid_console.entries import GENESIS, Entry, Held, seal
from optibid_console.feed import fan_out
from optibid_console.feed.fan_out import FanOut
from optibid_console.feed.hub import Hub
from optibid_console.feed.outbox import Mark, Outbox
from optibid_console.feed.watcher import WatcherOutbox
from optibid_console.feed.wire import decode, encode
from optibid_console.signals import LogLines, Missed, Pulse

WITHIN_S = 30


class Connection:
    """What `WatcherOutbox` needs of one; keeps what is written."""

    def __init__(self, takes_s: float = 0.0) -> None:
        self.transport = self
        self.state = State.OPEN
        self.writes: list[bytes] = []
        self.aborted = False
        self._takes_s = takes_s

    def write(self, data: bytes) -> None:
        time.sleep(self._takes_s)
        self.writes.append(data)

    def get_write_buffer_size(self) -> int:
        return 0

    def abort(self) -> None:
        self.aborted = True


def messages(connection: Connection):
    """The messages in all that was written, read as a client does."""
    reader = StreamReader()
    reader.feed_data(b"".join(connection.writes))
    reader.feed_eof()
    found = []
    while reader.buffer:
        parsing = WebSocketFrame.parse(reader.read_exact, mask=False)
        try:
            next(parsing)
            raise AssertionError("a frame was cut off")
        except StopIteration as parsed:
            frame = parsed.value
        data = frame.data.decode() if frame.opcode == 1 else bytes(frame.data)
        found.append(decode(data)[0])
    return found


def entries(count: int) -> list[Entry]:
    made, last = [], GENESIS
    for seq in range(1, count + 1):
        made.append(seal(seq, 0.0, 0.0, "ann", Held(str(seq)), last))
        last = made[-1].hash
    return made


@pytest.fixture
async def hub():
    return Hub()


@pytest.fixture
async def fan(hub, monkeypatch):
    monkeypatch.setattr(fan_out, "GATHER_S", 0.01)
    fan = FanOut(hub)
    fan.start()
    yield fan
    await fan.close()


async def joined(fan: FanOut, hub: Hub, connection: Connection, sent: int = 0) -> WatcherOutbox:
    """An observer that has caught up: its pump waits for what comes."""
    outbox = WatcherOutbox(connection, sent)
    outbox.joined = hub.numbered
    pump = asyncio.create_task(outbox.next())
    await asyncio.sleep(0)
    outbox.pump = pump
    fan.add(outbox)
    return outbox


async def until(holds) -> None:
    async with asyncio.timeout(WITHIN_S):
        while not holds():
            await asyncio.sleep(0.002)


def pulse(number: int) -> Pulse:
    return Pulse(float(number), 0.0)


async def test_signals_are_gathered_and_an_entry_takes_what_came_before_with_it(
    hub, fan, monkeypatch
) -> None:
    monkeypatch.setattr(fan_out, "GATHER_S", 3600.0)
    one, other = Connection(), Connection()
    await joined(fan, hub, one)
    await joined(fan, hub, other)
    first, second = entries(2)
    hub.signal(pulse(1))
    hub.signal(LogLines("app", b"x" * 300 + b"\n", 1))
    hub.entry(first)
    hub.entry(second)
    hub.signal(LogLines("app", b"y" * 60_000 + b"\n", 1))
    await until(lambda: other.writes)
    assert len(one.writes) == 1
    assert one.writes[0] is other.writes[0]
    assert messages(one) == [
        pulse(1), LogLines("app", b"x" * 300 + b"\n", 1), first, second,
        LogLines("app", b"y" * 60_000 + b"\n", 1),
    ]  # fmt: skip
    hub.signal(pulse(2))
    await asyncio.sleep(0.05)
    assert len(one.writes) == 1


async def test_signals_alone_go_after_a_moment(hub, fan) -> None:
    one = Connection()
    await joined(fan, hub, one)
    for number in range(5):
        hub.signal(pulse(number))
    await until(lambda: one.writes)
    assert messages(one) == [pulse(number) for number in range(5)]
    assert len(one.writes) == 1


async def test_many_bytes_are_not_waited_for(hub, fan, monkeypatch) -> None:
    monkeypatch.setattr(fan_out, "GATHER_S", 3600.0)
    one = Connection()
    await joined(fan, hub, one)
    lines = LogLines("app", b"x" * 40_000, 1)
    hub.signal(lines)
    hub.signal(lines)
    await until(lambda: one.writes)
    assert messages(one) == [lines, lines]


async def test_the_operator_s_screen_is_told_first_and_the_loop_is_never_held_up(hub, fan) -> None:
    order = []
    slow = [Connection(takes_s=0.001) for _ in range(100)]
    for one in slow:
        await joined(fan, hub, one)
    screen = Outbox()
    hub.attach(screen)

    async def operator() -> None:
        await screen.next()
        order.append(sum(len(one.writes) for one in slow))

    async def beat() -> None:
        while True:
            before = sum(len(one.writes) for one in slow)
            await asyncio.sleep(0)
            turns.append(sum(len(one.writes) for one in slow) - before)

    turns: list[int] = []
    pump, beating = asyncio.create_task(operator()), asyncio.create_task(beat())
    await asyncio.sleep(0)
    hub.entry(entries(1)[0])
    await until(lambda: all(one.writes for one in slow))
    beating.cancel()
    await pump
    assert order == [0]
    # 100 ms of writing are given back to the loop again and again
    assert max(turns) <= fan_out.TURN_S / 0.001 + 1


async def test_who_joins_gets_nothing_twice_that_waited_meanwhile(hub, fan, monkeypatch) -> None:
    monkeypatch.setattr(fan_out, "GATHER_S", 3600.0)
    early, late = Connection(), Connection()
    await joined(fan, hub, early)
    one, two = entries(2)
    hub.signal(pulse(1))
    outbox = await joined(fan, hub, late, sent=1)  # with entry 1 from the journal
    hub.entry(one)
    hub.signal(pulse(2))
    hub.entry(two)
    await until(lambda: early.writes)
    assert messages(early) == [pulse(1), one, pulse(2), two]
    assert late.writes == []
    found = [await outbox.pump]
    while (item := outbox.take()) is not None:
        found.append(item)
    assert [x if isinstance(x, Mark) else decode(x.data.decode())[0] for x in found] == [
        Mark(1), pulse(2), Mark(2),
    ]  # fmt: skip


async def test_entries_that_only_the_journal_has_still_are_due_from_there(hub, fan) -> None:
    one = Connection()
    outbox = await joined(fan, hub, one)
    first, _, third = entries(3)
    hub.entry(first)
    hub.entry(third)  # the hub forgets what isn't followed by the next
    found = [await asyncio.wait_for(outbox.pump, WITHIN_S)]
    while found[-1] != Mark(3):
        found.append(await asyncio.wait_for(outbox.next(), WITHIN_S))
    assert one.writes == []


async def test_what_comes_faster_than_it_can_be_written_is_bounded_and_counted(
    hub, fan, monkeypatch
) -> None:
    one = Connection()
    await joined(fan, hub, one)
    entry = entries(1)[0]
    for number in range(100):
        hub.signal(LogLines("app", b"x" * 100_000, 7, at=float(number)))
        if number == 50:
            hub.entry(entry)
    assert fan._waiting.waiting_bytes <= fan_out.BACKLOG_BYTES
    hub.signal(pulse(1))
    await until(lambda: pulse(1) in messages(one))
    found = messages(one)
    lines = [item for item in found if isinstance(item, LogLines)]
    assert sum(item.lines for item in found if isinstance(item, Missed)) == 7 * (100 - len(lines))
    assert [item.at for item in lines] == [float(n) for n in range(100 - len(lines), 100)]
    assert entry in found


async def test_what_was_missed_twice_is_counted_once_each() -> None:
    outbox = Outbox(limit_bytes=1000)
    for number in range(4):
        outbox.signal(encode(LogLines("app", b"x" * 600, 5), number))
    told = outbox.take()
    behind = Outbox(limit_bytes=10)
    behind.signal(told)
    missed = behind.take()
    assert decode(missed.data.decode())[0] == Missed(3, 15)


async def test_one_that_breaks_is_let_go_and_the_others_get_theirs(hub, fan, caplog) -> None:
    broken, whole = Connection(), Connection()
    await joined(fan, hub, broken)
    await joined(fan, hub, whole)
    broken.write = lambda data: 1 / 0
    first, second = entries(2)
    hub.entry(first)
    hub.entry(second)
    await until(lambda: messages(whole) == [first, second])
    assert broken.aborted
    assert "an observer can't be written to" in caplog.text


async def test_its_end_writes_what_waits_and_nothing_later(hub, fan, monkeypatch) -> None:
    monkeypatch.setattr(fan_out, "GATHER_S", 3600.0)
    one = Connection()
    await joined(fan, hub, one)
    hub.signal(pulse(1))
    await fan.close()
    hub.signal(pulse(2))
    await asyncio.sleep(0.02)
    assert messages(one) == [pulse(1)]
