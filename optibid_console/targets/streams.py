"""Telling stderr from stdout in a run's output: the marks around it, and how they are read."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

_LONGEST_PIECE = 4096
_STRIDE = 32 * 1024


class Stream(StrEnum):
    """Where a piece of output was written to. `OUTPUT`: nobody knows, both went together."""

    OUTPUT = "output"
    STDOUT = "stdout"
    STDERR = "stderr"


@dataclass(frozen=True, slots=True)
class Piece:
    """Bytes of one stream. `end`: the number of the byte after them, marks counted."""

    stream: Stream
    data: bytes
    end: int


def mark_of(run_id: str) -> str:
    """The word in the marks of a run's stderr, which other output has by no accident."""
    return hashlib.sha256(run_id.encode()).hexdigest()[:12]


class Splitter:
    """Takes output with marks, gives pieces without. Pure.

    What might be a part of a mark or of an unfinished piece of stderr is held back, so that
    `end` of what was given is always a place from where one can go on.
    """

    def __init__(self, run_id: str, offset: int = 0) -> None:
        word = mark_of(run_id).encode()
        self._opens = b"\x0e" + word + b"\x02"
        self._closes = b"\x03" + word + b"\x0f"
        self._held = b""
        self._at = offset

    def feed(self, data: bytes) -> Iterator[Piece]:
        """The pieces that `data` completes, in order."""
        for at in range(0, len(data), _STRIDE):
            self._held += data[at : at + _STRIDE]
            yield from self._pieces()

    def _pieces(self) -> Iterator[Piece]:
        while self._held:
            found = self._held.find(self._opens)
            if found < 0:
                yield from self._plain(len(self._held) - self._begun())
                return
            yield from self._plain(found)
            closed = self._held.find(self._closes)
            if closed < 0:
                if len(self._held) <= _LONGEST_PIECE:
                    return
                closed = len(self._opens)  # its end was left out
                yield from self._take(Stream.STDOUT, 0, closed, closed)
                continue
            end = closed + len(self._closes)
            yield from self._take(Stream.STDERR, len(self._opens), closed, end)

    def rest(self) -> Iterator[Piece]:
        """What was held back, when no more comes here."""
        yield from self._take(Stream.STDOUT, 0, len(self._held), len(self._held))

    def _plain(self, size: int) -> Iterator[Piece]:
        if size:
            yield from self._take(Stream.STDOUT, 0, size, size)

    def _take(self, stream: Stream, first: int, last: int, end: int) -> Iterator[Piece]:
        data, self._held = self._held[first:last], self._held[end:]
        self._at += end
        if stream is Stream.STDOUT:
            for mark in (self._opens, self._closes):  # of a piece that was left out in part
                data = data.replace(mark, b"")
        if data:
            yield Piece(stream, data, self._at)

    def _begun(self) -> int:
        """How many bytes at the end may be the beginning of a mark."""
        tail = self._held[-len(self._opens) + 1 :]
        return next(
            (len(tail) - at for at in range(len(tail)) if self._opens.startswith(tail[at:])), 0
        )
