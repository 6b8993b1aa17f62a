"""What a run printed, bounded: whole raw lines, decoded only when they are shown."""

from __future__ import annotations

from collections import deque

from optibid_console.signals import NOTICE

MAX_LINES = 20_000
MAX_BYTES = 8_000_000
MAX_LINE = 16_384
"""A longer line is kept in pieces of this size, so that one line can't fill the memory."""
STDERR = "stderr"
_STDOUT = "output"
"""As lines are kept, stdout is what isn't known to be stderr."""


class RunOutput:
    """The output of one run in the order of its offsets: nothing twice, gaps named.

    A line is of one stream: where another one begins in the middle of a line, it ends.
    """

    def __init__(self) -> None:
        self.next_offset = 0
        self.first_line = 0
        """How many lines were dropped from the front."""
        self._lines: deque[bytes] = deque()
        self._streams: deque[str] = deque()
        self._open = b""
        self._stream = _STDOUT
        """Of what is in `_open`."""
        self._size = 0

    def __len__(self) -> int:
        return len(self._lines) + (1 if self._open else 0)

    def __getitem__(self, index: int) -> bytes:
        return self._open if index == len(self._lines) else self._lines[index]

    def stream(self, index: int) -> str:
        """Whose line it is: `output`, `stderr` or `console`."""
        return self._stream if index == len(self._lines) else self._streams[index]

    def add(self, offset: int, data: bytes, stream: str = _STDOUT) -> bool:
        """Take a piece of output; False when all of it was known already."""
        known = self.next_offset - offset
        if known >= len(data):
            return False
        if known < 0:
            self._turn_to(NOTICE)
            self._keep(b"[%d bytes of output were not received]" % -known)
        self.next_offset = offset + len(data)
        self._turn_to(stream if stream in (STDERR, NOTICE) else _STDOUT)
        self._split(data[max(known, 0) :])
        return True

    def _turn_to(self, stream: str) -> None:
        if stream != self._stream:
            self._close_line()
            self._stream = stream

    def _split(self, data: bytes) -> None:
        *whole, rest = (self._open + data).split(b"\n")
        self._open = b""
        for line in whole:
            self._keep_long(line)
        while len(rest) > MAX_LINE:
            self._keep(rest[:MAX_LINE])
            rest = rest[MAX_LINE:]
        self._open = rest

    def _keep_long(self, line: bytes) -> None:
        if self._stream == NOTICE and not line:
            return  # what the console says needs no blank lines around it
        shown = last_rewrite(line)
        for start in range(0, max(len(shown), 1), MAX_LINE):
            self._keep(shown[start : start + MAX_LINE])

    def _close_line(self) -> None:
        if self._open:
            self._keep_long(self._open)
            self._open = b""

    def _keep(self, line: bytes) -> None:
        self._lines.append(line)
        self._streams.append(self._stream)
        self._size += len(line)
        while len(self._lines) > MAX_LINES or self._size > MAX_BYTES:
            self._size -= len(self._lines.popleft())
            self._streams.popleft()
            self.first_line += 1


def last_rewrite(line: bytes) -> bytes:
    """What a terminal would show of a line rewritten with carriage returns: its last state."""
    return line.rstrip(b"\r").rpartition(b"\r")[2]
