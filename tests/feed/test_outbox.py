"""What waits for a screen: in order, bounded, and what is lost is counted."""

from __future__ import annotations

import asyncio
import json

from optibid_console.entries import GENESIS, Held, seal
from optibid_console.feed.hub import Hub
from optibid_console.feed.outbox import MAX_MARKS, Mark, Outbox
from optibid_console.feed.recent import PANEL_SAMPLES, RUNS, TAIL_BYTES, Recent
from optibid_console.feed.wire import decode, encode
from optibid_console.signals import Link, LogLines, Missed, Output, Pulse, Sampled, Signal
from optibid_console.source import CaughtUp
from probes.probe import Reading, Status


def lines(tail: str, count: int, size: int = 100) -> LogLines:
    return LogLines(tail, (b"x" * (size - 1) + b"\n") * count, count)


def sample(subject: str, name: str, at: float) -> Sampled:
    return Sampled(subject, Reading(name, Status.OK, "ok", at, 1.0))


async def drain(outbox: Outbox) -> list[object]:
    found: list[object] = []
    while True:
        try:
            item = await asyncio.wait_for(outbox.next(), 0.01)
        except TimeoutError:
            return found
        if isinstance(item, Mark):
            found.append(item)
        else:
            found.append(decode(item.data.decode() if item.text else item.data)[0])


async def test_everything_keeps_its_order() -> None:
    outbox = Outbox()
    put: list[object] = [
        Mark(1), lines("a", 1), sample("probe", "db", 1), CaughtUp(1), Mark(2), lines("a", 2),
    ]  # fmt: skip
    for number, one in enumerate(put, 1):
        if isinstance(one, Mark):
            outbox.mark(one.seq)
        elif isinstance(one, CaughtUp):
            outbox.control(encode(one))
        else:
            outbox.signal(encode(one, number))  # type: ignore[arg-type]
    assert await drain(outbox) == put
    assert outbox.waiting_bytes == 0


async def test_too_much_pushes_out_the_oldest_log_lines_and_says_how_many() -> None:
    outbox = Outbox(limit_bytes=10_000)
    outbox.mark(1)
    outbox.signal(encode(sample("probe", "db", 1), 1))
    for number in range(20):
        outbox.signal(encode(lines("a", 10), 2 + number))
    outbox.control(encode(CaughtUp(1)))
    assert outbox.waiting_bytes <= 10_000
    found = await drain(outbox)
    kept = [one for one in found if isinstance(one, LogLines)]
    assert found[:2] == [Mark(1), Missed(20 - len(kept), 10 * (20 - len(kept)))]
    assert found[2] == sample("probe", "db", 1)
    assert found[-1] == CaughtUp(1)
    assert 5 <= len(kept) <= 10


async def test_samples_go_only_when_no_lines_are_left_and_marks_never() -> None:
    outbox = Outbox(limit_bytes=2_000)
    outbox.signal(encode(lines("a", 5), 1))
    for number in range(100):
        outbox.mark(number + 1)
        outbox.signal(encode(sample("probe", "db", number), 2 + number))
    found = await drain(outbox)
    assert not any(isinstance(one, LogLines) for one in found)
    assert found[-1] == sample("probe", "db", 99)
    assert [one for one in found if isinstance(one, Mark)] == [Mark(i) for i in range(1, 101)]
    missed = next(one for one in found if isinstance(one, Missed))
    assert missed.signals == 101 - sum(isinstance(one, Sampled) for one in found)
    assert missed.lines == 5


async def test_marks_are_bounded_and_the_last_one_stays() -> None:
    outbox = Outbox()
    for number in range(5 * MAX_MARKS):
        outbox.mark(number + 1)
    found = await drain(outbox)
    assert len(found) == MAX_MARKS
    assert found[-1] == Mark(5 * MAX_MARKS)


async def test_a_waiting_pump_is_woken() -> None:
    outbox = Outbox()
    waiting = asyncio.create_task(outbox.next())
    await asyncio.sleep(0)
    outbox.mark(4)
    assert await waiting == Mark(4)


def test_what_is_forgotten_is_given_to_nobody_and_the_rest_is() -> None:
    recent = Recent()
    for number, name in enumerate(("p95", "cpu"), 1):
        one = sample("panel", name, 1.0)
        recent.keep(one, encode(one, number))
    recent.forget("panel", "p95")
    assert kept(recent) == [sample("panel", "cpu", 1.0)]


def kept(recent: Recent, after: int = 0) -> list[Signal]:
    frames = recent.frames(after)
    assert [one.number for one in frames] == sorted(one.number for one in frames)
    return [decode(one.data.decode() if one.text else one.data)[0] for one in frames]  # type: ignore[misc]


def test_recent_signals_are_bounded_by_their_kind() -> None:
    recent = Recent()
    numbered = iter(range(1, 1_000_000))

    def keep(signal: Signal) -> None:
        recent.keep(signal, encode(signal, next(numbered)))

    for number in range(2 * PANEL_SAMPLES):
        keep(sample("panel", "cpu", number))
        keep(sample("probe", "db", number))
        keep(Pulse(number, 0.0))
        keep(Link("app-1", "connected", latency_ms=number))
    for _ in range(30):
        keep(lines("backend", 1000))
    for number in range(2 * RUNS):
        keep(Output(f"run-{number}", 0, b"x" * 1000))
    found = kept(recent)
    panels = [
        one.reading.at for one in found if isinstance(one, Sampled) and one.subject == "panel"
    ]
    assert panels == list(range(PANEL_SAMPLES, 2 * PANEL_SAMPLES))
    probes = [
        one.reading.at for one in found if isinstance(one, Sampled) and one.subject == "probe"
    ]
    assert probes == [2 * PANEL_SAMPLES - 1]
    assert sum(isinstance(one, Pulse) for one in found) == 1
    assert sum(isinstance(one, Link) for one in found) == 1
    log_bytes = sum(len(one.data) for one in found if isinstance(one, LogLines))
    assert TAIL_BYTES - 200_000 <= log_bytes <= TAIL_BYTES
    runs = [one.run_id for one in found if isinstance(one, Output)]
    assert runs == [f"run-{number}" for number in range(RUNS, 2 * RUNS)]


def test_recent_signals_after_a_number_are_those_that_came_later() -> None:
    recent = Recent()
    for number in range(1, 6):
        one = lines(f"tail-{number}", 1)
        recent.keep(one, encode(one, number))
    assert [one.tail for one in kept(recent, after=3)] == ["tail-4", "tail-5"]  # type: ignore[union-attr]


def test_many_full_tails_give_a_new_screen_a_bounded_share() -> None:
    recent = Recent()
    for number in range(1, 201):
        one = lines(f"tail-{number % 20}", 1000)
        recent.keep(one, encode(one, number))
    frames = recent.frames()
    assert sum(len(one.data) for one in frames) <= 4 * TAIL_BYTES
    assert frames[-1].number == 200


def test_the_hub_remembers_entries_without_a_gap_only() -> None:
    hub = Hub()
    entries = [seal(seq, 0.0, 0.0, "a", Held("x"), GENESIS) for seq in range(1, 10)]
    for entry in entries[:4]:
        hub.entry(entry)
    frames = hub.recent_entries(1, 3)
    assert frames is not None
    assert [json.loads(one.data)["entry"]["seq"] for one in frames] == [2, 3]
    assert hub.recent_entries(0, 5) is None
    hub.entry(entries[6])
    assert hub.recent_entries(2, 7) is None
    assert len(hub.recent_entries(6, 7) or []) == 1
