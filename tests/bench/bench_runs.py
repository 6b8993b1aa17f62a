"""One `true` against `ssh` over a multiplexed connection, and 1,000,000 lines against `ssh cat`.

Both use one OpenSSH sshd on this machine, one after the other in turns, so that whatever
else goes on slows both. The host's start-up files are left out of both: bash reads ~/.bashrc
for every command of a session unless it thinks that it is nested.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import sys
import tempfile
import time
from asyncio.subprocess import DEVNULL, PIPE
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from dataclasses import replace
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE.parent.parent)]

from figures import Figures  # noqa: E402  # a benchmark is a script beside it

from optibid_console.codec import to_plain  # noqa: E402
from optibid_console.engine.ledger import Ledger  # noqa: E402
from optibid_console.engine.running import StepRunner  # noqa: E402
from optibid_console.entries import Outcome, WindowOpened  # noqa: E402
from optibid_console.feed.hub import Hub  # noqa: E402
from optibid_console.journal.lease import this_engine  # noqa: E402
from optibid_console.journal.spilling import SpillingJournal  # noqa: E402
from optibid_console.journal.sqlite import SqliteJournal  # noqa: E402
from optibid_console.runbook.model import Runbook, Step, StepKind, Window  # noqa: E402
from optibid_console.runbook.secrets import Secrets  # noqa: E402
from optibid_console.targets.ssh import SshTarget  # noqa: E402
from optibid_console.targets.target import OutputChunk, RunEnd, RunSpec  # noqa: E402
from probes.probe import Reading  # noqa: E402
from tests.servers.sshd import Keys, OpenSshServer  # noqa: E402

TIMES = 100
LINES = 1_000_000
TRUE_RATIO = 2.0
LINES_RATIO = 1.5
_LINE = (
    "2026-11-24 01:57:11 - main - INFO - GET /api/bids/{:08d} 200 OK in 12 ms, request {:012d}\n"
)


class Bench:
    """An SSH server, `ssh` with a master connection to it, and the console's target."""

    def __init__(self, folder: Path) -> None:
        keys = Keys(folder)
        self.server = OpenSshServer(keys, "SetEnv SHLVL=2")
        keys.know(self.server.port)
        spec = keys.spec(self.server.port, run_dir=str(folder / "runs"))
        self.spec = replace(spec, output_cap=type(spec.output_cap)(400_000_000))
        self.target = SshTarget(self.spec, lambda link: None)
        self.ssh = [
            "ssh", "-F", "none", "-i", str(keys.identity), "-p", str(self.server.port),
            "-o", f"UserKnownHostsFile={keys.known_hosts}", "-o", "ControlMaster=auto",
            "-o", f"ControlPath={folder}/master", "-o", "ControlPersist=60", "127.0.0.1",
        ]  # fmt: skip
        self._runs = 0
        self._folder = folder
        self._steps: StepRunner | None = None
        self._journal: SpillingJournal | None = None

    async def by_ssh(self, command: str) -> int:
        """Bytes that it printed; raises when it failed."""
        child = await asyncio.create_subprocess_exec(
            *self.ssh, command, stdin=DEVNULL, stdout=PIPE, limit=1 << 20
        )
        assert child.stdout is not None
        size = 0
        while data := await child.stdout.read(256 * 1024):
            size += len(data)
        if await child.wait() != 0:
            raise RuntimeError(f"ssh {command} failed")
        return size

    async def by_console(self, command: str) -> int:
        """The same as a run: claimed, detached, followed, its end known, the channel closed."""
        self._runs += 1
        size = 0
        spec = RunSpec(f"bench-{self._runs}", command, 1, 600, window="bench")
        async with aclosing(self.target.run(spec)) as events:
            async for event in events:
                if isinstance(event, OutputChunk):
                    size += len(event.data)
        if not isinstance(event, RunEnd) or event.exit_status != 0:
            raise RuntimeError(f"{command} ended with {event}")
        return size

    async def by_engine(self, command: str) -> int:
        """The same as a step of a window: from its start to its outcome in the journal."""
        if self._steps is None:
            self._steps = await self._window()
        step = Step("1.1", "1.1", "true", StepKind.RUN, self.target.name, command)
        outcome = await self._steps.see_through(await self._steps.begin(step, "bench"))
        if outcome is not Outcome.SUCCEEDED:
            raise RuntimeError(f"{command} ended with {outcome}")
        return 0

    async def _window(self) -> StepRunner:
        path = self._folder / "bench.journal"
        self._journal = SpillingJournal(await SqliteJournal.open(path, create=True), path)
        await self._journal.acquire("bench", this_engine())
        ledger = Ledger(self._journal, Hub(), Secrets())
        runbook = Runbook(Window("bench", "v1"), targets={self.target.name: self.spec})
        plain = to_plain(runbook)
        await ledger.record(WindowOpened("window", "bench", "v1", "", 0.0, 1.0, "", plain))
        return StepRunner(
            runbook, ledger, {self.target.name: self.target}, Secrets(), _no_probe, {}
        )

    async def followed(self, _: str) -> int:
        """The output of the last run once more, from its beginning."""
        size = 0
        async with aclosing(self.target.follow(f"bench-{self._runs}", 0)) as chunks:
            async for chunk in chunks:
                size += len(chunk.data)
        return size

    async def close(self) -> None:
        if self._journal is not None:
            await self._journal.close()
        await self.target.close()
        leave = await asyncio.create_subprocess_exec(
            *self.ssh[:-1], "-O", "exit", self.ssh[-1], stderr=DEVNULL
        )
        await leave.wait()
        self.server.stop()


