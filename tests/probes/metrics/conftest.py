"""HTTP servers whose pages are metrics."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from tests.probes.metrics.pages import Answer, PageServer


@pytest.fixture
def serve() -> Iterator[Callable[[Callable[[str], Answer]], PageServer]]:
    """Starts HTTP servers that answer what the test says."""
    servers: list[PageServer] = []

    def start(answer: Callable[[str], Answer]) -> PageServer:
        servers.append(PageServer(answer))
        return servers[-1]

    yield start
    for server in servers:
        server.close()
