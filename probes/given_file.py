"""Files that a person names: only a regular file of a bounded size is read, and none is waited for.

Opening a FIFO waits for a writer, a device may never end, and opening some devices acts on them
(fifo(7), open(2)): the kind of file is looked at before it is opened, and again once it is open.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path

MOST_BYTES = 2_000_000
"""Certificates, keys, lists of known hosts and client settings are far below it."""
_KINDS = {
    stat.S_IFDIR: "a directory",
    stat.S_IFIFO: "a FIFO",
    stat.S_IFCHR: "a character device",
    stat.S_IFBLK: "a block device",
    stat.S_IFSOCK: "a socket",
}


class UnreadableFile(ValueError):
    """A named file can't be read; the message says why, without the file's name."""


def read_file(path: str | os.PathLike[str], most_bytes: int = MOST_BYTES) -> bytes:
    """The bytes of a regular file. Raises `UnreadableFile` for any other kind of file, one that
    has more than `most_bytes`, and one that can't be opened."""
    try:
        _check(os.stat(path), most_bytes)
        fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
        with open(fd, "rb") as file:
            _check(os.fstat(fd), most_bytes)
            data = file.read(most_bytes + 1)
    except OSError as error:
        raise UnreadableFile(_said(error)) from error
    except ValueError as error:
        if isinstance(error, UnreadableFile):
            raise
        raise UnreadableFile(f"its name can't be used: {error}") from error
    if len(data) > most_bytes:  # files in /proc say that they are empty
        raise UnreadableFile(f"has more than {most_bytes} bytes, the most that is read")
    return data


def check_file(path: str | os.PathLike[str], most_bytes: int = MOST_BYTES) -> None:
    """Raise `UnreadableFile` unless a library may open `path` without waiting: for files that
    are there, their kind and size. A missing file is left to the library's own error."""
    try:
        _check(os.stat(path), most_bytes)
    except OSError:
        return
    except ValueError as error:
        if isinstance(error, UnreadableFile):
            raise
        raise UnreadableFile(f"its name can't be used: {error}") from error


def kind_of(mode: int) -> str:
    """What a file is that isn't a regular one: `a FIFO`; empty for a regular file."""
    return "" if stat.S_ISREG(mode) else _KINDS.get(stat.S_IFMT(mode), "no regular file")


def home_path(text: str) -> Path:
    """The path that `text` names, `~` and `~USER` filled in. Raises `UnreadableFile`."""
    try:
        return Path(text).expanduser()
    except RuntimeError as error:
        raise UnreadableFile(f"there is no home directory for {text.split('/')[0]}") from error


def _check(found: os.stat_result, most_bytes: int) -> None:
    kind = kind_of(found.st_mode)
    if kind:
        raise UnreadableFile(f"is {kind}" + ("" if "dir" in kind else ", not a file to read"))
    if found.st_size > most_bytes:
        raise UnreadableFile(f"has {found.st_size} bytes; at most {most_bytes} are read")


def _said(error: OSError) -> str:
    if isinstance(error, FileNotFoundError):
        return "no such file"
    return f"can't be read: {(error.strerror or str(error)).lower()}"
