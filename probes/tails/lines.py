"""From bytes as they come to batches of whole lines. Pure, but for the clock in `gathered`."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator

from probes.probe import TailBatch

MAX_LINE_BYTES = 1 << 20
MOST_LINES = 100_000
"""With how many of the last lines a tail may begin."""
GATHER_BYTES = 256 * 1024
GATHER_S = 0.05


class LineSplitter:
    """Keeps the part of a line that has no end yet, and cuts lines that are too long.

    A cut line ends with ` …[+N bytes]`. It never holds more than `max_line` bytes.
    """

    def __init__(self, max_line: int = MAX_LINE_BYTES) -> None:
        self._max_line = max_line
        self._part = bytearray()
        self._cut = 0

    @property
    def is_between_lines(self) -> bool:
        return not self._part and not self._cut

    def feed(self, data: bytes) -> bytes:
        """The whole lines that `data` completes, each ended by `\\n`."""
        last = data.rfind(b"\n")
        if last < 0:
            self._hold(data)
            return b""
        if self._part or self._cut:
            first = data.index(b"\n")
            self._hold(data[:first])
            done = self._finished() + data[first + 1 : last + 1]
        else:
            done = data[: last + 1]
        self._hold(data[last + 1 :])
        return done if len(done) <= self._max_line else self._all_cut(done)

    def flush(self) -> bytes:
        """The unended line as a whole one: when nothing will follow it."""
        return b"" if self.is_between_lines else self._finished()

    def _hold(self, data: bytes) -> None:
        room = self._max_line - len(self._part)
        self._part += data[:room]
        self._cut += max(0, len(data) - room)

    def _finished(self) -> bytes:
        mark = b" \xe2\x80\xa6[+%d bytes]" % self._cut if self._cut else b""
        line = bytes(self._part) + mark + b"\n"
        self._part.clear()
        self._cut = 0
        return line

    def _all_cut(self, lines: bytes) -> bytes:
        """Cut each line of a piece that is bigger than a line may be."""
        slack = 40  # a line that was cut above is this much longer, with its mark
        if all(len(line) <= self._max_line + slack for line in lines.split(b"\n")):
            return lines
        small = LineSplitter(self._max_line)
        done = []
        for line in lines.split(b"\n")[:-1]:
            small._hold(line)
            done.append(small._finished())
        return b"".join(done)


def batch(lines: bytes, notice: str = "") -> TailBatch:
    """A batch of whole lines."""
    return TailBatch(lines, lines.count(b"\n"), notice=notice)


async def gathered(
    chunks: AsyncIterator[bytes], interval_s: float = GATHER_S, limit: int = GATHER_BYTES
) -> AsyncGenerator[bytes]:
    """The same bytes in fewer pieces: at most one each `interval_s`, unless `limit` is there.

    A piece that comes after a quiet time passes at once. What a consumer doesn't take
    isn't read, beyond one chunk.
    """
    loop = asyncio.get_running_loop()
    waiting: asyncio.Task[bytes] | None = None
    ready_at = loop.time()
    held: list[bytes] = []
    size = 0
    try:
        while True:
            waiting = waiting or asyncio.ensure_future(_next(chunks))
            timeout = max(0.0, ready_at - loop.time()) if held else None
            done, _ = await asyncio.wait({waiting}, timeout=timeout)
            ended = False
            if done:
                finished, waiting = waiting, None
                try:
                    held.append(finished.result())
                    size += len(held[-1])
                except StopAsyncIteration:
                    ended = True
            if held and (ended or size >= limit or loop.time() >= ready_at):
                piece = b"".join(held)
                held, size = [], 0
                ready_at = loop.time() + interval_s
                yield piece
            if ended:
                return
    finally:
        if waiting is not None:
            waiting.cancel()
            await asyncio.wait({waiting})


async def _next(chunks: AsyncIterator[bytes]) -> bytes:
    return await anext(chunks)
