"""Where the story is played: a database, a host behind sshd, two releases, and engines."""

from __future__ import annotations

import contextlib
import shlex
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import psycopg

from optibid_console import commands as c
from optibid_console.permit import permit
from optibid_console.state import StepState, WindowState
from tests.crash.attached import Attached
from tests.crash.place import Place
from tests.servers.ports import free_port
from tests.servers.postgres import DEBIAN, PostgresServer
from tests.servers.sshd import Keys, OpenSshServer, ssh_target
from tests.story.portrait import Portrait, portrait

HERE = Path(__file__).parent
DBNAME = "optibid"
ADD = """ALTER TABLE bids ADD COLUMN settlement_price numeric(10, 2);
UPDATE bids SET settlement_price = price WHERE id <= 20000;
CREATE INDEX bids_settled ON bids (settlement_price) WHERE settlement_price IS NOT NULL;
DELETE FROM market.prices WHERE zone = 'PJM' AND price < -0.9;
"""
"""What migration 004 does: to the schema, and to rows that only the backup has."""

DRESS = f"""
ALTER DATABASE {DBNAME} OWNER TO keeper;
GRANT CONNECT, TEMPORARY ON DATABASE {DBNAME} TO reader;
REVOKE CONNECT ON DATABASE {DBNAME} FROM PUBLIC;
ALTER DATABASE {DBNAME} SET work_mem = '5MB';
ALTER ROLE reader IN DATABASE {DBNAME} SET search_path = market, public;
COMMENT ON DATABASE {DBNAME} IS 'bids and prices';
"""
"""What belongs to a database and isn't copied with it."""

BACKEND = r"""#!/bin/sh
# start | stop: the release that `current` leads to
cd {room}
pid=$(cat backend.pid 2>/dev/null)
case $1 in
start)
  env -u OPTIBID_RUN setsid {python} {backend} "$(readlink -f current)" {web} {dsn} \
    </dev/null >>backend.log 2>&1 &
  echo $! >backend.pid ;;
stop)
  [ -z "$pid" ] || kill "$pid" 2>/dev/null || exit 0
  while [ "$pid" ] && kill -0 "$pid" 2>/dev/null; do sleep 0.02; done
  rm -f backend.pid ;;
esac
"""

CONFIG = """
[window]
name = "OptiBid"
version = "v2"
stack = "directory"

{targets}

[databases.optibid]
on = "db-1"
dbname = "optibid"
user = "{role}"
password = "${{DB_PASSWORD}}"
port = {port}
bin = "{bin}"
migrations = "migrations"
lock_timeout = "{lock_timeout}"
tables = ["bids", "audit_logs", "market.prices_pjm"]
rows = {{ bids = {bids} }}
format = "{format}"
jobs = {jobs}

[probes.health]
kind = "http"
title = "backend /health"
on = "app-1"
url = "http://127.0.0.1:{web}/health"
health = true
every = "300ms"
timeout = "5s"

[probes.previous]
kind = "command"
title = "the previous release is there"
on = "app-1"
run = "test -d releases/${{previous.release}}"
every = "500ms"
timeout = "5s"

[[phases]]
id = "prepare"
title = "Prepare"
at = "T-60m"

[[phases.steps]]
id = "1a"
title = "Back up the database"
kind = "backup"
database = "optibid"
timeout = "2m"

[[phases.steps]]
id = "1b"
title = "Note the release"
on = "app-1"
run = "basename $(readlink current)"
record = "previous.release"

[[phases.steps]]
id = "1c"
title = "Keep its files"
on = "app-1"
run = '''set -e; mkdir -p backups
tar -czf backups/release.tar.gz releases/${{previous.release}}
echo "$PWD/backups/release.tar.gz"'''
artifact = "files"
record = "previous.files"

[[phases]]
id = "migrate"
title = "Migrate"
at = "T-30m"

[[phases.steps]]
id = "2a"
title = "Migrate"
kind = "migrate"
database = "optibid"
timeout = "1m"

[[phases]]
id = "deploy"
title = "Deploy"
at = "T+0"

[[phases.steps]]
id = "3a"
title = "Switch to v2"
on = "app-1"
run = "bin/backend stop && ln -sfn releases/v2 current && bin/backend start"
evidence = ["health"]
evidence_timeout = "30s"

[[actions]]
id = "backup"
title = "Back up"
key = "b"
uses = ["1a", "1b", "1c"]

[[actions]]
id = "migrate"
title = "Migrate"
key = "m"
uses = ["2a"]

[[actions]]
id = "rollback"
title = "Rollback"
key = "R"
needs_facts = ["backup.path", "previous.release"]
ready_when = ["previous"]

[[actions.steps]]
id = "R1"
title = "Stop what writes"
on = "app-1"
run = "bin/backend stop"
undoes = ["3a"]

[[actions.steps]]
id = "R2"
title = "Restore the database"
kind = "restore"
database = "optibid"
undoes = ["2a"]
timeout = "2m"

[[actions.steps]]
id = "R3"
title = "Switch to the previous release"
on = "app-1"
run = '''test -d releases/${{previous.release}} ||
  {{ echo releases/${{previous.release}} is missing: unpack ${{previous.files}}; exit 1; }}
ln -sfn releases/${{previous.release}} current'''
undoes = ["3a"]

[[actions.steps]]
id = "R4"
title = "Start it"
on = "app-1"
run = "bin/backend start"
undoes = ["3a"]

[[actions.steps]]
id = "R5"
title = "Verify the rollback"
kind = "wait"
wait_for = ["health"]
timeout = "1m"

[[criteria]]
id = "health"
title = "The backend is ill"
fail_when = "probe.health is failing"
active_from = "deploy"
for = "1500ms"
"""


