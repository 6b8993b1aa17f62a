"""`watch`: a window's screens, or its entries and signals as JSON lines, from a link.

What is loaded here knows no engine, no target and nothing that could reach one.
"""

from __future__ import annotations

import asyncio
import os
import sys
from argparse import Namespace
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from optibid_console.cli.person import name_of, no_terminal
from optibid_console.cli.showing import show
from optibid_console.source import SourceError

if TYPE_CHECKING:
    from optibid_console.source import Source

LINK_VARIABLE = "OPTIBID_LINK"


class CannotWatch(SourceError):
    """Nothing to watch there; the message says why."""

    exit_code = 2


@dataclass(frozen=True, slots=True)
class Watched:
    """What is opened, and under which title."""

    title: str
    open: Callable[[str, int | None], Source]
    """Of who watches and the last entry that is known; None: a snapshot will do in place of
    entries. Called within the event loop."""


def watch(options: Namespace) -> int:
    """Watch a window. Raises `SourceError`."""
    where = _given(options.where)
    if options.web:
        from optibid_console.cli.web import serve_pages

        return serve_pages(options, where)
    if options.web_cert or options.web_plain or options.web_name or options.web_proxy:
        raise CannotWatch(
            "--web-cert, --web-plain, --web-name and --web-proxy need --web HOST:PORT"
        )
    watched = watched_at(where)
    if options.json:
        from optibid_console.cli.json_lines import print_window

        return asyncio.run(print_window(watched.open(name_of(options), options.after)))
    why_not = no_terminal()
    if why_not:
        raise CannotWatch(f"{why_not}; `watch --json` prints entries and signals")

    async def connect() -> Source:
        return watched.open(name_of(options), None)

    options.watch = True
    return show(connect, watched.title, options)


def watched_at(where: str) -> Watched:
    """What a link, an address or a path means. Raises `SourceError`."""
    scheme, found, _ = where.partition("://")
    opener = _OPENERS.get(scheme if found else "")
    if opener is None:
        known = ", ".join(f"{one}://" for one in _OPENERS if one)
        raise CannotWatch(
            f"{scheme}:// can't be watched: it is {known} or a journal's path"
            + ("; `attach --watch` takes ssh://" if scheme == "ssh" else "")
        )
    return opener(where)


def _given(where: str) -> str:
    if where == "-":
        if sys.stdin.isatty():
            import getpass

            return getpass.getpass("link: ").strip()
        return sys.stdin.readline().strip()
    return where or os.environ.pop(LINK_VARIABLE, "")


def _link(where: str) -> Watched:
    from optibid_console.feed.link import parse_link

    link = parse_link(where)

    def opened(name: str, after: int | None) -> Source:
        from optibid_console.feed.observer import ObserverSource

        return ObserverSource(link, name, after or 0, snapshot=after is None)

    return Watched(link.address, opened)


def _here(where: str) -> Watched:
    """A window of this user's on this machine: its engine, else its journal alone."""
    from optibid_console import engine_record
    from optibid_console.feed.client import FeedSource
    from optibid_console.feed.socket_file import responds
    from optibid_console.journal_place import place_of

    if where:
        record = engine_record.find(Path(where))
    else:
        running = engine_record.running()
        if len(running) != 1:
            listed = "".join(f"\n  optibid-console watch {one.journal}" for one in running)
            raise CannotWatch(
                f"{len(running)} windows run here; say which:{listed}"
                if running
                else "no window runs here; `watch LINK` needs a link from who drives one"
            )
        record = running[0]

    def opened(name: str, after: int | None) -> Source:
        if record is not None and responds(Path(record.socket), 2.0):
            return FeedSource(Path(record.socket), name, "watch", after or 0)
        from optibid_console.journal.following import JournalSource

        return JournalSource(place_of(where or (record.journal if record else "")), name)

    if record is None and not Path(where).is_file():
        raise CannotWatch(f"{where}: no link (optibid://…) and no journal")
    return Watched(record.window if record else Path(where).name, opened)


def _team(where: str) -> Watched:
    """A team's window from its journal alone, with no console serving it. It only reads, and
    its runbook comes with the entries."""
    from optibid_console.journal.following import JournalWatch
    from optibid_console.journal_place import parse_address

    address = parse_address(where)
    return Watched(address.server, lambda name, after: JournalWatch(address, name, after or 0))


_OPENERS: dict[str, Callable[[str], Watched]] = {
    "optibid": _link,
    "optibid+plain": _link,
    "postgresql": _team,
    "postgres": _team,
    "": _here,
}
"""Scheme of a URL → what opens it; empty: a path."""
