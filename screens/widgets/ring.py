"""The newest log lines of all tails, as raw bytes: bounded, and never decoded here."""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass

MAX_LINES = 200_000
MAX_BYTES = 64 * 1024 * 1024
NOTICE = 0x80
"""Set in a line's tag when the line is the pane's own word and nobody's log."""
MAX_TAILS = NOTICE

_CHUNK_BYTES = 256 * 1024


@dataclass(frozen=True, slots=True)
class RingLine:
    """One line of the ring."""

    number: int
    """0 for the first line ever appended; it stays the same while the ring moves on."""
    tail: int
    """The index of its tail."""
    raw: bytes
    """Without its line end."""
    notice: bool = False
    """A word of the pane itself (lines dropped, tail lost): no log can forge it."""
    at: float = 0.0
    """When it came, to the second, in seconds since the epoch; 0: not known."""


class _Chunk:
    """About 256 KiB of whole lines; where each begins is found when one is asked for."""

    __slots__ = ("_came", "_came_from", "_indexed", "_starts", "data", "first", "tags")

    def __init__(self, first: int) -> None:
        self.first = first
        self.data = bytearray()
        self.tags = bytearray()
        self._starts = array("Q", [0])
        self._indexed = 0
        self._came = array("d")
        self._came_from = array("Q")

    def raw(self, number: int) -> bytes:
        start, end = self._span(number - self.first)
        return bytes(self.data[start:end])

    def raws(self, start: int, stop: int) -> list[bytes]:
        begin = self._span(start - self.first)[0]
        end = self._span(stop - 1 - self.first)[1]
        return bytes(self.data[begin:end]).split(b"\n")

    def stamp(self, at: float) -> None:
        """What is added from now on came then. Times are kept by the second: few for many lines."""
        if not self._came or int(self._came[-1]) != int(at):
            self._came.append(at)
            self._came_from.append(len(self.tags))

    def came(self, number: int) -> float:
        return self._came[bisect_right(self._came_from, number - self.first) - 1]

    def _span(self, index: int) -> tuple[int, int]:
        if self._indexed < len(self.data):
            self._index()
        return self._starts[index], self._starts[index + 1] - 1

    def _index(self) -> None:
        find, append = self.data.find, self._starts.append
        at = self._indexed
        while at := find(b"\n", at) + 1:
            append(at)
        self._indexed = len(self.data)


class Ring:
    """Keeps the newest `max_lines` lines within `max_bytes`; the oldest go first.

    Lines stay in the order in which their batches came. Several tails are not sorted
    by the timestamps in them: hosts' clocks differ, a line without a time has no place,
    and a view that reorders lines already read can't be trusted.

    Appending a batch copies it once and counts its lines; nothing else happens to a line
    before somebody looks at it.
    """

    def __init__(self, max_lines: int = MAX_LINES, max_bytes: int = MAX_BYTES) -> None:
        self.max_lines = max_lines
        self.max_bytes = max_bytes
        self.size_bytes = 0
        """Bytes held, whole chunks: at most one chunk more than the lines need."""
        self.cut_bytes = 0
        """Bytes cut from the end of lines that alone were larger than the whole ring."""
        self._first = 0
        self._end = 0
        self._chunks: list[_Chunk] = []
        self._firsts: list[int] = []

    def __len__(self) -> int:
        return self._end - self._first

    @property
    def first(self) -> int:
        """The number of the oldest line held: so many were forgotten."""
        return self._first

    @property
    def end(self) -> int:
        """One past the number of the newest line."""
        return self._end

    def append(self, data: bytes, tail: int, *, notice: bool = False, at: float = 0.0) -> int:
        """Add whole lines of one tail; returns how many. A missing last line end is added.

        `at`: when they came, in seconds since the epoch; 0: not known.
        `tail` is from 0 to `MAX_TAILS - 1`; a `ValueError` says when it isn't.
        """
        if not 0 <= tail < MAX_TAILS:
            raise ValueError(f"tail index {tail} is not within 0 and {MAX_TAILS - 1}")
        if not data:
            return 0
        if len(data) > self.max_bytes:
            data = self._cut(data)
        count = data.count(b"\n")
        ended = data.endswith(b"\n")
        count += not ended
        chunk = self._open_chunk()
        chunk.stamp(at)
        chunk.data += data
        if not ended:
            chunk.data += b"\n"
        chunk.tags += bytes((tail | (NOTICE if notice else 0),)) * count
        self.size_bytes += len(data) + (not ended)
        self._end += count
        self._forget()
        return count

    def line(self, number: int) -> RingLine:
        """The line with this number. Raises `IndexError` when it isn't held."""
        if not self._first <= number < self._end:
            raise IndexError(f"line {number} is not held: {self._first} to {self._end - 1} are")
        chunk = self._chunk_of(number)
        tag = chunk.tags[number - chunk.first]
        is_notice = bool(tag & NOTICE)
        return RingLine(number, tag & ~NOTICE, chunk.raw(number), is_notice, chunk.came(number))

    def lines(self, start: int, stop: int) -> Iterator[RingLine]:
        """The lines with numbers from `start` to before `stop`, those that are held."""
        number = max(start, self._first)
        stop = min(stop, self._end)
        while number < stop:
            chunk = self._chunk_of(number)
            until = min(stop, chunk.first + len(chunk.tags))
            tags = chunk.tags[number - chunk.first : until - chunk.first]
            for raw, tag in zip(chunk.raws(number, until), tags, strict=True):
                is_notice = bool(tag & NOTICE)
                yield RingLine(number, tag & ~NOTICE, raw, is_notice, chunk.came(number))
                number += 1

    def blocks(
        self, start: int, stop: int, size: int = 1000
    ) -> Iterator[tuple[int, list[bytes], bytes]]:
        """The same in blocks of at most `size` lines: first number, raw lines, their tags.

        For whoever looks at very many lines: it makes no object a line.
        """
        number = max(start, self._first)
        stop = min(stop, self._end)
        while number < stop:
            chunk = self._chunk_of(number)
            until = min(stop, chunk.first + len(chunk.tags), number + size)
            tags = bytes(chunk.tags[number - chunk.first : until - chunk.first])
            yield number, chunk.raws(number, until), tags
            number = until

    def _open_chunk(self) -> _Chunk:
        if not self._chunks or len(self._chunks[-1].data) >= _CHUNK_BYTES:
            self._chunks.append(_Chunk(self._end))
            self._firsts.append(self._end)
        return self._chunks[-1]

    def _chunk_of(self, number: int) -> _Chunk:
        return self._chunks[bisect_right(self._firsts, number) - 1]

    def _forget(self) -> None:
        self._first = max(self._first, self._end - self.max_lines)
        gone = 0
        while len(self._chunks) - gone > 1:
            after = self._firsts[gone + 1]
            if after > self._first and self.size_bytes <= self.max_bytes:
                break
            self.size_bytes -= len(self._chunks[gone].data)
            self._first = max(self._first, after)
            gone += 1
        del self._chunks[:gone]
        del self._firsts[:gone]

    def _cut(self, data: bytes) -> bytes:
        """What of an oversized batch fits: its last lines, else the start of its last one."""
        begin = data.find(b"\n", len(data) - self.max_bytes) + 1
        if 0 < begin < len(data):
            skipped = data.count(b"\n", 0, begin)
            self._first = self._end = self._end + skipped
            self._chunks.clear()
            self._firsts.clear()
            self.size_bytes = 0
            return data[begin:]
        last = data.rfind(b"\n", 0, len(data) - 1) + 1
        self.cut_bytes += len(data) - last - self.max_bytes
        return data[last : last + self.max_bytes]
