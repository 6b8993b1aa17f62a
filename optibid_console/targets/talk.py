"""A shell at work on a target, as the texts see it: what it prints, and how it ends."""

from __future__ import annotations

from typing import Protocol

_READ_BYTES = 256 * 1024


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

    async def ended(self) -> None:
        """Return when the shell itself has ended, also while others hold its output open."""

    async def exit_status(self) -> int:
        """Its exit status, negative for a signal. Raises `LinkLost` when that isn't known."""


class Ahead:
    """A reader of which a line was taken; what was read beyond it comes first."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self._held = b""

    async def line(self, max_bytes: int) -> bytes:
        """The first line with its end; what there was, when there is none within `max_bytes`."""
        while b"\n" not in self._held and len(self._held) < max_bytes:
            data = await self._reader.read(_READ_BYTES)
            if not data:
                break
            self._held += data
        line, end, self._held = self._held.partition(b"\n")
        return line + end

    async def read(self, size: int) -> bytes:
        if self._held:
            data, self._held = self._held[:size], self._held[size:]
            return data
        return await self._reader.read(size)
