"""The scratch database of a trial restore, dropped without noise in the server's log."""

from __future__ import annotations

import asyncio
from asyncio.subprocess import PIPE, STDOUT
from pathlib import Path

import psycopg
import pytest

from optibid_console.runbook.backup_trial import TRIAL
from tests.backup.conftest import PROGRAMS
from tests.servers.postgres import PostgresServer

SCRATCH = "optibid_try_x"
_AROUND = """
say() { printf '%s\\n' "$1"; }
said() { cat "$work/said"; }
tell() { :; }
"""


async def _drop(postgres: PostgresServer, work: Path, force: str) -> str:
    text = f"{_AROUND}{TRIAL}\nscratch={SCRATCH}\ndrop_scratch '{force}'\necho \"left: $scratch\"\n"
    address = psycopg.conninfo.conninfo_to_dict(postgres.dsn())
    names = ("host", "port", "user", "password")
    env = {
        "PATH": "/usr/bin:/bin", "bin": f"{PROGRAMS}/", "work": str(work),
        **{f"PG{name.upper()}": str(address[name]) for name in names},
        "PGDATABASE": "postgres",
    }  # fmt: skip
    shell = await asyncio.create_subprocess_exec(
        "sh", "-c", text, stdout=PIPE, stderr=STDOUT, env=env
    )
    out, _ = await shell.communicate()
    return out.decode()


@pytest.mark.parametrize("force", ["", "WITH (FORCE)"])
async def test_only_force_ends_a_session_that_would_end_by_itself(
    postgres: PostgresServer, tmp_path: Path, force: str
) -> None:
    postgres.execute(f"DROP DATABASE IF EXISTS {SCRATCH}")
    postgres.execute(f"CREATE DATABASE {SCRATCH}")
    ended = False
    async with await psycopg.AsyncConnection.connect(postgres.dsn(SCRATCH)) as session:
        dropped = asyncio.create_task(_drop(postgres, tmp_path, force))
        try:
            await session.execute("SELECT pg_sleep(0.5)")
        except psycopg.errors.AdminShutdown:
            ended = True
    assert await dropped == "left: \n"
    assert ended == bool(force)
