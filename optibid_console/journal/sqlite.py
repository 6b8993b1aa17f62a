"""The journal in a SQLite file: each entry is on the disk when `append` returns."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

from optibid_console.entries import Entry, Fact, OperatorTook, Plain, Unread, plain_fact, seal_plain
from optibid_console.journal import entry_row, file, lease_table
from optibid_console.journal.explaining import explain
from optibid_console.journal.journal import JournalError, JournalMoved
from optibid_console.journal.lease import Deposed, EngineId, Held, Lease, standing_here
from optibid_console.journal.opened_files import FileId, OpenedFiles, file_id
from optibid_console.journal.securing import Securing
from optibid_console.journal.worker import Owing, Worker

__all__ = ["JournalError", "SqliteJournal"]

T = TypeVar("T")

PATIENCE_S = file.BUSY_S + 1.0
"""Longer than SQLite itself waits for another process."""

_VALUES = ", ".join("?" * len(entry_row.COLUMNS))
_INSERT = f"INSERT INTO entries SELECT {_VALUES} WHERE {lease_table.HOLDS}"


class SqliteJournal:
    """A `Journal` over one SQLite file; WAL, synchronous=FULL.

    SQLite blocks (an fsync may take seconds on a busy disk), so one thread of its own
    does all of it. That thread also numbers and seals: appends can't overtake each
    other, and one whose caller was cancelled is whole or absent.
    """

    def __init__(
        self,
        path: Path,
        thread: Worker,
        db: sqlite3.Connection,
        head: tuple[int, str],
        securing: Securing,
    ) -> None:
        self.path = path
        self._thread = thread
        self._db = db
        self._head = head
        self._securing = securing
        self._token = ""
        self._owes = Owing()
        self._closed = False

    @property
    def patience_s(self) -> float:
        return PATIENCE_S

    @classmethod
    async def open(
        cls, path: Path, create: bool = False, *, writable: bool = True
    ) -> SqliteJournal:
        """Open a journal; `create`: make it when it is missing. Raises `JournalError`."""
        thread = Worker("journal")

        try:
            opened = await thread.do(lambda: _open(path, create=create, writable=writable))
        except BaseException:
            thread.end()
            raise
        return cls(path, thread, *opened)

    @property
    def file(self) -> FileId | None:
        """Which file it has open."""
        return self._securing.files.journal

    async def append(self, actor: str, fact: Fact | Unread, mono: float | None = None) -> Entry:
        at, mono = time.time(), time.monotonic() if mono is None else float(mono)
        return await self._do("written", lambda: self._append(at, mono, actor, fact))

    async def append_sealed(self, entries: Sequence[Entry]) -> None:
        await self._do("written", lambda: self._append_sealed(entries))

    async def read(self, after: int, limit: int) -> list[Entry]:
        query = f"{file.SELECT} WHERE seq > ? ORDER BY seq LIMIT ?"

        def rows() -> list[Entry]:
            if not self._token:  # who holds it reads on what was recorded, wherever that lies now
                self._check_place()
            return [entry_row.entry_of(row) for row in self._db.execute(query, (after, limit))]

        return await self._do("read", rows)

    def head(self) -> tuple[int, str]:
        return self._head

    async def acquire(
        self, holder: str, engine: EngineId, take_over: str = "", of: str = ""
    ) -> Lease:
        def work() -> Lease:
            self._check_place()
            lease = lease_table.acquire(self._db, holder, engine, take_over)
            self._token = engine.token
            self._head = file.last_head(self._db, self.path)
            return lease

        return await self._do("written", work)

    async def beat(self) -> None:
        await self._do("written", self._beat)

    async def lease(self) -> Lease:
        return await self._do("read", lambda: lease_table.read(self._db))

    async def held(self) -> Held:
        """The lease and what it is worth now, seen from this machine."""
        lease = await self.lease()
        worth = await asyncio.to_thread(standing_here, lease)
        return Held(lease, worth, max(time.time() - lease.beat_at, 0.0))

    async def release(self) -> None:
        token, self._token = self._token, ""

        def work() -> None:
            self._check_place()
            lease_table.release(self._db, token)

        if token:
            await self._do("written", work)

    async def moved(self) -> str:
        return await self._do("read", self._moved)

    def silent_s(self) -> float:
        return self._owes.for_s

    def give_up(self) -> None:
        """A disk that hangs can't be left."""

    def doubtful(self) -> tuple[Entry, ...]:
        return ()

    async def news(self, within_s: float) -> None:
        """Wait so long: a file tells nobody that it has grown."""
        await asyncio.sleep(within_s)

    async def close(self) -> None:
        """Close the file; its `-wal` is folded into it and removed. Again: does nothing.

        SQLite removes the `-wal` by its path: of a journal that was replaced that is another's.
        It stays open until the process ends.
        """
        if not self._closed:
            self._closed = True
            if await self._do("closed", self._close):
                self._thread.end()

    def _close(self) -> bool:
        """Whether it is closed."""
        try:
            at_its_path = file_id(self.path) == self.file
        except OSError:
            at_its_path = False
        if at_its_path:
            self._db.close()
        else:
            threading.Thread(target=_keep_open, args=(self._db,), daemon=True).start()
        return at_its_path

    def _moved(self) -> str:
        return self._securing.look(self._db, self._head[0])

    def _check_place(self) -> None:
        """Raises `JournalMoved` when its path has other files than were opened."""
        if problem := self._moved():
            raise JournalMoved(problem)

    def _beat(self) -> None:
        try:
            self._check_place()
        except JournalMoved:
            if not lease_table.holds(self._db, self._token):
                raise Deposed(lease_table.read(self._db)) from None
            raise
        try:
            lease_table.beat(self._db, self._token)
        except sqlite3.Error:
            # one that can't write (a read-only disk) has to notice all the same that it was deposed
            if not lease_table.holds(self._db, self._token):
                raise Deposed(lease_table.read(self._db)) from None
            raise

    def _append(self, at: float, mono: float, actor: str, fact: Fact | Unread) -> Entry:
        self._check_place()
        seq, prev = self._head
        plain = plain_fact(fact)
        entry = seal_plain(seq + 1, at, mono, actor, fact, plain, prev)
        if isinstance(fact, OperatorTook):
            with file.transaction(self._db):
                self._insert(entry, plain)
                lease_table.raise_epoch(self._db, fact.epoch)
        else:
            self._insert(entry, plain)
        self._head = (entry.seq, entry.hash)
        return entry

    def _append_sealed(self, entries: Sequence[Entry]) -> None:
        self._check_place()
        with file.transaction(self._db):
            if entries and entries[0].prev != file.last_head(self._db, self.path)[1]:
                raise JournalError(f"{self.path} went on meanwhile: these entries don't follow it")
            for entry in entries:
                self._insert(entry)
                if isinstance(entry.fact, OperatorTook):
                    lease_table.raise_epoch(self._db, entry.fact.epoch)
        if entries:
            self._head = (entries[-1].seq, entries[-1].hash)

    def _insert(self, entry: Entry, plain: Plain | None = None) -> None:
        """One statement, so that the entry is there if and only if the lease was held then."""
        row = (*entry_row.row_of(entry, plain), self._token)
        try:
            done = self._db.execute(_INSERT, row)
        except sqlite3.IntegrityError as error:
            raise JournalError(
                f"{self.path} already has an entry {entry.seq}: another console writes this "
                "journal; close this one and `attach` to the other"
            ) from error
        if done.rowcount == 0:
            raise Deposed(lease_table.read(self._db))

    async def _do(self, what: str, work: Callable[[], T]) -> T:
        try:
            with self._owes:
                return await self._thread.do(work)
        except sqlite3.Error as error:
            raise explain(self.path, what, error) from error


def _open(
    path: Path, *, create: bool, writable: bool
) -> tuple[sqlite3.Connection, tuple[int, str], Securing]:
    """Raises `JournalError`."""
    db = file.connect(path, create=create, writable=writable)
    try:
        return db, file.last_head(db, path), Securing(OpenedFiles(path), writable=writable)
    except (OSError, sqlite3.Error) as error:
        db.close()
        raise explain(path, "read", error) from error
    except JournalError:
        db.close()
        raise


def _keep_open(db: sqlite3.Connection) -> None:
    """Hold a connection until the process ends, which closes no connection of its threads."""
    threading.Event().wait()
