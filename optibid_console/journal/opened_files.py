"""Whether the files that a journal has open are still the ones at its path.

A file that was replaced, renamed or deleted stays open: SQLite goes on writing to it, and
nobody who opens the path ever reads that. Everything here blocks.
"""

from __future__ import annotations

import os
import sqlite3
import time
from contextlib import closing
from pathlib import Path

from optibid_console import paths
from optibid_console.journal import durable

_BESIDE = ("-wal", "-shm")
"""What SQLite opens beside a journal, and needs as much (https://www.sqlite.org/walformat.html)."""
FileId = tuple[int, int]
"""`st_dev` and `st_ino`: the same file under whatever name."""


def file_id(path: str | Path) -> FileId | None:
    """Which file is at a path, through links; None when none is. Raises `OSError`."""
    try:
        found = os.stat(path)
    except (FileNotFoundError, NotADirectoryError):
        return None
    return found.st_dev, found.st_ino


class OpenedFiles:
    """A journal's file, its `-wal` and its `-shm`, as they were when they were opened."""

    def __init__(self, path: Path) -> None:
        """Raises `OSError`."""
        self.path = path.absolute()
        real = os.path.realpath(path)  # SQLite makes the others beside what a link names
        found = {str(self.path): file_id(path)}
        found |= {f"{real}{one}": file_id(f"{real}{one}") for one in _BESIDE}
        self._opened = {name: one for name, one in found.items() if one is not None}

    @property
    def journal(self) -> FileId | None:
        """Which file the journal itself is."""
        return self._opened.get(str(self.path))

    def moved(self) -> Path | None:
        """The first path at which the file isn't the one that was opened; None: all are there.
        Costs three stat(2) calls. Raises `OSError`."""
        name = ""
        try:
            for name, (device, inode) in self._opened.items():
                found = os.stat(name)
                if found.st_ino != inode or found.st_dev != device:
                    return Path(name)
        except (FileNotFoundError, NotADirectoryError):
            return Path(name)
        return None

    def moved_to(self, name: Path) -> str:
        """Where the file that was opened at `name` is now; empty when it was deleted, or where
        the system doesn't tell (proc(5), fd)."""
        try:
            handles = [f"/proc/self/fd/{one}" for one in os.listdir("/proc/self/fd")]
        except OSError:
            return ""
        for handle in handles:
            try:
                if file_id(handle) != self._opened[str(name)]:
                    continue
                target = os.readlink(handle)
                if file_id(target) == self._opened[str(name)]:
                    return target
            except OSError:
                continue  # closed meanwhile, or in a directory that can't be entered
        return ""


def save_copy(db: sqlite3.Connection, path: Path) -> Path:
    """Write the journal that `db` has open into a new file, for a journal whose own file has no
    name any more. Returns its path: beside `path`, or in the state directory. Raises `OSError`,
    `sqlite3.Error`."""
    stamp = time.strftime("%Y%m%d_%H%M%S", time.gmtime())
    name = f"{path.name}.saved-{stamp}"
    try:
        return _copy(db, path.with_name(name))
    except (OSError, sqlite3.Error):
        directory = paths.state_dir() / "saved"
        durable.make_directory(directory)
        return _copy(db, directory / name)


def _copy(db: sqlite3.Connection, to: Path) -> Path:
    os.close(os.open(to, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    try:
        with closing(sqlite3.connect(to, isolation_level=None)) as copy:
            copy.execute("PRAGMA synchronous = FULL")
            db.backup(copy)
        durable.sync_directory(to.parent)
    except BaseException:
        to.unlink(missing_ok=True)
        raise
    return to
