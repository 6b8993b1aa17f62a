"""Words about counts and about hosts that can't be reached, as people read them."""

from __future__ import annotations

import pytest

from probes.probe import HostError, Reading, Status, take
from probes.text import counted


@pytest.mark.parametrize(
    ("number", "words", "said"),
    [
        (0, ("row",), "0 rows"),
        (1, ("row",), "1 row"),
        (20_000, ("row",), "20,000 rows"),
        (1, ("entry", "entries"), "1 entry"),
        (2, ("entry", "entries"), "2 entries"),
    ],
)
def test_a_count_goes_with_its_noun(number: int, words: tuple[str, ...], said: str) -> None:
    assert counted(number, *words) == said


class Unreachable:
    name = "scrapes"

    async def read(self) -> Reading:
        raise HostError("app-1 can't be reached: connection refused")

    async def close(self) -> None:
        """Nothing is open."""


async def test_a_host_that_cant_be_reached_is_told_in_its_own_words() -> None:
    reading = await take(Unreachable(), 5.0)
    assert reading.status is Status.ERROR
    assert reading.summary == "app-1 can't be reached: connection refused"
