"""Sessions, tries and what may be sent ahead: each with a clock of its own."""

from __future__ import annotations

import asyncio

import pytest

from optibid_console.web.doors import IDLE_S, MAX_SESSIONS, Doors
from optibid_console.web.flow import Asleep, Flow
from optibid_console.web.page_process import MOST_COLUMNS, MOST_ROWS, bounded
from optibid_console.web.tries import (
    FORGET_S,
    FREE,
    MOST_S,
    WAITING_OF_ONE,
    TooMany,
    Tries,
    network,
)


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_a_cookie_stands_for_its_session_alone() -> None:
    doors = Doors(Clock())
    first, second = doors.let_in("token-a"), doors.let_in("token-b")
    found = doors.find(first)
    assert found is not None
    assert found.token == "token-a"
    assert len({first, second}) == 2
    assert doors.find(first[:-1]) is None
    assert doors.find("token-a") is None


def test_the_cookie_itself_is_not_kept() -> None:
    doors = Doors(Clock())
    cookie = doors.let_in("token")
    assert cookie not in repr(vars(doors))


def test_a_session_ends_when_its_browser_stays_away_but_not_while_a_page_is_open() -> None:
    clock = Clock()
    doors = Doors(clock)
    away, looking = doors.let_in("a"), doors.let_in("b")
    found = doors.find(looking)
    assert found is not None
    found.pages = 1
    clock.now += IDLE_S + 1
    assert doors.find(away) is None
    assert doors.find(looking) is found


def test_sessions_are_bounded_and_the_longest_away_makes_room() -> None:
    clock = Clock()
    doors = Doors(clock)
    cookies = []
    for _ in range(MAX_SESSIONS):
        clock.now += 1
        cookies.append(doors.let_in("token"))
    open_one = doors.find(cookies[0])
    assert open_one is not None
    open_one.pages = 1
    open_one.seen_at = 0.0
    doors.let_in("token")
    assert doors.find(cookies[0]) is open_one
    assert doors.find(cookies[1]) is None
    assert doors.find(cookies[2]) is not None


def test_a_session_that_was_put_out_is_gone() -> None:
    doors = Doors(Clock())
    cookie = doors.let_in("token")
    doors.put_out(cookie)
    doors.put_out(cookie)
    assert doors.find(cookie) is None


def test_failed_tries_of_one_address_wait_longer_each_time() -> None:
    clock = Clock()
    tries = Tries(clock)
    waits = []
    for _ in range(FREE + 8):
        waits.append(tries.delay_s("10.0.0.1"))
        tries.failed("10.0.0.1")
    assert waits[: FREE + 4] == [0.0] * FREE + [1.0, 2.0, 4.0, 8.0][: FREE + 1]
    assert waits[-1] == MOST_S
    assert tries.delay_s("10.0.0.2") == 0.0
    clock.now += FORGET_S + 1
    assert tries.delay_s("10.0.0.1") == 0.0


def test_a_token_that_opens_ends_the_waiting() -> None:
    tries = Tries(Clock())
    for _ in range(FREE + 2):
        tries.failed("10.0.0.1")
    tries.succeeded("10.0.0.1")
    assert tries.delay_s("10.0.0.1") == 0.0


def test_one_ipv6_network_is_one_address() -> None:
    assert network("2001:db8::1") == network("2001:db8::ffff:1")
    assert network("2001:db8::1") != network("2001:db8:0:1::1")
    assert network("::ffff:10.0.0.1") == network("10.0.0.1")
    assert network("fe80::1%eth0") == network("fe80::2")


async def test_so_many_tries_may_wait_and_no_more() -> None:
    tries = Tries(Clock())
    for _ in range(FREE + 6):
        tries.failed("10.0.0.1")

    async def one() -> None:
        async with tries.turn("10.0.0.1"):
            pass

    waiting = [asyncio.create_task(one()) for _ in range(WAITING_OF_ONE)]
    await asyncio.sleep(0)
    with pytest.raises(TooMany):
        await one()
    async with tries.turn("10.0.0.2"):  # somebody else isn't held up
        pass
    for task in waiting:
        task.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)
    tries.succeeded("10.0.0.1")
    await one()


async def test_a_page_is_sent_only_a_little_more_than_it_took() -> None:
    flow = Flow(ahead=100, asleep_s=10)
    flow.sent(150)
    waiting = asyncio.create_task(flow.room())
    await asyncio.sleep(0)
    assert not waiting.done()
    flow.taken(1_000_000)  # more than was sent: no page of ours says that
    await asyncio.sleep(0)
    assert not waiting.done()
    flow.taken(60)
    await asyncio.wait_for(waiting, 5)


async def test_a_page_that_takes_nothing_is_asleep() -> None:
    flow = Flow(ahead=100, asleep_s=0.01)
    await flow.room()
    flow.sent(100)
    with pytest.raises(Asleep):
        await flow.room()


@pytest.mark.parametrize(
    ("asked", "given"),
    [
        ((120, 40), (120, 40)),
        ((1, 0), (10, 4)),
        ((10**9, 10**9), (MOST_COLUMNS, MOST_ROWS)),
        ((-5, 24), (10, 24)),
    ],
)
def test_a_page_is_never_larger_than_can_be_drawn(
    asked: tuple[int, int], given: tuple[int, int]
) -> None:
    assert bounded(*asked) == given
