"""SSH targets for a test: refused, opened, and waited for."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from optibid_console.runbook.model import TargetSpec
from optibid_console.targets.ssh import SshTarget
from optibid_console.targets.target import LinkLost, LinkState


async def refusal(
    spec: TargetSpec, links: list[LinkState] | None = None, connect_timeout_s: float = 10
) -> str:
    """Why there is no connection to it."""
    told = [] if links is None else links
    target = SshTarget(spec, told.append, connect_timeout_s=connect_timeout_s)
    try:
        with pytest.raises(LinkLost) as lost:
            await target.ended("r-1")
        assert lost.value.sent is False
    finally:
        await target.close()
    return str(lost.value)


@asynccontextmanager
async def opened(spec: TargetSpec, links: list[LinkState]) -> AsyncIterator[SshTarget]:
    target = SshTarget(spec, links.append)
    try:
        yield target
    finally:
        await target.close()


async def becomes(links: list[LinkState], state: str) -> LinkState:
    async with asyncio.timeout(60):
        while not links or links[-1].state != state:
            await asyncio.sleep(0.01)
    return links[-1]
