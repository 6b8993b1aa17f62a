"""Who waits for a lock in a database, and who holds it. (PostgreSQL manual, 28.2.3, 9.26.)"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from probes.text import one_line

WAITS = """
WITH waiting AS (
    SELECT a.*, pg_blocking_pids(a.pid) AS blockers FROM pg_stat_activity a
    WHERE a.datname = current_database() AND a.wait_event_type = 'Lock' LIMIT 50
)
SELECT w.pid, w.usename, w.application_name, left(w.query, 1000),
    extract(epoch FROM clock_timestamp() - coalesce(w.state_change, w.query_start))::float8,
    b.pid, b.usename, b.application_name, left(b.query, 1000),
    extract(epoch FROM clock_timestamp() - b.xact_start)::float8
FROM waiting w LEFT JOIN pg_stat_activity b ON b.pid = ANY(w.blockers)
WHERE cardinality(w.blockers) > 0 ORDER BY 5 DESC, w.pid, 10 DESC LIMIT 200
"""
"""The sessions of this database that wait, one row for each session that one waits for."""

SESSIONS = """
SELECT pid, usename, application_name, left(query, 1000),
    extract(epoch FROM clock_timestamp() - xact_start)::float8
FROM pg_stat_activity
WHERE datname = current_database() AND application_name = %s AND state <> 'idle' ORDER BY pid
"""
"""What the sessions of one application are at."""

HOLDERS = """
SELECT DISTINCT a.pid, a.usename, a.application_name, left(a.query, 1000),
    extract(epoch FROM clock_timestamp() - a.xact_start)::float8
FROM pg_locks l JOIN pg_stat_activity a ON a.pid = l.pid
WHERE l.mode = 'AccessExclusiveLock' AND l.granted AND l.locktype = 'relation'
    AND a.datname = current_database() ORDER BY 1 LIMIT 5
"""
"""The sessions of this database that hold a relation for themselves alone."""

_QUERY = 200


@dataclass(frozen=True, slots=True)
class Session:
    """A session of the database server."""

    pid: int
    user: str
    application: str
    query: str
    """Its first 200 characters; what the role may not see says so."""
    for_s: float
    """Seconds that it has waited, or that its transaction is old when it blocks another."""

    @property
    def words(self) -> str:
        """`pid 123 (billing, reports): UPDATE bids …`."""
        who = ", ".join(one for one in (self.user, self.application) if one)
        return f"pid {self.pid}{f' ({who})' if who else ''}: {self.query or 'idle'}"


@dataclass(frozen=True, slots=True)
class LockWait:
    """One session that waits, and those that it waits for."""

    waiter: Session
    blockers: tuple[Session, ...]

    @property
    def words(self) -> str:
        by = "; ".join(one.words for one in self.blockers)
        return f"{self.waiter.words} waits {self.waiter.for_s:.0f} s for {by or 'a session'}"


def session_name(run_id: str) -> str:
    """What the sessions of a migration's run are called (`runbook.migrate_text.SESSION`)."""
    return "migrate " + run_id.encode()[:50].decode("utf-8", "ignore")


def session_of(row: tuple[Any, ...]) -> Session:
    """Five columns: pid, user, application, query, seconds."""
    pid, user, application, query, for_s = row
    return Session(
        int(pid), one_line(user or "", 60), one_line(application or "", 60),
        one_line(query or "", _QUERY), round(float(for_s or 0.0), 1),
    )  # fmt: skip


def waits_of(rows: Iterable[tuple[Any, ...]]) -> tuple[LockWait, ...]:
    """The rows of `WAITS`, the longest wait first."""
    waits: dict[int, LockWait] = {}
    for row in rows:
        wait = waits.get(row[0]) or LockWait(session_of(tuple(row[:5])), ())
        if row[5] is not None:
            wait = LockWait(wait.waiter, (*wait.blockers, session_of(tuple(row[5:]))))
        waits[row[0]] = wait
    return tuple(waits.values())
