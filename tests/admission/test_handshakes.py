"""Whose handshake is next, and when."""

from __future__ import annotations

import pytest

from optibid_console.admission.handshakes import HALVED_AFTER_S, HandshakeQueue, HandshakeRate
from optibid_console.admission.sources import source_of


def taken(queue: HandshakeQueue[str], count: int, now: float = 0.0) -> list[str]:
    return [queue.take(now) for _ in range(count)]


def test_so_many_at_once_and_then_so_many_a_second() -> None:
    rate = HandshakeRate(burst=3, per_s=10.0, now=0.0)
    assert [rate.take(0.0) for _ in range(4)] == [0.0, 0.0, 0.0, pytest.approx(0.1)]
    assert rate.take(0.05) == pytest.approx(0.05)
    assert rate.take(0.1001) == 0.0
    assert rate.take(0.1001) > 0
    assert [rate.take(100.0) > 0 for _ in range(4)] == [False, False, False, True]


def test_the_network_and_then_the_address_with_the_fewest_handshakes_is_next() -> None:
    queue: HandshakeQueue[str] = HandshakeQueue(0.0)
    for number in range(6):
        queue.add(f"flood {number}", source_of("10.0.1.1"))
    assert taken(queue, 2) == ["flood 5", "flood 4"]
    queue.add("neighbour", source_of("10.0.1.2"))
    queue.add("newcomer", source_of("10.0.2.1"))
    assert taken(queue, 3) == ["newcomer", "neighbour", "flood 3"]
    assert len(queue) == 3


def test_of_one_address_the_newest_is_next_and_one_that_left_never() -> None:
    queue: HandshakeQueue[str] = HandshakeQueue(0.0)
    for name in "abc":
        queue.add(name, source_of("10.0.1.1"))
    queue.remove("c")
    queue.remove("c")
    assert taken(queue, 2) == ["b", "a"]
    assert len(queue) == 0
    with pytest.raises(ValueError, match="empty"):
        queue.take(0.0)


def test_what_was_long_ago_is_forgotten() -> None:
    queue: HandshakeQueue[str] = HandshakeQueue(0.0)
    for number in range(4):
        queue.add(f"office {number}", source_of("10.0.1.1"))
    taken(queue, 4)
    now = 0.0
    for _ in range(3):
        now += HALVED_AFTER_S
        queue.add("office", source_of("10.0.1.1"))
        queue.add("other", source_of("10.0.2.1"))
        assert set(taken(queue, 2, now)) == {"office", "other"}
    assert max(queue._lately.values()) <= 2
