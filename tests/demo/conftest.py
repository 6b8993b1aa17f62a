"""A demo stack for the tests of it: one that only looks, one that may be changed."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import asyncssh
import pytest

from optibid_console.demo.place import HOST_NAME, USER
from optibid_console.demo.stack import Stack, running_stack

FAST = 480.0
"""At this speed the new release's fault begins after 4 s."""


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A stack that the test leaves as it is."""
    root = tmp_path_factory.mktemp("demo") / "stack"
    with running_stack(root, FAST, lambda line: None) as stack:
        yield stack


@pytest.fixture(scope="module")
def changing_stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A stack of the module's own, to deploy to."""
    with running_stack(tmp_path_factory.mktemp("demo"), FAST, lambda line: None) as stack:
        yield stack


Connect = Callable[[Stack], Any]


@pytest.fixture(scope="session")
def connect() -> Connect:
    """Connects to app-1 as the console does: by key, the host key strictly checked."""

    def connect_to(stack: Stack) -> Any:
        config = [str(stack.place.ssh_config)]
        return asyncssh.connect(HOST_NAME, config=config, known_hosts=str(stack.place.known_hosts))

    return connect_to


@pytest.fixture
async def ssh(stack: Stack, connect: Connect) -> AsyncIterator[asyncssh.SSHClientConnection]:
    async with connect(stack) as connection:
        assert connection.get_extra_info("username") == USER
        yield connection
