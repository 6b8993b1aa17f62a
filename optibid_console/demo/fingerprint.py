"""What a database holds, small enough to compare: the proof that a rollback brought it back."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import psycopg
from psycopg import sql

from probes.text import counted

_COLUMNS = """
SELECT table_name, string_agg(column_name || ' ' || data_type, ', ' ORDER BY ordinal_position)
FROM information_schema.columns WHERE table_schema = 'public' GROUP BY table_name
"""
_MIGRATIONS = "SELECT version FROM schema_migrations ORDER BY version"


@dataclass(frozen=True, slots=True)
class Table:
    """One table: its columns with their types, its rows, and a checksum over all of them."""

    columns: str
    rows: int
    checksum: str


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """All tables of the public schema, and the migrations that are applied."""

    tables: Mapping[str, Table]
    migrations: tuple[str, ...]


def take_fingerprint(database_url: str) -> Fingerprint:
    """The fingerprint of a database, as of one moment. Raises `psycopg.Error`."""
    with psycopg.connect(database_url, connect_timeout=5) as connection:
        connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        connection.read_only = True
        tables = {}
        for name, columns in connection.execute(_COLUMNS).fetchall():
            query = sql.SQL(
                "SELECT count(*), coalesce(md5(string_agg(t::text, E'\\n' ORDER BY t::text)), '')"
                " FROM {} AS t"
            ).format(sql.Identifier(name))
            row = connection.execute(query).fetchone()
            assert row is not None, "count(*) always gives a row"
            tables[name] = Table(columns, *row)
        versions = connection.execute(_MIGRATIONS).fetchall()
    return Fingerprint(tables, tuple(version for (version,) in versions))


def differences(before: Fingerprint, after: Fingerprint) -> Iterator[str]:
    """What isn't as it was, in words; nothing when all is."""
    if before.migrations != after.migrations:
        was, now = (", ".join(one.migrations) for one in (before, after))
        yield f"migrations: were {was}; are {now}"
    for name in sorted({*before.tables, *after.tables}):
        was_there, is_there = before.tables.get(name), after.tables.get(name)
        if was_there == is_there:
            continue
        if was_there is None or is_there is None:
            yield f"table {name}: {'is new' if was_there is None else 'is gone'}"
        elif was_there.columns != is_there.columns:
            yield f"table {name}: columns were {was_there.columns}; are {is_there.columns}"
        elif was_there.rows != is_there.rows:
            yield f"table {name}: had {counted(was_there.rows, 'row')}; has {is_there.rows:,}"
        else:
            yield f"table {name}: its {is_there.rows} rows are not the same"
