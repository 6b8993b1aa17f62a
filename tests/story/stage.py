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
from tests.story.settings import ADD, BACKEND, CONFIG, DBNAME, DRESS

HERE = Path(__file__).parent


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
