"""A system's or SQLite's error in words that say what to do."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from optibid_console.journal.journal import JournalBusy, JournalError
from probes.error_words import error_words


def explain(path: Path, what: str, error: Exception) -> JournalError:
    """What to raise where a journal can't be `what`: opened, written, read."""
    code = _code(error)
    if code == sqlite3.SQLITE_NOTADB:
        return not_a_journal(path)
    if code == sqlite3.SQLITE_TOOBIG:
        return JournalError(
            f"the journal {path} can't be {what}: one of its rows is larger than any entry; it was "
            "changed: keep the file as evidence and give another --journal"
        )
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
    why = error_words(error, file=False)
    busy = code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
    kind = JournalBusy if busy else JournalError
    return kind(f"the journal {path} can't be {what}: {why}; {advice}")


def is_damage(error: Exception) -> bool:
    """Whether the file or its disk is broken, and not only in use or full."""
    return _code(error) in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_NOTADB)


def _code(error: Exception) -> int:
    code: int = getattr(error, "sqlite_errorcode", 0)
    return code & 0xFF


def not_a_journal(path: Path) -> JournalError:
    """What to raise for a file that is something else."""
    return JournalError(f"{path} is not a journal of optibid-console; give another --journal")
