"""Who holds a journal: one engine at a time, with an epoch that each take-over raises. Pure."""

from __future__ import annotations

import os
import platform
import secrets
import shlex
import signal
import time
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path

from optibid_console.journal.journal import JournalError
from optibid_console.launch_clock import format_span

BEAT_S = 1.0
"""How often an engine says that it holds its journal, in seconds."""
SILENT_S = 5.0
"""An engine without a beat for so long is silent: suspended, or stuck on its disk."""


@dataclass(frozen=True, slots=True)
class EngineId:
    """An engine, told apart from every other one that ever was."""

    token: str
    """Random: a process that comes back under the same number is another engine."""
    host: str
    pid: int
    boot_id: str
    born: str = ""
    """The process's start time in clock ticks since the boot (proc(5), stat, field 22)."""

    def of_another_machine(self) -> EngineId:
        """One that shares no machine with any other: what is elsewhere is judged by its beat."""
        return replace(self, host="", boot_id="")


@dataclass(frozen=True, slots=True)
class Lease:
    """The lease as the journal has it."""

    epoch: int
    holder: str
    """Who opened it; empty: nobody holds it."""
    engine: EngineId | None
    taken_at: float
    """Seconds since the epoch, UTC."""
    beat_at: float
    beat_boot_s: float
    """The last beat on the machine's own clock, which nobody sets: seconds since its boot."""


class Standing(StrEnum):
    """What a lease is worth to somebody else."""

    FREE = "free"
    DEAD = "dead"
    """Its engine is gone: it can be taken without a reason."""
    SILENT = "silent"
    LIVE = "live"


@dataclass(frozen=True, slots=True)
class Held:
    """A journal's lease and what it is worth now."""

    lease: Lease
    standing: Standing
    beat_age_s: float
    """Since its last heartbeat, by the clock of whoever keeps the journal."""


class LeaseHeld(JournalError):
    """Another engine holds the journal."""

    exit_code = 3

    def __init__(
        self, lease: Lease, standing: Standing, now: float, *, named: bool = False
    ) -> None:
        """`named`: it is only taken by who says whose it is."""
        of = f" --of {shlex.quote(lease.holder)}" if named else ""
        super().__init__(
            f"{holding(lease, standing, now)}: `attach` comes to its window, "
            f'`run --watch` shows what is recorded, `run --take-over "REASON"{of}` takes it over'
        )
        self.lease = lease
        self.standing = standing


class Deposed(JournalError):
    """This engine has lost the journal's lease: nothing that it does counts any more."""

    exit_code = 3

    def __init__(self, lease: Lease | None) -> None:
        self.holder = lease.holder if lease else ""
        self.since = lease.taken_at if lease else 0.0
        at = time.strftime("%H:%M:%SZ", time.gmtime(self.since))
        who = self.holder or "another engine"
        super().__init__(f"{who} took this window over at {at}: this engine only watches now")


def standing(lease: Lease, now: float, here: EngineId, alive: bool, boot_s: float) -> Standing:
    """What `lease` is worth at `now`, seen from the engine `here`.

    On the same machine a lease dies with its process (`alive`) or with the boot, whatever
    the clock says; on another one after `SILENT_S` without a beat.
    """
    engine = lease.engine
    if engine is None or not lease.holder:
        return Standing.FREE
    if engine.host != here.host:
        return Standing.DEAD if now - lease.beat_at > SILENT_S else Standing.LIVE
    if engine.boot_id != here.boot_id or not alive:
        return Standing.DEAD
    return Standing.SILENT if boot_s - lease.beat_boot_s > SILENT_S else Standing.LIVE


def standing_here(lease: Lease) -> Standing:
    """The standing of a lease now, seen from this process."""
    alive = lease.engine is not None and is_alive(lease.engine)
    return standing(lease, time.time(), this_engine(), alive, boot_clock_s())


def holding(lease: Lease, standing: Standing, now: float) -> str:
    """Who holds it, since when, and how its engine is, for a person."""
    engine = lease.engine
    where = f" (process {engine.pid} on {engine.host})" if engine else ""
    at = time.strftime("%H:%M:%SZ", time.gmtime(lease.taken_at))
    said = f"the engine{where} that {lease.holder} started has held this window since {at}"
    if standing is Standing.LIVE:
        return said
    return f"{said}; its last heartbeat was {format_span(max(now - lease.beat_at, 0.0))} ago"


def this_engine() -> EngineId:
    """This process as an engine; a new one each time."""
    pid = os.getpid()
    return EngineId(secrets.token_hex(8), platform.node(), pid, boot_id(), _born(pid))


def is_alive(engine: EngineId) -> bool:
    """Whether its process is there, on this machine; suspended ones are."""
    try:
        os.kill(engine.pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return _born(engine.pid) == engine.born and not _is_zombie(engine.pid)


def end_silent(engine: EngineId) -> bool:
    """Kill an engine on this machine that was suspended, and wait until it is gone; False
    when it isn't here. Its runs go on. For a take-over that its lock on the file stops."""
    here = this_engine()
    if (engine.host, engine.boot_id) != (here.host, here.boot_id) or not is_alive(engine):
        return False
    os.kill(engine.pid, signal.SIGKILL)
    until = time.monotonic() + SILENT_S
    while is_alive(engine) and time.monotonic() < until:
        time.sleep(0.01)  # `serve` calls this in a thread
    return True


def boot_clock_s() -> float:
    """Seconds since the boot, suspended ones too, where the system has such a clock."""
    clock = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
    return time.clock_gettime(clock)


def boot_id() -> str:
    """This machine's boot id (Linux: random(4)), empty where there is none."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""


def _born(pid: int) -> str:
    return _stat(pid, 19)


def _is_zombie(pid: int) -> bool:
    return _stat(pid, 0) == "Z"


def _stat(pid: int, field: int) -> str:
    """A field of proc(5)'s stat, counted from the state on; empty where there is no /proc."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()[field]
    except (OSError, IndexError):
        return ""
