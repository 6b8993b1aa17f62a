"""The journal's SQLite file: its format, how it is opened, and what its rows say.

Everything here blocks; `journal.sqlite` runs it in a thread.
"""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from urllib.parse import quote

from optibid_console import engine_record, paths
from optibid_console.entries import Entry
from optibid_console.journal import durable, entry_row
from optibid_console.journal.explaining import explain, not_a_journal
from optibid_console.journal.journal import JournalError, JournalMoved
from optibid_console.journal.schema import check_schema
from probes.error_words import error_words
from probes.given_file import kind_of

APPLICATION_ID = 0x4F424A31
"""`OBJ1` in the file's header (https://www.sqlite.org/fileformat.html#application_id)."""
FORMAT = 2
"""`user_version`: the newest format that this version reads and writes. 2 added the lease."""
BUSY_S = 5.0
MOST_ROW_BYTES = 64_000_000
"""No entry is nearly as long; SQLite refuses to read a longer row into memory."""
_BESIDE = ("-wal", "-shm", "-journal")

_SCHEMA = """
CREATE TABLE entries (
    seq INTEGER PRIMARY KEY,
    at REAL NOT NULL,
    mono REAL NOT NULL,
    actor TEXT NOT NULL,
    kind TEXT NOT NULL,
    body TEXT NOT NULL,
    prev TEXT NOT NULL,
    hash TEXT NOT NULL
)
"""
_LEASE = """
CREATE TABLE lease (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    epoch INTEGER NOT NULL,
    holder TEXT NOT NULL,
    engine TEXT NOT NULL,
    token TEXT NOT NULL,
    taken_at REAL NOT NULL,
    beat_at REAL NOT NULL,
    beat_boot_s REAL NOT NULL
)
"""
# the epochs that operators had before the file knew a lease go on being counted
_FIRST_LEASE = """
INSERT INTO lease SELECT 1, coalesce(max(json_extract(body, '$.epoch')), 0), '', '', '', 0, 0, 0
FROM entries WHERE kind = 'operator-took'
"""
_MIGRATIONS: tuple[tuple[str, ...], ...] = ((), (_LEASE, _FIRST_LEASE))
"""What makes format n+1 of format n, n counted from 0; the first one is `_initialise`'s."""
SELECT = f"SELECT {', '.join(entry_row.COLUMNS)} FROM entries"


def connect(path: Path, *, create: bool, writable: bool) -> sqlite3.Connection:
    """An open journal whose format is known. Raises `JournalError`.

    `create`: make it when it is missing, readable by its owner alone.
    """
    try:
        if create:
            _make(path)
        _check_is_written(path)
        _check_kinds(path)
        # SQLite leaves its -wal and -shm behind where the last one to close may only read
        mode = "rw" if writable or _may_write(path) else "ro"
        uri = f"file:{quote(str(path.absolute()))}?mode={mode}"
        connection = sqlite3.connect(uri, uri=True, isolation_level=None, timeout=BUSY_S)
    except (OSError, sqlite3.Error) as error:
        raise explain(path, "opened", error) from error
    try:
        connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, MOST_ROW_BYTES)
        until = time.monotonic() + BUSY_S
        connection.set_progress_handler(lambda: time.monotonic() > until, 10_000)
        _prepare(connection, path, create=create, writable=writable)
        connection.set_progress_handler(None, 0)
    except sqlite3.Error as error:
        connection.close()
        raise explain(path, "opened", error) from error
    except BaseException:
        connection.close()
        raise
    return connection


def last_head(connection: sqlite3.Connection, path: Path) -> tuple[int, str]:
    """The last entry's number and hash, after checking that it is whole and follows the one
    before. Raises `JournalError`."""
    last = list(connection.execute(f"{SELECT} ORDER BY seq DESC LIMIT 2"))
    return entry_row.checked_head(last, str(path))


def is_closed(path: Path) -> bool:
    """Whether the window of this journal was closed. Raises `JournalError`."""
    return bool(_first_value(path, "SELECT 1 FROM entries WHERE kind = 'window-closed' LIMIT 1"))


def open_window(path: Path) -> str:
    """The id of the journal's window; empty when it was closed or none was opened. Raises
    `JournalError`."""
    query = (
        "SELECT json_extract(body, '$.window_id') FROM entries WHERE kind = 'window-opened' "
        "AND NOT EXISTS (SELECT 1 FROM entries WHERE kind = 'window-closed') LIMIT 1"
    )
    return _first_value(path, query)


def runbook_digest(path: Path) -> str:
    """The digest of the runbook that the window goes by; empty when none was opened. Raises
    `JournalError`."""
    query = (
        "SELECT json_extract(body, '$.digest') FROM entries "
        "WHERE kind IN ('window-opened', 'runbook-accepted') ORDER BY seq DESC LIMIT 1"
    )
    return _first_value(path, query)


def _first_value(path: Path, query: str) -> str:
    """The first value of the first row that a query gives; empty when it gives none."""
    with closing(connect(path, create=False, writable=False)) as connection:
        try:
            found = connection.execute(query).fetchone()
        except sqlite3.Error as error:
            raise explain(path, "read", error) from error
    return str(found[0]) if found else ""


