"""Whether an SSH host still lets a new connection in."""

from __future__ import annotations

import asyncio
import math
import time

from optibid_console.runbook.model import TargetSpec
from optibid_console.targets.dialing import DialError, dial
from probes.probe import HostError


class Login:
    """Logs in on a connection of its own and closes it; several askers share one attempt."""

    def __init__(self, spec: TargetSpec, timeout_s: float) -> None:
        self._spec = spec
        self._timeout_s = timeout_s
        self._one_at_a_time = asyncio.Lock()
        self._began = -math.inf
        """When the last attempt that has ended was begun (`time.monotonic()`)."""
        self._refusal = ""

    async def check(self, not_before: float) -> None:
        """Log in, unless an attempt begun at `not_before` or later has ended already.

        Raises `HostError` with the reason when that attempt failed.
        """
        async with self._one_at_a_time:
            if self._began < not_before:
                began = time.monotonic()
                self._refusal = await self._attempt()
                self._began = began
            if self._refusal:
                raise HostError(self._refusal)

    async def _attempt(self) -> str:
        """Returns why the host let nobody in; empty when it did."""
        try:
            line = await dial(self._spec, self._timeout_s)
        except DialError as error:
            return error.failure.message
        await line.close()
        return ""
