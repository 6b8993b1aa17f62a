"""The journal in a PostgreSQL that a team shares: each entry is committed when `append` returns."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, TypeVar

import psycopg

from optibid_console.entries import Entry, Fact, OperatorTook, Unread, plain_fact, seal_plain
from optibid_console.journal import entry_row, postgres_link, postgres_table, present
from optibid_console.journal.journal import JournalAway, JournalError, JournalWentBack
from optibid_console.journal.lease import Deposed, EngineId, Held, Lease
from optibid_console.journal.postgres_link import CONNECT_S, LIMIT_S, Connection
from optibid_console.journal.postgres_schema import CHANNEL
from optibid_console.journal.worker import Owing, Worker
from optibid_console.journal_place import Address
from optibid_console.launch_clock import format_span

T = TypeVar("T")

PATIENCE_S = 1.0
"""A server that owes an answer for so long doesn't answer, as far as a person is concerned."""


class PostgresJournal:
    """A `Journal` over one journal of a database; `address` names it.

    One thread of its own holds the connection and does everything, as with SQLite. While the
    server is away every append fails at once, and the heartbeat looks for it.
    """

    def __init__(self, address: Address, thread: Worker, writable: bool) -> None:
        self.address = address
        self._thread = thread
        self._writable = writable
        self._db: Connection | None = None
        self._line: socket.socket | None = None
        self._turn = asyncio.Lock()
        self._head = (0, "")
        self._token, self._epoch = "", -1
        self._away = ""
        """Why the server can't be reached; empty while it can, as far as is known."""
        self._away_since = 0.0
        """On the monotonic clock."""
        self._went_back = False
        """Whether that is because acknowledged entries aren't there."""
        self._owes = Owing()
        self._was_cut = False
        """Whether the last connection was given up because nothing was said over it."""
        self._doubtful: tuple[Entry, ...] = ()
        """What was sent when the connection was lost: committed or not, only the server knows."""
        self._late: tuple[Entry, ...] = ()
        """What wasn't there when that was looked for: a frozen server may still commit it."""
        self._found: Entry | None = None
        """A doubtful entry that was committed, though whoever appended it was told otherwise."""
        self._closed = False

    @classmethod
    async def open(cls, address: Address, *, writable: bool = True) -> PostgresJournal:
        """Open a journal that is there, `address.window`. Raises `JournalError`."""
        journal = cls(address, Worker("journal"), writable)
        try:
            await journal._do("opened", journal._look)
        except BaseException:
            await journal.close()
            raise
        return journal

    @property
    def patience_s(self) -> float:
        return PATIENCE_S

    async def append(self, actor: str, fact: Fact | Unread, mono: float | None = None) -> Entry:
        at, mono = time.time(), time.monotonic() if mono is None else float(mono)

        def work(db: Connection) -> Entry:
            return self._append(db, at, mono, actor, fact)

        was_away = bool(self._away)
        try:
            return await self._do("written", work)
        except JournalAway:
            if was_away or self._was_cut:
                raise
        # a server that restarted, or ended this session, is back at once: nobody need notice
        return await self._do("written", work, dials=True)

    async def append_sealed(self, entries: Sequence[Entry]) -> None:
        await self._do("written", lambda db: self._append_sealed(db, tuple(entries)))

    async def read(self, after: int, limit: int) -> list[Entry]:
        journal = self.address.window
        found = await self._do("read", lambda db: postgres_table.read(db, journal, after, limit))
        return [entry_row.entry_of(row) for row in found]

    def head(self) -> tuple[int, str]:
        return self._head

    async def acquire(
        self, holder: str, engine: EngineId, take_over: str = "", of: str = ""
    ) -> Lease:
        def work(db: Connection) -> Lease:
            journal = self.address.window
            lease = postgres_table.acquire(db, journal, holder, engine, take_over, of)
            self._token, self._epoch = engine.token, lease.epoch
            self._head = postgres_table.head(db, journal)
            return lease

        return await self._do("written", work)

    async def beat(self) -> None:
        journal = self.address.window

        def work(db: Connection) -> None:
            if postgres_table.beat(db, journal, self._token, self._epoch) > self._head[0]:
                self._take_delivered(db)

        await self._do("written", work, dials=True)

    async def lease(self) -> Lease:
        return (await self.held()).lease

    async def held(self) -> Held:
        """The lease and what it is worth, by the server's clock."""
        journal = self.address.window
        lease, now = await self._do("read", lambda db: postgres_table.lease(db, journal))
        return await asyncio.to_thread(postgres_table.held, lease, now)

    async def release(self) -> None:
        token, self._token, self._epoch = self._token, "", -1
        if token:
            journal = self.address.window
            await self._do("written", lambda db: postgres_table.release(db, journal, token))

    async def identity(self) -> postgres_table.Identity:
        """Which database this is."""

        def work(db: Connection) -> postgres_table.Identity:
            row = db.execute(postgres_table.IDENTITY.encode()).fetchone()
            assert row is not None
            return postgres_table.Identity(*row)

        return await self._do("read", work)

    def silent_s(self) -> float:
        return 0.0 if self._away else self._owes.for_s

    def give_up(self) -> None:
        if self._owes.for_s and not self._away:
            self._cut()

    async def moved(self) -> str:
        return ""

    def doubtful(self) -> tuple[Entry, ...]:
        sent = self._doubtful or self._late
        return sent if self._away and sent and sent[0].prev == self._head[1] else ()

    async def show(self, now: present.Present) -> None:
        """Let who follows the journal alone see what is true now."""
        journal, token = self.address.window, self._token
        await self._do("written", lambda db: present.write(db, journal, token, now))

    async def shown(self) -> present.Present | None:
        """What the engine that drives showed last; None where it never did."""
        journal = self.address.window
        return await self._do("read", lambda db: present.read(db, journal))

    async def news(self, within_s: float) -> None:
        """Wait for an entry to be told (LISTEN), at most so long: what was told while nobody
        listened, or was lost, is found by looking again."""

        def work(db: Connection) -> None:
            for _ in db.notifies(timeout=within_s, stop_after=1):
                return

        await self._do("read", work, limit_s=within_s + LIMIT_S)

    async def close(self) -> None:
        """Close the connection. Again: does nothing."""
        if not self._closed:
            self._closed = True
            if self._line is not None and self._turn.locked():
                postgres_link.cut(self._line)
            await self._thread.do(self._drop)
            self._thread.end()

    # In the thread

    def _append(
        self, db: Connection, at: float, mono: float, actor: str, fact: Fact | Unread
    ) -> Entry:
        found = self._found
        if found is not None and (found.actor, found.fact) == (actor, fact):
            self._found = None  # the caller's second try: it is in the journal already
            return found
        seq, prev = self._head
        plain = plain_fact(fact)
        entry = seal_plain(seq + 1, at, mono, actor, fact, plain, prev)
        self._doubtful = (entry,)
        try:
            self._insert(db, (entry,), plain)
        except Deposed:
            raise
        except JournalError:
            late, self._late = self._late, ()
            if not (late and self._settle(db, late)) and not self._take_delivered(db):
                raise
            return self._append(db, at, mono, actor, fact)
        return entry

    def _append_sealed(self, db: Connection, entries: tuple[Entry, ...]) -> None:
        if not entries:
            return
        if entries[0].prev != self._head[1] and self._late:
            self._settle(db, self._late)  # a frozen server has committed it after all
        if entries[0].prev != self._head[1]:
            raise JournalError(f"{self.address} went on meanwhile: these entries don't follow it")
        self._doubtful = entries
        self._insert(db, entries)

    def _insert(self, db: Connection, entries: tuple[Entry, ...], plain: Any = None) -> None:
        epochs = [one.fact.epoch for one in entries if isinstance(one.fact, OperatorTook)]
        try:
            if len(entries) == 1 and not epochs:
                self._insert_one(db, entries[0], plain)
            else:
                with db.transaction():
                    for one in entries:
                        self._insert_one(db, one)
                    if epochs:
                        postgres_table.raise_epoch(db, self.address.window, max(epochs))
        except psycopg.errors.UniqueViolation as error:
            self._doubtful = ()
            raise postgres_table.taken(self.address.window, entries[0]) from error
        except BaseException:
            if not db.broken:
                self._doubtful = ()
            raise
        self._doubtful = ()
        self._head = (entries[-1].seq, entries[-1].hash)
        if epochs and self._epoch >= 0:
            self._epoch = max(self._epoch, *epochs)

    def _insert_one(self, db: Connection, entry: Entry, plain: Any = None) -> None:
        postgres_table.append(db, self.address.window, self._token, self._epoch, entry, plain)

    def _take_delivered(self, db: Connection) -> bool:
        """Go on behind what a deposed console delivered; whether there is something."""
        before = self._head
        self._head = postgres_table.delivered(db, self.address.window, before)
        return self._head != before

    def _look(self, db: Connection) -> None:
        """Where the journal is, with a new connection."""
        journal = self.address.window
        postgres_table.lease(db, journal)  # raises where there is no such journal
        if not self._token:
            self._head = postgres_table.head(db, journal)
        else:
            postgres_table.check_has(db, self.address, self._head)
            if self._doubtful:
                self._settle(db, self._doubtful)
        if not self._writable:
            db.execute(f"LISTEN {CHANNEL}")

    def _settle(self, db: Connection, sent: tuple[Entry, ...]) -> bool:
        """Whether what was sent last is in the journal; then the journal goes on behind it."""
        last = sent[-1]
        rows = postgres_table.read(db, self.address.window, last.seq - 1, 1)
        there = bool(rows and rows[0][-1] == last.hash)
        self._late = () if there else sent
        if there:
            self._head = (last.seq, last.hash)
            self._found = last if len(sent) == 1 else None
            epochs = [one.fact.epoch for one in sent if isinstance(one.fact, OperatorTook)]
            self._epoch = max(self._epoch, *epochs, 0)
        self._doubtful = ()
        return there

    def _connected(self) -> Connection:
        if self._db is None:
            self._was_cut = False
            db = postgres_link.connect(self.address, writable=self._writable)
            self._line = postgres_link.line_of(db)
            self._db = db
            try:
                self._look(db)
            except JournalError:
                self._drop()
                raise
        return self._db

    def _drop(self) -> None:
        db, line, self._db, self._line = self._db, self._line, None, None
        if line is not None:
            line.close()
        if db is not None:
            with suppress(psycopg.Error):
                db.close()

    def _worked(self, what: str, work: Callable[[Connection], T]) -> T:
        try:
            result = work(self._connected())
        except psycopg.Error as error:
            if self._db is None or self._db.broken or self._db.closed:
                self._drop()
            raise postgres_link.explain(self.address, what, error) from error
        return result

    # On the loop

    async def _do(
        self, what: str, work: Callable[[Connection], T], *, dials: bool = False,
        limit_s: float = LIMIT_S,
    ) -> T:  # fmt: skip
        """`dials`: look for a server that is away. Who holds no lease always does."""
        self._check_away(dials)  # also while somebody else looks for the server
        async with self._turn:
            self._check_away(dials)
            timer = asyncio.get_running_loop().call_later(
                limit_s + (CONNECT_S if self._db is None else 0), self._cut
            )
            try:
                with self._owes:
                    result = await self._thread.do(lambda: self._worked(what, work))
            except JournalAway as error:
                self._away_since = self._away_since if self._away else time.monotonic()
                self._away = str(error)
                self._went_back = isinstance(error, JournalWentBack)
                raise
            finally:
                timer.cancel()
            self._away = ""
            return result

    def _check_away(self, dials: bool) -> None:
        if self._away and self._token and not dials:
            away_s = format_span(time.monotonic() - self._away_since)
            kind = JournalWentBack if self._went_back else JournalAway
            raise kind(f"{self._away} (away for {away_s})")

    def _cut(self) -> None:
        """A server that is frozen, or behind a dead link, says nothing: stop waiting for it."""
        if self._line is not None:
            self._was_cut = True
            postgres_link.cut(self._line)
