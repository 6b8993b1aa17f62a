"""The engine's process: everything put together, served on its socket until it ends."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from optibid_console.codec import to_plain
from optibid_console.engine.engine import Engine
from optibid_console.engine.ledger import Ledger
from optibid_console.engine.opening import opening
from optibid_console.feed.hub import Hub
from optibid_console.feed.server import FeedServer
from optibid_console.journal.sqlite import SqliteJournal
from optibid_console.runbook.load import Loaded
from optibid_console.source import Role
from optibid_console.targets import open_targets
from optibid_console.targets.target import LinkState


class CannotServe(Exception):
    """This window can't be run; the message says why and what next, `exit_code` how to end."""

    def __init__(self, message: str, exit_code: int) -> None:
        super().__init__(message)
        self.exit_code = exit_code


async def serve(
    loaded: Loaded,
    journal_path: Path,
    socket_path: Path,
    *,
    t0: str | None,
    operator_hint: str,
    on_ready: Callable[[], None],
) -> int:
    """Run the window of `loaded` until it is closed or a signal ends the engine.

    Opens the journal or goes on with the one there. `operator_hint` is who opens it.
    Raises `CannotServe`, `JournalError`, `SourceError`. Gives the exit code.
    """
    journal = await SqliteJournal.open(journal_path, create=True)
    try:
        return await _serve(loaded, journal, socket_path, t0 or "", operator_hint, on_ready)
    finally:
        await journal.close()


async def _serve(
    loaded: Loaded,
    journal: SqliteJournal,
    socket_path: Path,
    t0: str,
    by: str,
    on_ready: Callable[[], None],
) -> int:
    hub = Hub()
    ledger = Ledger(journal, hub, loaded.secrets)
    await ledger.restore()
    await _open_window(ledger, loaded, t0, by)

    def linked(state: LinkState) -> None:
        engine.link(state)

    def tell(screen_id: str, role: Role) -> None:
        server.tell(screen_id, role)

    targets = open_targets(loaded.runbook, linked)
    engine = Engine(loaded, ledger, targets, tell)
    server = FeedServer(socket_path, hub, journal, engine)
    _end_on_signals(engine)
    reason = "the engine broke"
    try:
        await engine.begin()
        await server.start()
        on_ready()
        reason = await engine.run()
    finally:
        await server.close(reason)
        for target in targets.values():
            await target.close()
    return 0


async def _open_window(ledger: Ledger, loaded: Loaded, t0: str, by: str) -> None:
    """Open the window in an empty journal; else make sure that it is this runbook's."""
    state = ledger.state
    if state.seq == 0:
        try:
            fact = opening(loaded, t0, time.time())
        except ValueError as error:
            raise CannotServe(str(error), 2) from error
        await ledger.record(fact, by)
        return
    if state.closed is not None:
        why = f"this window is closed ({state.closed.outcome}): give another --journal"
        raise CannotServe(why, 3)
    if t0:
        raise CannotServe("this window is open already, with its T-0: leave out --t0", 2)
    if state.digest != loaded.digest:
        changed = differences(to_plain(state.runbook), to_plain(loaded.runbook))
        raise CannotServe(
            "the runbook has changed since this window was opened:\n  "
            + "\n  ".join(changed[:12])
            + "\nundo the change, or open another window with another --journal",
            3,
        )


def differences(old: Any, new: Any, where: str = "") -> list[str]:
    """What differs between two JSON values: a line each, `key: old → new`. Pure."""
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        keys = [*old, *(key for key in new if key not in old)]
        lists = [
            differences(old.get(key), new.get(key), f"{where}.{key}".lstrip(".")) for key in keys
        ]
        return [line for one in lists for line in one]
    if isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        lists = [
            differences(a, b, f"{where}[{i}]")
            for i, (a, b) in enumerate(zip(old, new, strict=True))
        ]
        return [line for one in lists for line in one]
    return [] if old == new else [f"{where}: {_short(old)} → {_short(new)}"]


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}…"


def _end_on_signals(engine: Engine) -> None:
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        loop.add_signal_handler(number, engine.stop, f"told to end ({signal.Signals(number).name})")
