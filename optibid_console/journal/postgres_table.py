"""A journal's rows and its lease in PostgreSQL. Everything here blocks."""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import psycopg

from optibid_console.codec import canonical, from_plain, to_plain
from optibid_console.entries import GENESIS, Entry, Plain, SpillDelivered, kind_of, seal
from optibid_console.journal import entry_row
from optibid_console.journal.journal import JournalError, JournalWentBack
from optibid_console.journal.lease import (
    Deposed,
    EngineId,
    Held,
    Lease,
    LeaseHeld,
    Standing,
    boot_clock_s,
    is_alive,
    standing,
    this_engine,
)
from optibid_console.journal.postgres_schema import CHANNEL, SCHEMA
from optibid_console.journal_place import Address

Connection = psycopg.Connection[Any]

_COLUMNS = ", ".join(entry_row.COLUMNS)
_NOW = "extract(epoch FROM clock_timestamp())::float8"
_MINE = "name = %s AND token = %s AND (%s < 0 OR epoch = %s)"
# One statement: the lease's row is locked and looked at again under that lock, so a take-over
# comes before it, and is seen, or waits for its commit.
_APPEND = f"""
WITH held AS MATERIALIZED (
    SELECT FROM {SCHEMA}.journals WHERE {_MINE} FOR SHARE
), added AS (
    INSERT INTO {SCHEMA}.entries (journal, {_COLUMNS})
    SELECT %s, %s, %s, %s, %s, %s, %s, %s, %s FROM held
    WHERE %s = (SELECT coalesce(max(hash), %s) FROM {SCHEMA}.entries
                WHERE journal = %s AND seq = %s)
    RETURNING seq
)
SELECT (SELECT count(*) FROM held),
    (SELECT count(*) FROM added, pg_notify('{CHANNEL}', %s))
"""
_SELECT = f"SELECT {_COLUMNS} FROM {SCHEMA}.entries WHERE journal = %s"
_LEASE = f"""
SELECT epoch, holder, engine, taken_at, beat_at, beat_boot_s, {_NOW}
FROM {SCHEMA}.journals WHERE name = %s
"""
_NEWEST = f"""
SELECT name, EXISTS (
    SELECT FROM {SCHEMA}.entries WHERE journal = name AND kind = 'window-closed')
FROM {SCHEMA}.journals WHERE title = %s AND rehearsal = %s ORDER BY made_at DESC, name DESC LIMIT 1
"""
_ANY = f"""
SELECT name FROM {SCHEMA}.journals ORDER BY rehearsal, EXISTS (
    SELECT FROM {SCHEMA}.entries WHERE journal = name AND kind = 'window-closed'), made_at DESC
LIMIT 1
"""
_ADD = f"INSERT INTO {SCHEMA}.journals (name, title, rehearsal) VALUES (%s, %s, %s)"
_DELIVER = (
    f"INSERT INTO {SCHEMA}.entries (journal, {_COLUMNS}) "
    "VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s)"
)
_PIECE = 500
_TRIES = 50


IDENTITY = """
SELECT (SELECT system_identifier::text FROM pg_control_system()), oid::bigint, datname::text
FROM pg_database WHERE datname = current_database()
"""


@dataclass(frozen=True, slots=True)
class Identity:
    """Which database it is, whatever it is called on the way: what its server says."""

    system: str
    """The cluster's, made by initdb; copies of a cluster share it (pg_control_system())."""
    oid: int
    name: str

    def is_of(self, other: Identity) -> bool:
        """Whether both are one: a restored database has another oid under the same name."""
        same = self.oid == other.oid or self.name == other.name
        return self.system == other.system and same


def append(
    db: Connection, journal: str, token: str, epoch: int, entry: Entry, plain: Plain | None = None
) -> None:
    """Commit an entry if and only if `token` holds the lease with `epoch` (negative: with any)
    and it follows the last one. Raises `Deposed`, `JournalError`, `psycopg.Error`."""
    held, added = _row(
        db, _APPEND, journal, token, epoch, epoch, journal, *entry_row.row_of(entry, plain),
        entry.prev, GENESIS, journal, entry.seq - 1, f"{journal} {entry.seq}",
    )  # fmt: skip
    if not held:
        raise Deposed(lease(db, journal)[0])
    if not added:
        raise taken(journal, entry)


def deliver(db: Connection, journal: str, at: float, fact: SpillDelivered) -> Entry:
    """Commit what a deposed console did, with no lease, behind whatever is the last entry then.

    Raises `JournalError`, `psycopg.Error`.
    """
    for _ in range(_TRIES):
        seq, prev = head(db, journal)
        entry = seal(seq + 1, at, time.monotonic(), fact.holder or "somebody", fact, prev)
        row = entry_row.row_of(entry)
        try:
            with db.transaction():
                db.execute(_DELIVER.encode(), (journal, *row))
                db.execute(b"SELECT pg_notify(%s, %s)", (CHANNEL, f"{journal} {entry.seq}"))
        except psycopg.errors.UniqueViolation:
            continue  # who drives was quicker
        return entry
    raise JournalError(f"the journal {journal} goes on too fast: try again")


