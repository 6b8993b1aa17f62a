"""Names that survive a power cut: fsync(2) of a file says nothing of its directory's entry."""

from __future__ import annotations

import os
from pathlib import Path

from optibid_console import paths


def make_directory(path: Path) -> None:
    """Make a directory and those above it, for their owner alone. Raises `OSError`."""
    if path.is_dir():
        paths.tighten(path)
        return
    make_directory(path.parent)
    path.mkdir(mode=0o700, exist_ok=True)
    sync_directory(path.parent)


def sync_directory(path: Path) -> None:
    """Put the names in it on the disk. Raises `OSError`."""
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
