"""Where the console keeps its files: journals, records of running engines, sockets."""

from __future__ import annotations

import hashlib
import os
import re
import stat
import time
from collections.abc import Callable
from pathlib import Path

from optibid_console.journal_place import Address, Place
from optibid_console.source import SourceError

APP = "optibid-console"
MAX_SOCKET_BYTES = 107
"""What `sun_path` holds (unix(7)), without the NUL that ends it."""


def state_dir() -> Path:
    """`$XDG_STATE_HOME/optibid-console`: what must survive a reboot."""
    from platformdirs import user_state_dir

    return Path(user_state_dir(APP))


def make_private(path: Path) -> None:
    """Make a directory and those above it that are missing, for their owner alone whatever the
    umask. Raises `OSError`.

    From the state directory on, one of the user's own that others may enter is closed to them.
    """
    for one in reversed((path, *path.parents)):
        if not one.is_dir():
            one.mkdir(mode=0o700, exist_ok=True)
    tighten(path)


def tighten(path: Path) -> None:
    """Close to others the user's own directories from the state directory down to `path`; does
    nothing to a directory elsewhere. Raises `OSError`."""
    top = state_dir()
    for one in (path, *path.parents):
        if one != top and top not in one.parents:
            return
        found = one.stat()
        if found.st_mode & 0o077 and found.st_uid == os.geteuid():
            one.chmod(found.st_mode & 0o700)


def write_private(path: Path, text: str) -> None:
    """Replace a file that its owner alone may read; whoever reads it meanwhile gets the old text
    or the new one. Raises `OSError`."""
    make_private(path.parent)
    fresh = path.with_name(f"{path.name}.{os.getpid()}")
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC
    with os.fdopen(os.open(fresh, flags, 0o600), "w", encoding="utf-8") as file:
        file.write(text)
    os.replace(fresh, path)


def windows_dir() -> Path:
    """Where journals are made when no `--journal` is given."""
    return state_dir() / "windows"


def rehearsals_dir() -> Path:
    """Where the journals of rehearsals are made, and what they have measured is kept."""
    return state_dir() / "rehearsals"


def engines_dir() -> Path:
    """Where each running engine has its record."""
    return state_dir() / "engines"


def journal_key(journal: Place) -> str:
    """A short name for a journal, the same however its path or address is written."""
    said = journal.identity if isinstance(journal, Address) else str(journal.resolve())
    return hashlib.sha256(said.encode()).hexdigest()[:16]


def beside(journal: Place) -> Path:
    """The path beside which lies what belongs to a journal here: its engine's log, a spill. Of
    a file that is the file."""
    if not isinstance(journal, Address):
        return journal
    slug = re.sub(r"[^a-z0-9]+", "-", f"{journal.dbname}-{journal.window}".lower()).strip("-")
    return state_dir() / "team" / f"{slug[:60]}-{journal_key(journal)}"


def family(config: Path, window: str) -> str:
    """What the journals of one config's windows begin with."""
    slug = re.sub(r"[^a-z0-9]+", "-", window.lower()).strip("-")[:40] or "window"
    return f"{slug}-{hashlib.sha256(str(config.resolve()).encode()).hexdigest()[:8]}"


def journal_for(
    config: Path,
    window: str,
    is_closed: Callable[[Path], bool],
    now: float | None = None,
    *,
    where: Path | None = None,
) -> Path:
    """The journal of this config's open window, or the path of a new one: a closed window's
    journal is never written again. What `is_closed` raises passes through.

    `where`: the directory; None: that of real windows."""
    place = windows_dir() if where is None else where
    begins = family(config, window)
    kept = sorted(place.glob(f"{begins}-*.journal"))
    if kept and not is_closed(kept[-1]):
        return kept[-1]
    stamp = time.strftime("%Y%m%d_%H%M%S", time.gmtime(now))
    fresh = place / f"{begins}-{stamp}.journal"
    number = 2
    while fresh.exists():
        fresh = place / f"{begins}-{stamp}_{number}.journal"
        number += 1
    return fresh


def engine_log(journal: Place) -> Path:
    """What the engine of this journal prints."""
    stem = beside(journal)
    return stem.with_name(f"{stem.name}.engine.log")


def socket_path(journal: Place) -> Path:
    """The engine's socket for a journal, in a directory that only its owner can enter.

    Raises `SourceError` when there is no such directory.
    """
    name = f"{journal_key(journal)}.sock"
    runtime = os.environ.get("XDG_RUNTIME_DIR", "")
    if runtime and os.path.isabs(runtime) and os.path.isdir(runtime):
        path = Path(runtime) / APP / name
        if len(os.fsencode(path)) <= MAX_SOCKET_BYTES:
            _own_directory(path.parent)
            return path
    path = Path("/tmp") / f"{APP}-{os.geteuid()}" / name
    _own_directory(path.parent)
    return path


def _own_directory(path: Path) -> None:
    """Make a directory of mode 0700, or check that it is one, ours and no link: in /tmp
    anybody could have put it there first."""
    try:
        path.mkdir(mode=0o700, exist_ok=True)
        found = path.lstat()
    except OSError as error:
        raise SourceError(
            f"{path} can't be made: {error.strerror}; set XDG_RUNTIME_DIR to a directory of yours"
        ) from error
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid():
        raise SourceError(
            f"{path} isn't a directory of yours: somebody else made it; remove it, or set "
            "XDG_RUNTIME_DIR to a directory of yours"
        )
    if found.st_mode & 0o077:
        path.chmod(0o700)
