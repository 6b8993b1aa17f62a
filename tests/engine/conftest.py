"""A whole engine on this machine: real runs, a real journal, no screen."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from optibid_console import commands as c
from optibid_console.engine.engine import Engine
from optibid_console.engine.ledger import Ledger
from optibid_console.engine.opening import opening
from optibid_console.entries import Entry
from optibid_console.journal.lease import this_engine
from optibid_console.journal.spilling import SpillingJournal
from optibid_console.journal.sqlite import SqliteJournal
from optibid_console.runbook.load import Loaded, load
from optibid_console.signals import Signal
from optibid_console.source import Role
from optibid_console.state import WindowState
from optibid_console.targets import open_targets
from optibid_console.targets.target import Target

CONFIG = """
[window]
name = "A window of the tests"
version = "v2"
stack = "directory"
baseline_until = "deploy"

[targets.local]
kind = "local"
run_dir = "{dir}/runs"
cwd = "{dir}"

[probes.flag]
kind = "command"
title = "the flag is up"
on = "local"
run = "test -e flag"
every = "200ms"
timeout = "5s"

[panels.load]
source = "command"
on = "local"
run = "cat load"
number = '(\\d+)'
unit = "count"
every = "100ms"
timeout = "5s"
warn_above = 50

[tails.notes]
on = "local"
path = "{dir}/notes.log"

[[phases]]
id = "prepare"
title = "Prepare"
at = "T-60m"

[[phases.steps]]
id = "1a"
title = "Say hello"
on = "local"
run = 'echo hello; echo "the secret is ${{SECRET}}"; echo launched >> launches'
required = false

[[phases.steps]]
id = "1b"
title = "Make a backup"
on = "local"
run = "echo {dir}/backup.dump"
record = "backup.path"

[[phases]]
id = "deploy"
title = "Deploy"
at = "T-30m"

[[phases.steps]]
id = "2a"
title = "Raise the flag, perhaps"
on = "local"
run = "test ! -e broken && touch flag; exit 0"
evidence = ["flag"]
evidence_timeout = "1s"

[[phases.steps]]
id = "2b"
title = "Something long"
on = "local"
run = "echo begun; touch begun; sleep 60"
timeout = "70s"
evidence = ["flag"]

[[phases]]
id = "after"
title = "After"
at = "T+0"

[[phases.steps]]
id = "3a"
title = "Look"
kind = "manual"

[[actions]]
id = "rollback"
title = "Rollback"
key = "R"
needs_facts = ["backup.path"]
ready_when = ["flag"]

[[actions.steps]]
id = "R1"
title = "Lower the flag"
on = "local"
run = "test ! -e slowly || sleep 60; test -e may-roll-back && rm -f flag && echo ${{backup.path}}"
undoes = ["2a"]
required = false

[[actions.steps]]
id = "R2"
title = "Tell people"
kind = "manual"

[[criteria]]
id = "load"
title = "Load over 100"
fail_when = "panel.load > 100"
for = "300ms"

[[criteria]]
id = "flag"
title = "The flag is down"
fail_when = "probe.flag is failing"
active_from = "after"

[[checklist]]
id = "look"
title = "Look"
group = "All"
items = ["The flag is blue"]
"""


class Heard:
    """What the engine told: every entry and signal."""

    def __init__(self) -> None:
        self.entries: list[Entry] = []
        self.signals: list[Signal] = []
        self.roles: list[tuple[str, Role]] = []
        self.news = asyncio.Event()
        """Set with each signal."""

    def entry(self, entry: Entry) -> None:
        self.entries.append(entry)

    def signal(self, signal: Signal) -> None:
        self.signals.append(signal)
        self.news.set()

    def of(self, kind: type[Any]) -> list[Any]:
        facts = [one.fact for one in self.entries if isinstance(one.fact, kind)]
        return facts or [one for one in self.signals if isinstance(one, kind)]


class Screen:
    """A screen that is attached to the engine."""

    def __init__(self, name: str, want: str = "drive") -> None:
        self.id = f"screen-of-{name}"
        self.name = name
        self.want = want

    def stalled_s(self) -> float:
        return 0.0


class Bench:
    """One engine and the person who drives it."""

    def __init__(self, engine: Engine, heard: Heard, journal: SqliteJournal, room: Path) -> None:
        self.engine = engine
        self.heard = heard
        self.journal = journal
        self.room = room
        self.driver = Screen("oncall-1")
        self.loaded: Loaded
        self.targets: dict[str, Target]

    @property
    def state(self) -> WindowState:
        return self.engine.ledger.state

    async def do(self, command: c.Command, screen: Screen | None = None) -> c.Reply:
        return await self.engine.handle(command, screen or self.driver)

    async def until(self, true: Callable[[WindowState], Any], limit_s: float = 15.0) -> WindowState:
        """Wait for entries until the state is so; what isn't there yet is not so."""
        async with asyncio.timeout(limit_s):
            while True:
                with contextlib.suppress(KeyError):
                    if true(self.state):
                        return self.state
                await self.engine.ledger.changed()

    async def until_signal(self, true: Callable[[], Any], limit_s: float = 15.0) -> None:
        """Wait for signals until it is so."""
        async with asyncio.timeout(limit_s):
            while not true():
                self.heard.news.clear()
                await self.heard.news.wait()

    async def finished(self, step_id: str) -> WindowState:
        return await self.until(lambda state: state.step(step_id).outcome is not None)

    async def step(self, step_id: str) -> WindowState:
        reply = await self.do(c.RunStep(step_id))
        assert isinstance(reply, c.Accepted), reply
        return await self.finished(step_id)


StartEngine = Callable[[], contextlib.AbstractAsyncContextManager[Bench]]


@pytest.fixture
def start_engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> StartEngine:
    """Starts an engine on the test's own directory; again, it goes on with the journal there."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    room = tmp_path / "room"
    room.mkdir()
    (room / "load").write_text("10\n")
    config = tmp_path / "config.toml"
    config.write_text(CONFIG.format(dir=room))

    @contextlib.asynccontextmanager
    async def start() -> AsyncIterator[Bench]:
        loaded = load(config, {"SECRET": "hunter2-hunter2"})
        journal = await SqliteJournal.open(tmp_path / "window.journal", create=True)
        heard = Heard()
        spilling = SpillingJournal(journal, journal.path)
        lease = await journal.acquire("oncall-1", this_engine())
        ledger = Ledger(spilling, heard, loaded.secrets)
        await ledger.restore()
        if ledger.state.seq == 0:
            await ledger.record(opening(loaded, "", 1_800_000_000.0), "oncall-1")
        targets: dict[str, Target] = open_targets(loaded.runbook, lambda state: None)
        engine = Engine(loaded, ledger, targets, lambda who, role: heard.roles.append((who, role)))
        await engine.begin(lease.epoch)
        running: Awaitable[str] = asyncio.create_task(engine.run())
        bench = Bench(engine, heard, journal, room)
        bench.loaded, bench.targets = loaded, targets
        try:
            await engine.joined(bench.driver)
            yield bench
        finally:
            engine.stop("the test is over")
            await asyncio.wait_for(running, 60)
            for target in targets.values():
                await target.close()
            await journal.release()
            await spilling.close()

    return start


@pytest.fixture
async def bench(start_engine: StartEngine) -> AsyncIterator[Bench]:
    async with start_engine() as started:
        yield started
