"""How a database records the migrations that it has: the tables, the queries, their rows. Pure."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

from probes.text import counted, one_line

COLUMNS: Mapping[str, str] = {
    "version": "text PRIMARY KEY",
    "name": "text NOT NULL",
    "applied_at": "timestamptz NOT NULL DEFAULT now()",
    "execution_time_ms": "integer",
    "checksum": "text",
    "success": "boolean NOT NULL DEFAULT true",
    "error_message": "text",
}
"""The columns of `schema_migrations`, as the console makes it where there is none."""

CREATE = (
    "CREATE TABLE IF NOT EXISTS schema_migrations ("
    + ", ".join(f"{name} {what}" for name, what in COLUMNS.items())
    + ")"
)

HAS_TABLE = "SELECT to_regclass('schema_migrations') IS NOT NULL"

FORGET = "DELETE FROM schema_migrations WHERE %s IN (version::text, name) AND NOT success"
ADOPT = """
INSERT INTO schema_migrations (version, name, applied_at, checksum, success)
VALUES (%s, %s, now(), %s, true)
"""
"""The two statements that adopt one migration."""

_TOOLS: Mapping[str, str] = {
    "alembic_version": "Alembic",
    "flyway_schema_history": "Flyway",
    "databasechangelog": "Liquibase",
    "django_migrations": "Django",
    "knex_migrations": "Knex",
    "_prisma_migrations": "Prisma",
    "_sqlx_migrations": "SQLx",
    "SequelizeMeta": "Sequelize",
    "goose_db_version": "goose",
    "pgmigrations": "node-pg-migrate",
    "__EFMigrationsHistory": "Entity Framework",
}
"""Tables in which other tools record migrations."""

PLACE = f"""
WITH own AS (
    SELECT c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'p') AND n.nspname !~ '^(pg_|information_schema$|_timescaledb_)'
        AND c.relname <> 'schema_migrations' AND NOT EXISTS (SELECT FROM pg_depend d
            WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e'))
SELECT ARRAY(SELECT attname::text FROM pg_attribute
        WHERE attrelid = to_regclass('schema_migrations') AND attnum > 0 AND NOT attisdropped
        ORDER BY attnum),
    (SELECT count(*) FROM own),
    ARRAY(SELECT DISTINCT relname::text FROM own
        WHERE relname IN ({", ".join(f"'{one}'" for one in _TOOLS)}) ORDER BY 1)
"""
"""One row: the columns of `schema_migrations`, how many other tables the database has, and those
of them in which other tools record migrations."""

ROWS = """
SELECT DISTINCT ON (version, name) version::text, coalesce(name::text, ''),
    coalesce(success, false), coalesce(left(error_message::text, 1000), ''),
    extract(epoch FROM applied_at::timestamptz)::float8
FROM schema_migrations ORDER BY version, name, applied_at DESC NULLS LAST LIMIT 10000
"""
"""The last row of each migration."""

ROWS_OF_ANOTHER_SHAPE = """
SELECT DISTINCT r ->> 'version', coalesce(r ->> 'name', r ->> 'filename', r ->> 'description', ''),
    coalesce((r ->> 'success')::boolean, NOT (r ->> 'dirty')::boolean, true), '', NULL::float8
FROM (SELECT to_jsonb(m) AS r FROM schema_migrations m) AS m ORDER BY 1 LIMIT 10000
"""
"""The same of a table with a `version` that another runner has made."""

_NEEDED = frozenset({"version", "name", "applied_at", "success", "error_message"})


@dataclass(frozen=True, slots=True)
class Row:
    """A migration as the database records it."""

    version: str
    name: str = ""
    success: bool = True
    error: str = ""
    at: float | None = None
    """When it was recorded: seconds since the epoch, UTC."""

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the file that it may stand for, without `.sql`."""
        version, name = stem(self.version), stem(self.name)
        by_name = (name,) if name and number(name) == number(version) else ()
        return (*by_name, version, f"{version}_{name}")

    @property
    def label(self) -> str:
        """What people read where no file is known."""
        if self.name and number(self.name) == number(self.version):
            return one_line(self.name, 120)
        return one_line(f"{self.version}_{self.name}" if self.name else self.version, 120)


@dataclass(frozen=True, slots=True)
class Records:
    """Where a database records its migrations, as far as it is known."""

    columns: tuple[str, ...] = tuple(COLUMNS)
    """Of `schema_migrations`; empty: there is no such table."""
    tables: int = 0
    """How many other tables the database has."""
    tools: tuple[str, ...] = ()
    """Those of them in which other tools record migrations."""
    asked: bool = False
    """The runbook's own query says what is applied (`applied` of the database)."""

    @property
    def query(self) -> str:
        """The query for the rows; empty when none can be read."""
        if set(self.columns) >= _NEEDED:
            return ROWS
        return ROWS_OF_ANOTHER_SHAPE if "version" in self.columns else ""

    @property
    def cumulative(self) -> bool:
        """One row stands for all migrations up to its version (golang-migrate)."""
        return not self.asked and set(self.columns) == {"version", "dirty"}

    @property
    def lacks(self) -> tuple[str, ...]:
        """The columns that the console's runner needs and that aren't there."""
        if self.asked or not self.columns:
            return ()
        return tuple(one for one in COLUMNS if one not in self.columns)

    def unknown(self, rows: Collection[Row]) -> Iterator[str]:
        """Yields why nobody knows what of the pending files the database has."""
        if self.asked or rows:
            return
        if self.columns and not self.query:
            listed = one_line(", ".join(self.columns), 120)
            yield f"schema_migrations has no column version, but {listed}: it can't be read"
        elif self.tools:
            named = ", ".join(f"{one} ({_TOOLS[one]})" for one in self.tools)
            yield f"its migrations are recorded in {named}, none in schema_migrations"
        elif self.tables:
            none = "schema_migrations has no row" if self.columns else "no table schema_migrations"
            yield f"{none}, but {counted(self.tables, 'other table')}: what it has isn't recorded"


KNOWN = Records()
"""The console's own table, and nothing else."""
ASKED = Records((), asked=True)
"""What the runbook's own query gives."""
MOST_ROWS = 10_000


def number(version: str) -> str:
    """`004`, `4`, `V4` and `004_market_prices` are the same version: `4`."""
    head = re.match(r"\s*v?(\d+)", version, re.I)
    return head[1].lstrip("0") or "0" if head else version.strip().lower()


def stem(name: str) -> str:
    """Returns a file's name without `.sql`."""
    return re.sub(r"\.sql$", "", name.strip(), flags=re.I)
