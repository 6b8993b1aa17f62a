"""The line of a command's output that says why it failed.

The last line is rarely that line: `git` ends with "and the repository exists.", `psql` with a
caret, a traceback's cause stands above the cleanup that follows it. Most programs print the cause
first and its consequences after it.
"""

from __future__ import annotations

import re

_LONGEST_LINE = 4096
_HINTS = (b"atal", b"FATAL", b"rror", b"ERR", b"ejected", b"anic", b"xception", b"ailed",
          b"not found", b"No such file", b"denied", b"annot ")  # fmt: skip
"""Literal bytes of which every line that `_CAUSE` accepts has one: `find` skips floods of output
without them at memory speed."""

_CAUSE = re.compile(
    rb"""
    (?:^|[\s:\[(])(?:fatal|FATAL|PANIC|panic|ERROR|[Ee]rror)(?:\[\w+\])?:\s*\S
    | (?:^|[\s\]])(?:ERROR|FATAL|CRITICAL)(?:[\s\]]|\ -\ )\S
    | ^npm\ (?:ERR!|error)\ \S
    | !\ \[(?:remote\ )?rejected\]
    | ^Error(?:\ response)?\ from\ \S
    | ^[A-Za-z_][\w.]*(?:Error|Exception|Failure|Interrupt)(?::\s|$)
    | ^Job\ for\ \S+\ failed\b | ^Failed\ to\ \S
    | :\ (?:not\ found|command\ not\ found|No\ such\ file\ or\ directory|Permission\ denied
        |cannot\ \S)
    | \bPermission\ denied\b
    """,
    re.VERBOSE,
)
_NOTHING = re.compile(
    rb"(?i)\b(?:0|no|without)\s+(?:fatal\s+)?(?:errors?|failures?)\b|\berrors?[:=]\s*(?:0|none)\b"
)


class CauseFinder:
    """Keeps the first line of one output stream that names a cause. Pure."""

    def __init__(self) -> None:
        self.line = b""
        """The line without its line end; empty while no line named a cause."""
        self._partial = b""

    def feed(self, data: bytes) -> None:
        """Searches the lines that `data` completes."""
        if self.line:
            return
        complete, end, rest = data.rpartition(b"\n")
        if end:
            self._search(self._partial + complete)
            self._partial = rest[:_LONGEST_LINE]
        elif len(self._partial) < _LONGEST_LINE:
            self._partial += rest[: _LONGEST_LINE - len(self._partial)]

    def flush(self) -> None:
        """Searches a last line that has no line end."""
        self.feed(b"\n")

    def _search(self, text: bytes) -> None:
        for at in _lines_with_hints(text):
            line = _line_at(text, at)
            if _CAUSE.search(line) and not _NOTHING.search(line):
                self.line = line
                return


def _lines_with_hints(text: bytes) -> list[int]:
    """Returns the offsets of the lines that have a hint, in order."""
    starts = set()
    for hint in _HINTS:
        at = text.find(hint)
        while at >= 0:
            starts.add(text.rfind(b"\n", 0, at) + 1)
            end = text.find(b"\n", at)
            at = text.find(hint, end) if end >= 0 else -1
    return sorted(starts)


def _line_at(text: bytes, start: int) -> bytes:
    end = text.find(b"\n", start)
    return text[start : end if end >= 0 else len(text)][:_LONGEST_LINE].rstrip(b"\r")
