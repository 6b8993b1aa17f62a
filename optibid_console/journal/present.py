"""What is true just now, beside a team's journal: for who follows it with no console to ask.

One row a window, written over once a second by the engine that holds the lease. It is unlogged
(passing facts: a server that crashed has lost them, a standby never had them), and nothing that
has happened is read from it. Everything here blocks.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import psycopg

from optibid_console.journal.postgres_schema import SCHEMA

_NOW = "extract(epoch FROM clock_timestamp())::float8"
_WRITE = f"""
INSERT INTO {SCHEMA}.present (journal, written_at, at, life, body)
SELECT name, {_NOW}, %s, %s, %s FROM {SCHEMA}.journals WHERE name = %s AND token = %s
ON CONFLICT (journal) DO UPDATE SET written_at = excluded.written_at, at = excluded.at,
    life = excluded.life, body = excluded.body
"""
_READ = f"""
SELECT at, life, body, greatest({_NOW} - written_at, 0) FROM {SCHEMA}.present WHERE journal = %s
"""


@dataclass(frozen=True, slots=True)
class Present:
    """The newest signal of each kind and subject."""

    at: float
    """When it was written, by the engine's wall clock, in seconds since the epoch."""
    life: str
    """The engine's: signal numbers count within it."""
    frames: tuple[str, ...]
    """As they come over the wire (`feed.wire`): JSON objects, one a line."""
    age_s: float = 0.0
    """How long ago that was when it was read, by the server's clock."""


def write(db: psycopg.Connection[Any], journal: str, token: str, present: Present) -> None:
    """Show it. Does nothing when `token` doesn't hold the lease. Raises `psycopg.Error`."""
    body = "\n".join(present.frames)
    db.execute(_WRITE.encode(), (present.at, present.life, body, journal, token))


def read(db: psycopg.Connection[Any], journal: str) -> Present | None:
    """What was shown last. Raises `psycopg.Error`, also on a standby, which has none."""
    row = db.execute(_READ.encode(), (journal,)).fetchone()
    if row is None:
        return None
    at, life, body, age_s = row
    return Present(at, life, tuple(body.split("\n")), age_s)
