"""A server that people are told through, and a port on which there is none."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.servers.page import Page, open_page
from tests.servers.ports import free_port


@pytest.fixture
async def page() -> AsyncIterator[Page]:
    async with open_page() as one:
        yield one


@pytest.fixture
def nobody() -> int:
    """A port on which nobody listens."""
    return free_port()
