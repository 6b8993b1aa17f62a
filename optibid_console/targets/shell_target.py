"""A target that is reached through a POSIX shell: everything but how that shell is opened."""

from __future__ import annotations

import asyncio
import re
import signal
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, AsyncIterator, Collection, Mapping
from contextlib import (
    AbstractAsyncContextManager,
    AsyncExitStack,
    aclosing,
    asynccontextmanager,
)
from typing import Protocol

from optibid_console.targets.inspector import cancel_text, clean_text, ended_text, follow_text
from optibid_console.targets.launcher import launch_text
from optibid_console.targets.shell_words import ANSWER, answer_in, run_name
from optibid_console.targets.target import (
    Ending,
    LaunchRefused,
    LinkLost,
    OutputChunk,
    RunEnd,
    RunSpec,
    TargetError,
)
from optibid_console.targets.watched import watched_text
from probes.probe import Completed, HostError
from probes.text import one_line

_CHUNK_BYTES = 256 * 1024
_ANSWER_TIMEOUT_S = 20.0
_SHORT_COMMANDS_AT_ONCE = 4
"""sshd allows ten sessions on a connection (MaxSessions); tails and runs need theirs."""

_ENDINGS = {
    "exited": Ending.EXITED,
    "gone": Ending.GONE,
    "rebooted": Ending.REBOOTED,
    "never": Ending.NEVER,
}


class Reader(Protocol):
    """What a shell prints. `read` gives up to `size` bytes, `b""` at the end.

    Raises `LinkLost`.
    """

    async def read(self, size: int) -> bytes: ...


class Talk(Protocol):
    """A shell at work. Leaving its context closes its input and everything else."""

    @property
    def stdout(self) -> Reader: ...

    @property
    def stderr(self) -> Reader: ...

    async def exit_status(self) -> int:
        """Its exit status, negative for a signal. Raises `LinkLost` when that isn't known."""


