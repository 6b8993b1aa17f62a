"""`optibid-console demo`: a stack, a window on it, and a person or the demo's own operator."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import shutil
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path

import httpx
import psycopg

from optibid_console import printed
from optibid_console.cli.person import no_terminal
from optibid_console.commands import Share, StartSharing
from optibid_console.demo.fingerprint import Fingerprint, differences, take_fingerprint
from optibid_console.demo.headless import Headless
from optibid_console.demo.operator import GivenUp
from optibid_console.demo.place import PREVIOUS, default_root
from optibid_console.demo.processes import MARK, DemoError, alive, end
from optibid_console.demo.stack import DEFAULT_SPEED, Stack, running_stack
from optibid_console.engine_process import Wanted, find_or_start
from optibid_console.engine_record import find
from optibid_console.feed.client import FeedSource
from optibid_console.feed.link import split_address
from optibid_console.paths import APP
from optibid_console.printed import Parser
from optibid_console.program import INTERRUPTED
from optibid_console.source import SourceError
from probes.error_words import error_words

WINDOW = "OptiBid demo"
OPERATOR = "demo"
_ENGINE_GRACE_S = 5.0
_LOOK_S = 0.3
_BEFORE_T0_S = 3600.0
_LOOK_AROUND_S = 15.0
"""Before the first step is due, for a person who sees the console for the first time."""
_WINDOW_CLOCK_S = 2 * 3600.0
_SLACK_S = 120.0
"""What starting, restoring and a busy machine may take on top of the window's own time."""


def main(argv: list[str]) -> int:
    """Run the demo. Gives the exit code: 0 done, 1 failed, 2 bad input, 130 interrupted."""
    parser = _parser()
    given = parser.parse_args(argv)
    if given.share and not (given.serve and given.headless):
        parser.error("--share needs --headless and --serve HOST:PORT")
    if not given.headless and (why_not := no_terminal()):
        say(f"demo: {why_not}")
        return 2
    try:
        with _told_to_end(), running_stack(given.dir, given.speed, say, keep=given.keep) as stack:
            return _run(stack, given)
    except (DemoError, SourceError) as error:
        say(f"demo: {error}")
        return int(getattr(error, "exit_code", 1))
    except KeyboardInterrupt:
        say("demo: stopped; nothing of it is left")
        return INTERRUPTED


def say(line: str) -> None:
    """Say it, if there is still a terminal: one that was closed stops no clearing up."""
    with suppress(OSError):
        printed.say(line, err=True)


def _parser() -> argparse.ArgumentParser:
    parser = Parser(
        prog="optibid-console demo",
        description="Play a deployment window that goes wrong, on a stack of its own.",
    )
    parser.add_argument(
        "--speed", type=_speed, default=DEFAULT_SPEED, metavar="N",
        help="clock seconds in a second (default %(default)g: five minutes in all)",
    )  # fmt: skip
    parser.add_argument(
        "--headless", action="store_true",
        help="no screen: play it, print each entry as a JSON line, exit 0 when all is back",
    )  # fmt: skip
    parser.add_argument(
        "--serve", type=_address, metavar="HOST:PORT",
        help="share the window with observers there; with --headless their links are printed",
    )  # fmt: skip
    parser.add_argument(
        "--share", action="append", default=[], metavar="NAME",
        help="for whom --serve makes a link without a screen; observer when nobody is named",
    )  # fmt: skip
    parser.add_argument("--dir", type=Path, default=default_root(), help="where it lives")
    parser.add_argument("--keep", action="store_true", help="leave its files at the end")
    return parser


