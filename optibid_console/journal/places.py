"""What is asked of a journal wherever it is: the same questions to a file and to a server."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from optibid_console.entries import Entry
from optibid_console.journal import chain, entry_row, file, lease_table
from optibid_console.journal.chain import Verified
from optibid_console.journal.explaining import explain
from optibid_console.journal.lease import Held, standing_here
from optibid_console.journal_head import Noted
from optibid_console.journal_place import Address, Place

if TYPE_CHECKING:
    from optibid_console.journal.postgres import PostgresJournal
    from optibid_console.journal.sqlite import SqliteJournal

# psycopg costs a tenth of a second to import: only who has an address pays it


async def open_journal(place: Place, *, writable: bool = True) -> SqliteJournal | PostgresJournal:
    """The journal, open; a file is made when it is missing. Raises `JournalError`."""
    if isinstance(place, Address):
        from optibid_console.journal.postgres import PostgresJournal

        return await PostgresJournal.open(place, writable=writable)
    from optibid_console.journal.sqlite import SqliteJournal

    return await SqliteJournal.open(place, create=writable, writable=writable)


def own_address(address: Address, title: str, *, rehearsal: bool) -> Address:
    """The open window with this title in a team's database, or a new one's name there: of all
    that ask, on whatever machine, each gets the same. Raises `JournalError`."""
    from optibid_console.journal import postgres_link, postgres_table

    with (
        closing(postgres_link.connect(address, writable=True)) as db,
        postgres_link.explained(address, "opened"),
    ):
        return address.named(postgres_table.find(db, address, title, rehearsal=rehearsal))


def newest(place: Place) -> Place:
    """The journal that is meant by who only looks; a file is itself. Raises `JournalError`."""
    if not isinstance(place, Address):
        return place
    from optibid_console.journal import postgres_link, postgres_table

    with postgres_link.reading(place) as db:
        return place.named(postgres_table.newest(db, place))


def held(place: Place) -> Held:
    """Who holds it. Raises `JournalError`."""
    if isinstance(place, Address):
        from optibid_console.journal import postgres_link, postgres_table

        with postgres_link.reading(place) as db:
            lease, now = postgres_table.lease(db, place.window)
            return postgres_table.held(lease, now)
    lease = lease_table.of(place)
    return Held(lease, standing_here(lease), max(time.time() - lease.beat_at, 0.0))


def exists(place: Place) -> bool:
    """Whether something was recorded there. Raises `JournalError`."""
    if not isinstance(place, Address):
        return place.exists()
    return next(entries_of(place), None) is not None


def entries_of(place: Place) -> Iterator[Entry]:
    """All entries, in order, also while an engine writes it. Raises `JournalError`."""
    if isinstance(place, Path):
        yield from file.entries_of(place)
        return
    with rows_after(place, -1) as rows:
        yield from map(entry_row.entry_of, rows)


def verify(place: Place, noted: Noted | None = None) -> Verified:
    """Walk the whole chain. Raises `JournalError` when it can't be read at all."""
    if isinstance(place, Path):
        return chain.verify(place, noted)
    with rows_after(place, -1) as rows:
        return chain.walk(rows, noted)


def is_closed(place: Place) -> bool:
    """Whether the window of this journal was closed. Raises `JournalError`."""
    if isinstance(place, Path):
        return file.is_closed(place)
    return bool(_bodies(place, "window-closed"))


def open_window(place: Place) -> str:
    """The id of its window; empty when it was closed or none was opened. Raises
    `JournalError`."""
    if isinstance(place, Path):
        return file.open_window(place)
    opened = _bodies(place, "window-opened")
    return str(opened[0]["window_id"]) if opened and not is_closed(place) else ""


def open_windows_in(address: Address) -> list[str]:
    """The ids of all open windows in a team's database. Raises `JournalError`."""
    from optibid_console.journal import postgres_link, postgres_table

    with postgres_link.reading(address) as db:
        opened = [postgres_table.bodies(db, one, ["window-opened"])
                  for one in postgres_table.open_journals(db)]  # fmt: skip
    return [str(one[0]["window_id"]) for one in opened if one]


def runbook_digest(place: Place) -> str:
    """The digest of the runbook that the window goes by; empty when none was opened. Raises
    `JournalError`."""
    if isinstance(place, Path):
        return file.runbook_digest(place)
    found = _bodies(place, "window-opened", "runbook-accepted")
    return str(found[-1]["digest"]) if found else ""


def is_rehearsal(place: Place) -> bool:
    """Whether the journal is a rehearsal's. Raises `JournalError`."""
    if isinstance(place, Path):
        return file.is_rehearsal(place)
    opened = _bodies(place, "window-opened")
    return bool(opened and opened[0].get("rehearsal"))


@contextmanager
def rows_after(place: Place, seq: float) -> Iterator[Iterator[entry_row.Row]]:
    """All rows above a number, in order, through a connection of their own: one that is kept
    would show what it remembers and not what the disk has. Raises `JournalError`."""
    if isinstance(place, Address):
        from optibid_console.journal import postgres_link, postgres_table

        with postgres_link.reading(place) as server:
            yield postgres_table.rows(server, place.window, seq)
        return
    with closing(file.connect(place, create=False, writable=False)) as db:
        try:
            yield file.rows_after(db, seq)
        except sqlite3.Error as error:
            raise explain(place, "read", error) from error


def _bodies(address: Address, *kinds: str) -> list[dict[str, Any]]:
    from optibid_console.journal import postgres_link, postgres_table

    with postgres_link.reading(address) as db:
        return postgres_table.bodies(db, address.window, kinds)
