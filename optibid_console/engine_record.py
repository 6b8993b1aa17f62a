"""Which engines run here for this user: one record each, held as a lock while it lives."""

from __future__ import annotations

import json
import os
import platform
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from optibid_console import paths
from optibid_console.codec import from_plain, to_plain
from optibid_console.file_lock import FileLock, read_held
from optibid_console.journal.opened_files import FileId, file_id
from optibid_console.journal_place import Address, Place, place_of
from optibid_console.source import SourceError

_CLAIM_S = 1.0
"""For so long a claim is tried: one who only looks holds the lock for an instant too."""


@dataclass(frozen=True, slots=True)
class EngineRecord:
    """An engine that runs, and where it is reached."""

    pid: int
    host: str
    journal: str
    socket: str
    window: str
    config: str
    started_at: float
    """Seconds since the epoch, UTC."""
    rehearsal: bool = False
    file: str = ""
    """Which file the journal is that it has open (`opened_files.file_id`), as text; empty: a
    server's, or none yet."""


def journal_text(journal: Place) -> str:
    """A journal as records and argument lists name it: an absolute path, or an address."""
    return str(journal if isinstance(journal, Address) else journal.resolve())


class EngineRuns(SourceError):
    """Another engine runs this journal."""


def record_for(
    journal: Place, window: str, config: Path, *, rehearsal: bool = False
) -> EngineRecord:
    """This process's record. Raises `SourceError` when there is no place for its socket."""
    return EngineRecord(
        os.getpid(), platform.node(), journal_text(journal), str(paths.socket_path(journal)),
        window, str(config.resolve()), time.time(), rehearsal,
    )  # fmt: skip


class Claim:
    """The record of an engine that runs, kept while it does."""

    def __init__(self, lock: FileLock, record: EngineRecord) -> None:
        self._lock = lock
        self._record = record
        self._missing = False
        self._write()

    def opened(self, file: FileId | None) -> None:
        """Note which file the engine has open as its journal."""
        self._record = replace(self._record, file=_file_text(file))
        self._write()

    def keep(self) -> None:
        """Make the record's file again when somebody deleted it: without it this engine is
        found by nobody. Blocks; raises `OSError`.

        Missing once, it may be a take-over that is about to make its own.
        """
        missing = not self._lock.path.exists()
        if missing and self._missing and self._lock.renew():
            self._write()
        self._missing = missing

    def _write(self) -> None:
        self._lock.write(json.dumps(to_plain(self._record)))


@contextmanager
def claimed(record: EngineRecord, *, take_over: bool = False) -> Iterator[Claim]:
    """Be the only engine of a journal while the context lasts. Raises `EngineRuns`.

    `take_over`: in the place of one that lives; the journal's lease decides between them.
    """
    lock = FileLock(_path(place_of(record.journal)))
    if take_over and not lock.acquire():
        lock.take_away()
    until = time.monotonic() + _CLAIM_S
    while not (lock.is_held or lock.acquire()):
        if time.monotonic() > until:
            other = find(place_of(record.journal))
            who = f" (process {other.pid} on {other.host})" if other else ""
            raise EngineRuns(
                f"another engine{who} runs the window in {record.journal}: "
                f"`{paths.APP} attach {record.journal}` comes to it"
            )
        time.sleep(0.02)  # `engine` comes here before it has an event loop
    try:
        yield Claim(lock, record)
    finally:
        lock.release()


def find(journal: Place) -> EngineRecord | None:
    """The engine that runs this journal, if one does."""
    return _read(_path(journal))


def writes_elsewhere(journal: Path) -> EngineRecord | None:
    """The engine of this journal when it has another file open than the one at the path: what is
    there isn't what it records. Raises `OSError`."""
    record = find(journal)
    if record is None or not record.file or record.host != platform.node():
        return None
    return record if _file_text(file_id(journal)) != record.file else None


def find_in(database: Address, window: str, *, rehearsal: bool) -> EngineRecord | None:
    """The engine here that runs a window with this title in a team's database; the server isn't
    asked."""
    for one in reversed(running()):
        place = place_of(one.journal)
        same = isinstance(place, Address) and place.named("") == database.named("")
        if same and (one.window, one.rehearsal) == (window, rehearsal):
            return one
    return None


def running() -> list[EngineRecord]:
    """All engines of this user on this machine, the newest last."""
    found = (_read(path) for path in paths.engines_dir().glob("*.engine"))
    return sorted((one for one in found if one), key=lambda one: one.started_at)


def _file_text(file: FileId | None) -> str:
    return f"{file[0]}:{file[1]}" if file else ""


def _path(journal: Place) -> Path:
    return paths.engines_dir() / f"{paths.journal_key(journal)}.engine"


def _read(path: Path) -> EngineRecord | None:
    text = read_held(path)
    if not text:
        return None
    try:
        return from_plain(EngineRecord, json.loads(text))
    except ValueError:
        return None  # claimed this instant, not yet written
