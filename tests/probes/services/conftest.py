"""Servers that misbehave as told, a port that refuses, and a CA of one's own."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import trustme

from tests.servers.ports import free_port
from tests.servers.raw import Serve


@pytest.fixture
async def serve() -> AsyncIterator[Serve]:
    servers = Serve()
    yield servers
    await servers.end()


@pytest.fixture
def nobody() -> int:
    """A port that refuses."""
    return free_port()


@pytest.fixture(scope="session")
def ca() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="session")
def ca_file(ca: trustme.CA, tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("ca") / "ca.pem"
    ca.cert_pem.write_to_path(str(path))
    return str(path)
