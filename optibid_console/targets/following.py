"""Following one run's output through as many shells as it takes: pieces, gaps and the end."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator, Iterator
from dataclasses import dataclass, replace
from typing import Any

from optibid_console.targets.shell_words import ANSWER
from optibid_console.targets.streams import Piece, Splitter
from optibid_console.targets.talk import Reader, Talk
from optibid_console.targets.target import LinkLost, OutputChunk

STALL_S = 3.0
"""For how long bytes that the target has may not arrive before they are asked for again."""
_ANSWER_S = 1.0
_LEAST_TURNS = 3
_PAUSE_S = 0.5
_LONGEST_PAUSE_S = 5.0
_CHUNK_BYTES = 256 * 1024
_ANSWER = re.compile(
    re.escape(ANSWER.encode()) + rb"(?:piece (\d+) (\d+)|(again)|"
    rb"end (\d+) (\S+) (\d+) (\S+))\n"
)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the target says of a run: output bytes, how it is, shell status, `whole` or not.

    `whole`: or why output was lost and how much of it, `WHY:BYTES`.
    """

    size: int
    word: str
    status: int
    whole: str
    unread: int = 0
    """How many of the bytes never arrived."""


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
        self._idle = 0
        """How many shells in a row gave nothing."""

    @property
    def is_stuck(self) -> bool:
        """Whether shell after shell gave nothing."""
        return self._idle >= _LEAST_TURNS

    async def pause(self) -> None:
        """Wait a moment before a shell is asked after one that gave nothing."""
        if self._idle:
            await asyncio.sleep(min(_PAUSE_S * self._idle, _LONGEST_PAUSE_S))

    async def chunks(
        self, talk: Talk, stdout: Reader | None = None
    ) -> AsyncGenerator[OutputChunk, None]:
        """What one shell prints from `at` on, as `follow_text` says. Raises `LinkLost`.

        It ends early, without the run's end, when the shell doesn't give what it has: what is
        left is for another shell. `stdout`: in place of the shell's own.
        """
        began, source = self.at, stdout or talk.stdout
        turn = asyncio.create_task(self._turn(talk.stderr))
        shell = asyncio.create_task(talk.ended())
        read: asyncio.Task[bytes] | None = None
        try:
            while not (turn.done() and self.at >= turn.result().end):
                read = read or asyncio.create_task(source.read(_CHUNK_BYTES))
                if not await self._any_of(read, turn, shell):
                    break
                if not read.done():
                    continue
                data, read = read.result(), None
                if not data:
                    if not await _soon(turn):
                        raise self._broken_off()
                    break
                for chunk in self._took(data):
                    yield chunk
        finally:
            await drop(turn, read, shell)
        for chunk in self._turned(turn.result(), began):
            yield chunk

    async def _any_of(
        self, read: asyncio.Task[bytes], turn: asyncio.Task[_Turn], shell: asyncio.Task[None]
    ) -> bool:
        """Wait for output or for where it ends; False when what is left doesn't come.

        Raises `LinkLost` when the shell has ended without an answer.
        """
        if turn.done():
            await asyncio.wait({read}, timeout=STALL_S)
            return read.done()
        await asyncio.wait({read, turn, shell}, return_when=asyncio.FIRST_COMPLETED)
        if shell.done() and not read.done() and not await _soon(turn):
            raise self._broken_off()
        return True

    def _took(self, data: bytes) -> Iterator[OutputChunk]:
        before, self.at = self.at, self.at + len(data)
        if self._splitter is None:
            yield OutputChunk(before, data, left_out=self._gap())
        else:
            yield from map(self._chunk, self._splitter.feed(data))

    def _turned(self, turn: _Turn, began: int) -> Iterator[OutputChunk]:
        self._idle = 0 if self.at > began else self._idle + 1
        if self.at < turn.end and not (turn.verdict and self.is_stuck):
            return  # another shell is asked for the rest
        verdict = turn.verdict
        if verdict and self.at < turn.end:
            verdict = replace(verdict, unread=turn.end - self.at)
        if turn.next > self.at or verdict:
            if self._splitter is not None:
                yield from map(self._chunk, self._splitter.rest())
                self._splitter = Splitter(self.run_id, turn.next)
            self._left_out += turn.next - self.at
        self.at, self.end = max(self.at, turn.next), verdict

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
        if found[3]:
            return _Turn(0, 0)
        size, status = int(found[4]), int(found[6])
        verdict = Verdict(size, found[5].decode(), status, found[7].decode())
        return _Turn(size, max(size, self.at), verdict)

    def _broken_off(self) -> LinkLost:
        return LinkLost(f"{self._target}: the link broke off while {self.run_id} was followed")


async def _soon(turn: asyncio.Task[_Turn]) -> bool:
    """Whether the shell's answer is there, or comes in a moment. Raises `LinkLost`."""
    await asyncio.wait({turn}, timeout=_ANSWER_S)
    if turn.done():
        turn.result()
    return turn.done()


async def drop(*tasks: asyncio.Task[Any] | None) -> None:
    """Cancel and await what is still under way."""
    given = [task for task in tasks if task is not None]
    for task in given:
        task.cancel()
    await asyncio.gather(*given, return_exceptions=True)