def delivered(db: Connection, journal: str, after: tuple[int, str]) -> tuple[int, str]:
    """The head, where nothing came after `after` but what deposed consoles delivered; else
    `after`."""
    kind = kind_of(SpillDelivered)
    for row in read(db, journal, after[0], _PIECE):
        if row[4] != kind or row[6] != after[1] or entry_row.digest(row) != row[7]:
            break
        after = (row[0], row[7])
    return after


def taken(journal: str, entry: Entry) -> JournalError:
    """What to raise where the journal has gone on without the caller."""
    return JournalError(
        f"the journal {journal} went on before entry {entry.seq}: another console writes this "
        "journal; close this one and `attach` to the other"
    )


def read(db: Connection, journal: str, after: float, limit: int) -> list[entry_row.Row]:
    """At most `limit` rows with numbers above `after`, in order."""
    query = f"{_SELECT} AND seq > %s ORDER BY seq LIMIT %s"
    return db.execute(query.encode(), (journal, int(max(after, -1)), limit)).fetchall()


def rows(db: Connection, journal: str, after: float = -1) -> Iterator[entry_row.Row]:
    """All rows above a number, in order, a piece at a time."""
    while piece := read(db, journal, after, _PIECE):
        yield from piece
        after = piece[-1][0]


def bodies(db: Connection, journal: str, kinds: Sequence[str]) -> list[dict[str, Any]]:
    """What the entries of these kinds say, in order."""
    query = (
        f"SELECT body FROM {SCHEMA}.entries WHERE journal = %s AND kind = ANY(%s) "
        "AND kind IN ('window-opened', 'window-closed', 'runbook-accepted') ORDER BY seq"
    )
    return [json.loads(row[0]) for row in db.execute(query.encode(), (journal, list(kinds)))]


def excerpt(
    db: Connection, journal: str, kinds: Sequence[str], most: int
) -> list[tuple[float, str, str]]:
    """`at`, kind and body of entries of these kinds, in order; the server ends what takes too
    long. Raises `psycopg.Error`."""
    query = (
        f"SELECT at, kind, body FROM {SCHEMA}.entries WHERE journal = %s AND kind = ANY(%s) "
        "ORDER BY seq LIMIT %s"
    )
    with db.transaction():
        db.execute(b"SET LOCAL statement_timeout = 5000")
        return db.execute(query.encode(), (journal, list(kinds), most)).fetchall()


def before(db: Connection, journal: str, most: int) -> list[str]:
    """The names of the other real windows with the same title, the newest first."""
    query = (
        f"SELECT name FROM {SCHEMA}.journals WHERE NOT rehearsal AND name <> %s AND title = "
        f"(SELECT title FROM {SCHEMA}.journals WHERE name = %s) ORDER BY made_at DESC LIMIT %s"
    )
    return [str(row[0]) for row in db.execute(query.encode(), (journal, journal, most))]


def head(db: Connection, journal: str) -> tuple[int, str]:
    """The last entry's number and hash, checked. Raises `JournalError`."""
    query = f"{_SELECT} ORDER BY seq DESC LIMIT 2"
    last = db.execute(query.encode(), (journal,)).fetchall()
    return entry_row.checked_head(last, f"the journal {journal}")


def lease(db: Connection, journal: str, *, lock: bool = False) -> tuple[Lease, float]:
    """The lease, and the server's clock: seconds since the epoch. Raises `JournalError`."""
    found = db.execute((_LEASE + " FOR UPDATE" * lock).encode(), (journal,)).fetchone()
    if found is None:
        raise missing(journal)
    epoch, holder, engine, taken_at, beat_at, beat_boot_s, now = found
    who = from_plain(EngineId, json.loads(engine)) if engine else None
    return Lease(epoch, holder, who, taken_at, beat_at, beat_boot_s), now


def worth(lease: Lease, now: float) -> Standing:
    """The standing of a lease at the server's time `now`, seen from this process.

    An engine elsewhere that doesn't beat is silent, not dead: its machine may only be cut off.
    """
    here = this_engine()
    engine = lease.engine
    if engine is not None and (engine.host, engine.boot_id) == (here.host, here.boot_id):
        return standing(lease, now, here, is_alive(engine), boot_clock_s())
    there = standing(lease, now, here.of_another_machine(), False, 0.0)
    return Standing.SILENT if there is Standing.DEAD else there


def held(lease: Lease, now: float) -> Held:
    """The lease and its worth at the server's time `now`."""
    return Held(lease, worth(lease, now), max(now - lease.beat_at, 0.0))


def acquire(
    db: Connection, journal: str, holder: str, engine: EngineId, reason: str, of: str
) -> Lease:
    """Take the lease and raise its epoch. One that beats is only taken by who says whose it is.

    Raises `LeaseHeld`, `JournalError`, `psycopg.Error`.
    """
    with db.transaction():
        before, now = lease(db, journal, lock=True)
        standing = worth(before, now)
        if standing is Standing.SILENT and not reason.strip():
            raise LeaseHeld(before, standing, now)
        if standing is Standing.LIVE and not (reason.strip() and of.strip() == before.holder):
            raise LeaseHeld(before, standing, now, named=True)
        boot_s = boot_clock_s()
        db.execute(
            f"UPDATE {SCHEMA}.journals SET epoch = %s, holder = %s, engine = %s, token = %s, "
            f"taken_at = {_NOW}, beat_at = {_NOW}, beat_boot_s = %s WHERE name = %s".encode(),
            (
                before.epoch + 1, holder or "somebody", canonical(to_plain(engine)).decode(),
                engine.token, boot_s, journal,
            ),
        )  # fmt: skip
        return lease(db, journal)[0]


