"""`run` and `attach`: a screen on a window, whose engine is found or started meanwhile."""

from __future__ import annotations

import asyncio
import os
from argparse import Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from optibid_console.cli.person import name_of, no_terminal
from optibid_console.cli.sharing import wanted_sharing
from optibid_console.cli.showing import Connect, show
from optibid_console.journal_place import Address, is_address, place_of
from optibid_console.printed import say_text
from optibid_console.runbook.changes import GivenRunbook

if TYPE_CHECKING:
    from optibid_console.cli.remote import RemoteEngine
    from optibid_console.engine_record import EngineRecord
    from optibid_console.runbook.load import Loaded
    from optibid_console.source import ControlSource, Source


def run(options: Namespace) -> int:
    """Drive the window of a config. Raises `RunbookError`."""
    why_not = no_terminal()
    if why_not:
        return _refuse(why_not)
    if not options.config.is_file():
        _loaded(options.config)  # raises: it says what is there instead
    name, given, sharing = name_of(options), GivenRunbook(), wanted_sharing(options)

    async def connect() -> ControlSource:
        # all of this takes longer than the first paint: the screen is there meanwhile
        from optibid_console.engine_process import Wanted, find_or_start
        from optibid_console.feed.client import FeedSource

        loaded = await asyncio.to_thread(_loaded, options.config)
        given.take(options.config.name, loaded)
        window = loaded.runbook.window.name
        if options.watch:
            return await asyncio.to_thread(_watched, options, loaded, name)
        wanted = Wanted(
            options.config, window, name, options.journal, options.t0, options.take_over,
            options.of, options.accept_runbook, loaded.digest, options.rehearse,
        )  # fmt: skip
        if isinstance(options.journal, Address):
            from optibid_console.team_source import TeamSource

            return TeamSource(wanted)
        record = await find_or_start(wanted)
        same = Wanted(
            options.config, window, name, place_of(record.journal), rehearsal=options.rehearse
        )

        async def dial() -> Path:
            """The engine again; one that was killed is started again, for the same journal."""
            return Path((await find_or_start(same)).socket)

        return FeedSource(dial, name, "drive", take_over=options.take_over)

    return show(connect, options.config.name, options, given, sharing)


def attach(options: Namespace) -> int:
    """Come back to a window that runs."""
    why_not = no_terminal()
    if why_not:
        return _refuse(why_not)
    want = "watch" if options.watch else "drive"
    if options.where.startswith("ssh://"):
        from optibid_console.cli.remote import RemoteEngine

        engine = RemoteEngine(options.where)
        return show(_far(engine, name_of(options), want), engine.host, options)
    if is_address(options.where):
        return _attach_team(options, want)
    record = _chosen(options.where)
    if isinstance(record, str):
        return _refuse(record)
    return show(_near(record, name_of(options), want), record.window, options)


def _attach_team(options: Namespace, want: str) -> int:
    """The engine here that runs a team's window, or, to watch, the journal alone."""
    from optibid_console import engine_record
    from optibid_console.journal.following import JournalWatch
    from optibid_console.journal.places import newest

    address = newest(place_of(options.where))
    record = engine_record.find(address)
    name = name_of(options)
    if record is not None:
        return show(_near(record, name, want), record.window, options)
    if want == "drive":
        return _refuse(
            f"no engine here runs the window in {address}: `optibid-console run -c FILE --journal "
            f"{address}` drives it or takes it over, `attach --watch {address}` shows it"
        )

    async def connect() -> Source:
        return JournalWatch(address, name)

    return show(connect, str(address), options)


def _loaded(config: Path) -> Loaded:
    """Raises `RunbookError`."""
    from optibid_console.runbook.load import load

    return load(config, os.environ)


def _watched(options: Namespace, loaded: Loaded, name: str) -> ControlSource:
    """The window's engine for who only watches, or its journal where none answers."""
    from optibid_console import engine_record
    from optibid_console.cli.chosen_journal import chosen_journal
    from optibid_console.engine_process import ANSWER_S
    from optibid_console.feed.client import FeedSource
    from optibid_console.feed.socket_file import responds
    from optibid_console.journal.following import JournalSource
    from optibid_console.journal.places import newest

    if isinstance(options.journal, Address):
        journal = newest(options.journal)
    else:
        journal = chosen_journal(options, loaded)
    record = engine_record.find(journal)
    if record is not None and responds(Path(record.socket), ANSWER_S):
        return FeedSource(Path(record.socket), name, "watch")
    return JournalSource(journal, name)


def _near(record: EngineRecord, name: str, want: str) -> Connect:
    async def connect() -> ControlSource:
        from optibid_console.feed.client import FeedSource

        return FeedSource(Path(record.socket), name, want)

    return connect


def _far(engine: RemoteEngine, name: str, want: str) -> Connect:
    async def connect() -> ControlSource:
        from optibid_console.feed.client import FeedSource

        return FeedSource(engine.dial, name, want, on_close=engine.close)

    return connect


def _chosen(where: str) -> EngineRecord | str:
    """The engine meant by `where`, or why there is none."""
    from optibid_console import engine_record

    if where:
        found = engine_record.find(place_of(where))
        return found or (
            f"no engine runs the window in {where}; "
            f"`optibid-console run -c FILE --journal {where}` starts one"
        )
    running = engine_record.running()
    if not running:
        return "no window runs here; `optibid-console run -c FILE` opens one"
    if len(running) > 1:
        listed = "".join(f"\n  optibid-console attach {one.journal}" for one in running)
        return f"{len(running)} windows run here; say which:{listed}"
    return running[0]


def _refuse(why: str) -> int:
    say_text(f"optibid-console: {why}", err=True)
    return 2
