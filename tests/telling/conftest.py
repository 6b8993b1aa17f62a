"""A server that people are told through, and a port on which there is none."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator

import pytest

from tests.servers.page import Page, open_page


@pytest.fixture
async def page() -> AsyncIterator[Page]:
    async with open_page() as one:
        yield one


@pytest.fixture
def nobody() -> int:
    """A port on which nobody listens."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
        return port
