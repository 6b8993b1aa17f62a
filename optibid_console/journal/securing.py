"""Keeping the entries of a journal whose files were replaced or deleted under their engine."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from pathlib import Path

from optibid_console.journal.opened_files import OpenedFiles, save_copy
from probes.text import counted


@dataclass(frozen=True, slots=True)
class _Secured:
    """What was done for the entries when a file wasn't at its path."""

    file: Path
    """The path that had another file, or none."""
    now_at: str
    """Where the opened file was then; empty: deleted."""
    entries_at: Path | None = None
    """The file that has every entry; None: they couldn't be written anywhere."""
    problem: str = ""


class Securing:
    """Looks for the open files at their paths; when one isn't there, brings every committed
    entry to where a person finds it, once."""

    def __init__(self, files: OpenedFiles, *, writable: bool) -> None:
        """`writable`: whether the connection may write; who only reads has nothing to secure."""
        self.files = files
        self._writable = writable
        self._secured: _Secured | None = None

    def look(self, db: sqlite3.Connection, entries: int) -> str:
        """Why nothing may be written, where the entries are and what to do; empty when every
        file is at its path. `entries`: how many the journal has. Blocks."""
        try:
            file = self.files.moved()
        except OSError as error:
            return (
                f"the journal {self.files.path} can't be seen any more: {error.strerror}; nothing "
                "is recorded. Make its directory accessible again, and it goes on"
            )
        if file is None:
            self._secured = None
            return ""
        found = _Secured(file, self.files.moved_to(file))
        if self._writable:
            found = self._once(db, found)
        advice = _advice(found, self.files.path, counted(entries, "entry", "entries"))
        return f"{_what(found, self.files.path)}; nothing is recorded. {advice}"

    def _once(self, db: sqlite3.Connection, found: _Secured) -> _Secured:
        done = self._secured
        known = done is not None and (done.file, done.now_at) == (found.file, found.now_at)
        if done is None or done.problem or not known:
            done = self._secured = self._secure(db, found)
        return done

    def _secure(self, db: sqlite3.Connection, found: _Secured) -> _Secured:
        path = self.files.path
        try:
            # what only the -wal has comes into the journal's own file, under whatever name
            busy = db.execute("PRAGMA wal_checkpoint(FULL)").fetchone()[0]
            if found.file == path and not found.now_at:
                return _Secured(found.file, "", save_copy(db, path))
        except (OSError, sqlite3.Error) as error:
            return _Secured(found.file, found.now_at, None, str(error))
        if busy:
            return _Secured(found.file, found.now_at, None, "another program reads the journal")
        at = path if found.file != path else Path(found.now_at)
        return _Secured(found.file, found.now_at, at)


def _what(found: _Secured, journal: Path) -> str:
    subject = "the journal" if found.file == journal else "the journal's file"
    became = f"moved to {found.now_at}" if found.now_at else "deleted or replaced"
    return f"{subject} {found.file} was {became} while it was open"


def _advice(found: _Secured, journal: Path, entries: str) -> str:
    if found.now_at:
        return f"Move {found.now_at} back to {found.file}, and it goes on"
    if found.problem:
        return (
            f"The {entries} are open in this engine alone and can't be saved: {found.problem}. "
            "Don't end it: make space, or end what reads the journal, and they are saved"
        )
    if found.entries_at == journal:
        return f"All {entries} are in {journal}: end this engine, then start it again"
    if found.entries_at is not None:
        return (
            f"All {entries} are in {found.entries_at}: end this engine, move that file to "
            f"{journal}, then start it again"
        )
    return "End the engine of this window, then start it again"
