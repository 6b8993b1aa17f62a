"""Playing attacked windows: each on a target of its kind, and the blow to its run."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from tests.crash.place import container_target
from tests.servers.forking import ForkServer
from tests.servers.sshd import ssh_target
from tests.soak.attack_plan import (
    DIRECTORY,
    GRACE_S,
    TIMEOUT_S,
    AttackedWindow,
    On,
    Victim,
)
from tests.soak.plan import Round
from tests.soak.playing import Link, Played, befall_link, within
from tests.soak.victims import Process, Run

_LIMIT_S = TIMEOUT_S + GRACE_S + 15.0
"""With what it takes to launch on a busy machine."""
_GONE_S = 10.0
"""Within this time after the outcome a run's last process is gone."""
_LOOK_S = 0.005


def _hurry() -> None:
    """Go before the engines, which keep every core busy: else the blow comes after the run."""
    with suppress(PermissionError):
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), -10)


_STRIKING = ThreadPoolExecutor(1, "striking", _hurry)

RUNBOOK = """
[window]
name = "Window {number}"
version = "v1"
stack = "directory"

[targets.here]
kind = "local"
run_dir = "{dir}/runs"
cwd = "{dir}"

{targets}

[[phases]]
id = "one"
title = "First phase"
at = "T-5m"

[[phases.steps]]
id = "1.1"
title = "Print"
on = "{on}"
record = "previous.release"
run = '''echo launched >>{dir}/launches
echo >{dir}/begins
{command}'''
timeout = "{timeout:g}s"

[[actions]]
id = "rollback"
title = "Rollback"
key = "R"
needs_facts = []

[[actions.steps]]
id = "R1"
title = "Undo"
on = "{on}"
run = "echo undone"
undoes = ["1.1"]
"""


@dataclass(frozen=True, slots=True)
class Docker:
    """A Docker, and a container there that sees the windows' directories."""

    url: str
    container: str


@dataclass
class Attacked(Played):
    """An attacked window while it is played, and what became of it."""

    docker: Docker = field(kw_only=True)
    limit_s: float = _LIMIT_S
    struck: bool = False
    """Whether the blow came before the step had its outcome."""
    run: Run | None = None
    """The run that was struck."""
    outcome: str = ""
    """How the run ended, as its window says."""
    left: list[Process] = field(default_factory=list)
    """The processes of its runs that live after their end."""

    @property
    def attacked(self) -> AttackedWindow:
        assert isinstance(self.window, AttackedWindow)
        return self.window

    def text(self, link: Link) -> str:
        on, path = self.attacked.on, self.path
        far = on in (On.SSH, On.FAR_CONTAINER)
        tables = ""
        if far:
            tables = ssh_target(path, link.target, "there" if on is On.SSH else "far")
        if on in (On.CONTAINER, On.FAR_CONTAINER):
            docker = self.docker
            tables += container_target(path, docker.container, docker.url, "far" if far else "")
        return RUNBOOK.format(
            number=self.window.number, dir=path, targets=tables,
            on="there" if tables else "here", command=self.window.command(), timeout=TIMEOUT_S,
        )  # fmt: skip

    async def play(self) -> None:
        blow = asyncio.create_task(self._strike())
        await super().play()
        with suppress(asyncio.CancelledError):
            blow.cancel()
            await blow
        for run in {one.directory: one for one in (self._newest(), self.run) if one}.values():
            self.left += await self._processes_left(run)

    async def _strike(self) -> None:
        window = self.attacked
        launching = window.victim is Victim.LAUNCHER
        if not launching:
            await self.begun.wait()
            if await within(self.settled, window.attack_at_s):
                return
        loop = asyncio.get_running_loop()
        while not self.settled.is_set():
            run = self._newest()
            if run is not None and (not launching or (run.directory / "launcher.pid").exists()):
                if launching:
                    await asyncio.sleep(window.attack_at_s)
                self.run = run
                hit = loop.run_in_executor(_STRIKING, _hit, run, window.victim)
                try:
                    self.struck = await asyncio.shield(hit)
                except asyncio.CancelledError:  # the window has ended; the blow falls all the same
                    self.struck = await hit
                    raise
                if self.struck:
                    return
            # a new process tells nobody that it is there
            await asyncio.sleep(_LOOK_S)

    def _newest(self) -> Run | None:
        with suppress(OSError):
            names = [one for one in os.listdir(self.path / "runs") if not one.startswith(".")]
            found = [self.path / "runs" / one for one in names if not one.endswith(".away")]
            if found:
                return Run(max(found, key=lambda one: int(one.name.rpartition("-")[2])))
        return None

    async def _processes_left(self, run: Run) -> list[Process]:
        until = time.monotonic() + _GONE_S
        while left := await asyncio.to_thread(run.left):
            if time.monotonic() > until:
                for one in left:  # told, and then gone: they would be in the other windows' way
                    with suppress(ProcessLookupError):
                        os.kill(one.pid, signal.SIGKILL)
                return left
            await asyncio.sleep(0.1)
        return []


def _hit(run: Run, victim: Victim) -> bool:
    return run.destroy(victim) if victim in DIRECTORY else run.kill(victim)


async def play_attacks(
    link: Link,
    one: Round,
    room: Path,
    forks: ForkServer,
    environ: Mapping[str, str],
    docker: Docker,
) -> list[Attacked]:
    """All windows of a round at the same time, the blows to their runs and to their link."""
    played = []
    for window in one.windows:
        assert isinstance(window, AttackedWindow)
        path = room / f"w{window.number}"
        noting = window.noting(str(path / "done"))
        played.append(Attacked(noting, path, forks, environ, docker=docker))
    for each in played:
        each.prepare(link)
    await asyncio.gather(*(each.start_engine() for each in played))
    faults = asyncio.gather(*(befall_link(link, fault, played) for fault in one.faults))
    await asyncio.gather(*(each.play() for each in played))
    await faults
    return played
