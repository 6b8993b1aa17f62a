"""The engine's process: everything put together, served on its socket until it ends."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from optibid_console import paths
from optibid_console.accepting import consequences, why_not_accepted
from optibid_console.codec import to_plain
from optibid_console.commands import StartSharing
from optibid_console.engine.engine import Engine
from optibid_console.engine.ledger import Ledger
from optibid_console.engine.measures import last_measured
from optibid_console.engine.opening import opening
from optibid_console.engine.presenting import Presenting
from optibid_console.engine.sharing import CannotShare, Sharing, check
from optibid_console.engine_record import Claim
from optibid_console.entries import RunbookAccepted
from optibid_console.feed.attendance import Attendance
from optibid_console.feed.hub import Hub
from optibid_console.feed.server import FeedServer
from optibid_console.feed.snapshot import Snapshots
from optibid_console.journal.journal import Journal, JournalBusy, JournalError
from optibid_console.journal.lease import (
    BEAT_S,
    Deposed,
    Lease,
    Standing,
    end_silent,
    standing_here,
    this_engine,
)
from optibid_console.journal.places import held, open_journal
from optibid_console.journal.postgres_table import Identity
from optibid_console.journal.spilling import SpillingJournal
from optibid_console.journal.sqlite import SqliteJournal
from optibid_console.journal_place import Address, Place
from optibid_console.rehearsing import mismatch
from optibid_console.runbook.changes import differences
from optibid_console.runbook.load import Loaded
from optibid_console.source import Role
from optibid_console.targets import open_targets
from optibid_console.targets.target import LinkState

if TYPE_CHECKING:
    from optibid_console.journal.postgres import PostgresJournal


DELIVER_S = 10.0
"""So long an engine that was deposed tries to tell what it did while it was cut off, in seconds."""
log = logging.getLogger(__name__)


class CannotServe(Exception):
    """This window can't be run; the message says why and what next, `exit_code` how to end."""

    def __init__(self, message: str, exit_code: int) -> None:
        super().__init__(message)
        self.exit_code = exit_code


@dataclass(frozen=True, slots=True)
class Asked:
    """What a person wants of the engine that is started."""

    by: str
    """Who opens the window."""
    t0: str = ""
    take_over: str = ""
    """Why the journal is to be taken from an engine that lives; empty: it isn't."""
    take_over_of: str = ""
    """The name of who holds it, for a team's journal whose engine beats."""
    accept_runbook: bool = False
    """Whether to go on with a runbook that has changed."""
    rehearsal: bool = False
    """Whether the window is a rehearsal: nothing is changed in it."""
    sharing: StartSharing | None = None
    """How the window is shared from the start; None: as it was."""


@dataclass(frozen=True, slots=True)
class _Team:
    """The database of a team's journal, and the journal in it."""

    address: Address
    identity: Identity
    journal: PostgresJournal


async def serve(
    loaded: Loaded,
    place: Place,
    socket_path: Path,
    asked: Asked,
    on_ready: Callable[[], None],
    claim: Claim,
) -> int:
    """Run the window of `loaded` until it is closed or a signal ends the engine.

    Opens the journal or goes on with the one there. Raises `CannotServe`, `JournalError`
    (`LeaseHeld` when another engine holds the journal, `Deposed` when one took it over),
    `SourceError`. Gives the exit code.
    """
    inner = await _opened(place, asked)
    if isinstance(inner, SqliteJournal):
        claim.opened(inner.file)
    journal = SpillingJournal(inner, paths.beside(place), place)
    keeping = asyncio.create_task(_keep(claim))
    try:
        team = await _team_of(place, inner)
        return await _serve(loaded, journal, socket_path, asked, on_ready, team)
    finally:
        keeping.cancel()
        await journal.close()


async def _keep(claim: Claim) -> None:
    """Keep this engine's record where the other commands find it. Until cancelled."""
    told = ""
    while True:
        try:
            await asyncio.to_thread(claim.keep)
            told = ""
        except OSError as error:
            if str(error) != told:
                log.warning("the engine's record can't be made again: %s", error)
            told = str(error)
        await asyncio.sleep(BEAT_S)


async def _opened(place: Place, asked: Asked) -> Journal:
    """The journal, also where the engine to be deposed was suspended while it wrote: SQLite's
    lock on the file then lasts as long as its process."""
    try:
        return await open_journal(place)
    except JournalBusy:
        lease = (await asyncio.to_thread(held, place)).lease
        silent = standing_here(lease) is Standing.SILENT
        if not (asked.take_over and silent and lease.engine):
            raise
        await asyncio.to_thread(end_silent, lease.engine)
        return await open_journal(place)


