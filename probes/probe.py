"""What every probe and tail is: the values that they give and the little that they need."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import NewType, Protocol, runtime_checkable

from probes.deadline import deadline
from probes.error_words import bug_words
from probes.patterns import PatternError

Seconds = NewType("Seconds", float)
"""A duration. In config.toml it is text: `"500ms"`, `"5s"`, `"2m30s"`, `"1h"`."""


class Status(StrEnum):
    """What a reading says. `ERROR` means that the measurement itself broke."""

    OK = "ok"
    WARN = "warn"
    FAILING = "failing"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class Reading:
    """What one probe said at one moment."""

    probe: str
    status: Status
    summary: str
    """A few words for a person: `200 healthy`, `status "error"`, `refused`."""
    at: float
    """When it was taken: seconds since the epoch, UTC."""
    took_ms: float
    value: float | None = None
    """The number it measured, in `unit`. `None`: there was no data."""
    unit: str = ""
    """`ms`, `s`, `ratio` (0 to 1), `percent`, `bytes`, `count`, `per_s` or empty."""
    detail: Mapping[str, str] = field(default_factory=dict)
    """What was expected and found, for the opened probe."""
    away: bool = False
    """With `failing`: there was no answer at all (refused, silent, unreachable). Without it, what
    answered said something wrong."""


class Probe(Protocol):
    """Observes one thing, again and again. `read` may raise: `take` judges that."""

    name: str

    async def read(self) -> Reading: ...

    async def close(self) -> None: ...


@runtime_checkable
class KeepsSession(Protocol):
    """A probe that stays logged in from one reading to the next."""

    async def log_out(self) -> None:
        """End the session: the next reading logs in anew."""


class ProbeError(Exception):
    """The measurement broke; the message says what, where and what next, in one line."""


async def take(probe: Probe, timeout_s: float) -> Reading:
    """One reading within `timeout_s`, whatever the probe does.

    A probe that hangs or raises gives a reading with `Status.ERROR`: a broken
    measurement is an answer too, and never stops the rest.
    """
    started = time.monotonic()
    at = time.time()

    def failed(summary: str) -> Reading:
        took_ms = (time.monotonic() - started) * 1000
        return Reading(probe.name, Status.ERROR, summary, at, took_ms)

    try:
        with deadline(timeout_s):
            # not wait_for: until Python 3.12 it loses a cancellation that meets the answer
            async with asyncio.timeout(timeout_s):
                reading = await probe.read()
    except TimeoutError:
        return failed(f"no answer within {timeout_s:g} s")
    except (ProbeError, HostError, PatternError) as error:
        return failed(str(error))
    except Exception as error:  # a probe's bug must not end the engine; it is shown instead
        return failed(bug_words(error))
    return replace(reading, took_ms=(time.monotonic() - started) * 1000)


@dataclass(frozen=True, slots=True)
class Completed:
    """A short command that ended: its exit status (negative: a signal) and its output."""

    exit_status: int
    stdout: bytes
    stderr: bytes


class HostError(Exception):
    """A host can't be reached or won't do it; the message says which and why, in one line."""


class Host(Protocol):
    """A machine as a probe or tail needs it; `optibid_console.targets` provides it."""

    name: str

    def execute(
        self,
        command: str,
        *,
        timeout_s: float,
        env: Mapping[str, str] | None = None,
        max_bytes: int = 1_000_000,
    ) -> Awaitable[Completed]:
        """Run a short command through `/bin/sh -c`. Raises `HostError`, `TimeoutError`."""

    def stream(self, command: str) -> AbstractAsyncContextManager[AsyncIterator[bytes]]:
        """Chunks of what a command prints until it ends or the context is left.

        Raises `HostError` when the command can't be started and when the link is
        lost; a stream that just ends means that the command ended.
        """

    def reach(self, host: str, port: int) -> Awaitable[tuple[str, int]]:
        """An address here through which `host:port`, as that machine sees it, is reached.

        Raises `HostError`. On this machine it is `host:port` itself; over SSH a forward
        that stays open with the connection and is made anew after a reconnect.
        """

    def knock(self, host: str, port: int) -> Awaitable[None]:
        """Connect from that machine and leave again, after a failure through `reach`.

        A forward takes every connection before it knows whether the other side does, so only
        this says that it was refused: an `OSError` as that machine saw it. Raises `HostError`
        when the link, or what it is allowed, is what's wrong. On this machine it does nothing.
        """

    def reach_socket(self, path: str) -> Awaitable[str]:
        """A Unix socket's path here through which that machine's `path` is reached."""

    def authenticate(self, not_before: float) -> Awaitable[None]:
        """Log in on a new connection and leave again, unless one that was begun at `not_before`
        (`time.monotonic()`) or later has been let in already.

        The connection that is kept says nothing about that: it outlives its key. Raises
        `HostError`. Does nothing where no log-in is needed.
        """


@dataclass(frozen=True, slots=True)
class TailBatch:
    """What a tail got since the last one: whole lines, or news about the tail itself."""

    data: bytes = b""
    """Raw lines, each ended by `\\n`; never a part of a line."""
    count: int = 0
    dropped: int = 0
    """Lines that were thrown away before this batch because nobody took them in time."""
    notice: str = ""
    """`connected`, `lost: …, retry in 2 s`, `rotated`: for the tail's own state line."""


class Tail(Protocol):
    """Follows one log for ever: reconnects by itself and says so in notices."""

    name: str

    def batches(self) -> AsyncGenerator[TailBatch, None]:
        """Close it (`aclosing`) to let go of the log."""
