"""Floods at the observers' port and at the pages: the share of honest newcomers who are in within
three seconds, what the flood costs the engine, and its memory under half-open TLS connections."""

from __future__ import annotations

import argparse
import asyncio
import json
import re
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from bench_journal import _write as write_journal
from consoles import CONSOLE, HERE, environment, workplace
from figures import Figures
from measured import cpu_s, resident_mb

from optibid_console.feed.link import parse_link
from tests.admission.newcomers import IN_S, SHARE, Attack, attacked, enter, newcomers, watch

NEWCOMERS, SPREAD_S, AFTER_S = 40, 8.0, 4.0
"""So that a flood has filled what it can fill before the first newcomer comes."""
HALF_OPEN = 2_000
ENTRIES = 100
MEMORY_MB = 150.0
KEPT_MB = 15.0
QUIET = ("127.0.2.1", "127.0.2.2", "127.0.2.3")
NAT = ("127.0.1.1",)
NEIGHBOUR = ("127.0.1.9",)
PROXY = "127.0.3.1"
SPREAD = tuple(f"127.0.{4 + i % 20}.{1 + i}" for i in range(60))


Come = Callable[[str], Awaitable[None]]


@dataclass(frozen=True)
class Case:
    """A flood, and where the newcomers come from."""

    said: str
    attack: Attack
    sources: Sequence[str]
    asked: bool = True
    """Whether 95 % are asked; a flood of handshakes from the newcomers' own address only leaves
    them a fair chance."""


UNDISTURBED = Case("no flood", Attack("silent", 1, NAT), QUIET, asked=False)
"""What this machine does to newcomers just now: the others are read against it."""
AT_THE_FEED = (
    UNDISTURBED,
    Case("600 bare connections/s of another address", Attack("bare", 600, NAT), QUIET),
    Case("… of the newcomers' /24", Attack("bare", 600, NAT), NEIGHBOUR),
    Case("300 silent connections/s of the newcomers' address", Attack("silent", 300, NAT), NAT),
    Case("100 wrong tokens/s of another address", Attack("token", 100, NAT), QUIET),
    Case("… of the newcomers' address", Attack("token", 100, NAT), NAT),
    Case("… of 60 addresses", Attack("token", 100, SPREAD), QUIET),
    Case("600 half-open TLS connections/s of another one", Attack("half-open", 600, NAT), QUIET),
    Case("… 300/s of the newcomers' address", Attack("half-open", 300, NAT), NAT, asked=False),
)  # fmt: skip
AT_THE_PAGES = (
    UNDISTURBED,
    Case("8 clients with wrong tokens at the newcomers' address", Attack("enter", 8, NAT), NAT),
    Case("… behind the newcomers' named proxy", Attack("enter", 8, (PROXY,)), (PROXY,)),
    Case("wrong tokens of 60 addresses", Attack("enter", 60, SPREAD), QUIET),
    Case("300 idle connections/s of another address", Attack("silent", 300, NAT), QUIET),
    Case("… of the newcomers' address", Attack("silent", 300, NAT), NAT),
)  # fmt: skip


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--only", choices=("feed", "pages", "memory"))
    only = parser.parse_args().only
    figures = Figures()
    with workplace() as folder:
        if only in (None, "memory"):
            with _served(folder / "memory.journal") as (pid, link):
                asyncio.run(_half_open(pid, parse_link(link).port, figures))
        with _served(folder / "feed.journal") as (pid, link):
            if only in (None, "feed"):
                come = partial(watch, parse_link(link))
                for case in AT_THE_FEED:
                    _flooded(case, pid, parse_link(link).port, come, figures)
            if only in (None, "pages"):
                _pages(link, figures)
    return figures.status


def _pages(link: str, figures: Figures) -> None:
    token = parse_link(link).token
    with _paged(link) as (pid, port):
        for case in AT_THE_PAGES:
            forwarded = "203.0.113.9" if case.sources == (PROXY,) else ""
            come = partial(enter, port, token, forwarded=forwarded)
            _flooded(case, pid, port, come, figures)


def _flooded(case: Case, pid: int, port: int, come: Come, figures: Figures) -> None:
    before, began = cpu_s(pid), time.monotonic()
    came = asyncio.run(
        newcomers(case.attack, port, come, case.sources, NEWCOMERS, SPREAD_S, AFTER_S)
    )
    more = {
        "newcomers": NEWCOMERS,
        "slowest_ms": round(came.slowest_s * 1000),
        "cpu_percent": round((cpu_s(pid) - before) / (time.monotonic() - began) * 100, 1),
        "resident_mb": round(resident_mb(pid), 1),
        **came.attackers,
    }
    figure = f"newcomers who aren't in within {IN_S:g} s: {case.said}"
    locked_out = (1 - came.share) * 100
    if case.asked:
        figures.at_most(figure, locked_out, round((1 - SHARE) * 100, 3), "%", **more)
    else:
        figures.told(figure, locked_out, "%", **more)


async def _half_open(pid: int, port: int, figures: Figures) -> None:
    before, most = resident_mb(pid), 0.0
    attack = Attack("half-open", HALF_OPEN / 4, NAT)
    async with attacked(attack, port, 10.0) as flood:
        while flood.returncode is None:
            most = max(most, resident_mb(pid))
            await asyncio.sleep(0.05)
        assert flood.stdout is not None
        opened = json.loads(await flood.stdout.readline())["opened"]
    if opened < HALF_OPEN:
        raise RuntimeError(f"only {opened} connections were opened: nothing was measured")
    await asyncio.sleep(2.0)
    figures.at_most(
        f"memory of the process under {HALF_OPEN:,} half-open TLS connections and more", most,
        MEMORY_MB, "MB", before_mb=round(before, 1), opened=opened,
    )  # fmt: skip
    figures.at_most(
        "… 2 s after they are gone, above before", resident_mb(pid) - before, KEPT_MB, "MB"
    )


@contextmanager
def _served(journal: Path) -> Iterator[tuple[int, str]]:
    """A shared window: its process and a link."""
    write_journal(journal, ENTRIES)
    with _child([sys.executable, str(HERE / "feed_server.py"), str(journal)], environment()) as it:
        assert it.stdout is not None
        yield it.pid, json.loads(it.stdout.readline())["link"]


@contextmanager
def _paged(link: str) -> Iterator[tuple[int, int]]:
    """`watch --web` behind a named proxy: its process and its port."""
    argv = [*CONSOLE, "watch", "--web", "127.0.0.1:0", "--web-proxy", PROXY]
    with _child(argv, {**environment(), "OPTIBID_LINK": link}) as it:
        assert it.stdout is not None
        found = re.search(r"http://127\.0\.0\.1:(\d+)", it.stdout.readline())
        if found is None:
            raise RuntimeError("no pages are served")
        yield it.pid, int(found[1])


@contextmanager
def _child(argv: Sequence[str], env: dict[str, str]) -> Iterator[subprocess.Popen[str]]:
    child = subprocess.Popen(
        argv, env=env, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        yield child
    finally:
        child.kill()
        child.wait()


if __name__ == "__main__":
    raise SystemExit(main())