async def _serve(
    loaded: Loaded,
    journal: SpillingJournal,
    socket_path: Path,
    asked: Asked,
    on_ready: Callable[[], None],
    team: _Team | None,
) -> int:
    hub = Hub()
    ledger = Ledger(journal, hub, loaded.secrets)
    await ledger.restore()
    changed = _check_window(ledger, loaded, asked)
    if asked.sharing is not None and ledger.state.seq == 0:
        await _can_be_shared(asked.sharing)
    before = await journal.lease()
    lease = await journal.acquire(asked.by, this_engine(), asked.take_over, asked.take_over_of)
    await journal.recover()
    await ledger.restore()
    gc.freeze()  # a long window's state is there to stay: no collection walks it again
    await _open_window(ledger, loaded, asked, changed)

    def linked(state: LinkState) -> None:
        engine.link(state)

    def tell(screen_id: str, role: Role) -> None:
        server.tell(screen_id, role)

    rehearsal = ledger.state.window_id if ledger.state.rehearsal else ""
    targets = open_targets(loaded.runbook, linked, rehearsal)
    attendance = Attendance(hub)
    sharing = Sharing(ledger, hub, journal, attendance)
    presenting = Presenting(ledger, hub, team.journal) if team else None
    engine = Engine(
        loaded, ledger, targets, tell, sharing,
        journal=(team.address, team.identity) if team else None, presenting=presenting,
    )  # fmt: skip
    snapshots = Snapshots(lambda: ledger.state)
    server = FeedServer(socket_path, hub, journal, engine, attendance, snapshots)
    _end_on_signals(engine)
    reason = "the engine broke"
    try:
        await _begin(engine, before, lease, asked.take_over)
        await server.start(replace=bool(asked.take_over))
        await sharing.resume()
        if asked.sharing is not None:
            await sharing.begin(asked.sharing, asked.by)
        on_ready()
        reason = await engine.run()
        await _give_back(journal)
    except Deposed as deposed:
        await _deliver(journal, team, asked.by)
        await sharing.hand_over()
        await server.hand_over(Role(False, deposed.holder, deposed.since))
        raise
    finally:
        await sharing.close(reason)
        await server.close(reason)
        attendance.close()
        for target in targets.values():
            await target.close()
    return 0


async def _team_of(place: Place, journal: Journal) -> _Team | None:
    from optibid_console.journal.postgres import PostgresJournal

    if isinstance(place, Address) and isinstance(journal, PostgresJournal):
        return _Team(place, await journal.identity(), journal)
    return None


async def _deliver(journal: SpillingJournal, team: _Team | None, by: str) -> None:
    """What was recorded here while this engine was cut off goes to who drives now; what can't
    waits, and screens here say so."""
    if team is None or not journal.spills:
        return
    from optibid_console.journal.delivering import deliver

    try:
        async with asyncio.timeout(DELIVER_S):
            await asyncio.to_thread(deliver, team.address, by)
    except (JournalError, TimeoutError) as error:
        log.warning("the spill isn't delivered: %s", error)


async def _begin(engine: Engine, before: Lease, lease: Lease, reason: str) -> None:
    from_whom = before.holder if reason else ""
    await engine.begin(lease.epoch, from_whom, reason if from_whom else "")


async def _give_back(journal: SpillingJournal) -> None:
    """Let the next engine have the journal at once; without that it finds this one dead."""
    with contextlib.suppress(JournalError):
        await journal.release()


def _check_window(ledger: Ledger, loaded: Loaded, asked: Asked) -> tuple[str, ...]:
    """Make sure that an open window is this runbook's; gives the differences to accept."""
    state = ledger.state
    if state.seq == 0:
        return ()
    if state.closed is not None:
        why = f"this window is closed ({state.closed.outcome}): give another --journal"
        raise CannotServe(why, 3)
    if state.rehearsal != asked.rehearsal:
        raise CannotServe(mismatch(asked.rehearsal), 3)
    if asked.t0:
        raise CannotServe("this window is open already, with its T-0: leave out --t0", 2)
    if state.digest == loaded.digest:
        return ()
    changed = differences(to_plain(state.runbook), to_plain(loaded.runbook))
    if not asked.accept_runbook:
        more = [f"… and {len(changed) - 12} more"] if len(changed) > 12 else []
        raise CannotServe(
            "the runbook has changed since this window was opened:\n  "
            + "\n  ".join([*changed[:12], *more])
            + "".join(f"\n{one}" for one in consequences(state, loaded.runbook))
            + "\nundo the change, go on with it (--accept-runbook records the difference), "
            "or open another window with another --journal",
            3,
        )
    refused = why_not_accepted(state, loaded.runbook)
    if refused:
        raise CannotServe(f"the runbook can't be accepted now: {refused}", 3)
    return tuple(changed)


async def _can_be_shared(wanted: StartSharing) -> None:
    """A new window that is to be shared isn't opened where it can't be."""
    try:
        await check(wanted)
    except CannotShare as error:
        raise CannotServe(f"--serve: {error}", 2) from error


async def _open_window(
    ledger: Ledger, loaded: Loaded, asked: Asked, changed: tuple[str, ...]
) -> None:
    """Open the window in an empty journal; in an open one record a runbook that was accepted."""
    if ledger.state.seq == 0:
        try:
            fact = opening(loaded, asked.t0, time.time(), rehearsal=asked.rehearsal)
        except ValueError as error:
            raise CannotServe(str(error), 2) from error
        await ledger.record(fact, asked.by)
    elif ledger.state.digest != loaded.digest:
        accepted = RunbookAccepted(loaded.digest, changed, to_plain(loaded.runbook))
        await ledger.record(accepted, asked.by)
    measured = await asyncio.to_thread(last_measured, loaded.runbook)
    if measured is not None and measured != ledger.state.rehearsed and not asked.rehearsal:
        await ledger.record(measured)


def _end_on_signals(engine: Engine) -> None:
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        loop.add_signal_handler(number, engine.stop, f"told to end ({signal.Signals(number).name})")