async def _no_probe(name: str) -> Reading:
    raise AssertionError(f"no step names evidence, and {name} was asked")


async def took_s(ask: Callable[[str], Awaitable[int]], command: str, size: int) -> float:
    began = time.perf_counter()
    got = await ask(command)
    ended = time.perf_counter()
    if got != size:
        raise RuntimeError(f"{command}: {got} bytes instead of {size}")
    return ended - began


async def true(bench: Bench, figures: Figures, times: int) -> None:
    asks = (bench.by_ssh, bench.by_console, bench.by_engine)
    took: tuple[list[float], ...] = ([], [], [])
    for _ in range(times + 1):
        for ask, one in zip(asks, took, strict=True):
            one.append(await took_s(ask, "true", 0))
    # the first ones connect
    ssh, run, step = (statistics.median(one[1:]) for one in took)
    figures.at_most(
        "one `true` on an open connection, against multiplexed ssh", run / ssh, TRUE_RATIO,
        "times", run_ms=round(run * 1000, 1), ssh_ms=round(ssh * 1000, 1), times=times,
    )  # fmt: skip
    figures.told(
        "… as a step of a window, its four entries committed", step / ssh, "times",
        step_ms=round(step * 1000, 1),
    )  # fmt: skip


async def lines(bench: Bench, figures: Figures, file: Path, turns: int) -> None:
    size = file.stat().st_size
    asks = {"ssh": bench.by_ssh, "run": bench.by_console, "follow": bench.followed}
    took: dict[str, list[float]] = {name: [] for name in asks}
    for _ in range(turns):
        for name, ask in asks.items():
            took[name].append(await took_s(ask, f"cat '{file}'", size))
    plain, run, follow = (statistics.median(one) for one in took.values())
    more = {"bytes": size, "ssh_s": round(plain, 3), "turns": turns}
    figures.at_most(
        "following 1,000,000 lines as they are printed, against ssh cat", run / plain,
        LINES_RATIO, "times", **more,
    )  # fmt: skip
    figures.at_most(
        "… of a run that has ended", follow / plain, LINES_RATIO, "times", **more
    )  # fmt: skip


async def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--times", type=int, default=TIMES)
    parser.add_argument("--turns", type=int, default=5)
    given = parser.parse_args()
    figures = Figures()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        file = folder / "lines"
        file.write_text("".join(_LINE.format(one, one * 7919) for one in range(LINES)))
        bench = Bench(folder)
        try:
            await true(bench, figures, given.times)
            await lines(bench, figures, file, given.turns)
        finally:
            await bench.close()
    return figures.status


if __name__ == "__main__":
    raise SystemExit(asyncio.run(main()))
