"""Output that doesn't come as the shell that gives it has said."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from optibid_console.targets import following
from optibid_console.targets.following import Following
from optibid_console.targets.shell_words import ANSWER
from optibid_console.targets.target import LinkLost


class Side:
    """What a shell prints; at its end it closes, or it stays open and silent."""

    def __init__(self, *pieces: bytes, closes: bool = False) -> None:
        self._pieces: Iterator[bytes] = iter(pieces)
        self._closes = closes

    async def read(self, size: int) -> bytes:
        piece = next(self._pieces, b"")
        if not piece and not self._closes:
            await asyncio.Event().wait()
        return piece


class Shell:
    """A `Talk`: `ends` when the shell is killed after what it has printed."""

    def __init__(self, stdout: Side, stderr: Side, *, ends: bool = False) -> None:
        self.stdout, self.stderr, self._ends = stdout, stderr, ends

    async def ended(self) -> None:
        if not self._ends:
            await asyncio.Event().wait()

    async def exit_status(self) -> int:
        return 0


@pytest.fixture(autouse=True)
def _short(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("STALL_S", "_ANSWER_S", "_PAUSE_S"):
        monkeypatch.setattr(following, name, 0.02)


def said(words: str) -> Side:
    return Side(f"{ANSWER}{words}\n".encode())


async def read(one: Following, *shells: Shell) -> bytes:
    """What the shells gave one after the other, at most until the run's end."""
    got = b""
    async with asyncio.timeout(20):
        for shell in shells:
            async for chunk in one.chunks(shell):
                assert chunk.offset == len(got)
                got += chunk.data
    return got


async def test_what_does_not_come_after_the_end_is_asked_of_another_shell() -> None:
    one = Following("box", "r-1", None)
    got = await read(
        one,
        Shell(Side(b"abc"), said("end 6 exited 0 whole")),
        Shell(Side(b"def"), said("end 6 exited 0 whole")),
    )
    assert got == b"abcdef"
    assert one.end is not None
    assert one.end.unread == 0


async def test_a_tail_that_ends_is_replaced_where_it_was() -> None:
    one = Following("box", "r-1", None)
    got = await read(
        one,
        Shell(Side(b"abc"), said("again")),
        Shell(Side(b"def", closes=True), said("end 7 exited 0 whole")),
        Shell(Side(b"g"), said("end 7 exited 0 whole")),
    )
    assert got == b"abcdefg"
    assert one.end is not None


async def test_what_no_shell_gives_is_lost_and_counted() -> None:
    one = Following("box", "r-1", None)
    shells = [Shell(Side(b"abc"), said("end 6 exited 0 whole"))]
    shells += [Shell(Side(), said("end 6 exited 0 whole")) for _ in range(3)]
    assert await read(one, *shells[:3]) == b"abc"
    assert one.end is None
    assert not one.is_stuck
    await read(one, shells[3])
    assert one.end is not None
    assert (one.end.size, one.end.unread) == (6, 3)


@pytest.mark.parametrize("closes", [True, False])
async def test_a_shell_that_was_killed_is_a_lost_link(closes: bool) -> None:
    one = Following("box", "r-1", None)
    shell = Shell(Side(b"abc", closes=closes), Side(), ends=not closes)
    with pytest.raises(LinkLost):
        await read(one, shell)
    assert one.at == 3, "another session goes on behind what came"