def beat(db: Connection, journal: str, token: str, epoch: int) -> int:
    """Say that the holder lives, by the server's clock; gives the last entry's number. Raises
    `Deposed`, `psycopg.Error`."""
    query = (
        f"UPDATE {SCHEMA}.journals SET beat_at = {_NOW}, beat_boot_s = %s WHERE {_MINE} "
        f"RETURNING (SELECT coalesce(max(seq), 0) FROM {SCHEMA}.entries WHERE journal = name)"
    )
    done = db.execute(query.encode(), (boot_clock_s(), journal, token, epoch, epoch)).fetchone()
    if done is None:
        raise Deposed(lease(db, journal)[0])
    return int(done[0])


def release(db: Connection, journal: str, token: str) -> None:
    """Give it back; its epoch stays. Does nothing when it is another's."""
    query = (
        f"UPDATE {SCHEMA}.journals SET holder = '', engine = '', token = '' "
        "WHERE name = %s AND token = %s"
    )
    db.execute(query.encode(), (journal, token))


def raise_epoch(db: Connection, journal: str, epoch: int) -> None:
    """Count the epoch of another operator at the same engine."""
    query = f"UPDATE {SCHEMA}.journals SET epoch = greatest(epoch, %s) WHERE name = %s"
    db.execute(query.encode(), (epoch, journal))


def find(db: Connection, address: Address, title: str, *, rehearsal: bool) -> str:
    """The name of the open journal of windows with this title, or of one that is made now.

    Of several that ask at once all get the same. Raises `psycopg.Error`.
    """
    with db.transaction():
        db.execute("SELECT pg_advisory_xact_lock(hashtext('optibid-console journals'))")
        if address.window:
            make(db, address.window, title, rehearsal=rehearsal)
            return address.window
        found = db.execute(_NEWEST.encode(), (title, rehearsal)).fetchone()
        if found is not None and not found[1]:
            return str(found[0])
        name = f"{time.strftime('%Y%m%d_%H%M%S', time.gmtime())}-{secrets.token_hex(2)}"
        make(db, name, title, rehearsal=rehearsal)
        return name


def make(db: Connection, name: str, title: str, *, rehearsal: bool) -> None:
    """An empty journal, where none of this name is."""
    query = f"{_ADD} ON CONFLICT (name) DO NOTHING"
    db.execute(query.encode(), (name, title, rehearsal))


def open_journals(db: Connection) -> list[str]:
    """The names of those whose window wasn't closed."""
    query = (
        f"SELECT name FROM {SCHEMA}.journals WHERE NOT EXISTS (SELECT FROM {SCHEMA}.entries "
        "WHERE journal = name AND kind = 'window-closed')"
    )
    return [str(row[0]) for row in db.execute(query.encode())]


def newest(db: Connection, address: Address) -> str:
    """The journal that an address without a window means for who only looks: an open window's
    before a closed one's. Raises `JournalError`."""
    if address.window:
        if not db.execute(f"SELECT 1 FROM {SCHEMA}.journals WHERE name = %s".encode(),
                          (address.window,)).fetchall():  # fmt: skip
            raise missing(address.window)
        return address.window
    found = db.execute(_ANY.encode()).fetchone()
    if found is None:
        raise JournalError(f"no window was recorded in {address.server} yet; `run` opens one")
    return str(found[0])


def check_has(db: Connection, address: Address, head: tuple[int, str]) -> None:
    """That an entry that was acknowledged is there still: a standby that followed asynchronously
    and was promoted may lack it. Raises `JournalWentBack`."""
    seq = head[0]
    if seq == 0:
        return
    found = read(db, address.window, seq - 1, 1)
    if found and (found[0][0], found[0][-1]) == head:
        return
    query = f"SELECT coalesce(max(seq), 0) FROM {SCHEMA}.entries WHERE journal = %s"
    there = min(int(_row(db, query, address.window)[0]), seq - 1)
    raise JournalWentBack(
        f"the journal in {address.server} can't be written: it went back, entries {there + 1} to "
        f"{seq}, which it had acknowledged, are not there any more; a standby that didn't have "
        "them was probably promoted. Bring the old primary back; or end this engine and start it "
        f"again, to go on from entry {there} without them: what was run is still on its target"
    )


def missing(journal: str) -> JournalError:
    return JournalError(f"there is no journal {journal} in this database; `run` makes one")


def _row(db: Connection, query: str, *given: Any) -> tuple[Any, ...]:
    row: tuple[Any, ...] | None = db.execute(query.encode(), given).fetchone()
    assert row is not None
    return row
