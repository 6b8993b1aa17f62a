"""The journal in a SQLite file: each entry is on the disk when `append` returns."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

from optibid_console.codec import canonical
from optibid_console.entries import Entry, Fact, Unread, seal
from optibid_console.journal import file
from optibid_console.journal.journal import JournalError

__all__ = ["JournalError", "SqliteJournal"]

T = TypeVar("T")


class SqliteJournal:
    """A `Journal` over one SQLite file; WAL, synchronous=FULL.

    SQLite blocks (an fsync may take seconds on a busy disk), so one thread of its own
    does all of it. That thread also numbers and seals: appends can't overtake each
    other, and one whose caller was cancelled is whole or absent.
    """

    def __init__(
        self, path: Path, thread: ThreadPoolExecutor, db: sqlite3.Connection, head: tuple[int, str]
    ) -> None:
        self.path = path
        self._thread = thread
        self._db = db
        self._head = head
        self._closed = False

    @classmethod
    async def open(
        cls, path: Path, create: bool = False, *, writable: bool = True
    ) -> SqliteJournal:
        """Open a journal; `create`: make it when it is missing. Raises `JournalError`."""
        thread = ThreadPoolExecutor(1, thread_name_prefix="journal")

        def open_it() -> tuple[sqlite3.Connection, tuple[int, str]]:
            db = file.connect(path, create=create, writable=writable)
            try:
                return db, file.last_head(db, path)
            except sqlite3.Error as error:
                db.close()
                raise file.explain(path, "read", error) from error
            except JournalError:
                db.close()
                raise

        try:
            db, head = await asyncio.get_running_loop().run_in_executor(thread, open_it)
        except BaseException:
            thread.shutdown(wait=False)
            raise
        return cls(path, thread, db, head)

    async def append(self, actor: str, fact: Fact | Unread, mono: float | None = None) -> Entry:
        at, mono = time.time(), time.monotonic() if mono is None else float(mono)
        return await self._do("written", lambda: self._append(at, mono, actor, fact))

    async def read(self, after: int, limit: int) -> list[Entry]:
        query = f"{file.SELECT} WHERE seq > ? ORDER BY seq LIMIT ?"

        def rows() -> list[Entry]:
            return [file.entry_of(row) for row in self._db.execute(query, (after, limit))]

        return await self._do("read", rows)

    def head(self) -> tuple[int, str]:
        return self._head

    async def close(self) -> None:
        """Close the file; its `-wal` is folded into it and removed. Again: does nothing."""
        if not self._closed:
            self._closed = True
            await self._do("closed", self._db.close)
            self._thread.shutdown(wait=False)

    def _append(self, at: float, mono: float, actor: str, fact: Fact | Unread) -> Entry:
        seq, prev = self._head
        entry = seal(seq + 1, at, mono, actor, fact, prev)
        row: list[Any] = list(entry.to_plain().values())
        row[5] = canonical(row[5]).decode()
        marks = ", ".join("?" * len(row))
        try:
            self._db.execute(f"INSERT INTO entries VALUES ({marks})", row)
        except sqlite3.IntegrityError as error:
            raise JournalError(
                f"{self.path} already has an entry {entry.seq}: another console writes this "
                "journal; close this one and `attach` to the other"
            ) from error
        self._head = (entry.seq, entry.hash)
        return entry

    async def _do(self, what: str, work: Callable[[], T]) -> T:
        loop = asyncio.get_running_loop()
        try:
            return await loop.run_in_executor(self._thread, work)
        except sqlite3.Error as error:
            raise file.explain(self.path, what, error) from error