class ShellTarget(ABC):
    """Launches, follows and ends runs, and observes, through texts for `/bin/sh`."""

    def __init__(self, name: str, run_dir: str = "", cwd: str = "") -> None:
        self.name = name
        self._run_dir = run_dir
        self._cwd = cwd
        self._short = asyncio.Semaphore(_SHORT_COMMANDS_AT_ONCE)

    @abstractmethod
    def _open(self, text: str) -> AbstractAsyncContextManager[Talk]:
        """A new `/bin/sh` that reads `text` from its input, which then stays open.

        Raises `LinkLost` with `sent=False` when no shell got anything.
        """

    @abstractmethod
    async def close(self) -> None:
        """Leave nothing open. Runs go on."""

    # Host

    async def execute(
        self,
        command: str,
        *,
        timeout_s: float,
        env: Mapping[str, str] | None = None,
        max_bytes: int = 1_000_000,
    ) -> Completed:
        """Run a short command; it is ended when `timeout_s` is over.

        Raises `HostError` (also for more than `max_bytes` of output) and `TimeoutError`.
        """
        try:
            text = watched_text(command, env or {}, self._cwd)
            async with asyncio.timeout(timeout_s), self._short, self._open(text) as talk:
                stdout, stderr = await asyncio.gather(
                    self._all_of(talk.stdout, max_bytes), self._all_of(talk.stderr, max_bytes)
                )
                status, name = _signalled(await talk.exit_status())
        except (TargetError, ValueError) as error:
            raise HostError(str(error)) from error
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

    # Target

    async def launch(self, spec: RunSpec) -> bool:
        try:
            text = launch_text(self._run_dir, spec, self._cwd)
        except ValueError as error:
            raise LaunchRefused(f"{self.name}: {error}") from error
        answer = await self._ask(text, _ANSWER_TIMEOUT_S)
        word, _, why = answer.partition(" ")
        if word not in ("started", "attached"):
            raise LaunchRefused(f"{self.name} refuses the launch: {one_line(why or answer, 400)}")
        return word == "started"

    async def follow(self, run_id: str, offset: int) -> AsyncGenerator[OutputChunk, None]:
        text = follow_text(self._run_dir, run_name(run_id), offset)
        async with self._open(text) as talk:
            end = asyncio.create_task(self._end_of_output(talk.stderr))
            read: asyncio.Task[bytes] | None = None
            at = offset
            try:
                while not (end.done() and at >= end.result()):
                    read = read or asyncio.create_task(talk.stdout.read(_CHUNK_BYTES))
                    await asyncio.wait({read, end}, return_when=asyncio.FIRST_COMPLETED)
                    if not read.done():
                        continue
                    data, read = read.result(), None
                    if not data:
                        raise LinkLost(f"{self.name}: the output of {run_id} broke off")
                    yield OutputChunk(at, data)
                    at += len(data)
            finally:
                await _drop(end, read)

    async def ended(self, run_id: str) -> RunEnd | None:
        answer = await self._ask(ended_text(self._run_dir, run_name(run_id)), _ANSWER_TIMEOUT_S)
        verdict, status, size = self._words(answer, 3)
        if verdict == "running":
            return None
        if verdict != "exited":
            return RunEnd(_ENDINGS[verdict], output_bytes=int(size))
        exit_status, name = _signalled(int(status))
        if name:
            return RunEnd(Ending.SIGNALLED, None, name, int(size))
        return RunEnd(Ending.EXITED, exit_status, "", int(size))

    async def cancel(self, run_id: str, grace_s: float) -> None:
        text = cancel_text(self._run_dir, run_name(run_id), grace_s)
        await self._ask(text, grace_s + _ANSWER_TIMEOUT_S)

    async def clean(self, older_than_days: int, keep: Collection[str] = ()) -> int:
        """Remove the directories of ended runs that are that old; gives their number.

        Running ones and those in `keep` stay. Raises `LinkLost`.
        """
        text = clean_text(self._run_dir, older_than_days, keep)
        _, count = self._words(await self._ask(text, _ANSWER_TIMEOUT_S), 2)
        return int(count)

    # What they share

    async def _ask(self, text: str, timeout_s: float) -> str:
        """What the text answers. Raises `LinkLost`, also when it ends without an answer:
        what it did is then unknown. `TargetError`: it can't be run there at all.
        """
        try:
            async with asyncio.timeout(timeout_s), self._open(text) as talk:
                stdout, stderr = await asyncio.gather(
                    self._all_of(talk.stdout, _CHUNK_BYTES), self._all_of(talk.stderr, _CHUNK_BYTES)
                )
                status = await talk.exit_status()
        except TimeoutError:
            raise LinkLost(f"{self.name}: no answer within {timeout_s:g} s") from None
        answer = answer_in(stdout)
        if not answer:
            said = one_line(stderr or stdout, 200) or "nothing"
            raise LinkLost(f"{self.name}: /bin/sh ended with {status} and said: {said}")
        return answer

    def _words(self, answer: str, count: int) -> list[str]:
        words = answer.split()
        if len(words) != count:
            raise TargetError(f"{self.name}: expected {count} words, got: {one_line(answer)}")
        return words

    async def _all_of(self, reader: Reader, max_bytes: int) -> bytes:
        parts: list[bytes] = []
        size = 0
        while data := await reader.read(_CHUNK_BYTES):
            size += len(data)
            if size > max_bytes:
                raise TargetError(f"{self.name}: the command printed more than {max_bytes:,} bytes")
            parts.append(data)
        return b"".join(parts)

    async def _chunks(self, talk: Talk) -> AsyncGenerator[bytes, None]:
        said = asyncio.create_task(_last_of(talk.stderr))
        try:
            while data := await talk.stdout.read(_CHUNK_BYTES):
                yield data
            if await talk.exit_status() in (126, 127):
                raise HostError(f"{self.name}: {one_line(await said, 200)}")
        except TargetError as error:
            raise HostError(str(error)) from error
        finally:
            await _drop(said)

    async def _end_of_output(self, stderr: Reader) -> int:
        """The output's size, once the run has ended."""
        said = b""
        answer = re.compile(re.escape(ANSWER.encode()) + rb"end (\d+)\n")
        while (found := answer.search(said)) is None:
            data = await stderr.read(_CHUNK_BYTES)
            if not data:
                raise LinkLost(f"{self.name}: the link broke off while the run was followed")
            said = (said + data)[-_CHUNK_BYTES:]
        return int(found[1])


async def _last_of(reader: Reader) -> bytes:
    said = b""
    while data := await reader.read(_CHUNK_BYTES):
        said = (said + data)[-2000:]
    return said


async def _drop(*tasks: asyncio.Task[bytes] | asyncio.Task[int] | None) -> None:
    """Cancel and await what is still under way."""
    given = [task for task in tasks if task is not None]
    for task in given:
        task.cancel()
    await asyncio.gather(*given, return_exceptions=True)


def _signalled(status: int) -> tuple[int, str]:
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
