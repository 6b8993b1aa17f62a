"""What a database's schema has: extensions, tables, and its migrations as it records them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import psycopg

from probes.expectation import Finding
from probes.probe import Status
from probes.text import one_line


@dataclass(frozen=True, slots=True)
class Migration:
    """A row of `schema_migrations`: the last one that its version has."""

    version: str
    name: str
    success: bool
    error: str = ""

    @property
    def label(self) -> str:
        named = self.name if self.name.startswith(self.version) else f"{self.version}_{self.name}"
        return one_line(named if self.name else self.version, 60)


async def judge_extensions(
    connection: psycopg.AsyncConnection[Any], wanted: Sequence[str]
) -> list[Finding]:
    """Whether these extensions are there; the missing ones are named."""
    cursor = await connection.execute("SELECT extname FROM pg_extension")
    found = {str(name).lower() for (name,) in await cursor.fetchall()}
    return [_named("extensions", wanted, [one for one in wanted if one.lower() not in found])]


async def judge_tables(
    connection: psycopg.AsyncConnection[Any], wanted: Sequence[str]
) -> list[Finding]:
    """Whether these tables or views are there, on the search path or as `schema.table`."""
    cursor = await connection.execute(
        "SELECT n.nspname, c.relname, pg_table_is_visible(c.oid)"
        " FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
        " WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND c.relname = ANY(%s)",
        [[name.rpartition(".")[2] for name in wanted]],
    )
    found: set[str] = set()
    for schema, table, visible in await cursor.fetchall():
        found.add(f"{schema}.{table}")
        if visible:
            found.add(table)
    return [_named("tables", wanted, [one for one in wanted if one not in found])]


async def judge_migration(connection: psycopg.AsyncConnection[Any], version: str) -> list[Finding]:
    """Whether `schema_migrations` has this version as applied with success."""
    cursor = await connection.execute("SELECT to_regclass('schema_migrations') IS NOT NULL")
    row = await cursor.fetchone()
    if row is None or not row[0]:
        wish = f"{version} applied"
        found = "unknown: no table schema_migrations"
        return [Finding(Status.FAILING, "migration", wish, found)]
    cursor = await connection.execute(
        "SELECT DISTINCT ON (version, name) version::text, coalesce(name::text, ''),"
        " coalesce(success, false), coalesce(left(error_message::text, 1000), '')"
        " FROM schema_migrations ORDER BY version, name, applied_at DESC NULLS LAST LIMIT 10000"
    )
    return judge_migrations([Migration(*row) for row in await cursor.fetchall()], version)


def judge_migrations(applied: Iterable[Migration], version: str) -> list[Finding]:
    """Hold the migrations, in the order of their versions, against the one expected. Pure.

    A failed one of another version is a warning.
    """
    every = tuple(applied)
    wish = f"{version} applied"
    mine = [one for one in every if _number(one.version) == _number(version)]
    failed = [one for one in every if not one.success and one not in mine]
    others = [
        Finding(Status.WARN, f"migration {one.label}", "success", _failure(one)) for one in failed
    ]
    if not mine:
        good = [one.label for one in every if one.success]
        found = f"not there, the latest is {good[-1]}" if good else "not there, nor any other"
        return [Finding(Status.FAILING, f"migration {version}", wish, found), *others]
    # two files may have one number: each has a row of its own then
    last = next((one for one in mine if not one.success), mine[-1])
    if not last.success:
        return [Finding(Status.FAILING, f"migration {last.label}", wish, _failure(last)), *others]
    return [Finding(Status.OK, f"migration {last.label}", wish, "applied"), *others]


def _failure(migration: Migration) -> str:
    said = one_line(migration.error, 90)
    return f"failed: {said}" if said else "failed"


def _number(version: str) -> str:
    """`004`, `4`, `V4` and `004_market_prices` are the same version."""
    head = re.match(r"\s*v?(\d+)", version, re.I)
    return head[1].lstrip("0") if head else version.strip().lower()


def _named(what: str, wanted: Sequence[str], missing: Sequence[str]) -> Finding:
    if not missing:
        return Finding(Status.OK, what, f"{len(wanted)} there", f"all {len(wanted)} there")
    shown = ", ".join(one_line(name, 40) for name in missing)
    return Finding(Status.FAILING, what, f"all {len(wanted)}", f"without {one_line(shown, 110)}")
