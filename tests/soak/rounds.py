"""All rounds of a soak: links that play at the same time, and what is left of each window."""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

from tests.servers.forking import ForkServer
from tests.servers.namespaces import Cable
from tests.soak.plan import Round
from tests.soak.playing import Link, Played

T = TypeVar("T", bound=Played)
PlayRound = Callable[[Link, Round, Path, ForkServer, Mapping[str, str]], Awaitable[list[T]]]


async def play(
    rounds: Sequence[Sequence[Round]],
    room: Path,
    play_round: PlayRound[T],
    wrongs: Callable[[T], list[str]],
) -> list[T]:
    """Every link plays its rounds one after the other; the links play at the same time."""
    first = Cable()
    links = [Link(first, room / "host-1")]
    forks, environ = ForkServer(), environment(room)
    try:
        await forks.begin(first.near.prefix, environ, "tests.soak.screen")
        for number in range(2, len(rounds) + 1):
            links.append(Link(Cable(first.near), room / f"host-{number}"))

        async def all_of(link: Link, some: Sequence[Round]) -> list[T]:
            done: list[T] = []
            for each in some:
                played = await play_round(link, each, room, forks, environ)
                await asyncio.to_thread(check, played, wrongs)
                done += played
            return done

        pairs = zip(links, rounds, strict=True)
        played = await asyncio.gather(*(all_of(*pair) for pair in pairs))
        return [one for some in played for one in some]
    finally:
        await forks.close()
        for link in reversed(links):  # the first one has the machine of the engines
            link.close()


def check(played: Sequence[T], wrongs: Callable[[T], list[str]]) -> None:
    """Note what isn't right; keep only what is needed to find out why."""
    for one in played:
        one.wrongs = wrongs(one)
        one.checked = True
        if not one.wrongs:
            shutil.rmtree(one.path)


def environment(room: Path) -> dict[str, str]:
    """Where the consoles of a soak keep their files."""
    (room / "run").mkdir()
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(room),
        "XDG_STATE_HOME": str(room / "state"),
        "XDG_RUNTIME_DIR": str(room / "run"),
    }