class Stage(Place):
    """The story's host and its window. One at a time: it is always the same directory."""

    def __init__(self, path: Path, server: PostgresServer) -> None:
        super().__init__(path)
        self.server = server
        self.web = free_port()
        self.settings: dict[str, object] = {
            "lock_timeout": "10s", "format": "custom", "jobs": 1, "bids": 100,
            "role": "postgres",
        }  # fmt: skip
        keys = Keys(path)
        self.sshd = OpenSshServer(keys, "SetEnv SHLVL=2", "MaxSessions 100")
        keys.know(self.sshd.port)
        spec = keys.spec(self.sshd.port)
        self.targets = "\n".join(ssh_target(self.host, spec, name) for name in ("app-1", "db-1"))
        self.programs = self.host / "pg"
        self.build()

    @property
    def host(self) -> Path:
        """The host's directory: releases, backups, migrations, runs."""
        return self.path / "host"

    def build(self) -> None:
        """The host as it is before the window: v1 runs, v2 is there, 004 is to be applied."""
        for part in ("bin", "migrations", "releases/v1", "releases/v2", "pg"):
            (self.host / part).mkdir(parents=True)
        for program in ("pg_dump", "pg_restore", "psql"):
            (self.programs / program).symlink_to(DEBIAN / program)
        (self.host / "current").symlink_to("releases/v1")
        (self.host / "migrations" / "003_seed.sql").write_text("SELECT 1;")
        (self.host / "migrations" / "004_settlement.sql").write_text(ADD)
        script = self.host / "bin" / "backend"
        script.write_text(
            BACKEND.format(
                room=self.host, python=sys.executable, backend=HERE / "backend.py",
                web=self.web, dsn=shlex.quote(self.server.dsn(DBNAME)),
            )
        )  # fmt: skip
        script.chmod(0o755)

    def configure(self, **settings: object) -> None:
        self.settings |= settings
        self.config.write_text(
            CONFIG.format(
                targets=self.targets, port=self.server.port, bin=self.programs, web=self.web,
                **self.settings,
            )
        )  # fmt: skip

    def wrap(self, program: str, script: str) -> None:
        """Put a shell script in the place of one of PostgreSQL's programs; `$real` runs it."""
        path = self.programs / program
        path.unlink()
        path.write_text(f"#!/bin/sh\nreal={DEBIAN / program}\n{script}\n")
        path.chmod(0o755)

    def unwrap(self, program: str) -> None:
        (self.programs / program).unlink()
        (self.programs / program).symlink_to(DEBIAN / program)

    def backend(self, what: str) -> None:
        subprocess.run([self.host / "bin" / "backend", what], check=True)

    def runs(self) -> str:
        """The release that `current` leads to."""
        return (self.host / "current").readlink().name

    def sql(self, text: str, dbname: str = DBNAME) -> list[tuple[Any, ...]]:
        return self.server.execute(text, dbname)

    def databases(self) -> list[str]:
        found = self.sql(
            "SELECT datname FROM pg_database WHERE datname LIKE 'optibid%'", "postgres"
        )
        return sorted(name for (name,) in found)

    def portrait(self) -> Portrait:
        return portrait(self.server, DBNAME)

    def session(self) -> psycopg.Connection[Any]:
        return psycopg.connect(self.server.dsn(DBNAME), application_name="reports")

    def take_database(self, template: str) -> None:
        """The story's database as a copy of `template`, whatever is there now."""
        for one in self.databases():
            self.sql(f"DROP DATABASE {one} WITH (FORCE)", "postgres")
        self.sql(f"CREATE DATABASE {DBNAME} TEMPLATE {template}", "postgres")
        for one in filter(None, map(str.strip, DRESS.split(";"))):
            self.sql(one, "postgres")

    async def killed(self, process: subprocess.Popen[str]) -> None:
        """Wait until the engine has died at its stop point."""
        assert await self.end(process, 0) == -signal.SIGKILL

    @contextlib.asynccontextmanager
    async def played(self, *options: str) -> AsyncIterator[Attached]:
        """An engine, and a screen that drives."""
        process = await self.engine(*options)
        async with self.attached() as screen:
            yield screen
        assert await self.end(process) == 0

    def close(self) -> None:
        self.clear()
        self.backend("stop")
        self.sshd.stop()


async def step(screen: Attached, step_id: str, action_run: str = "") -> StepState:
    """Run a step of the phases; how it ended."""
    reply = await screen.send(c.RunStep(step_id))
    assert isinstance(reply, c.Accepted), reply
    await screen.until(lambda one: one.state.step(step_id).attempt and over(one.state, step_id))
    return screen.state.step(step_id)


def over(state: WindowState, step_id: str, action_run: str = "") -> bool:
    return state.step(step_id, action_run).outcome is not None


def told(state: WindowState, step_id: str, action_run: str = "") -> str:
    """What the step's run printed last, as the screen has it."""
    run = state.runs[state.step(step_id, action_run).run_id]
    return "\n".join(run.ended.last_lines if run.ended else ())


def allowed(state: WindowState, command: c.Command) -> bool:
    return permit(state, command) == ""
