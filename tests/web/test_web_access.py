"""Sessions and what may be sent ahead: each with a clock of its own."""

from __future__ import annotations

import asyncio

import pytest

from optibid_console.web.doors import IDLE_S, MAX_SESSIONS, Doors
from optibid_console.web.flow import Asleep, Flow
from optibid_console.web.page_process import MOST_COLUMNS, MOST_ROWS, bounded


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
