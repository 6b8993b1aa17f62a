"""The journal's SQLite file: its format, how it is opened, and what its rows say.

Everything here blocks; `journal.sqlite` runs it in a thread.
"""

from __future__ import annotations

import hashlib
import json
import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

from optibid_console.codec import canonical
from optibid_console.entries import GENESIS, Entry, entry_from_plain, plain_fact
from optibid_console.journal.journal import JournalBusy, JournalError

APPLICATION_ID = 0x4F424A31
"""`OBJ1` in the file's header (https://www.sqlite.org/fileformat.html#application_id)."""
FORMAT = 2
"""`user_version`: the newest format that this version reads and writes. 2 added the lease."""
BUSY_S = 5.0

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
COLUMNS = ("seq", "at", "mono", "actor", "kind", "body", "prev", "hash")
SELECT = f"SELECT {', '.join(COLUMNS)} FROM entries"
Row = tuple[Any, ...]


def connect(path: Path, *, create: bool, writable: bool) -> sqlite3.Connection:
    """An open journal whose format is known. Raises `JournalError`.

    `create`: make it when it is missing, readable by its owner alone.
    """
    if path.is_dir():
        raise JournalError(f"{path} is a directory; a journal is a file: give --journal a file")
    try:
        if create:
            _make(path)
        if not path.exists():
            raise JournalError(f"there is no journal at {path}; `run` or `engine` makes one")
        # SQLite leaves its -wal and -shm behind where the last one to close may only read
        mode = "rw" if writable or _may_write(path) else "ro"
        uri = f"file:{quote(str(path.absolute()))}?mode={mode}"
        connection = sqlite3.connect(uri, uri=True, isolation_level=None, timeout=BUSY_S)
    except (OSError, sqlite3.Error) as error:
        raise explain(path, "opened", error) from error
    try:
        _prepare(connection, path, create=create, writable=writable)
    except sqlite3.Error as error:
        connection.close()
        raise explain(path, "opened", error) from error
    except BaseException:
        connection.close()
        raise
    return connection


def entry_of(row: Row) -> Entry:
    """The entry that a row holds. Raises `JournalError` when it isn't one."""
    try:
        return entry_from_plain(plain(row))
    except ValueError as error:
        raise JournalError(f"entry {row[0]} of the journal can't be read: {error}") from error


def row_of(entry: Entry) -> Row:
    """The row that holds an entry."""
    kind, body = plain_fact(entry.fact)
    # In its own order: a runbook's panels stand on screen as they stand in its file.
    text = json.dumps(body, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return (
        entry.seq, entry.at, entry.mono, entry.actor, kind, text, entry.prev, entry.hash,
    )  # fmt: skip


def plain(row: Row) -> dict[str, Any]:
    """A row as the JSON value that its hash is made of, and the hash. Raises `ValueError`."""
    value = dict(zip(COLUMNS, row, strict=True))
    value["body"] = json.loads(value["body"])
    return value


def digest(row: Row) -> str:
    """The hash that a row should have, over what it says. Raises `ValueError`."""
    value = plain(row)
    del value["hash"]
    return hashlib.sha256(canonical(value)).hexdigest()


def last_head(connection: sqlite3.Connection, path: Path) -> tuple[int, str]:
    """The last entry's number and hash, after checking that it is whole and follows the one
    before. Raises `JournalError`."""
    rows = list(connection.execute(f"{SELECT} ORDER BY seq DESC LIMIT 2"))
    if not rows:
        return 0, GENESIS
    last, before = rows[0], rows[1] if len(rows) > 1 else None
    seq, prev, own = last[0], last[6], last[7]
    try:
        whole = digest(last) == own
    except ValueError:
        whole = False
    follows = (prev == GENESIS and seq == 1) if before is None else (
        prev == before[7] and seq == before[0] + 1
    )  # fmt: skip
    if not whole or not follows:
        raise JournalError(
            f"{path}: its last entry ({seq}) was changed or doesn't follow the one before; "
            "keep the file as evidence and go on with another --journal"
        )
    return seq, own


def is_closed(path: Path) -> bool:
    """Whether the window of this journal was closed. Raises `JournalError`."""
    with closing(connect(path, create=False, writable=False)) as connection:
        try:
            found = connection.execute(
                "SELECT 1 FROM entries WHERE kind = 'window-closed' LIMIT 1"
            ).fetchone()
        except sqlite3.Error as error:
            raise explain(path, "read", error) from error
    return found is not None


def runbook_digest(path: Path) -> str:
    """The digest of the runbook that the window goes by; empty when none was opened. Raises
    `JournalError`."""
    query = (
        "SELECT json_extract(body, '$.digest') FROM entries "
        "WHERE kind IN ('window-opened', 'runbook-accepted') ORDER BY seq DESC LIMIT 1"
    )
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
            for row in connection.execute(f"{SELECT} ORDER BY seq"):
                yield entry_of(row)
        except sqlite3.Error as error:
            raise explain(path, "read", error) from error


def explain(path: Path, what: str, error: Exception) -> JournalError:
    """A system's or SQLite's error in words that say what to do."""
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if code == sqlite3.SQLITE_NOTADB:
        return _not_a_journal(path)
    if code == sqlite3.SQLITE_FULL:
        advice = "make space there; it goes on by itself"
    elif code in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM):
        advice = "it and its directory must be writable for you, or give another --journal"
    elif code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        advice = "another program holds it: end that, or give another --journal"
    elif code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_IOERR):
        advice = "check the disk, keep the file as evidence and go on with another --journal"
    else:
        advice = "check the path, or give another --journal"
    why = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    busy = code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
    kind = JournalBusy if busy else JournalError
    return kind(f"the journal {path} can't be {what}: {why}; {advice}")


def _make(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))


def _may_write(path: Path) -> bool:
    return os.access(path, os.W_OK) and os.access(path.parent, os.W_OK)


def _prepare(connection: sqlite3.Connection, path: Path, *, create: bool, writable: bool) -> None:
    connection.execute(f"PRAGMA query_only = {'OFF' if writable else 'ON'}")
    application = connection.execute("PRAGMA application_id").fetchone()[0]
    version = _version(connection)
    tables = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
    if application == 0 and version == 0 and tables == 0:
        if not (create and writable):
            raise JournalError(f"{path} is empty: no window was recorded in it")
        _initialise(connection)
    elif application != APPLICATION_ID:
        raise _not_a_journal(path)
    elif version > FORMAT:
        raise JournalError(
            f"{path} was written by a newer version of optibid-console (format {version}, this "
            f"one reads up to {FORMAT}): use that version, or give another --journal"
        )
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


def _not_a_journal(path: Path) -> JournalError:
    return JournalError(f"{path} is not a journal of optibid-console; give another --journal")
