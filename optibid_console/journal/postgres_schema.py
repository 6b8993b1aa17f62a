"""The journal's schema in PostgreSQL, and its two roles. Everything here blocks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg import sql

from optibid_console.journal.journal import JournalError
from optibid_console.journal_place import Address

FORMAT = 1
"""The newest format that this version reads and writes (`about.format`)."""
SCHEMA = "optibid_console"
CHANNEL = "optibid_console"
"""Each committed entry is told here (NOTIFY) as `JOURNAL SEQ`."""
OPERATOR, OBSERVER = "optibid_operator", "optibid_observer"

_TABLES = f"""
CREATE SCHEMA IF NOT EXISTS {SCHEMA};

CREATE TABLE IF NOT EXISTS {SCHEMA}.about (
    one boolean PRIMARY KEY DEFAULT true CHECK (one),
    format integer NOT NULL
);
INSERT INTO {SCHEMA}.about (format) VALUES ({FORMAT}) ON CONFLICT DO NOTHING;

-- a journal and its lease: the one row that changes, so it has room to do so in its page
CREATE TABLE IF NOT EXISTS {SCHEMA}.journals (
    name text PRIMARY KEY,
    title text NOT NULL,
    rehearsal boolean NOT NULL,
    made_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    epoch bigint NOT NULL DEFAULT 0,
    holder text NOT NULL DEFAULT '',
    engine text NOT NULL DEFAULT '',
    token text NOT NULL DEFAULT '',
    taken_at double precision NOT NULL DEFAULT 0,
    beat_at double precision NOT NULL DEFAULT 0,
    beat_boot_s double precision NOT NULL DEFAULT 0
) WITH (fillfactor = 20);

CREATE TABLE IF NOT EXISTS {SCHEMA}.entries (
    journal text NOT NULL REFERENCES {SCHEMA}.journals,
    seq bigint NOT NULL CHECK (seq > 0),
    at double precision NOT NULL,
    mono double precision NOT NULL,
    actor text NOT NULL,
    kind text NOT NULL,
    body text NOT NULL,
    prev text NOT NULL,
    hash text NOT NULL,
    PRIMARY KEY (journal, seq)
);
-- passing facts, written over once a second (journal/present.py): no log, no history
CREATE UNLOGGED TABLE IF NOT EXISTS {SCHEMA}.present (
    journal text PRIMARY KEY REFERENCES {SCHEMA}.journals,
    written_at double precision NOT NULL,
    at double precision NOT NULL,
    life text NOT NULL,
    body text NOT NULL
);
CREATE INDEX IF NOT EXISTS entries_by_kind ON {SCHEMA}.entries (journal, kind, seq)
    WHERE kind IN ('window-opened', 'window-closed', 'runbook-accepted');

CREATE OR REPLACE FUNCTION {SCHEMA}.stays() RETURNS trigger LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RAISE EXCEPTION 'the journal is append only: % of %.% is refused',
        TG_OP, TG_TABLE_SCHEMA, TG_TABLE_NAME USING ERRCODE = 'insufficient_privilege';
END $$;
CREATE OR REPLACE FUNCTION {SCHEMA}.epoch_rises() RETURNS trigger LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF NEW.epoch < OLD.epoch OR NEW.name <> OLD.name OR NEW.rehearsal <> OLD.rehearsal
        OR (NEW.token NOT IN (OLD.token, '') AND NEW.epoch = OLD.epoch) THEN
        RAISE EXCEPTION 'a journal keeps its name, and who takes its lease raises the epoch'
            USING ERRCODE = 'insufficient_privilege';
    END IF;
    RETURN NEW;
END $$;

DROP TRIGGER IF EXISTS entries_stay ON {SCHEMA}.entries;
CREATE TRIGGER entries_stay BEFORE UPDATE OR DELETE OR TRUNCATE ON {SCHEMA}.entries
    FOR EACH STATEMENT EXECUTE FUNCTION {SCHEMA}.stays();
DROP TRIGGER IF EXISTS journals_stay ON {SCHEMA}.journals;
CREATE TRIGGER journals_stay BEFORE DELETE OR TRUNCATE ON {SCHEMA}.journals
    FOR EACH STATEMENT EXECUTE FUNCTION {SCHEMA}.stays();
DROP TRIGGER IF EXISTS journals_rise ON {SCHEMA}.journals;
CREATE TRIGGER journals_rise BEFORE UPDATE ON {SCHEMA}.journals
    FOR EACH ROW EXECUTE FUNCTION {SCHEMA}.epoch_rises();
