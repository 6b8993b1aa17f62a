"""Every process of a run killed alone, and its directory taken away: the run ends, and truly.

Each kind of target has a window in which all of it happens at the same time, a step for each
victim. A step prints a line, waits for its gate, prints more and then the line that it records.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from optibid_console import entries as e
from optibid_console.codec import to_plain
from optibid_console.engine.driving import Patience
from optibid_console.engine.ledger import Ledger
from optibid_console.engine.running import StepRunner
from optibid_console.feed.hub import Hub
from optibid_console.journal.lease import this_engine
from optibid_console.journal.spilling import SpillingJournal
from optibid_console.journal.sqlite import SqliteJournal
from optibid_console.runbook.model import Runbook, Step, TargetSpec, Window
from optibid_console.runbook.secrets import Secrets
from optibid_console.targets.container import ContainerTarget
from optibid_console.targets.local import LocalTarget
from optibid_console.targets.shell_target import ShellTarget
from optibid_console.targets.ssh import SshTarget
from probes.probe import Reading, Seconds
from tests.servers.docker import DockerServer
from tests.servers.sshd import Keys, OpenSshServer
from tests.targets import victims
from tests.targets.victims import DIRECTORY, PROCESSES, Machine, Watch

pytestmark = [
    pytest.mark.server("sshd"),
    pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small file system needs root"),
]

PATIENCE = Patience(grace_s=60.0, quiet_s=2.0)
"""The grace is long, since it is only reached by what hangs, and then the outcome is unknown."""
TIMEOUT_S = 40.0
"""Long beside other work: what hangs would hang for as long as the test waits."""
SHORT_S = 12.0
"""Long enough for the blow to come before it, beside other work."""
LINE = "new release"
SUCCEEDED, FAILED, UNKNOWN = e.Outcome.SUCCEEDED, e.Outcome.FAILED, e.Outcome.UNKNOWN


@dataclass(frozen=True, slots=True)
class Case:
    """What is done to a run, and how its step has to end."""

    victim: str
    outcome: e.Outcome
    reason: str = ""
    """Words of its reason."""
    lost: str = ""
    """Words of what is said of its output; empty: nothing of it is lost."""
    more: int = 0
    """Bytes that it prints when its gate is open."""
    opens: bool = True
    """Whether its gate opens; else it runs out of time."""
    aborts: bool = False
    """Whether it is aborted, with its gate closed."""
    on: str = "here"

    @property
    def name(self) -> str:
        return self.victim.replace(" ", "-").replace("'", "") + (
            "-aborted" if self.aborts else "" if self.opens else "-late"
        )

    @property
    def fact(self) -> str | None:
        return LINE if self.outcome is SUCCEEDED else None


KILLED = "a process that writes it was killed"
AWAY = "its run directory was removed or emptied"
CASES = [
    Case("wrapper", SUCCEEDED),
    Case("guard", SUCCEEDED),
    Case("sink", FAILED, "isn't recorded", "the process that keeps it was killed"),
    Case("dd", FAILED, "isn't recorded", f"up to 65,536 bytes of its output lost: {KILLED}"),
    Case("command", FAILED, "killed by KILL"),
    Case("inner", UNKNOWN, "gone from"),
    Case("tail", SUCCEEDED, more=200_000),
    Case("launcher", SUCCEEDED, more=200_000),
    Case("follow shell", SUCCEEDED, more=200_000),
    Case("watcher", SUCCEEDED),
    Case("removed", FAILED, "isn't recorded", AWAY),
    Case("renamed", FAILED, "isn't recorded", AWAY),
    Case("emptied", FAILED, "isn't recorded", AWAY),
    Case("read-only", FAILED, "isn't recorded", "can't be written", more=600_000),
    Case("removed", e.Outcome.TIMED_OUT, lost=AWAY, opens=False),
    Case("emptied", e.Outcome.TIMED_OUT, lost=AWAY, opens=False),
    Case("wrapper", e.Outcome.TIMED_OUT, opens=False),
    Case("inner", e.Outcome.TIMED_OUT, opens=False),
    Case("removed", e.Outcome.ABORTED, "by ann", AWAY, aborts=True),
    Case("inner", e.Outcome.ABORTED, "by ann", aborts=True),
    Case("tell", FAILED, "isn't recorded", KILLED, on="apart"),
    Case("tell's keeper", SUCCEEDED, on="apart"),
    Case("tell's dd", FAILED, "isn't recorded", KILLED, on="apart"),
    Case("full", FAILED, "isn't recorded", "is full", more=600_000, on="small"),
]
KINDS = [
    "local",
    "ssh",
    pytest.param("container", marks=pytest.mark.server("docker")),
    pytest.param("container over ssh", marks=pytest.mark.server("docker")),
]


@dataclass(frozen=True, slots=True)
class Scene:
    """A window on one target; what its steps leave is in `room`."""

    ledger: Ledger
    steps: StepRunner
    machines: dict[str, Machine]
    room: Path
    watch: Watch

    async def play(self, case: Case) -> e.StepFinished:
        """Start the step, do it the harm, open its gate, and wait for its outcome."""
        gate, launches = self.room / f"{case.name}.gate", self.room / f"{case.name}.launches"
        command = (
            f"echo launched >>'{launches}'; echo one; echo err >&2; "
            f"until [ -e '{gate}' ]; do sleep 0.2; done; echo old release; "
            f"head -c {case.more} /dev/zero | tr '\\0' x; echo; echo {LINE}"
        )
        timeout = Seconds(TIMEOUT_S if case.opens else SHORT_S)
        step = Step(
            case.name, case.name, on=case.on, run=command, record=f"of.{case.name}", timeout=timeout
        )
        live = await self.steps.begin(step, "ann")
        ends = asyncio.create_task(self.steps.see_through(live))
        try:
            async with asyncio.timeout(TIMEOUT_S + PATIENCE.grace_s):
                harmed = asyncio.create_task(self.harmed(case, live.run_id))
                await asyncio.wait({harmed, ends}, return_when=asyncio.FIRST_COMPLETED)
                await asyncio.wait({harmed}, timeout=5)  # the blow itself may end the run
                if not harmed.done():
                    harmed.cancel()
                    pytest.fail(f"{case.name} ended before it was struck: {ends.result()}")
                await harmed
                if case.aborts:
                    await self.steps.abort("ann", live.run_id)
                elif case.opens:
                    gate.touch()
                await ends
                await self.nothing_is_left(live.run_id, self.machines[case.on].runs)
        except TimeoutError:
            pytest.fail(f"{case.name} never ends: {self.ledger.state.runs[live.run_id]}")
        finally:
            ends.cancel()
        assert launches.read_text() == "launched\n"
        (finished,) = await self.finished(live.run_id)
        return finished

    async def harmed(self, case: Case, run_id: str) -> None:
        """Wait until the command has printed and is followed, then do it."""
        run = self.machines[case.on].run(run_id)
        while not ((run / "out").exists() and b"one\n" in (run / "out").read_bytes()):
            await asyncio.sleep(0.02)
        while not (
            PROCESSES["tail"](run, await self.watch.next())
            and self.ledger.state.runs[run_id].launched
        ):
            continue
        if case.victim in DIRECTORY:
            await asyncio.to_thread(DIRECTORY[case.victim], self.machines[case.on], run_id)
            return
        first = await self.killed(case, run)
        if case.victim == "follow shell":  # the second one launched nothing
            await self.killed(case, run, first)

    async def killed(self, case: Case, run: Path, but: int = 0) -> int:
        """Kill the victim, another one than `but`; returns its number. One that has ended since it
        was seen has a successor, which is looked for again."""
        while True:
            pid = await self.victim(case, run)
            if pid == but:
                continue
            try:
                victims.kill(pid)
            except ProcessLookupError:
                continue
            return pid

    async def victim(self, case: Case, run: Path) -> int:
        """The process, once it stays: shells begin others that end at once."""
        seen = None
        while True:
            pid = PROCESSES[case.victim](run, await self.watch.next())
            if pid is not None and pid == seen:
                return pid
            seen = pid

    async def nothing_is_left(self, run_id: str, runs: str) -> None:
        while victims.left_of(run_id, runs, await self.watch.next()):
            continue

    async def finished(self, run_id: str) -> list[e.StepFinished]:
        facts = [one.fact for one in await self.ledger.read(0, 10_000)]
        return [one for one in facts if isinstance(one, e.StepFinished) and one.run_id == run_id]


@asynccontextmanager
async def opened(
    kind: str, room: Path, request: pytest.FixtureRequest
) -> AsyncIterator[dict[str, ShellTarget]]:
    """The target three times: as usual, with stderr told apart, on a small disk."""
    async with AsyncExitStack() as stack:
        made: ShellTarget = LocalTarget(TargetSpec("machine", kind="local"))
        spec = TargetSpec("", kind="local")
        if "ssh" in kind:
            keys = Keys(room)
            sshd = OpenSshServer(keys, "SetEnv SHLVL=2", "MaxSessions 200", "MaxStartups 100")
            stack.callback(sshd.stop)
            keys.know(sshd.port)
            spec = keys.spec(sshd.port)
            made = SshTarget(spec, lambda link: None)
        stack.push_async_callback(made.close)
        host = made if "ssh" in kind else None
        if "container" in kind:
            docker: DockerServer = request.getfixturevalue("docker_server")
            box = request.getfixturevalue("box")
            spec = TargetSpec("", kind="container", container=box, docker=docker.url)
        targets = {}
        for name in ("here", "apart", "small"):
            runs = {"run_dir": str(room / ("small" if name == "small" else "runs"))}
            stderr = {"stderr": "apart"} if name == "apart" else {}
            cap = {"output_cap": 1 << 20}
            one = replace(spec, id=name, **runs, **stderr, **cap)  # type: ignore[arg-type]
            if "container" in kind:
                targets[name] = ContainerTarget(one, lambda link: None, host)
            elif "ssh" in kind:
                targets[name] = SshTarget(one, lambda link: None)
            else:
                targets[name] = LocalTarget(one)
            stack.push_async_callback(targets[name].close)
        yield targets


@asynccontextmanager
async def small_disk(machine: Machine) -> AsyncIterator[None]:
    """A disk of 1 MB for the run directories."""
    Path(machine.runs).mkdir()
    machine.mount("-t", "tmpfs", "-o", "size=1m,mode=0777", "tmpfs", machine.runs)
    try:
        yield
    finally:
        machine.unmount(machine.runs)


@pytest.fixture(params=KINDS)
async def scene(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Scene]:
    async with AsyncExitStack() as stack:
        targets = await stack.enter_async_context(opened(request.param, tmp_path, request))
        machines = {name: Machine(str(tmp_path / "runs")) for name in ("here", "apart")}
        machines["small"] = Machine(str(tmp_path / "small"))
        if "container" in request.param:
            docker: DockerServer = request.getfixturevalue("docker_server")
            pid = docker.cli("inspect", "-f", "{{.State.Pid}}", request.getfixturevalue("box"))
            inside = (Path(f"/proc/{pid}/root"), ("nsenter", "-m", "-t", pid))
            machines = {name: Machine(one.runs, *inside) for name, one in machines.items()}
        await stack.enter_async_context(small_disk(machines["small"]))
        path = tmp_path / "w.journal"
        journal = SpillingJournal(await SqliteJournal.open(path, create=True), path)
        stack.push_async_callback(journal.close)
        await journal.acquire("ann", this_engine())
        ledger = Ledger(journal, Hub(), Secrets())
        specs = {name: TargetSpec(name, kind="local") for name in targets}
        runbook = Runbook(Window("victims", "v1"), targets=specs)
        plain = to_plain(runbook)
        await ledger.record(e.WindowOpened("window", "victims", "v1", "", 0.0, 1.0, "", plain))
        steps = StepRunner(runbook, ledger, targets, Secrets(), _no_probe, {}, PATIENCE)
        watch = Watch()
        watching = asyncio.create_task(watch.run())
        stack.callback(watching.cancel)
        stack.callback(_tidy, machines)
        yield Scene(ledger, steps, machines, tmp_path, watch)


def _tidy(machines: dict[str, Machine]) -> None:
    """Leave no process and no mount behind, whatever the test came to."""
    for machine in machines.values():
        for one in victims.left_of("", machine.runs, victims.all_processes()):
            with contextlib.suppress(ProcessLookupError):
                victims.kill(one.pid)
    machines["here"].unmount_if_there(f"{machines['here'].runs}/window-read-only-1")


async def _no_probe(name: str) -> Reading:
    raise AssertionError(f"no step names evidence, and {name} was asked")


async def test_whatever_part_of_a_run_is_lost_its_step_ends_and_says_the_truth(
    scene: Scene,
) -> None:
    done = await asyncio.gather(*map(scene.play, CASES))
    for case, finished in zip(CASES, done, strict=True):
        seen = f"{case.name}: {finished}"
        assert finished.outcome is case.outcome, seen
        assert case.reason in finished.reason, seen
        assert case.lost in finished.reason, seen
        assert ("lost" in finished.reason) == bool(case.lost), seen
        assert scene.ledger.state.facts.get(f"of.{case.name}") == case.fact, seen
