"""How far a database has come, in numbers that only grow, and what lies between two moments.

Transactions are those that got a number (xid), which only writers get; numbers and WAL are the
whole cluster's. Rows are counted by the server's statistics, which lag by a second or so and
begin anew after a crash. (PostgreSQL manual, 9.27, 28.2.)
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

OVERALL = """
SELECT pg_snapshot_xmax(pg_current_snapshot())::text::numeric,
    pg_wal_lsn_diff(CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn()
        ELSE pg_current_wal_lsn() END, '0/0')
"""

TABLES = """
SELECT CASE n.nspname WHEN 'public' THEN '' ELSE n.nspname || '.' END || c.relname,
    sum(n_tup_ins)::bigint, sum(n_tup_upd)::bigint, sum(n_tup_del)::bigint
FROM pg_stat_user_tables s JOIN pg_class c ON c.oid = coalesce(pg_partition_root(s.relid), s.relid)
    JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n_tup_ins + n_tup_upd + n_tup_del > 0 AND schemaname !~ '^_timescaledb_'
GROUP BY n.nspname, c.relname ORDER BY 1 LIMIT 5000
"""
"""The rows of a partitioned table are those of its partitions."""


@dataclass(frozen=True, slots=True)
class Measures:
    """Of one moment."""

    at: float
    """Seconds since the epoch, UTC."""
    transactions: int
    wal_bytes: int
    rows: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    """Table → rows inserted, updated and deleted since its statistics began."""


def measures_of(at: float, overall: tuple[Any, ...], tables: Iterable[tuple[Any, ...]]) -> Measures:
    """The answers to `OVERALL` and `TABLES`."""
    rows = {str(name): tuple(int(one or 0) for one in counts) for name, *counts in tables}
    return Measures(at, int(overall[0]), int(overall[1] or 0), rows)


@dataclass(frozen=True, slots=True)
class Between:
    """What was written between two moments."""

    transactions: int
    wal_bytes: int
    rows: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    """Table → rows inserted, updated, deleted; those without a change are left out."""
    restarted: bool = False
    """The statistics began anew in between: there were more rows than that."""


def between(before: Measures, after: Measures) -> Between:
    """What `after` has more than `before`. Pure."""
    rows, restarted = {}, False
    for table in sorted({*before.rows, *after.rows}):
        was = before.rows.get(table, (0, 0, 0))
        now = after.rows.get(table, (0, 0, 0))
        if any(b < a for a, b in zip(was, now, strict=True)):
            restarted = restarted or table in after.rows
            was = (0, 0, 0)
        change = tuple(b - a for a, b in zip(was, now, strict=True))
        if any(change):
            rows[table] = change
    return Between(
        max(0, after.transactions - before.transactions),
        max(0, after.wal_bytes - before.wal_bytes), rows, restarted,
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Cost:
    """What going back to a database's backup would lose."""

    database: str
    since: float
    """The backup's moment: seconds since the epoch, UTC."""
    measured_at: float
    transactions: int = 0
    wal_bytes: int = 0
    rows: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    """Table → rows inserted, updated, deleted."""
    restarted: bool = False
    """There were more rows than that: the server's statistics began anew."""
    problem: str = ""
    """Why it can't be measured now; the numbers are then the last ones known."""
    failed_at: float = 0.0
    """When that was."""
