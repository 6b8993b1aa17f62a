"""A program in a terminal of its own: a pty that is read all the time, or not at all."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import termios
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

COLUMNS, ROWS = 160, 45
_ESCAPES = re.compile(
    rb"\x1b\[[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)|\x1b[P_^X][^\x1b]*\x1b\\|\x1b[ -~]"
)


@dataclass(frozen=True, slots=True)
class Piece:
    """What one read gave."""

    at: float
    """When: `time.time()`."""
    data: bytes


def plain(data: bytes) -> bytes:
    """The text alone, without escape sequences (ECMA-48 5.4, 5.6)."""
    return _ESCAPES.sub(b"", data)


class Terminal:
    """Starts `argv` in a pty and keeps everything that it writes, with the time."""

    def __init__(self, argv: Sequence[str], env: Mapping[str, str]) -> None:
        self.pieces: list[Piece] = []
        self._news = threading.Condition()
        self._reads = threading.Event()
        self._reads.set()
        self._over = False
        self._closed = False
        self._master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
        terminal = {"TERM": "xterm-256color", "COLORTERM": "truecolor", "LANG": "C.UTF-8"}
        self.started_at = time.time()
        self.process = subprocess.Popen(
            argv, stdin=slave, stdout=slave, stderr=slave, env={**env, **terminal},
            start_new_session=True,
        )  # fmt: skip
        os.close(slave)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    @property
    def pid(self) -> int:
        return self.process.pid

    def press(self, keys: bytes) -> float:
        """Type; gives the time just before."""
        at = time.time()
        os.write(self._master, keys)
        return at

    def stop_reading(self) -> None:
        """Leave what comes in the pty, as a terminal that nobody serves."""
        self._reads.clear()

    def read_again(self) -> float:
        self._reads.set()
        return time.time()

    def mark(self) -> int:
        """A place in `pieces` to wait from."""
        return len(self.pieces)

    def wait_for(
        self, pattern: bytes, timeout_s: float, *, since: int = 0, raw: bool = False
    ) -> float:
        """When the bytes that complete `pattern` came. Raises `TimeoutError`.

        It is looked for in the text without escape sequences, or, `raw`, with them.
        """
        wanted = re.compile(pattern, re.DOTALL)
        until = time.time() + timeout_s
        looked, rest = since, b""
        with self._news:
            while True:
                while looked < len(self.pieces):
                    piece = self.pieces[looked]
                    looked += 1
                    rest += piece.data
                    if wanted.search(rest if raw else plain(rest)):
                        return piece.at
                    rest = rest[-32_000:]
                if self._over or not self._news.wait(until - time.time()):
                    last = self.text()[-300:]
                    raise TimeoutError(f"{pattern!r} never came; the last was {last!r}")

    def text(self, since: int = 0) -> bytes:
        """All that was written, without escape sequences."""
        return plain(b"".join(piece.data for piece in self.pieces[since:]))

    def close(self) -> None:
        """End the program as a terminal that goes away does. Again: does nothing."""
        if self._closed:
            return
        self._closed = True
        for number in (signal.SIGCONT, signal.SIGHUP, signal.SIGTERM):
            if self.process.poll() is None:
                os.kill(self.pid, number)
        self._reads.set()
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self._reader.join(2)
        os.close(self._master)

    def _read(self) -> None:
        while True:
            self._reads.wait()
            ready, _, _ = select.select([self._master], [], [], 0.5)
            if not (ready and self._reads.is_set()):
                if self.process.poll() is not None and not ready:
                    break
                continue
            try:
                data = os.read(self._master, 65536)
            except OSError:  # EIO: nobody has the other side open any more (pty(7))
                break
            with self._news:
                self.pieces.append(Piece(time.time(), data))
                self._news.notify_all()
        with self._news:
            self._over = True
            self._news.notify_all()
