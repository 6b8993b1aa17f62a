"""The journal proves itself: each entry carries the hash of the one before."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from optibid_console.entries import GENESIS
from optibid_console.journal import entry_row, file
from optibid_console.journal.explaining import explain, is_damage
from optibid_console.journal_head import Noted

_BEFORE_ALL = float("-inf")
"""Below every number that a row may have, also those that none should have."""


@dataclass(frozen=True, slots=True)
class Verified:
    """How far a journal's chain holds."""

    entries: int
    """How many entries are good, from the first on."""
    head: str
    """The hash of the last good one: noted elsewhere, it proves all before it."""
    problem: str = ""
    """The first bad entry and what is wrong with it; empty: none."""


def verify(path: Path, noted: Noted | None = None) -> Verified:
    """Walk the whole chain. Raises `JournalError` when the file can't be read at all.

    Entries cut off at the end, or a chain that was sealed anew from some entry on, hold in
    themselves: only `noted`, a head kept elsewhere, shows that.
    """
    with closing(file.connect(path, create=False, writable=False)) as connection:
        try:
            return walk(file.rows_after(connection, _BEFORE_ALL), noted)
        except sqlite3.Error as error:
            raise explain(path, "read", error) from error


def walk(
    rows: Iterable[entry_row.Row],
    noted: Noted | None = None,
    after: tuple[int, str] = (0, GENESIS),
) -> Verified:
    """How far the chain of `rows` (in the order of their numbers) holds; `after`: the number
    and hash of the entry before the first one. Raises `sqlite3.Error` for what isn't damage."""
    good, head = after
    missing = noted
    try:
        for row in rows:
            problem = _problem(row, good, head)
            if not problem and missing is not None and missing.number in (0, row[0]):
                if row[7].startswith(missing.digits):
                    missing = None
                elif missing.number:
                    problem = _sealed_anew(missing)
            if problem:
                return Verified(good, head, problem)
            good, head = row[0], row[7]
    except sqlite3.DatabaseError as error:
        if not is_damage(error):
            raise
        return Verified(good, head, f"entry {good + 1} can't be read: {error}")
    return Verified(good, head, _lacks(missing, good) if missing is not None else "")


def _sealed_anew(noted: Noted) -> str:
    return (
        f"entry {noted.number} isn't the one whose hash was noted: the journal was sealed anew "
        f"from that entry or an earlier one on"
    )


def _lacks(noted: Noted, good: int) -> str:
    """Why a journal of `good` entries, all of them whole, doesn't have the noted one."""
    if noted.number:
        return f"entries {good + 1} to {noted.number} were cut off at the end"
    return (
        f"no entry has the noted hash {noted}: entries were cut off at the end, or the journal was "
        "sealed anew; note the number too, NUMBER:HASH, to tell which"
    )


def _problem(row: entry_row.Row, good: int, head: str) -> str:
    seq = row[0]
    if seq <= good:
        return f"an entry numbered {seq} was inserted before entry {good + 1}"
    if seq != good + 1:
        return f"entry {good + 1} is missing: after {good} comes {seq}"
    try:
        whole = entry_row.digest(row) == row[7]
    except ValueError as error:
        return f"entry {seq} was changed: it can't be read ({error})"
    if not whole:
        return f"entry {seq} was changed: what it says doesn't give its hash"
    if row[6] != head:
        return f"entry {seq} doesn't follow entry {good}: one was inserted, removed or reordered"
    return ""
