"""A few kinds of entries of a journal, without folding it: for who needs no window, only facts."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from typing import Any

from optibid_console.journal.explaining import explain
from optibid_console.journal.file import connect
from optibid_console.journal_place import Address, Place

MOST_ENTRIES = 50_000


def excerpt(place: Place, kinds: tuple[str, ...]) -> Iterator[tuple[float, str, dict[str, Any]]]:
    """`at` (epoch seconds), kind and body of each entry of these kinds, in order, at most
    50,000. Nothing is checked: what is read this way decides nothing. Raises `JournalError`,
    and `ValueError` for a body that is none."""
    if isinstance(place, Address):
        from optibid_console.journal import postgres_link, postgres_table

        with postgres_link.reading(place) as db:
            for at, kind, body in postgres_table.excerpt(db, place.window, kinds, MOST_ENTRIES):
                yield at, kind, json.loads(body)
        return
    query = (
        f"SELECT at, kind, body FROM entries WHERE kind IN ({', '.join('?' * len(kinds))}) "
        f"ORDER BY seq LIMIT {MOST_ENTRIES}"
    )
    with closing(connect(place, create=False, writable=False)) as connection:
        try:
            for at, kind, body in connection.execute(query, kinds):
                yield at, kind, json.loads(body)
        except sqlite3.Error as error:
            raise explain(place, "read", error) from error
