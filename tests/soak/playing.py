"""Playing the plan: real engines and screens, real sshd behind links, and what befalls them."""

from __future__ import annotations

import asyncio
import os
import signal
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from tests.servers.forking import Forked, ForkServer
from tests.servers.namespaces import Cable
from tests.servers.sshd import Keys, OpenSshServer
from tests.soak.person import Person
from tests.soak.plan import Fault, Kind, Round, Window

WINDOW_LIMIT_S = 180.0

RUNBOOK = """
[window]
name = "Window {number}"
version = "v1"
stack = "directory"

[targets.there]
kind = "ssh"
host = "{address}"
port = {port}
user = "{user}"
identity = "{identity}"
known_hosts = "{known_hosts}"
run_dir = "{dir}/runs"
cwd = "{dir}"

[[phases]]
id = "one"
title = "First phase"
at = "T-5m"

[[phases.steps]]
id = "1.1"
title = "Print"
on = "there"
run = '''echo launched >>{dir}/launches
echo >{dir}/begins
{command}'''
timeout = "5m"

[[actions]]
id = "rollback"
title = "Rollback"
key = "R"
needs_facts = []

[[actions.steps]]
id = "R1"
title = "Undo"
on = "there"
run = "echo undone"
undoes = ["1.1"]
"""


class Link:
    """A host behind a cable, with its sshd."""

    def __init__(self, cable: Cable, directory: Path) -> None:
        directory.mkdir()
        self.cable = cable
        keys = Keys(directory)
        self.sshd = OpenSshServer(
            keys, "MaxStartups 200", "SetEnv SHLVL=2",
            address=cable.far.address, prefix=cable.far.prefix,
        )  # fmt: skip
        keys.know(self.sshd.port, host=cable.far.address)
        self.target = keys.spec(self.sshd.port, host=cable.far.address)

    async def befall(self, fault: Fault) -> None:
        """The fault, from beginning to end."""
        if fault.kind is Kind.SSHD:
            await asyncio.to_thread(self.sshd.kill)
            await asyncio.sleep(fault.lasts_s)
            await asyncio.to_thread(self.sshd.start)
            return
        await asyncio.to_thread(self.cable.pull)
        await asyncio.sleep(fault.lasts_s)
        await asyncio.to_thread(self.cable.plug)

    def close(self) -> None:
        self.sshd.stop()
        self.cable.remove()


