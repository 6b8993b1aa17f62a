"""Hosts for probes and tails: this machine behind a link that can be cut, and behind a forward."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from probes.probe import Completed, HostError


class CuttableHost:
    """This machine through `/bin/sh`; `cut` loses all its streams, as a dead link does."""

    name = "here"

    def __init__(self) -> None:
        self.is_down = False
        self._cuts: set[asyncio.Event] = set()

    def cut(self, *, down: bool = False) -> None:
        self.is_down = down
        for cut in self._cuts:
            cut.set()

    async def execute(
        self,
        command: str,
        *,
        timeout_s: float,
        env: Mapping[str, str] | None = None,
        max_bytes: int = 1_000_000,
    ) -> Completed:
        raise NotImplementedError

    @asynccontextmanager
    async def stream(self, command: str) -> AsyncIterator[AsyncIterator[bytes]]:
        if self.is_down:
            raise HostError("here: connection refused")
        process = await asyncio.create_subprocess_exec(
            "/bin/sh", "-c", command, stdout=asyncio.subprocess.PIPE, start_new_session=True
        )
        cut = asyncio.Event()
        self._cuts.add(cut)
        try:
            yield self._chunks(process, cut)
        finally:
            self._cuts.discard(cut)
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            await process.communicate()

    async def _chunks(
        self, process: asyncio.subprocess.Process, cut: asyncio.Event
    ) -> AsyncIterator[bytes]:
        assert process.stdout is not None
        cutting = asyncio.ensure_future(cut.wait())
        reading: asyncio.Task[bytes] | None = None
        try:
            while True:
                reading = asyncio.ensure_future(process.stdout.read(1 << 18))
                await asyncio.wait({cutting, reading}, return_when=asyncio.FIRST_COMPLETED)
                if cut.is_set():
                    raise HostError("here: link lost")
                if not (data := await reading):
                    return
                yield data
        finally:
            cutting.cancel()
            if reading is not None:
                reading.cancel()

    async def reach(self, host: str, port: int) -> tuple[str, int]:
        return host, port

    async def knock(self, host: str, port: int) -> None:
        return

    async def reach_socket(self, path: str) -> str:
        return path

    async def authenticate(self, not_before: float) -> None:
        return


class ForwardingHost(CuttableHost):
    """A host behind a forward: whatever it is asked to reach is a port here."""

    def __init__(self, port: int) -> None:
        super().__init__()
        self.reached: list[tuple[str, int]] = []
        self._port = port

    async def reach(self, host: str, port: int) -> tuple[str, int]:
        self.reached.append((host, port))
        return "127.0.0.1", self._port
