"""This machine as a target: the same shell texts as everywhere, through a child process."""

from __future__ import annotations

import asyncio
import os
import signal
from asyncio.subprocess import PIPE, Process, SubprocessStreamProtocol
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from optibid_console.runbook.model import TargetSpec
from optibid_console.targets.shell_target import ShellTarget
from optibid_console.targets.talk import Reader, Talk
from optibid_console.targets.target import LinkLost
from probes.error_words import error_words

_BUFFER_BYTES = 1024 * 1024
_LEAVE_S = 2.0


class LocalTarget(ShellTarget):
    """Commands on this machine. Runs outlive the engine: they have a session of their own."""

    def __init__(self, spec: TargetSpec) -> None:
        super().__init__(spec)
        self._leaving: set[asyncio.Task[None]] = set()

    @asynccontextmanager
    async def _open(self, text: str) -> AsyncIterator[Talk]:
        loop = asyncio.get_running_loop()
        try:
            transport, protocol = await loop.subprocess_exec(
                lambda: _Child(limit=_BUFFER_BYTES, loop=loop),
                "/bin/sh", stdin=PIPE, stdout=PIPE, stderr=PIPE, start_new_session=True,
            )  # fmt: skip
        except OSError as error:
            raise LinkLost(
                f"{self.name}: /bin/sh can't be started: {error_words(error)}", sent=False
            ) from error
        process = Process(transport, protocol, loop)
        try:
            assert process.stdin is not None
            process.stdin.write(text.encode("utf-8", "surrogateescape"))
            yield _LocalTalk(process, transport, protocol.exited)
        finally:
            leaving = asyncio.create_task(_leave(process, transport, protocol.exited))
            self._leaving.add(leaving)
            leaving.add_done_callback(self._leaving.discard)
            await asyncio.shield(leaving)

    async def reach(self, host: str, port: int) -> tuple[str, int]:
        """`host:port` itself."""
        return host, port

    async def knock(self, host: str, port: int) -> None:
        """Whoever connects from here sees it without a go-between."""

    async def reach_socket(self, path: str) -> str:
        """`path` itself."""
        return path

    async def authenticate(self, not_before: float) -> None:
        """Nobody has to log in here."""

    async def close(self) -> None:
        """Wait for the shells that are being left; nothing else stays open between two calls."""
        await asyncio.gather(*self._leaving)


class _Child(SubprocessStreamProtocol):
    """Tells when the process itself ends; `Process.wait` may wait for its pipes too."""

    def __init__(self, limit: int, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(limit, loop)
        self.exited = asyncio.Event()

    def process_exited(self) -> None:
        super().process_exited()
        self.exited.set()


class _LocalTalk:
    def __init__(
        self, process: Process, transport: asyncio.SubprocessTransport, exited: asyncio.Event
    ) -> None:
        self._process = process
        self._transport = transport
        self._exited = exited

    @property
    def stdout(self) -> Reader:
        assert self._process.stdout is not None
        return self._process.stdout

    @property
    def stderr(self) -> Reader:
        assert self._process.stderr is not None
        return self._process.stderr

    async def ended(self) -> None:
        await self._exited.wait()

    async def exit_status(self) -> int:
        await self._exited.wait()
        status = self._transport.get_returncode()
        assert status is not None
        return status


async def _leave(
    process: Process, transport: asyncio.SubprocessTransport, exited: asyncio.Event
) -> None:
    """Close the shell's input, which ends it; what stays is killed."""
    assert process.stdin is not None
    process.stdin.close()
    try:
        async with asyncio.timeout(_LEAVE_S):
            await exited.wait()
    except TimeoutError:
        with suppress(ProcessLookupError):  # it ended just now
            os.killpg(process.pid, signal.SIGKILL)
        await exited.wait()
    finally:
        transport.close()
