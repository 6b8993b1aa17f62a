"""A host that is reached through a POSIX shell: short commands and streams of output."""

from __future__ import annotations

import asyncio
import signal
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, aclosing, asynccontextmanager

from optibid_console.runbook.model import TargetSpec
from optibid_console.targets.following import drop
from optibid_console.targets.talk import Reader, Talk
from optibid_console.targets.target import TargetError
from optibid_console.targets.watched import watched_text
from probes.probe import Completed, HostError
from probes.text import one_line

CHUNK_BYTES = 256 * 1024
_LAST_BYTES = 2000
_SHORT_COMMANDS_AT_ONCE = 4
"""sshd allows ten sessions on a connection (MaxSessions); tails and runs need theirs."""


class ShellHost(ABC):
    """Observes through texts for `/bin/sh`; how one is opened is the kind's own."""

    def __init__(self, spec: TargetSpec) -> None:
        self.name = spec.id
        self._cwd = spec.cwd
        self._short = asyncio.Semaphore(_SHORT_COMMANDS_AT_ONCE)

    @abstractmethod
    def _open(self, text: str) -> AbstractAsyncContextManager[Talk]:
        """A new `/bin/sh` that reads `text` from its input, which then stays open.

        Raises `LinkLost` with `sent=False` when no shell got anything.
        """

    def _unreached(self) -> str:
        """Why nothing can be begun there just now; empty when it can."""
        return ""

    @abstractmethod
    async def close(self) -> None:
        """Leave nothing open. Runs go on."""

    async def execute(
        self,
        command: str,
        *,
        timeout_s: float,
        env: Mapping[str, str] | None = None,
        max_bytes: int = 1_000_000,
    ) -> Completed:
        """Run a short command; it is ended when `timeout_s` is over.

        Raises `HostError` (also for more than `max_bytes` of output, and when it wasn't
        even begun in time) and `TimeoutError`.
        """
        began = False
        try:
            text = watched_text(command, env or {}, self._cwd)
            async with asyncio.timeout(timeout_s), self._short, self._open(text) as talk:
                began = True
                stdout, stderr = await asyncio.gather(
                    self._all_of(talk.stdout, max_bytes), self._all_of(talk.stderr, max_bytes)
                )
                status, name = signalled(await talk.exit_status())
        except (TargetError, ValueError) as error:
            raise HostError(str(error)) from error
        except TimeoutError as error:
            why_not = "" if began else self._unreached()
            if not why_not:
                raise
            raise HostError(f"{why_not}; waited {timeout_s:.2g} s") from error
        return Completed(-signal.Signals[f"SIG{name}"] if name else status, stdout, stderr)

    @asynccontextmanager
    async def stream(self, command: str) -> AsyncIterator[AsyncIterator[bytes]]:
        """Chunks of what a command prints on stdout; it is ended when the context is left."""
        async with AsyncExitStack() as stack:
            try:
                text = watched_text(command, {}, self._cwd)
                talk = await stack.enter_async_context(self._open(text))
            except (TargetError, ValueError) as error:
                raise HostError(str(error)) from error
            yield await stack.enter_async_context(aclosing(self._chunks(talk)))

    async def _all_of(self, reader: Reader, max_bytes: int) -> bytes:
        parts: list[bytes] = []
        size = 0
        while data := await reader.read(CHUNK_BYTES):
            size += len(data)
            if size > max_bytes:
                raise TargetError(f"{self.name}: the command printed more than {max_bytes:,} bytes")
            parts.append(data)
        return b"".join(parts)

    async def _chunks(self, talk: Talk) -> AsyncGenerator[bytes, None]:
        said = asyncio.create_task(_last_of(talk.stderr))
        try:
            while data := await talk.stdout.read(CHUNK_BYTES):
                yield data
            if await talk.exit_status() in (126, 127):
                raise HostError(f"{self.name}: {one_line(await said, 200)}")
        except TargetError as error:
            raise HostError(str(error)) from error
        finally:
            await drop(said)


async def _last_of(reader: Reader) -> bytes:
    said = b""
    while data := await reader.read(CHUNK_BYTES):
        said = (said + data)[-_LAST_BYTES:]
    return said


def signalled(status: int) -> tuple[int, str]:
    """An exit status as a shell gives it, and the signal's name when it means one.

    A shell reports death by signal n as 128+n (POSIX.1-2017 §2.8.2). A command that
    exits with that number by itself can't be told from it.
    """
    number = -status if status < 0 else status - 128
    try:
        name = signal.Signals(number).name.removeprefix("SIG")
    except ValueError:
        return status, ""
    return status, name
