"""How long the answer to a failed authentication is delayed, and what is logged of it."""

from __future__ import annotations

import asyncio

import pytest

from optibid_console.admission import throttle
from optibid_console.admission.throttle import AuthThrottle, ThrottlePolicy, TooManyFailures
from optibid_console.feed import listener
from optibid_console.web import site

LINE = "{address}: {why} ({count})"


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def waited(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Every delay, which doesn't pass."""
    delays: list[float] = []

    async def note(_: AuthThrottle, delay_s: float) -> None:
        delays.append(delay_s)

    monkeypatch.setattr(AuthThrottle, "_delay", note)
    return delays


@pytest.mark.parametrize(
    ("policy", "delays"),
    [
        (listener.THROTTLE, [0.5, 1.0, 2.0, 4.0, 8.0, 8.0, 8.0]),
        (site.THROTTLE, [0.0, 0.0, 0.0, 1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0]),
    ],
    ids=["feed", "pages"],
)
async def test_failures_of_one_address_are_answered_later_each_time(
    policy: ThrottlePolicy, delays: list[float], waited: list[float]
) -> None:
    clock, lines = Clock(), list[str]()
    kept = AuthThrottle(policy, LINE, lines.append, clock)
    for _ in delays:
        await kept.failed("10.0.0.1", "no such link")
    assert waited == delays
    await kept.failed("10.0.1.1", "no such link")
    assert waited[-1] == delays[0]
    clock.now += policy.forget_s + 1
    await kept.failed("10.0.0.1", "no such link")
    assert waited[-1] == delays[0]
    assert lines[:3] == [f"10.0.0.1: no such link ({n})" for n in ("1 time", "2 times", "4 times")]


async def test_a_success_ends_the_delay(waited: list[float]) -> None:
    kept = AuthThrottle(ThrottlePolicy(1.0, 8.0), LINE, [].append)
    for _ in range(3):
        await kept.failed("10.0.0.1", "no such link")
    kept.succeeded("10.0.0.1")
    await kept.failed("10.0.0.1", "no such link")
    assert waited == [1.0, 2.0, 4.0, 1.0]


async def test_failures_of_one_network_are_counted_together(waited: list[float]) -> None:
    kept = AuthThrottle(ThrottlePolicy(1.0, 8.0, free=1, network_free=4), LINE, [].append)
    for number in range(7):
        await kept.failed(f"10.0.0.{number}", "no such link")
    await kept.failed("10.0.1.1", "no such link")
    assert waited == [0.0, 0.0, 0.0, 0.0, 1.0, 2.0, 4.0, 0.0]


async def test_of_one_address_so_many_answers_are_delayed_and_no_more() -> None:
    policy = ThrottlePolicy(60.0, 60.0, waiting=2, waiting_in_all=3)
    kept = AuthThrottle(policy, LINE, [].append)
    waiting = [asyncio.create_task(kept.failed("10.0.0.1", "no")) for _ in range(2)]
    await asyncio.sleep(0)
    with pytest.raises(TooManyFailures):
        await kept.failed("10.0.0.1", "no")
    other = asyncio.create_task(kept.failed("10.0.1.1", "no"))
    await asyncio.sleep(0)
    assert not other.done()
    with pytest.raises(TooManyFailures):
        await kept.failed("10.0.2.1", "no")
    kept.close()  # whoever closes a listener doesn't wait for them
    await asyncio.wait_for(asyncio.gather(*waiting, other), 20)
    await asyncio.wait_for(kept.failed("10.0.0.1", "no"), 20)
    assert not kept._waiting


async def test_failures_from_everywhere_fill_neither_log_nor_memory(waited: list[float]) -> None:
    clock, lines = Clock(), list[str]()
    kept = AuthThrottle(listener.THROTTLE, LINE, lines.append, clock)
    count = 2 * throttle.MAX_KNOWN
    for number in range(count):
        await kept.failed(f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}", "no such link")
    assert len(kept._failures) == throttle.MAX_KNOWN
    assert len(lines) == throttle.LOG_LINES
    clock.now += throttle.LOG_LINES_S + 1
    await kept.failed("192.0.2.1", "no such link")
    assert lines[-1] == (
        "192.0.2.1: no such link (1 time); "
        f"{count - throttle.LOG_LINES} more such lines were left out"
    )
