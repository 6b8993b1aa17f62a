"""The processes of a run, found from outside in /proc, also those in a container."""

from __future__ import annotations

import os
import shutil
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from tests.soak.attack_plan import Victim


@dataclass(frozen=True, slots=True)
class Process:
    """A process as it was at one moment."""

    pid: int
    parent: int
    session: int
    born: int
    """In clock ticks since the boot: with `pid` it names one process for good."""
    arguments: tuple[bytes, ...]

    def lives(self) -> bool:
        found = look(self.pid)
        return found is not None and found.born == self.born

    def has(self, setting: bytes) -> bool:
        """Whether it is in its environment."""
        try:
            return setting in Path(f"/proc/{self.pid}/environ").read_bytes().split(b"\0")
        except OSError:
            return False

    def number_inside(self) -> int:
        """Its number in its own namespace; 0 when it is gone."""
        try:
            lines = Path(f"/proc/{self.pid}/status").read_text(errors="replace").splitlines()
        except OSError:
            return 0
        return next((int(one.split()[-1]) for one in lines if one.startswith("NSpid:")), 0)

    def named(self) -> str:
        said = b" ".join(self.arguments[:2])[:120].decode(errors="replace")
        return f"{self.pid} ({said})"


def look(pid: int) -> Process | None:
    """The process with this number; None when there is none, or only what is left of one."""
    try:
        fields = _read(f"/proc/{pid}/stat").rpartition(b") ")[2].split()
        if fields[0] in b"ZX":
            return None
        arguments = tuple(_read(f"/proc/{pid}/cmdline").split(b"\0")[:-1])
    except OSError:
        return None
    return Process(pid, int(fields[1]), int(fields[3]), int(fields[19]), arguments)


def _read(path: str) -> bytes:
    with open(path, "rb", buffering=0) as file:
        return file.read()


class Processes:
    """All processes, looked at together: fifty windows that each look alone take as long as
    their commands."""

    _FRESH_S = 0.01
    _SETTLED_S = 0.3
    """A process that was there for so long has begun its program and its session."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._at = float("-inf")
        self._first: dict[int, float] = {}
        self._found: dict[int, Process] = {}

    def now(self, *, fresh: bool = False) -> dict[int, Process]:
        """By number, as they are or, unless `fresh`, as they were when they began."""
        with self._lock:
            now = time.monotonic()
            if fresh or now - self._at > self._FRESH_S:
                there = {int(one) for one in os.listdir("/proc") if one.isdecimal()}
                self._first = {pid: self._first.get(pid, now) for pid in there}
                settled = {} if fresh else self._found
                looked = (
                    (settled.get(pid) if now - since > self._SETTLED_S else None) or look(pid)
                    for pid, since in self._first.items()
                )
                self._found = {one.pid: one for one in looked if one is not None}
                self._at = time.monotonic()
            return self._found


PROCESSES = Processes()


class Run:
    """A run on its target, by its directory."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.away = directory.with_name(f"{directory.name}.away")
        """Where its directory is after it was renamed."""
        self.seen: dict[int, Process] = {}
        """Every process that was ever found to be the run's, or to follow it."""

    def found(self, victim: Victim) -> Process | None:
        """The process that plays this part now."""
        there = PROCESSES.now()
        mine = self._mine(there)
        self.seen |= {one.pid: one for one in mine}
        parts = dict(self._parts(there, mine))
        self.seen |= {one.pid: one for one in parts.values()}
        return parts.get(victim)

    def left(self) -> list[Process]:
        """Its processes that live still."""
        there = PROCESSES.now(fresh=True)
        setting = self._setting
        marked = [one for one in there.values() if one.has(setting)]
        known = [one for one in self.seen.values() if one.lives()]
        return list({one.pid: one for one in (*self._mine(there), *marked, *known)}.values())

    @property
    def _setting(self) -> bytes:
        """The command's, and everything's that it starts."""
        return b"OPTIBID_RUN=" + os.fsencode(self.directory) + b"/"

    def kill(self, victim: Victim) -> bool:
        """Kill the one process; False while there is none that plays this part."""
        process = self._launcher() if victim is Victim.LAUNCHER else self.found(victim)
        if process is None or not process.lives():
            return False
        with suppress(ProcessLookupError):
            os.kill(process.pid, signal.SIGKILL)
            return True
        return False

    def destroy(self, victim: Victim) -> bool:
        """Do to the directory what the victim says; False when it isn't there."""
        if not self.directory.is_dir():
            return False
        if victim is Victim.REMOVED:
            shutil.rmtree(self.directory, ignore_errors=True)
        elif victim is Victim.RENAMED:
            self.directory.rename(self.away)
        else:
            for one in self.directory.iterdir():
                one.unlink(missing_ok=True)
        self.found(victim)  # who is to be gone in the end
        return True

    def _mine(self, there: dict[int, Process]) -> list[Process]:
        name = os.fsencode(self.directory)
        return [
            one
            for one in there.values()
            if any(word in (name, name + b"/wrapper") or word.startswith(name + b"/out")
                   for word in one.arguments)
        ]  # fmt: skip

    def _parts(
        self, there: dict[int, Process], mine: list[Process]
    ) -> Iterator[tuple[Victim, Process]]:
        script = os.fsencode(self.directory) + b"/wrapper"
        shells = {one.pid: one for one in mine if script in one.arguments}
        for one in mine:
            ran = one.arguments[0].rpartition(b"/")[2] if one.arguments else b""
            if one.pid in shells and one.parent not in shells:
                yield Victim.WRAPPER, one
            elif ran == b"tail" and one.parent in there:
                yield Victim.TAIL, one
                yield from self._following(there, one)
        for one in there.values():
            if one.parent not in shells or one.pid in shells:
                continue
            if one.session == one.pid:
                yield Victim.COMMAND, one
                yield Victim.INNER, shells[one.parent]
            elif one.arguments[:1] == (b"dd",):
                yield Victim.DD, one
                yield Victim.SINK, self._child_of_main(shells, one.parent)

    def _following(
        self, there: dict[int, Process], tail: Process
    ) -> Iterator[tuple[Victim, Process]]:
        shell = there[tail.parent]
        if shell.arguments[:1] and shell.arguments[0].endswith(b"sh"):
            yield Victim.FOLLOW, shell
            for one in there.values():
                if one.parent == shell.pid and one.arguments == shell.arguments:
                    yield Victim.WATCHER, one

    def _child_of_main(self, shells: dict[int, Process], pid: int) -> Process:
        """The wrapper's own child above this process."""
        one = shells[pid]
        while one.parent in shells and shells[one.parent].parent in shells:
            one = shells[one.parent]
        return one

    def _launcher(self) -> Process | None:
        try:
            number, born, *_ = (self.directory / "launcher.pid").read_text().split()
        except (OSError, ValueError):
            return None
        for one in PROCESSES.now(fresh=True).values():
            if str(one.born) == born and one.number_inside() == int(number):
                return one
        return None
