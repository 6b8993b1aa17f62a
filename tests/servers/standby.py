"""A streaming standby of a real PostgreSQL, made by pg_basebackup, that a test promotes."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from tests.servers.ports import free_port
from tests.servers.postgres import DEBIAN, NOBODY, PostgresServer, _as_ordinary_user

NAME = "standby1"


class Standby(PostgresServer):
    """A copy of a running `primary`, which follows it from its start on."""

    def __init__(self, primary: PostgresServer) -> None:
        self._machine = None
        self._programs = DEBIAN
        self._settings = ()
        self._prefix, self._identity = _as_ordinary_user()
        self.directory = Path(tempfile.mkdtemp(prefix="console-pg-"))
        if self._identity:
            os.chown(self.directory, NOBODY, NOBODY)
        self.data = self.directory / "data"
        self.port = free_port()
        source = primary.dsn(dbname="", application_name=NAME)
        self._run(
            "pg_basebackup", "-d", source, "-D", str(self.data), "-R", "-X", "stream",
            "-c", "fast", "--no-sync",
        )  # fmt: skip

    def promote(self) -> None:
        """Let it go on by itself, writable from now on."""
        self._run("pg_ctl", "-D", str(self.data), "-w", "promote")