@dataclass
class Played:
    """A window while it is played, and what became of it."""

    window: Window
    path: Path
    forks: ForkServer
    environ: Mapping[str, str]
    """Where the console keeps its files: for who starts it without the fork server."""
    person: Person | None = None
    engine: Forked | None = None
    screen: Forked | None = None
    screens: int = 0
    """How many there were."""
    befell: Counter[Kind] = field(default_factory=Counter)
    """The faults that came before the step had its outcome."""
    under_way: int = 0
    """How many of them met the command while it ran."""
    problem: str = ""
    """Why it didn't come to its end."""
    wrongs: list[str] = field(default_factory=list)
    """What isn't right, in words."""
    checked: bool = False
    begun: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when the command runs, and when there is an outcome without that."""
    settled: asyncio.Event = field(default_factory=asyncio.Event)
    limit_s: float = WINDOW_LIMIT_S
    _restarting: asyncio.Lock = field(default_factory=asyncio.Lock)

    @property
    def journal(self) -> Path:
        return self.path / "a.journal"

    def prepare(self, link: Link) -> None:
        self.path.mkdir()
        begins = self.path / "begins"
        os.mkfifo(begins)
        pipe = os.open(begins, os.O_RDWR | os.O_NONBLOCK)  # so that its writer never waits
        asyncio.get_running_loop().add_reader(pipe, self._begins, pipe)
        (self.path / "config.toml").write_text(self.text(link))

    def text(self, link: Link) -> str:
        """Its runbook."""
        target = link.target
        return RUNBOOK.format(
            number=self.window.number, address=target.host, port=target.port, user=target.user,
            identity=target.identity, known_hosts=target.known_hosts, dir=self.path,
            command=self.window.command(),
        )  # fmt: skip

    def _begins(self, pipe: int) -> None:
        asyncio.get_running_loop().remove_reader(pipe)
        os.close(pipe)
        self.begun.set()

    def meet(self, kind: Kind) -> None:
        """Note that it happens."""
        self.befell[kind] += 1
        self.under_way += self.begun.is_set()

    async def start_engine(self) -> None:
        self.engine = await self.forks.start(
            "optibid_console.cli.main:main",
            "engine", "-c", str(self.path / "config.toml"), "--journal", str(self.journal),
            "--as", "ann", "--ready-fd", "{ready-fd}",
            cwd=self.path, log=self.path / "engine.log",
        )  # fmt: skip
        await self.engine.ready()

    async def play(self) -> None:
        """Screens and faults, until a screen has seen the end. The engine is ready."""
        await self._attach()
        if self.window.terminal:
            self.person = await asyncio.to_thread(Person, self.journal, self.environ)
        faults = [asyncio.create_task(self._befall(one)) for one in self.window.faults]
        try:
            async with asyncio.timeout(self.limit_s):
                await self._look()
        except TimeoutError:
            self.problem = f"no outcome was seen within {self.limit_s:g} s"
        finally:
            self.settled.set()
            self.begun.set()
        done = await asyncio.gather(*faults, return_exceptions=True)
        self.problem = self.problem or next((repr(one) for one in done if one), "")
        await self._last_look()
        assert self.engine is not None
        status = await self.engine.end(signal.SIGTERM)
        if status:
            self.problem = self.problem or f"the engine ended with {status}"

    async def _last_look(self) -> None:
        """The person sees the output's last line, whatever happened to her screen."""
        if self.person is None:
            return
        try:
            await asyncio.to_thread(self.person.sees, f"the end of {self.window.number}")
        except AssertionError as error:
            self.problem = self.problem or str(error)
        finally:
            await asyncio.to_thread(self.person.leave)

    async def _attach(self) -> None:
        """Start a screen, the first or the next one."""
        self.screens += 1
        self.screen = await self.forks.start(
            "tests.soak.screen:main",
            str(self.journal), str(self.path / f"screen-{self.screens}.jsonl"),
            cwd=self.path, log=self.path / "screen.log",
        )  # fmt: skip

    async def _look(self) -> None:
        """A screen after the other, until one has seen all."""
        assert self.screen is not None
        while status := await asyncio.shield(self.screen.ended):
            if status != -signal.SIGKILL:
                self.problem = f"a screen ended with {status}"
                return
            await self._attach()

    async def _befall(self, fault: Fault) -> None:
        if not fault.launching:
            await self.begun.wait()
        if await within(self.settled, fault.at_s):
            return
        if fault.kind is Kind.SCREEN:
            assert self.screen is not None
            if not self.screen.ended.done():
                self.meet(fault.kind)
                await self.screen.end()
                if self.person is not None:
                    await asyncio.to_thread(self.person.is_cut_off)
            return
        async with self._restarting:
            if self.settled.is_set():
                return
            assert self.engine is not None
            self.meet(fault.kind)
            await self.engine.end()
            await asyncio.sleep(fault.lasts_s)
            await self.start_engine()


async def within(event: asyncio.Event, wait_s: float) -> bool:
    """Whether it is set before that time is over."""
    with suppress(TimeoutError):
        await asyncio.wait_for(event.wait(), wait_s)
    return event.is_set()


async def first_of(events: Sequence[asyncio.Event]) -> None:
    """Wait until one of them is set."""
    waiting = {asyncio.create_task(one.wait()) for one in events}
    _, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    for one in waiting:
        one.cancel()


async def play_round(
    link: Link, one: Round, room: Path, forks: ForkServer, environ: Mapping[str, str]
) -> list[Played]:
    """All windows of a round at the same time, and what befalls their link."""
    played = [Played(window, room / f"w{window.number}", forks, environ) for window in one.windows]
    for each in played:
        each.prepare(link)
    await asyncio.gather(*(each.start_engine() for each in played))
    faults = asyncio.gather(*(befall_link(link, fault, played) for fault in one.faults))
    await asyncio.gather(*(each.play() for each in played))
    await faults
    return played


async def befall_link(link: Link, fault: Fault, played: Sequence[Played]) -> None:
    """A fault of the link, for all windows that run over it."""
    if not fault.launching:
        await first_of([one.begun for one in played])
    await asyncio.sleep(fault.at_s)
    for one in played:
        if not one.settled.is_set():
            one.meet(fault.kind)
    await link.befall(fault)