"""
_SEEN = "name, title, rehearsal, made_at, epoch, holder, engine, taken_at, beat_at, beat_boot_s"
_GRANTS = f"""
REVOKE ALL ON SCHEMA {SCHEMA} FROM PUBLIC, {{operator}}, {{observer}};
REVOKE ALL ON ALL TABLES IN SCHEMA {SCHEMA} FROM PUBLIC, {{operator}}, {{observer}};
GRANT CONNECT ON DATABASE {{database}} TO {{operator}}, {{observer}};
GRANT USAGE ON SCHEMA {SCHEMA} TO {{operator}}, {{observer}};
GRANT SELECT ON {SCHEMA}.about, {SCHEMA}.entries, {SCHEMA}.present TO {{operator}}, {{observer}};
GRANT SELECT ({_SEEN}) ON {SCHEMA}.journals TO {{observer}};
GRANT SELECT ON {SCHEMA}.journals TO {{operator}};
GRANT INSERT ON {SCHEMA}.entries TO {{operator}};
GRANT INSERT (name, title, rehearsal) ON {SCHEMA}.journals TO {{operator}};
GRANT UPDATE (epoch, holder, engine, token, taken_at, beat_at, beat_boot_s)
    ON {SCHEMA}.journals TO {{operator}};
GRANT INSERT, UPDATE ON {SCHEMA}.present TO {{operator}};
"""


@dataclass(frozen=True, slots=True)
class Made:
    """What `init` found and made."""

    roles: tuple[str, ...]
    """The roles that weren't there before: they have no password yet."""
    warnings: tuple[str, ...] = ()


def init(
    db: psycopg.Connection[Any], address: Address, operator: str = OPERATOR,
    observer: str = OBSERVER,
) -> Made:  # fmt: skip
    """Make the schema and the roles, or bring what is there in order, in one transaction.

    Raises `JournalError`, `psycopg.Error`.
    """
    encoding = _one(db, "SHOW server_encoding")
    if encoding != "UTF8":
        raise JournalError(
            f"{address.server} is encoded in {encoding}: a journal needs UTF8; "
            f"CREATE DATABASE … ENCODING 'UTF8' TEMPLATE template0 makes such a database"
        )
    with db.transaction():
        db.execute("SELECT pg_advisory_xact_lock(hashtext('optibid-console init'))")
        found = _one(db, "SELECT to_regclass(%s)", f"{SCHEMA}.about")
        if found is not None:
            check_format(db, address)
        new = tuple(one for one in (operator, observer) if _make_role(db, one))
        db.execute(_TABLES.encode())
        grants = sql.SQL(_GRANTS).format(
            operator=sql.Identifier(operator), observer=sql.Identifier(observer),
            database=sql.Identifier(address.dbname),
        )  # fmt: skip
        db.execute(grants)
    warnings = []
    if _one(db, "SHOW fsync") != "on":
        warnings.append("fsync is off on this server: a power cut there can lose the journal")
    return Made(new, tuple(warnings))


def check_format(db: psycopg.Connection[Any], address: Address) -> None:
    """Raises `JournalError` when this isn't a journal that this version knows."""
    if _one(db, "SELECT to_regclass(%s)", f"{SCHEMA}.about") is None:
        raise JournalError(
            f"there is no journal in {address.server}: `optibid-console journal init "
            f"{address.named('')}` makes one, as a role that may create schemas"
        )
    try:
        version = int(_one(db, f"SELECT format FROM {SCHEMA}.about"))
    except psycopg.errors.InsufficientPrivilege:
        raise JournalError(
            f"this role may not read the journal in {address.server}: connect as "
            f"{OPERATOR} or {OBSERVER}, or as a role that was granted one of them"
        ) from None
    if version > FORMAT:
        raise JournalError(
            f"the journal in {address.server} was made by a newer version of optibid-console "
            f"(format {version}, this one reads up to {FORMAT}): use that version"
        )


def _make_role(db: psycopg.Connection[Any], name: str) -> bool:
    found = db.execute("SELECT rolsuper FROM pg_roles WHERE rolname = %s", (name,)).fetchone()
    if found is not None:
        if found[0]:
            raise JournalError(
                f"the role {name} is a superuser, whom no grant binds: name another one"
            )
        return False
    db.execute(sql.SQL("CREATE ROLE {} LOGIN").format(sql.Identifier(name)))
    return True


def _one(db: psycopg.Connection[Any], query: str, *given: object) -> Any:
    row = db.execute(query.encode(), given or None).fetchone()
    return row[0] if row else None
