"""200 windows whose engine, screen, sshd or link fails: one launch, one outcome, every byte."""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import pytest

from tests.servers.forking import ForkServer
from tests.servers.namespaces import Cable
from tests.soak.checking import wrongs
from tests.soak.plan import Kind, Round, plan
from tests.soak.playing import Link, Played, play_round

SEED = int(os.environ.get("OPTIBID_SOAK_SEED", "20261124"))
WINDOWS = int(os.environ.get("OPTIBID_SOAK", "200"))
LINKS = int(os.environ.get("OPTIBID_SOAK_LINKS", "10"))

pytestmark = [
    pytest.mark.server("sshd"),
    pytest.mark.server("network namespaces"),
    pytest.mark.alone,  # its faults come by the clock, while the commands run
]


async def play(rounds: tuple[tuple[Round, ...], ...], room: Path) -> list[Played]:
    """Every link plays its rounds one after the other; the links play at the same time."""
    first = Cable()
    links = [Link(first, room / "host-1")]
    forks, environ = ForkServer(), environment(room)
    try:
        await forks.begin(first.near.prefix, environ, "tests.soak.screen")
        for number in range(2, len(rounds) + 1):
            links.append(Link(Cable(first.near), room / f"host-{number}"))

        async def all_of(link: Link, some: tuple[Round, ...]) -> list[Played]:
            done: list[Played] = []
            for each in some:
                played = await play_round(link, each, room, forks, environ)
                await asyncio.to_thread(check, played)
                done += played
            return done

        pairs = zip(links, rounds, strict=True)
        played = await asyncio.gather(*(all_of(*pair) for pair in pairs))
        return [one for some in played for one in some]
    finally:
        await forks.close()
        for link in reversed(links):  # the first one has the machine of the engines
            link.close()


def check(played: list[Played]) -> None:
    """Note what isn't right; keep only what is needed to find out why."""
    for one in played:
        one.wrongs = wrongs(one)
        one.checked = True
        if not one.wrongs:
            shutil.rmtree(one.path)


def environment(room: Path) -> dict[str, str]:
    (room / "run").mkdir()
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(room),
        "XDG_STATE_HOME": str(room / "state"),
        "XDG_RUNTIME_DIR": str(room / "run"),
    }


def told(played: list[Played], took_s: float) -> str:
    befell: Counter[Kind] = sum((one.befell for one in played), Counter())
    counts = ", ".join(f"{befell[kind]} × {kind}" for kind in Kind)
    under_way = sum(one.under_way for one in played)
    terminals = sum(one.window.terminal for one in played)
    return (
        f"{len(played)} windows (seed {SEED}, {terminals} with a terminal) in {took_s:.0f} s: "
        f"{counts}; {under_way} of these while a run was on"
    )


async def test_whatever_is_killed_or_cut_there_is_one_launch_one_outcome_and_every_byte() -> None:
    room = Path(tempfile.mkdtemp(prefix="oc-soak-"))  # a socket's path has room for 107 bytes
    began = time.monotonic()
    played = await play(plan(SEED, WINDOWS, LINKS), room)
    sys.stderr.write(f"{told(played, time.monotonic() - began)}\n")
    said = [
        f"window {one.window.number}: {'; '.join(one.wrongs)}\n"
        f"  its faults: {dict(one.befell)}\n  kept: {one.path}"
        for one in played
        if one.wrongs
    ]
    assert not said, f"seed {SEED}, {len(said)} of {len(played)} windows:\n" + "\n".join(said)
    assert sum(one.checked for one in played) == WINDOWS
    assert all(sum(one.befell.values()) for one in played)
    assert sum(one.under_way > 0 for one in played) > WINDOWS / 2
    shutil.rmtree(room)
