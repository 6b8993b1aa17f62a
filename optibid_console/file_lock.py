"""A lock that is a file: held while its process lives, gone from the disk when released."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path


class FileLock:
    """flock(2) on a file of its own. The kernel releases it when the process dies, however
    it dies; then the file stays, and the next holder takes it over."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._fd = -1

    @property
    def is_held(self) -> bool:
        """Whether this object holds it."""
        return self._fd >= 0

    def acquire(self) -> bool:
        """Take it if nobody has it. Raises `OSError` when the file can't be made."""
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        while True:
            fd = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(fd)
                return False
            if self._is_there(fd):
                self._fd = fd
                return True
            os.close(fd)  # its last holder removed it between our open and our lock

    def take_away(self) -> None:
        """Leave its holder with a file that nobody finds any more; then `acquire` can work."""
        self.path.unlink(missing_ok=True)

    def renew(self) -> bool:
        """Make the file again that somebody deleted, and hold it; False when another was first.
        Raises `OSError`."""
        before, self._fd = self._fd, -1
        if not self.acquire():
            self._fd = before  # a file that nobody finds, as before
            return False
        os.close(before)
        return True

    def write(self, text: str) -> None:
        """Replace what the file says; for its holder."""
        os.ftruncate(self._fd, 0)
        os.pwrite(self._fd, text.encode(), 0)

    def release(self) -> None:
        """Remove the file and let go. Does nothing when it isn't held."""
        if self._fd >= 0:
            if self._is_there(self._fd):  # else it was taken away, and is another's
                self.path.unlink()
            os.close(self._fd)
            self._fd = -1

    def _is_there(self, fd: int) -> bool:
        try:
            return os.path.samestat(os.fstat(fd), os.stat(self.path))
        except FileNotFoundError:
            return False


def read_held(path: Path) -> str | None:
    """What the holder of the lock wrote; None when nobody holds it."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return os.pread(fd, 64 * 1024, 0).decode("utf-8", "replace")
    finally:
        os.close(fd)
    return None
