"""Following one run's output through as many shells as it takes: pieces, gaps and the end."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator, Iterator
from dataclasses import dataclass
from typing import Any

from optibid_console.targets.shell_words import ANSWER
from optibid_console.targets.streams import Piece, Splitter
from optibid_console.targets.talk import Reader
from optibid_console.targets.target import LinkLost, OutputChunk

_CHUNK_BYTES = 256 * 1024
_ANSWER = re.compile(
    re.escape(ANSWER.encode()) + rb"(?:piece (\d+) (\d+)|end (\d+) (\S+) (\d+) (\S+))\n"
)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the target says of a run: output bytes, how it is, shell status, `whole` or not."""

    size: int
    word: str
    status: int
    whole: str


@dataclass(frozen=True, slots=True)
class _Turn:
    """Where the bytes of one shell end, and where to go on; `verdict` when it was the last."""

    end: int
    next: int
    verdict: Verdict | None = None


class Following:
    """How far one run's output was read. `end` is set when all of it was."""

    def __init__(
        self, target: str, run_id: str, splitter: Splitter | None, offset: int = 0
    ) -> None:
        self.run_id = run_id
        self.at = offset
        """The offset of the next byte, marks counted."""
        self.end: Verdict | None = None
        self._target = target
        self._splitter = splitter
        self._left_out = 0

    async def chunks(self, stdout: Reader, stderr: Reader) -> AsyncGenerator[OutputChunk, None]:
        """What one shell prints from `at` on, as `follow_text` says. Raises `LinkLost`."""
        turn = asyncio.create_task(self._turn(stderr))
        read: asyncio.Task[bytes] | None = None
        try:
            while not (turn.done() and self.at >= turn.result().end):
                read = read or asyncio.create_task(stdout.read(_CHUNK_BYTES))
                await asyncio.wait({read, turn}, return_when=asyncio.FIRST_COMPLETED)
                if not read.done():
                    continue
                data, read = read.result(), None
                if not data:
                    raise self._broken_off()
                for chunk in self._took(data):
                    yield chunk
        finally:
            await drop(turn, read)
        for chunk in self._turned(turn.result()):
            yield chunk

    def _took(self, data: bytes) -> Iterator[OutputChunk]:
        before, self.at = self.at, self.at + len(data)
        if self._splitter is None:
            yield OutputChunk(before, data, left_out=self._gap())
        else:
            yield from map(self._chunk, self._splitter.feed(data))

    def _turned(self, turn: _Turn) -> Iterator[OutputChunk]:
        if turn.next > self.at or turn.verdict:
            if self._splitter is not None:
                yield from map(self._chunk, self._splitter.rest())
                self._splitter = Splitter(self.run_id, turn.next)
            self._left_out += turn.next - self.at
        self.at, self.end = turn.next, turn.verdict

    def _chunk(self, piece: Piece) -> OutputChunk:
        start = piece.end - len(piece.data)
        return OutputChunk(start, piece.data, piece.stream, self._gap(), piece.end)

    def _gap(self) -> int:
        left_out, self._left_out = self._left_out, 0
        return left_out

    async def _turn(self, stderr: Reader) -> _Turn:
        said = b""
        while (found := _ANSWER.search(said)) is None:
            data = await stderr.read(_CHUNK_BYTES)
            if not data:
                raise self._broken_off()
            said = (said + data)[-_CHUNK_BYTES:]
        if found[1]:
            return _Turn(int(found[1]), int(found[2]))
        size, status = int(found[3]), int(found[5])
        verdict = Verdict(size, found[4].decode(), status, found[6].decode())
        return _Turn(size, max(size, self.at), verdict)

    def _broken_off(self) -> LinkLost:
        return LinkLost(f"{self._target}: the link broke off while {self.run_id} was followed")


async def drop(*tasks: asyncio.Task[Any] | None) -> None:
    """Cancel and await what is still under way."""
    given = [task for task in tasks if task is not None]
    for task in given:
        task.cancel()
    await asyncio.gather(*given, return_exceptions=True)
