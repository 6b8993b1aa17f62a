"""The journal proves itself: each entry carries the hash of the one before."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from optibid_console.entries import GENESIS
from optibid_console.journal import file


@dataclass(frozen=True, slots=True)
class Verified:
    """How far a journal's chain holds."""

    entries: int
    """How many entries are good, from the first on."""
    head: str
    """The hash of the last good one: noted elsewhere, it proves all before it."""
    problem: str = ""
    """The first bad entry and what is wrong with it; empty: none."""


def verify(path: Path) -> Verified:
    """Walk the whole chain. Raises `JournalError` when the file can't be read at all.

    Entries cut off at the end leave a shorter chain that holds: only a head noted
    elsewhere shows that.
    """
    with closing(file.connect(path, create=False, writable=False)) as connection:
        try:
            return walk(connection.execute(f"{file.SELECT} ORDER BY seq"))
        except sqlite3.Error as error:
            raise file.explain(path, "read", error) from error


def walk(rows: Iterable[file.Row]) -> Verified:
    """How far the chain of `rows` (in the order of their numbers) holds."""
    good, head = 0, GENESIS
    for row in rows:
        problem = _problem(row, good, head)
        if problem:
            return Verified(good, head, problem)
        good, head = row[0], row[7]
    return Verified(good, head)


def _problem(row: file.Row, good: int, head: str) -> str:
    seq = row[0]
    if seq != good + 1:
        return f"entry {good + 1} is missing: after {good} comes {seq}"
    try:
        whole = file.digest(row) == row[7]
    except ValueError as error:
        return f"entry {seq} was changed: it can't be read ({error})"
    if not whole:
        return f"entry {seq} was changed: what it says doesn't give its hash"
    if row[6] != head:
        return f"entry {seq} doesn't follow entry {good}: one was inserted, removed or reordered"
    return ""
