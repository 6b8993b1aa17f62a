"""One cluster of PostgreSQL 15 with OptiBid's database in two sizes, and the stage in it."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.home import live_in, own_home
from tests.servers.postgres import DEBIAN, PostgresServer
from tests.story.acts import Acts
from tests.story.stage import HERE, Stage

SMALL, BIG = 5_000, 1_000_000


@pytest.fixture(scope="session")
def cluster() -> Iterator[PostgresServer]:
    """Debian's PostgreSQL 15. Mark the test with `server("postgis")`."""
    server = PostgresServer(
        DEBIAN,
        ["shared_buffers=128MB", "max_wal_size=4GB", "full_page_writes=off",
         "max_connections=60", "wal_level=logical"],
    )  # fmt: skip
    try:
        server.start()
        for role in ("keeper", "reader"):
            server.execute(f"CREATE ROLE {role}")
        filled(server, "small", SMALL)
        yield server
    finally:
        server.remove()


def filled(server: PostgresServer, dbname: str, rows: int) -> None:
    """A database of that many rows, to be copied."""
    server.execute(f"CREATE DATABASE {dbname}")
    subprocess.run(
        [DEBIAN / "psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", "-v", f"rows={rows}",
         "-d", server.dsn(dbname), "-f", HERE / "optibid.sql"],
        check=True, stdout=subprocess.DEVNULL,
    )  # fmt: skip
    server.execute("VACUUM ANALYZE", dbname)


@pytest.fixture
def stage(cluster: PostgresServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stage]:
    """The host before its window, with v1 running; a test takes a database for it."""
    with own_home(monkeypatch) as path:
        in_its_home(path, monkeypatch)
        stage = Stage(path, cluster)
        yield stage
        stage.close()


def in_its_home(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    live_in(path, monkeypatch)
    monkeypatch.setenv("DB_PASSWORD", PostgresServer.password)
    monkeypatch.delenv("OPTIBID_STOP_AT", raising=False)


@pytest.fixture(scope="session")
def acts(cluster: PostgresServer) -> Iterator[Acts]:
    """The story played once with few rows, kept at its turning points."""
    with pytest.MonkeyPatch.context() as patch, own_home(patch) as path:
        in_its_home(path, patch)
        stage = Stage(path, cluster)
        try:
            made = Acts(stage)
            asyncio.run(made.rehearse("small"))
            yield made
        finally:
            stage.close()


@pytest.fixture
def home(acts: Acts, monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment of the acts' stage, whatever another test has set since."""
    in_its_home(acts.stage.path, monkeypatch)
