"""A spill: where a forced rollback is recorded while the journal can't be written.

Entries as JSON lines, sealed as in the journal and chained to its head, each on the disk
before anything acts on it. It lies beside the journal, or where there is still place.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from optibid_console import paths
from optibid_console.codec import canonical
from optibid_console.entries import Entry, SpillMerged, entry_from_plain, seal
from optibid_console.journal import durable
from optibid_console.journal.chain import Verified
from optibid_console.journal.journal import JournalError
from optibid_console.journal.opened_files import file_id
from optibid_console.source import SourceError
from probes.text import counted

LOCK_S = 2.0
"""For how long one waits for another process that writes or merges a spill, in seconds."""


@dataclass(frozen=True, slots=True)
class Spilled:
    """What a spill holds that isn't in the journal."""

    path: str
    entries: int
    head: str
    problem: str = ""
    merged: bool = False
    """Whether the journal has all of it already."""

    def said(self) -> str:
        """One line for a person."""
        if self.problem:
            return self.problem
        if self.merged:
            return "the journal has all of it"
        more = counted(self.entries, "more entry", "more entries")
        return f"{more}, not merged yet; the next `run` does; {self.head}"


class Spill:
    """A spill that is being written."""

    def __init__(self, path: Path, fd: int) -> None:
        self.path = path
        self._fd = fd

    @classmethod
    def create(
        cls, journal: Path, first: Callable[[Path], Entry], before: Sequence[Entry] = ()
    ) -> tuple[Spill, Entry]:
        """Make one, with the entries `before` and the one that `first` makes for its path, where
        that can be.

        Raises `JournalError`.
        """
        problems = []
        for path in _places(journal):
            try:
                durable.make_directory(path.parent)
                # another engine's isn't gone on with: who left it had another chain
                flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC
                spill = cls(path, os.open(path, flags, 0o600))
            except OSError as error:
                problems.append(f"{path}: {error.strerror}")
                continue
            try:
                entry = first(path)
                for one in (*before, entry):
                    spill.append(one)
                durable.sync_directory(path.parent)
            except OSError as error:
                problems.append(f"{path}: {error.strerror}")
                spill.remove()
                continue
            return spill, entry
        raise JournalError(
            f"neither the journal nor a spill file can be written ({'; '.join(problems)}): "
            "make space in one of these places"
        )

    def append(self, entry: Entry) -> None:
        """Put it on the disk. Raises `OSError`; then the file is as before.

        Also when it isn't at its path any more (another engine has taken it into the journal,
        or somebody moved it): nobody would ever read what came later.
        """
        line = canonical(entry.to_plain()) + b"\n"
        with _locked(self._fd):
            mine = os.fstat(self._fd)
            if mine.st_nlink == 0:
                raise OSError(
                    errno.ESTALE,
                    f"{self.path} was deleted or replaced, or another engine has taken it into the "
                    "journal; this engine keeps what it recorded there until the journal has it",
                )
            if file_id(self.path) != (mine.st_dev, mine.st_ino):
                raise OSError(errno.ESTALE, f"{self.path} was moved: move it back, and it goes on")
            self._write(line)

    def _write(self, line: bytes) -> None:
        size = os.fstat(self._fd).st_size
        try:
            written = os.write(self._fd, line)
            while written < len(line):
                written += os.write(self._fd, line[written:])
            os.fsync(self._fd)
        except OSError:
            os.ftruncate(self._fd, size)
            raise

    def remove(self) -> None:
        """Take the file away, once the journal has it all."""
        os.close(self._fd)
        remove(self.path)


@contextmanager
def held(path: Path) -> Iterator[None]:
    """Nobody adds to a spill meanwhile. Blocks; raises `JournalError`."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        raise JournalError(f"the spill {path} can't be read: {error.strerror}") from error
    try:
        with _locked(fd):
            yield
    except TimeoutError as error:
        raise JournalError(
            f"the spill {path} is being written by an engine that doesn't answer: end that "
            "process, then try again"
        ) from error
    finally:
        os.close(fd)


def remove(path: Path) -> None:
    """Take a spill away that the journal has, for good. Raises `OSError`."""
    path.unlink(missing_ok=True)
    durable.sync_directory(path.parent)


def beside(journal: Path) -> list[Path]:
    """The spills of a journal that are there."""
    return [path for path in _places(journal) if path.exists()]


def read(path: Path) -> list[Entry]:
    """The entries of a spill; a last line that was cut off, or that a power cut left holes in
    (no line has a zero byte in it), was never acted on.

    Raises `JournalError`.
    """
    try:
        lines = path.read_bytes().split(b"\n")[:-1]
        if lines and b"\0" in lines[-1]:
            del lines[-1]
        return [entry_from_plain(json.loads(line)) for line in lines]
    except OSError as error:
        raise JournalError(f"the spill {path} can't be read: {error.strerror}") from error
    except ValueError as error:
        raise JournalError(
            f"the spill {path} was changed: {error}; keep it as evidence, elsewhere"
        ) from error


def check(path: Path, journal: Verified) -> Spilled:
    """Whether a spill's chain holds and follows the journal's head."""
    try:
        entries = read(path)
    except JournalError as error:
        return Spilled(str(path), 0, "", str(error))
    good, head = 0, entries[0].prev if entries else journal.head
    for entry in entries:
        whole = seal(entry.seq, entry.at, entry.mono, entry.actor, entry.fact, entry.prev)
        if whole.hash != entry.hash or entry.prev != head:
            problem = f"entry {entry.seq} was changed, or doesn't follow the one before"
            return Spilled(str(path), good, head, problem)
        good, head = good + 1, entry.hash
    merged = bool(entries) and entries[-1].seq <= journal.entries
    return Spilled(str(path), good, head, merged=merged)


def merging(entries: Sequence[Entry], head: tuple[int, str], path: Path, at: float) -> list[Entry]:
    """What to append to a journal whose head is `head`, so that it has the spill: the same
    entries where they follow it, else the same facts sealed anew; and that they were merged."""
    seq, prev = head
    follows = not entries or (entries[0].prev == prev and entries[0].seq == seq + 1)
    merged: list[Entry] = []
    for one in entries:
        entry = one if follows else seal(seq + 1, one.at, one.mono, one.actor, one.fact, prev)
        merged.append(entry)
        seq, prev = entry.seq, entry.hash
    if merged:
        fact = SpillMerged(merged[0].seq, seq, str(path))
        merged.append(seal(seq + 1, at, merged[-1].mono, "console", fact, prev))
    return merged


@contextmanager
def _locked(fd: int) -> Iterator[None]:
    """flock(2); raises `TimeoutError` when whoever has it keeps it for too long."""
    until = time.monotonic() + LOCK_S
    while True:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            break
        except BlockingIOError:
            if time.monotonic() > until:
                raise TimeoutError("it is locked") from None
            time.sleep(0.01)
    try:
        yield
    finally:
        fcntl.flock(fd, fcntl.LOCK_UN)


def _places(journal: Path) -> list[Path]:
    key = paths.journal_key(journal)
    places = [
        journal.with_name(f"{journal.name}.spill"),
        paths.state_dir() / "spills" / f"{key}.spill",
    ]
    try:
        places.append(paths.socket_path(journal).with_suffix(".spill"))
    except SourceError:  # no place for a socket either: two places are left
        return places
    return places
