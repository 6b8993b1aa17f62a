"""This machine as a target: the same shell texts as everywhere, through a child process."""

from __future__ import annotations

import asyncio
import os
import signal
from asyncio.subprocess import PIPE, Process, SubprocessStreamProtocol
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from optibid_console.targets.shell_target import Reader, ShellTarget, Talk
from optibid_console.targets.target import LinkLost

_BUFFER_BYTES = 1024 * 1024
_LEAVE_S = 2.0


class LocalTarget(ShellTarget):
    """Commands on this machine. Runs outlive the engine: they have a session of their own."""

    @asynccontextmanager
    async def _open(self, text: str) -> AsyncIterator[Talk]:
        loop = asyncio.get_running_loop()
        try:
            transport, protocol = await loop.subprocess_exec(
                lambda: SubprocessStreamProtocol(limit=_BUFFER_BYTES, loop=loop),
                "/bin/sh", stdin=PIPE, stdout=PIPE, stderr=PIPE, start_new_session=True,
            )  # fmt: skip
        except OSError as error:
            raise LinkLost(f"{self.name}: /bin/sh can't be started: {error}", sent=False) from error
        process = Process(transport, protocol, loop)
        try:
            assert process.stdin is not None
            process.stdin.write(text.encode("utf-8", "surrogateescape"))
            yield _LocalTalk(process)
        finally:
            await asyncio.shield(_leave(process, transport))

    async def reach(self, host: str, port: int) -> tuple[str, int]:
        """`host:port` itself."""
        return host, port

    async def reach_socket(self, path: str) -> str:
        """`path` itself."""
        return path

    async def close(self) -> None:
        """Nothing stays open between two calls."""


class _LocalTalk:
    def __init__(self, process: Process) -> None:
        self._process = process

    @property
    def stdout(self) -> Reader:
        assert self._process.stdout is not None
        return self._process.stdout

    @property
    def stderr(self) -> Reader:
        assert self._process.stderr is not None
        return self._process.stderr

    async def exit_status(self) -> int:
        return await self._process.wait()


async def _leave(process: Process, transport: asyncio.SubprocessTransport) -> None:
    """Close the shell's input, which ends it; what stays is killed."""
    try:
        assert process.stdin is not None
        process.stdin.close()
        async with asyncio.timeout(_LEAVE_S):
            await process.wait()
    except TimeoutError:
        with suppress(ProcessLookupError):  # it ended just now
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()
    finally:
        transport.close()
