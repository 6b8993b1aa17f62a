"""The lease's row in the journal's file. Everything here blocks."""

from __future__ import annotations

import json
import sqlite3
import time
from contextlib import closing
from pathlib import Path

from optibid_console.codec import canonical, from_plain, to_plain
from optibid_console.journal import file
from optibid_console.journal.explaining import explain
from optibid_console.journal.journal import JournalError
from optibid_console.journal.lease import (
    Deposed,
    EngineId,
    Lease,
    LeaseHeld,
    Standing,
    boot_clock_s,
    standing_here,
)

HOLDS = "(SELECT token FROM lease) = ?"
"""True for the one engine that holds the lease, and for nobody's token when nobody does."""


def read(db: sqlite3.Connection) -> Lease:
    """Returns the lease as it is; one that nobody ever held for a file of format 1.

    Raises `JournalError` for a row that no engine wrote."""
    if db.execute("PRAGMA user_version").fetchone()[0] < 2:
        return Lease(0, "", None, 0.0, 0.0, 0.0)
    query = "SELECT epoch, holder, engine, taken_at, beat_at, beat_boot_s FROM lease"
    row = db.execute(query).fetchone()
    try:
        epoch, holder, engine, taken_at, beat_at, beat_boot_s = row
        who = from_plain(EngineId, json.loads(engine)) if engine else None
        return Lease(int(epoch), str(holder), who, float(taken_at), float(beat_at),
                     float(beat_boot_s))  # fmt: skip
    except (TypeError, ValueError) as error:
        raise JournalError(
            "the journal's lease was changed and can't be read: keep the file as evidence and go "
            "on with another --journal"
        ) from error


def of(path: Path) -> Lease:
    """The lease of the journal at `path`. Raises `JournalError`."""
    with closing(file.connect(path, create=False, writable=False)) as db:
        try:
            return read(db)
        except sqlite3.Error as error:
            raise explain(path, "read", error) from error


def acquire(db: sqlite3.Connection, holder: str, engine: EngineId, reason: str) -> Lease:
    """Take the lease and raise its epoch. Raises `LeaseHeld` when another engine lives and
    there is no `reason` to depose it."""
    with file.transaction(db):
        before = read(db)
        now = time.time()
        worth = standing_here(before)
        if worth in (Standing.LIVE, Standing.SILENT) and not reason.strip():
            raise LeaseHeld(before, worth, now)
        lease = Lease(before.epoch + 1, holder, engine, now, now, boot_clock_s())
        db.execute(
            "UPDATE lease SET epoch = ?, holder = ?, engine = ?, token = ?, taken_at = ?, "
            "beat_at = ?, beat_boot_s = ?",
            (
                lease.epoch, holder or "somebody", canonical(to_plain(engine)).decode(),
                engine.token, now, now, lease.beat_boot_s,
            ),
        )  # fmt: skip
    return lease


def beat(db: sqlite3.Connection, token: str) -> None:
    """Say that the holder lives. Raises `Deposed`."""
    found = db.execute(
        f"UPDATE lease SET beat_at = ?, beat_boot_s = ? WHERE {HOLDS}",
        (time.time(), boot_clock_s(), token),
    )
    if found.rowcount == 0:
        raise Deposed(read(db))


def holds(db: sqlite3.Connection, token: str) -> bool:
    """Whether `token` is the holder's, without writing."""
    return bool(db.execute(f"SELECT {HOLDS}", (token,)).fetchone()[0])


def release(db: sqlite3.Connection, token: str) -> None:
    """Give it back; its epoch stays. Does nothing when it is another's."""
    db.execute(f"UPDATE lease SET holder = '', engine = '', token = '' WHERE {HOLDS}", (token,))


def raise_epoch(db: sqlite3.Connection, epoch: int) -> None:
    """Count the epoch of another operator at the same engine."""
    db.execute("UPDATE lease SET epoch = max(epoch, ?)", (epoch,))
