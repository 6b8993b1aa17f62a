"""A real terminal for the real command: a pty, what was drawn on it, and the keyboard."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import struct
import subprocess
import sys
import termios
import threading
import time
from collections.abc import Mapping
from pathlib import Path

import pyte

WITHIN_S = 120.0
_LOOK_S = 0.02
_BECOME_FOREGROUND = (
    "import fcntl, os, sys, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0); "
    "os.execv(sys.executable, [sys.executable, '-m', *sys.argv[1:]])"
)


class Terminal:
    """One `optibid-console` in a terminal of its own. What it draws is always read, except
    while `unread`."""

    def __init__(
        self,
        *arguments: str,
        cwd: Path,
        environ: Mapping[str, str] | None = None,
        columns: int = 120,
        rows: int = 40,
        module: str = "optibid_console",
    ) -> None:
        self._screen = pyte.Screen(columns, rows)
        self._stream = pyte.ByteStream(self._screen)
        self._raw = bytearray()
        self._fed = 0
        self._hung_up = False
        self._reading = threading.Event()
        self._reading.set()
        self._master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        self.process = subprocess.Popen(
            [sys.executable, "-c", _BECOME_FOREGROUND, module, *arguments],
            cwd=cwd,
            env={"TERM": "xterm-256color", **os.environ, **(environ or {})},
            stdin=slave,
            stdout=slave,
            stderr=slave,
            start_new_session=True,
        )
        os.close(slave)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    @property
    def raw(self) -> str:
        """Everything that was ever written to it."""
        return bytes(self._raw).decode("utf-8", "replace")

    def text(self) -> str:
        """What a person sees now, a line a row."""
        data = bytes(self._raw[self._fed :])
        self._fed += len(data)
        self._stream.feed(data)
        return "\n".join(self._screen.display)

    def until(self, *words: str, within_s: float = WITHIN_S) -> str:
        """Wait until all of it is seen at once; gives the screen."""
        give_up = time.monotonic() + within_s
        while True:
            seen = self.text()
            joined = " ".join(seen.split())
            if all(word in seen or word in joined for word in words):
                return seen
            if time.monotonic() > give_up or self.process.poll() is not None:
                # what was drawn last may still be on its way
                time.sleep(_LOOK_S)
                last = self.text()
                if all(word in last for word in words):
                    return last
                raise AssertionError(
                    f"never saw {words}; exit status {self.process.poll()}, the screen:\n{last}"
                )
            time.sleep(_LOOK_S)

    def press(self, keys: str) -> None:
        os.write(self._master, keys.encode())

    def unread(self) -> None:
        """Take nothing from it any more, as a terminal after Ctrl-S does."""
        self._reading.clear()

    def read_again(self) -> None:
        self._reading.set()

    def resize(self, columns: int, rows: int) -> None:
        self._screen.resize(rows, columns)
        fcntl.ioctl(self._master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def signal(self, number: int) -> None:
        self.process.send_signal(number)

    def hang_up(self) -> None:
        """Take the terminal away, as a closed laptop does; the kernel sends SIGHUP."""
        self._hung_up = True
        self._reader.join(WITHIN_S)

    def ends(self) -> int:
        """Wait for its end; gives its exit status."""
        status = self.process.wait(WITHIN_S)
        self._reader.join(WITHIN_S)
        return status

    def close(self) -> None:
        """End it, however it stands, and check that it never showed a traceback."""
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait(WITHIN_S)
        self.read_again()
        self._reader.join(WITHIN_S)
        if not self._hung_up:
            os.close(self._master)
        assert "Traceback" not in self.raw

    def _read(self) -> None:
        while True:
            self._reading.wait()
            if self._hung_up:
                os.close(self._master)
                return
            ready, _, _ = select.select([self._master], [], [], _LOOK_S)
            if not ready:
                continue
            try:
                data = os.read(self._master, 65536)
            except OSError:  # EIO: no process has the other end any more
                return
            self._raw += data
