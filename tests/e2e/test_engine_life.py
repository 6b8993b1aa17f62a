"""The engine is its own process: screens leave, die and stall; it goes on, and ends cleanly."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import stat
import time
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from itertools import pairwise
from pathlib import Path

import pytest

from optibid_console import engine_record
from optibid_console.commands import CloseWindow
from optibid_console.feed.client import FeedSource
from optibid_console.signals import Sampled
from optibid_console.source import CaughtUp, Ended
from tests.e2e.conftest import RUNBOOK, Home
from tests.e2e.terminal import WITHIN_S
from tests.home import until

CHATTY = (
    RUNBOOK
    + """
[tails.chatter]
on = "local"
path = "chatter.log"
"""
)


def start_step(screen) -> None:
    """Run the step under the cursor as a person does: look at it, then go."""
    screen.press("\r")
    screen.until("Enter run it")
    screen.press("\r")
    screen.until("1.1 on local", "running")


def leave(screen) -> None:
    screen.press("q")
    screen.until("leave the window running")
    screen.press("l")
    assert screen.ends() == 0
    assert "the window goes on" in screen.text()


async def close_window(home: Home) -> None:
    """Close it as an operator does, without a screen."""
    source = FeedSource(Path(home.engine().socket), "closer", "drive")
    async with aclosing(source.events()) as events, asyncio.timeout(WITHIN_S):
        async for event in events:
            if isinstance(event, CaughtUp):
                await source.send(CloseWindow("abandoned", "a test"))
            if isinstance(event, Ended):
                return


async def test_leaving_leaves_the_window_running_and_closing_it_leaves_nothing(home: Home) -> None:
    screen = home.console("--as", "ann")
    engine = home.engine()
    leave(screen)
    assert home.engine() == engine
    assert home.operator() == ""
    back = home.terminal("attach", "--as", "ann")
    back.until("Say hello", "operator ann")
    leave(back)
    await close_window(home)
    await asyncio.to_thread(until, home.nothing_is_left)
    assert home.status()["closed"] == "abandoned"
    until(home.nothing_is_left)


async def test_the_socket_is_its_owners_alone(home: Home) -> None:
    home.console()
    socket = Path(home.engine().socket)
    found = socket.stat()
    assert stat.S_ISSOCK(found.st_mode)
    assert found.st_mode & 0o777 == 0o600
    assert socket.parent.stat().st_mode & 0o777 == 0o700
    assert home.journal.stat().st_mode & 0o777 == 0o600


def test_a_killed_screen_leaves_the_run_and_attach_shows_the_present(home: Home) -> None:
    screen = home.console("--as", "ann")
    engine = home.engine()
    start_step(screen)
    screen.signal(signal.SIGKILL)
    screen.ends()
    until(lambda: home.operator() == "")
    home.go()
    until(lambda: home.entries("step-finished"))
    assert home.engine() == engine
    back = home.terminal("attach", str(home.journal), "--as", "ann")
    back.until("1.1 on local", "succeeded", "hello", "Timeline 1/2")
    assert home.launches() == 1


def test_a_terminal_that_is_taken_away_ends_the_screen_alone(home: Home) -> None:
    screen = home.console("--as", "ann")
    engine = home.engine()
    screen.hang_up()
    assert screen.ends() != 0
    until(lambda: home.operator() == "")
    assert home.engine() == engine


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL], ids=["TERM", "KILL"])
@pytest.mark.parametrize("when", ["it still runs", "it has ended"])
def test_a_run_outlives_its_engine_and_is_found_and_never_started_again(
    home: Home, number: signal.Signals, when: str
) -> None:
    screen = home.console("--as", "ann")
    first = home.engine()
    start_step(screen)
    until(lambda: home.launches() == 1)
    leave(screen)
    os.kill(first.pid, number)
    until(lambda: engine_record.find(home.journal) is None)
    if number is signal.SIGTERM:
        # its own process, socket and locks go; what the run is made of stays
        until(lambda: not any("-m optibid_console" in one or one[0] == "/" for one in home.left()))
        assert home.left()
    if when == "it has ended":
        home.go()
        until(lambda: not any("sh" in line for line in home.own_processes().values()))
    again = home.console("--as", "ann")
    assert home.engine().pid != first.pid
    if when == "it still runs":
        again.until("1.1 on local", "running")
        home.go()
    again.until("1.1 on local", "succeeded", "hello")
    assert home.launches() == 1
    assert len(home.entries("step-started")) == 1
    assert len(home.entries("run-ended")) == 1


async def test_the_engine_ends_under_a_screen_that_says_so(home: Home) -> None:
    screen = home.console("--as", "ann")
    os.kill(home.engine().pid, signal.SIGTERM)
    await asyncio.to_thread(screen.until, "ENDED")
    screen.press("q")
    screen.until("leave this screen")
    screen.press("l")
    assert screen.ends() == 0
    until(home.nothing_is_left)


@asynccontextmanager
async def watching(home: Home, seen: list[float]) -> AsyncIterator[None]:
    """A second screen's source that notes when each of `beat`'s readings was taken."""
    source = FeedSource(Path(home.engine().socket), "watcher", "watch")
    there = asyncio.Event()

    async def watch() -> None:
        async with aclosing(source.events()) as events:
            async for event in events:
                if isinstance(event, CaughtUp):
                    there.set()
                if isinstance(event, Sampled) and event.reading.probe == "beat":
                    seen.append(event.reading.at)

    task = asyncio.create_task(watch())
    try:
        async with asyncio.timeout(WITHIN_S):
            await there.wait()
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@pytest.mark.alone
@pytest.mark.parametrize("how", ["stopped", "unread"])
async def test_a_screen_that_stalls_delays_nothing_and_then_shows_the_present(
    home: Home, how: str
) -> None:
    log = home.path / "chatter.log"
    log.write_text("the first line\n")
    home.config.write_text(CHATTY)
    screen = home.console("--as", "ann")
    await asyncio.to_thread(screen.until, "the first line")
    seen: list[float] = []
    async with watching(home, seen):
        if how == "stopped":
            screen.signal(signal.SIGSTOP)
        else:
            screen.unread()
        before = len(seen)
        began = time.monotonic()
        with log.open("a") as chatter:
            while time.monotonic() - began < 3.0:
                chatter.write("".join(f"line {i} {'x' * 100}\n" for i in range(1000)))
                chatter.flush()
                await asyncio.sleep(0.05)
        stalled_s = time.monotonic() - began
        counted = len(seen) - before
        (home.path / "go").touch()
        with log.open("a") as chatter:
            chatter.write("the very last line\n")
    assert counted >= stalled_s / 0.2 - 3
    gaps = [b - a for a, b in pairwise(seen)]
    assert max(gaps) < 1.0
    if how == "stopped":
        screen.signal(signal.SIGCONT)
    else:
        screen.read_again()
    clock_at = time.monotonic()
    await asyncio.to_thread(screen.until, "the very last line", "recording", within_s=5)
    shown_s = time.monotonic() - clock_at
    assert shown_s < 2.0  # 1 s is the bench's figure, on a machine that does nothing else


def test_two_commands_at_the_same_moment_give_one_engine_and_one_operator(home: Home) -> None:
    screens = [home.terminal("run", "--as", name) for name in ("ann", "bob")]
    for screen in screens:
        screen.until("Say hello", "recording")
    home.engine()
    assert len(list((home.state / "windows").glob("*.journal"))) == 1
    watching = [one for one in screens if "WATCHING" in one.text()]
    assert len(watching) == 1


def test_the_second_console_says_who_holds_it_and_can_take_over_with_a_reason(home: Home) -> None:
    first = home.console("--as", "ann")
    second = home.console("--as", "bob")
    second.until("WATCHING ann's window")
    second.until("ann has held this window", "watch", "take over from ann")
    second.press("\x1b[B\r")
    second.until("Take over", "ann's screen turns read only")
    second.press("\r")
    second.until("it needs a few words")
    second.press("ann is off shift\r")
    second.until("operator bob")
    first.until("WATCHING bob's window", "bob took over: this screen only watches now")
    first.press("h")
    first.until("read only: bob holds this window")
    (_, took) = home.entries("operator-took")
    assert (took.fact.operator, took.fact.reason) == ("bob", "ann is off shift")
    assert took.fact.epoch == 2


def test_status_says_where_the_window_is(home: Home) -> None:
    assert home.run("status").returncode == 1
    screen = home.console("--as", "ann")
    start_step(screen)
    ended = home.run("status")
    assert ended.returncode == 0
    assert re.match(r"Little window v1   T-00:0\d:\d\d   phase 1/1 First phase", ended.stdout)
    assert "… 1.1 on local running" in ended.stdout
    assert "operator ann" in ended.stdout
    found = home.status()
    assert found["engine"]["pid"] == home.engine().pid
    assert len(ended.stdout.splitlines()) <= 8
    os.kill(home.engine().pid, signal.SIGKILL)
    screen.signal(signal.SIGKILL)
    screen.ends()
    until(lambda: not engine_record.running())
    stale = home.run("status", str(home.journal))
    assert "no engine runs: what follows is of " in stale.stdout
    assert home.status()["engine"] is None


def test_status_finds_the_window_of_a_runbook(home: Home) -> None:
    assert home.run("status", "-c", str(home.config)).returncode == 1
    screen = home.terminal("run", "-c", str(home.config), "--as", "ann")
    screen.until("Little window", "recording")
    ended = home.run("status", "-c", str(home.config))
    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout.startswith("Little window v1")
    both = home.run("status", str(home.journal), "-c", str(home.config))
    assert (both.returncode, both.stderr) == (
        2, "optibid-console: status takes one of JOURNAL, -c FILE and --all\n"
    )  # fmt: skip