def _address(text: str) -> str:
    try:
        split_address(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error
    return text


def _speed(text: str) -> float:
    try:
        speed = float(text)
    except ValueError:
        speed = 0.0
    if not 1 <= speed <= 240:
        raise argparse.ArgumentTypeError(f"{text!r} is no speed: give a number from 1 to 240")
    return speed


@contextmanager
def _told_to_end() -> Iterator[None]:
    """SIGTERM and SIGHUP end the demo as Ctrl-C does: everything is cleared up."""

    def interrupt(number: int, frame: object) -> None:
        # SIGCONT comes with a hang-up, and Textual would draw on a loop that has ended by then
        signal.signal(signal.SIGCONT, lambda number, frame: None)
        raise KeyboardInterrupt

    before = {one: signal.signal(one, interrupt) for one in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _run(stack: Stack, given: argparse.Namespace) -> int:
    before = take_fingerprint(stack.database_url)
    with _engine_s_mark(stack):
        if not given.headless:
            return _on_screen(stack, given)
        try:
            asyncio.run(_play(stack, given.speed, _sharing(given)))
        except GivenUp as error:
            say(f"demo: {error}")
            return 1
    wrong = list(_not_back(stack, before))
    for one in wrong:
        say(f"demo: not as before: {one}")
    if not wrong:
        say("demo: rolled back; the database, the release and the health are as before")
    return 1 if wrong else 0


@contextmanager
def _engine_s_mark(stack: Stack) -> Iterator[None]:
    """The engine that is started inherits the demo's mark; at the end it is told to end."""
    os.environ[MARK] = str(stack.place.root)
    try:
        yield
    finally:
        del os.environ[MARK]
        record = find(stack.place.journal)
        if record is not None:
            pid = record.pid
            end(lambda: [pid] if alive(pid) else [], _ENGINE_GRACE_S)


async def _source(stack: Stack, t0: str | None = None) -> FeedSource:
    wanted = Wanted(stack.place.config, WINDOW, OPERATOR, journal=stack.place.journal, t0=t0)
    await find_or_start(wanted)
    same = Wanted(stack.place.config, WINDOW, OPERATOR, journal=stack.place.journal)

    async def dial() -> Path:
        """The engine; one that was killed is started again, as `run` does it."""
        return Path((await find_or_start(same)).socket)

    return FeedSource(dial, OPERATOR, "drive")


async def _play(stack: Stack, speed: float, sharing: list[StartSharing | Share]) -> None:
    source = await _source(stack)
    try:
        headless = Headless(source, print_line, sharing, lambda text: say(f"demo: {text}"))
        await headless.play(_WINDOW_CLOCK_S / speed + _SLACK_S)
    finally:
        await source.close()


def print_line(line: str) -> None:
    printed.say(line)


def _sharing(given: argparse.Namespace) -> list[StartSharing | Share]:
    if not given.serve:
        return []
    return [StartSharing(given.serve), *(Share(name) for name in given.share or ["observer"])]


def _on_screen(stack: Stack, given: argparse.Namespace) -> int:
    from screens.app import ConsoleApp

    t0 = f"+{_BEFORE_T0_S / given.speed + _LOOK_AROUND_S:.1f}s"
    sharing = StartSharing(given.serve) if given.serve else None
    app = ConsoleApp(partial(_source, stack, t0), WINDOW, sharing=sharing)
    app.run()
    if app.failure:
        say(f"demo: {app.failure}")
    status = app.exit_code or app.return_code or 0
    if status == 0 and find(stack.place.journal) is not None:
        _stay(stack)
    return status


def _stay(stack: Stack) -> None:
    """The person left the screen but not the window: keep the stack until she ends it."""
    say(f"demo: the window goes on; `{program()} attach {stack.place.journal}` comes back")
    say("demo: Ctrl-C ends it with its stack")
    try:
        while find(stack.place.journal) is not None:
            time.sleep(_LOOK_S)  # the engine is another process: there is no event to wait for
    except KeyboardInterrupt:
        say("demo: ended; nothing of it is left")


def program() -> str:
    """How a person calls this program: by its name where that is found, else by its path."""
    return APP if shutil.which(APP) else sys.argv[0]


def _not_back(stack: Stack, before: Fingerprint) -> Iterator[str]:
    """What isn't as it was before the window, in words."""
    try:
        yield from differences(before, take_fingerprint(stack.database_url))
    except psycopg.Error as error:
        yield f"the database can't be read: {error_words(error)}"
    release = stack.place.current.readlink().name
    if release != PREVIOUS:
        yield f"current is {release}, was {PREVIOUS}"
    try:
        health = stack.health()
    except (httpx.HTTPError, ValueError) as error:
        yield f"/health doesn't answer: {error_words(error)}"
        return
    if health.get("status") != "healthy" or health.get("version") != PREVIOUS:
        yield f"/health says {json.dumps(health)}"
