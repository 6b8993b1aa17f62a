"""The parts of a run that a test may kill or take away, and how each is found."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

_LOOK_S = 0.1


@dataclass(frozen=True, slots=True)
class Machine:
    """Where runs are: the file system as the target sees it, seen from here."""

    runs: str
    """The directory of all runs, as the target calls it."""
    root: Path = Path("/")
    """What the target's root is here."""
    enter: tuple[str, ...] = field(default=())
    """The command that enters its mount namespace."""

    def run(self, run_id: str) -> Path:
        return self.here(f"{self.runs}/{run_id}")

    def here(self, path: str) -> Path:
        return self.root / path.lstrip("/")

    def mount(self, *words: str) -> None:
        subprocess.run([*self.enter, "mount", *words], check=True)

    def unmount(self, path: str) -> None:
        subprocess.run([*self.enter, "umount", "--lazy", path], check=True)

    def unmount_if_there(self, path: str) -> None:
        subprocess.run([*self.enter, "umount", "--lazy", path], check=False, stderr=-3)


@dataclass(frozen=True, slots=True)
class Process:
    pid: int
    parent: int
    name: str
    words: str

    @property
    def marks(self) -> str:
        """The variables by which a run's processes are known."""
        with contextlib.suppress(OSError):
            return Path(f"/proc/{self.pid}/environ").read_bytes().decode(errors="replace")
        return ""


def all_processes() -> list[Process]:
    """Every process that is no zombie."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            name, _, rest = (entry / "stat").read_text().rpartition(")")
            state, parent = rest.split()[:2]
            words = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            if state not in "ZX":
                found.append(Process(int(entry.name), int(parent), name.partition("(")[2], words))
    return found


class Watch:
    """Looks at all processes again and again, once for all who ask."""

    def __init__(self) -> None:
        self._seen: list[Process] = []
        self._next = asyncio.Event()

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            self._seen = await asyncio.to_thread(all_processes)
            seen, self._next = self._next, asyncio.Event()
            seen.set()
            await asyncio.sleep(_LOOK_S)

    async def next(self) -> list[Process]:
        """What there is at the next look."""
        await self._next.wait()
        return self._seen


def left_of(run_id: str, runs: str, processes: list[Process]) -> list[Process]:
    """Processes that belong to the run, by their environment or their arguments; of no run
    id: to any."""
    place = f"{runs}/{run_id}/" if run_id else f"{runs}/"
    marks = (f"OPTIBID_RUN={place}", f"OPTIBID_KEEPS={place}")
    return [one for one in processes if place in one.words or any(m in one.marks for m in marks)]


def pid_in(file: Path) -> int | None:
    with contextlib.suppress(OSError, IndexError, ValueError):
        return int(file.read_text().split()[0])
    return None


def _of_file(name: str) -> Callable[[Path, list[Process]], int | None]:
    return lambda run, _: pid_in(run / name)


def _guard(run: Path, processes: list[Process]) -> int | None:
    """The one that goes on reading when the sink is killed."""
    wrapper, inner = pid_in(run / "wrapper.pid"), pid_in(run / "status")
    children = [one.pid for one in processes if one.parent == wrapper]
    return next((one for one in children if inner in children and one != inner), None)


def _sink(run: Path, processes: list[Process]) -> int | None:
    guard = _guard(run, processes)
    return next((one.pid for one in processes if guard and one.parent == guard), None)


def _dd(run: Path, processes: list[Process]) -> int | None:
    sink = _sink(run, processes)
    found = (one.pid for one in processes if sink and one.parent == sink and one.name == "dd")
    return next(found, None)


def _tells(run: Path, processes: list[Process]) -> list[int]:
    """The loop that keeps stderr, and the one that begins it anew."""
    inner, command = pid_in(run / "status"), pid_in(run / "command.pid")
    outer = [one.pid for one in processes if one.parent == inner and one.pid != command]
    nested = [one.pid for one in processes if outer and one.parent == outer[0]]
    return [*outer, *nested] if len(outer) == len(nested) == 1 else []


def _tell_dd(run: Path, processes: list[Process]) -> int | None:
    """The one that waits for a piece of stderr."""
    tells = _tells(run, processes)
    below, found = tells[1:], None
    for _ in range(5):
        children = [one for one in processes if one.parent in below]
        readers = [one.pid for one in children if one.words.startswith("dd bs=4000")]
        found = next(iter(readers), found)
        below = [one.pid for one in children]
    return found


def _tail(run: Path, processes: list[Process]) -> Process | None:
    """The one whose shell is there: where a shell was killed its `tail` stays for a moment."""
    name = "/".join((*run.parts[-5:], "out"))  # as the target calls it
    shells = {one.pid for one in processes if one.name == "sh"}
    tails = (one for one in processes if one.name == "tail" and name in one.words)
    return next((one for one in tails if one.parent in shells), None)


PROCESSES: dict[str, Callable[[Path, list[Process]], int | None]] = {
    "wrapper": _of_file("wrapper.pid"),
    "guard": _guard,
    "sink": _sink,
    "dd": _dd,
    "command": _of_file("command.pid"),
    "inner": _of_file("status"),
    "tell": lambda run, all_: (_tells(run, all_) or [None, None])[1],
    "tell's keeper": lambda run, all_: (_tells(run, all_) or [None])[0],
    "tell's dd": _tell_dd,
    "tail": lambda run, all_: getattr(_tail(run, all_), "pid", None),
    "launcher": _of_file("launcher.pid"),
    "follow shell": lambda run, all_: getattr(_tail(run, all_), "parent", None),
    "watcher": lambda run, all_: next(
        (
            one.pid
            for one in all_
            if one.parent == pid_in(run / "launcher.pid")
            and one.name == "sh"
            and one.pid != pid_in(run / "wrapper.pid")
        ),
        None,
    ),
}


def kill(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)


def remove(machine: Machine, run_id: str) -> None:
    shutil.rmtree(machine.run(run_id))


def rename(machine: Machine, run_id: str) -> None:
    run = machine.run(run_id)
    run.rename(run.with_name(f"{run_id}.away"))


def empty(machine: Machine, run_id: str) -> None:
    for one in machine.run(run_id).iterdir():
        one.unlink()


def make_read_only(machine: Machine, run_id: str) -> None:
    path = f"{machine.runs}/{run_id}"
    machine.mount("--bind", path, path)
    machine.mount("-o", "remount,bind,ro", path)


def fill(machine: Machine, run_id: str) -> None:
    """Leave no byte on the disk of the run directory."""
    with contextlib.suppress(OSError), machine.here(f"{machine.runs}/fill").open("wb") as file:
        while True:
            file.write(bytes(4096))
            file.flush()


DIRECTORY: dict[str, Callable[[Machine, str], None]] = {
    "removed": remove,
    "renamed": rename,
    "emptied": empty,
    "read-only": make_read_only,
    "full": fill,
}
