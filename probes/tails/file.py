"""Follows a file on a host: through lost links, rotation and truncation, no line twice."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing
from dataclasses import dataclass

from probes.probe import Host, HostError, ProbeError, TailBatch
from probes.tails.follow import OVERLAP_BYTES, Mark, MarkSplitter, Position, follow_text
from probes.tails.lines import MOST_LINES, LineSplitter, batch, gathered
from probes.tails.retry import Backoff, lost
from probes.text import one_line


@dataclass(frozen=True, slots=True)
class FileTailSettings:
    """`kind = "file"`."""

    path: str
    """Absolute, or from where the target's commands start."""
    lines: int = 200
    """How many of the last lines to begin with."""

    def problems(self) -> Iterator[tuple[str, str]]:
        if "\0" in self.path or "\n" in self.path:
            yield "path", "holds a newline or a NUL"
        if not 0 <= self.lines <= MOST_LINES:
            yield "lines", f"expected 0 to {MOST_LINES}"


_NO_INODE = "0"
"""No file has it: what is at the path is read from its beginning."""


class _Reopen(Exception):
    """The file that was read is done with; go on with what is at the path now."""


class Following:
    """What is known while a file is followed: where it was read up to, and what to say.

    Turns the stream of `follow_text` into batches; opens nothing itself.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self._lines = LineSplitter()
        self._inode = ""
        self._offset = 0
        self._before = b""
        self._is_exact = True
        self._expected = b""
        self._skips_to_newline = False
        self._replaced_at = -1
        self._lost_at = 0.0
        self._unsaid = ""

    def position(self) -> Position | None:
        """From where to resume; None before anything was opened."""
        if not self._inode:
            return None
        return Position(self._inode, self._offset, self._before, self._is_exact)

    def lost(self) -> None:
        """The stream ended; until it is back lines may be written."""
        self._lost_at = self._lost_at or time.time()

    def take(self, piece: bytes | Mark) -> Iterator[TailBatch]:
        """The batches that a piece of the stream gives."""
        if isinstance(piece, Mark):
            yield from self._marked(*piece.words)
            return
        lines = self._text(piece)
        if self._unsaid and not self._expected:
            yield self._say_opened()
        if lines:
            yield batch(lines)

    def _text(self, data: bytes) -> bytes:
        self._offset += len(data)
        self._before = (self._before + data[-OVERLAP_BYTES:])[-OVERLAP_BYTES:]
        if self._expected:
            data = self._without_overlap(data)
        if self._skips_to_newline:
            _, newline, data = data.partition(b"\n")
            self._skips_to_newline = not newline
        return self._lines.feed(data)

    def _without_overlap(self, data: bytes) -> bytes:
        overlap, self._expected = self._expected[: len(data)], self._expected[len(data) :]
        if not data.startswith(overlap):
            self._inode, self._expected = _NO_INODE, b""
            raise _Reopen
        return data[len(overlap) :]

    def _marked(self, what: str = "", *more: str) -> Iterator[TailBatch]:
        if what == "open" and len(more) == 3:
            yield from self._opened(more[0], int(more[1]), more[2])
        elif what == "replaced" and more:
            self._replaced(int(more[0]))
        elif what == "truncated":
            self._is_exact = False
            yield TailBatch(notice="truncated: lines from just before it may be missing")
        elif what in ("missing", "directory", "unreadable"):
            reasons = {"directory": ": it is a directory", "unreadable": ": permission denied"}
            yield TailBatch(notice=f"waiting for {self._path}{reasons.get(what, '')}")

    def _opened(self, inode: str, offset: int, how: str) -> Iterator[TailBatch]:
        resumed = how in ("same", "rest")
        if not resumed and (rest := self._lines.flush()):
            yield batch(rest)  # the old file's last line had no end
        self._expected = self._before if resumed else b""
        self._skips_to_newline = how in ("middle", "end")
        self._inode, self._offset, self._before = inode, offset, b""
        self._is_exact, self._replaced_at = True, -1
        self._unsaid = "" if how == "rest" else how
        if self._unsaid and not self._expected:
            yield self._say_opened()

    def _say_opened(self) -> TailBatch:
        """The notice of an opened file, once it is known to be the one that was read."""
        notice = TailBatch(notice=self._news(self._unsaid))
        self._unsaid, self._lost_at = "", 0.0
        return notice

    def _news(self, how: str) -> str:
        """How it was opened, with what may be missing."""
        gap = "lines may be missing"
        if self._lost_at:
            gap = f"lines between {_hms(self._lost_at)} and {_hms(time.time())} may be missing"
        match how:
            case "same":
                return "reconnected, nothing missed"
            case "end":
                return f"reconnected: {gap}"
            case "truncated":
                return f"truncated while away: {gap}"
            case "rotated" if self._lost_at:
                return f"rotated while away: {gap}"
            case "rotated" | "followed":
                return "rotated"
        return "connected"

    def _replaced(self, old_size: int) -> None:
        """Another file is at the path: the old one is done once it is read and stays as it is.

        The mark comes once a second, and may come before bytes that were written earlier.
        """
        if self._replaced_at == old_size and self._offset >= old_size:
            raise _Reopen
        self._replaced_at = old_size


class FileTail:
    """Follows a file for ever. What nobody takes waits in the pipe: nothing is dropped."""

    Settings = FileTailSettings

    def __init__(self, name: str, settings: FileTailSettings, host: Host | None) -> None:
        if host is None:
            raise ValueError(f"tail {name}: a file is followed on a host, and none was given")
        self.name = name
        self._settings = settings
        self._host = host

    async def batches(self) -> AsyncGenerator[TailBatch, None]:
        """Whole lines and notices, without an end. Raises nothing: what is lost is said."""
        following = Following(self._settings.path)
        backoff = Backoff()
        while True:
            why = "the follower ended"
            try:
                async with aclosing(self._once(following, backoff)) as stream:
                    async for one in stream:
                        yield one
            except _Reopen:
                continue
            except (HostError, ProbeError, OSError) as error:
                why = one_line(str(error))
            following.lost()
            wait_s = backoff.next_s()
            yield TailBatch(notice=lost(why, backoff.attempt, wait_s))
            await asyncio.sleep(wait_s)

    async def _once(self, following: Following, backoff: Backoff) -> AsyncGenerator[TailBatch]:
        """What one stream gives until it ends."""
        path, lines = self._settings.path, self._settings.lines
        mark = secrets.token_hex(12)
        marks = MarkSplitter(mark)
        text = follow_text(path, mark, lines, following.position())
        async with self._host.stream(text) as chunks, aclosing(gathered(chunks)) as pieces:
            async for data in pieces:
                backoff.succeeded()
                for piece in marks.feed(data):
                    for one in following.take(piece):
                        yield one


def _hms(at: float) -> str:
    return time.strftime("%H:%M:%S", time.gmtime(at))