def is_rehearsal(path: Path) -> bool:
    """Whether the journal is a rehearsal's. Raises `JournalError`."""
    query = "SELECT json_extract(body, '$.rehearsal') FROM entries WHERE kind = 'window-opened'"
    with closing(connect(path, create=False, writable=False)) as connection:
        try:
            found = connection.execute(query).fetchone()
        except sqlite3.Error as error:
            raise explain(path, "read", error) from error
    return bool(found and found[0])


def entries_of(path: Path) -> Iterator[Entry]:
    """All entries of a journal, in order, also while an engine writes it. Raises
    `JournalError`."""
    with closing(connect(path, create=False, writable=False)) as connection:
        try:
            before = 0
            for row in connection.execute(f"{SELECT} ORDER BY seq"):
                if row[0] <= before:  # its pages are in a knot, or a number was put in front
                    raise JournalError(
                        f"{path}: entry {row[0]} stands behind entry {before}; run `verify` on it"
                    )
                before = row[0]
                yield entry_row.entry_of(row)
        except sqlite3.Error as error:
            raise explain(path, "read", error) from error


def rows_after(connection: sqlite3.Connection, seq: float) -> sqlite3.Cursor:
    """All rows above a number, in order, also those whose text isn't UTF-8: as what has no
    digest, so that they can be named."""
    connection.text_factory = _lenient
    return connection.execute(f"{SELECT} WHERE seq > ? ORDER BY seq", (seq,))


def _lenient(text: bytes) -> str:
    return text.decode("utf-8", "surrogateescape")


def _check_kinds(path: Path) -> None:
    """SQLite would wait for a FIFO and read a device: also in the place of the files that it
    keeps beside a journal. Raises `JournalError` and `OSError`."""
    for one in (path, *(path.with_name(path.name + suffix) for suffix in _BESIDE)):
        try:
            kind = kind_of(one.stat().st_mode)
        except FileNotFoundError:
            if one == path:
                raise JournalError(
                    f"there is no journal at {path}; `run` or `engine` makes one"
                ) from None
            continue
        except ValueError as error:
            raise JournalError(f"the journal's path can't be used: {error_words(error)}") from error
        if kind:
            raise JournalError(f"{one} is {kind}; a journal is a file: give --journal a file")


def _make(path: Path) -> None:
    if path.exists():
        return
    durable.make_directory(path.parent)
    os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
    durable.sync_directory(path.parent)


def _check_is_written(path: Path) -> None:
    """Raises `JournalMoved` when the engine of this journal has another file open: SQLite would
    take that one's `-wal` for this one's, and fold it in and delete it. Raises `OSError`."""
    other = engine_record.writes_elsewhere(path)
    if other is not None:
        raise JournalMoved(
            f"{path} isn't the file that the engine of this window (process {other.pid}) writes: "
            f"it was replaced or moved while that engine ran. `{paths.APP} attach {path}` shows "
            "where its entries are and what to do"
        )


def _may_write(path: Path) -> bool:
    return os.access(path, os.W_OK) and os.access(path.parent, os.W_OK)


def _prepare(connection: sqlite3.Connection, path: Path, *, create: bool, writable: bool) -> None:
    connection.execute(f"PRAGMA query_only = {'OFF' if writable else 'ON'}")
    # in this order: a journal that is being made meanwhile is then either empty or one
    tables = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
    version = _version(connection)
    application = connection.execute("PRAGMA application_id").fetchone()[0]
    if application == 0 and version == 0 and tables == 0:
        if not (create and writable):
            raise JournalError(f"{path} is empty: no window was recorded in it")
        _initialise(connection)
    elif application != APPLICATION_ID:
        raise not_a_journal(path)
    elif version > FORMAT:
        raise JournalError(
            f"{path} was written by a newer version of optibid-console (format {version}, this "
            f"one reads up to {FORMAT}): use that version, or give another --journal"
        )
    else:
        check_schema(connection, path)
    if writable:
        _migrate(connection)
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("BEGIN IMMEDIATE")  # fails now, not at the first entry
        connection.execute("ROLLBACK")


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """All or nothing, and nobody else writes meanwhile."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:  # a full disk has ended it already
            connection.execute("ROLLBACK")
        raise


def _initialise(connection: sqlite3.Connection) -> None:
    with transaction(connection):
        if connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
            return  # another console was first
        connection.execute(_SCHEMA)
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        _migrate_from(connection, 1)


def _migrate(connection: sqlite3.Connection) -> None:
    """Bring an older format forward, in one transaction: after a crash it is as before."""
    if _version(connection) == FORMAT:
        return
    with transaction(connection):
        _migrate_from(connection, _version(connection))


def _migrate_from(connection: sqlite3.Connection, version: int) -> None:
    for statement in (one for step in _MIGRATIONS[version:] for one in step):
        connection.execute(statement)
    connection.execute(f"PRAGMA user_version = {FORMAT}")


def _version(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA user_version").fetchone()[0])
