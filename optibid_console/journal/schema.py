"""What a journal's SQLite file may consist of: its two tables, and nothing that computes.

A view, a virtual table or a generated column in the place of `entries` could answer a query with
anything, and for ever. The schema is read without executing any of it.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path

from optibid_console.journal.journal import JournalError

_ENTRIES = {
    "seq": "INTEGER", "at": "REAL", "mono": "REAL", "actor": "TEXT", "kind": "TEXT",
    "body": "TEXT", "prev": "TEXT", "hash": "TEXT",
}  # fmt: skip
_LEASE = {
    "one": "INTEGER", "epoch": "INTEGER", "holder": "TEXT", "engine": "TEXT", "token": "TEXT",
    "taken_at": "REAL", "beat_at": "REAL", "beat_boot_s": "REAL",
}  # fmt: skip
_TABLES = {"entries": (_ENTRIES, "seq"), "lease": (_LEASE, "one")}


def check_schema(connection: sqlite3.Connection, path: Path) -> None:
    """Raise `JournalError` unless the file has a journal's tables alone. `sqlite3.Error` passes
    through."""
    found = connection.execute(
        "SELECT type, name FROM sqlite_master WHERE name NOT LIKE 'sqlite\\_%' ESCAPE '\\' LIMIT 20"
    )
    for kind, name in found:
        if kind != "table" or name not in _TABLES:
            raise _foreign(path, f"it has a {kind} {str(name)[:60]!r}, and a journal has none")
    for table, (columns, key) in _TABLES.items():
        _check_table(connection, path, table, columns, key)


def _check_table(
    connection: sqlite3.Connection, path: Path, table: str, columns: dict[str, str], key: str
) -> None:
    rows = connection.execute(f"PRAGMA table_xinfo({table})").fetchall()
    if not rows and table == "lease":  # format 1 had none
        return
    kinds = {
        str(kind) for name, kind in connection.execute("SELECT name, type FROM pragma_table_list")
        if name == table
    }  # fmt: skip
    if kinds != {"table"}:
        raise _foreign(path, f"{table!r} is no table in it")
    given = {str(name): str(kind).upper() for _, name, kind, *_ in rows}
    keys = [str(name) for _, name, _, _, _, part, _ in rows if part]
    computed = [str(name) for _, name, _, _, _, _, hidden in rows if hidden]
    if given != columns or keys != [key] or computed:
        raise _foreign(path, f"the columns of its table {table!r} aren't those of a journal")


def _foreign(path: Path, why: str) -> JournalError:
    return JournalError(
        f"{path} is not a journal of optibid-console: {why}; keep it as evidence if it should be "
        "one, and give another --journal"
    )
