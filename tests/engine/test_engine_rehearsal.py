"""An engine in rehearsal: all is walked, reads are done, and nothing else reaches a target."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import random
import re
from collections.abc import AsyncGenerator, Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from optibid_console import commands as c
from optibid_console import entries as e
from optibid_console.demo import configuration
from optibid_console.engine import running
from optibid_console.engine.measures import last_measured
from optibid_console.engine.opening import opening
from optibid_console.permit import forced_words
from optibid_console.plan import preview
from optibid_console.runbook.load import Loaded, load
from optibid_console.runbook.model import ProbeSpec, Runbook, Step, StepKind
from optibid_console.state import OVER, StepStatus, WindowState
from optibid_console.targets import open_targets
from optibid_console.targets.rehearsal import rehearsed
from optibid_console.targets.target import (
    Ending,
    Launched,
    OutputChunk,
    RunEnd,
    RunEvent,
    RunSpec,
    Target,
    TargetError,
)
from probes.probe import Completed, HostError, Seconds
from tests.engine.bench import Bench, driven
from tests.runbook.test_optibid_config import loaded as optibid

LITTLE = """
[window]
name = "A rehearsal of the tests"
version = "v2"
stack = "directory"

[targets.local]
kind = "local"
run_dir = "{dir}/runs"
cwd = "{dir}/place"

[probes.flag]
kind = "command"
on = "local"
run = "test -e flag"
every = "1h"

[probes.file]
kind = "command"
on = "local"
run = "test -s ${{backup.path}}"
every = "1h"

[[phases]]
id = "one"
title = "One"
at = "T-5m"

[[phases.steps]]
id = "1a"
title = "Look"
on = "local"
run = "cat kept; sleep 0.1; echo v1"
record = "previous.release"
read_only = true

[[phases.steps]]
id = "1b"
title = "Back up"
on = "local"
run = "cp kept backup; echo backup"
record = "backup.path"
evidence = ["file"]

[[phases.steps]]
id = "1c"
title = "Read the backup"
on = "local"
run = "cat ${{backup.path}}"
read_only = true

[[phases.steps]]
id = "1d"
title = "Deploy over ${{previous.release}}"
on = "local"
run = "touch flag; echo ${{previous.release}} >kept"
evidence = ["flag"]

[[phases.steps]]
id = "1e"
title = "Is it there?"
on = "local"
run = "test -e flag"
read_only = true

[[actions]]
id = "rollback"
title = "Rollback"
key = "R"
needs_facts = ["backup.path"]

[[actions.steps]]
id = "R1"
title = "Restore"
on = "local"
run = "cp ${{backup.path}} kept; rm flag"
undoes = ["1b", "1d"]

[[actions.steps]]
id = "R2"
title = "See it"
on = "local"
run = "cat kept"
read_only = true

[[actions.steps]]
id = "R3"
title = "Tell people"
kind = "manual"
"""


LISTING = re.compile(r'cd -- "[^"]*database/migrations" && for file in ')


class Recording:
    """A real target's place: it keeps what gets to it, and each run ends well at once."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.launched: list[RunSpec] = []
        self.touched: list[str] = []

    async def launch(self, spec: RunSpec) -> bool:
        self.launched.append(spec)
        return True

    async def run(self, spec: RunSpec) -> AsyncGenerator[RunEvent, None]:
        self.launched.append(spec)
        yield Launched()
        yield OutputChunk(0, b"something named\n")
        yield RunEnd(Ending.EXITED, 0)

    async def follow(self, run_id: str, offset: int) -> AsyncGenerator[OutputChunk, None]:
        self.touched.append(run_id)
        return
        yield

    async def ended(self, run_id: str) -> RunEnd | None:
        self.touched.append(run_id)
        return RunEnd(Ending.EXITED, 0)

    async def cancel(self, run_id: str, grace_s: float) -> None:
        self.touched.append(run_id)

    async def clean(self, keep: Any = (), open_windows: Any = ()) -> int:
        self.touched.append("clean")
        return 1

    async def execute(self, command: str, **given: Any) -> Completed:
        # the probes of `with_quiet_probes`, and the listing of migration files
        assert command == "true" or LISTING.match(command)
        return Completed(0, b"", b"")

    def stream(self, command: str) -> Any:
        raise AssertionError(command)

    async def reach(self, host: str, port: int) -> tuple[str, int]:
        raise HostError(f"{host} isn't there")  # databases are asked, and only asked

    async def knock(self, host: str, port: int) -> None:
        return

    async def reach_socket(self, path: str) -> str:
        raise AssertionError(path)

    async def close(self) -> None:
        return


def with_quiet_probes(loaded: Loaded) -> Loaded:
    """The same runbook, whose probes read ok from wherever they look."""
    probes = {
        one.id: ProbeSpec(one.id, "command", on=one.on, every=Seconds(3600),
                          settings={"run": "true"})
        for one in loaded.runbook.probes.values()
    }  # fmt: skip
    return replace(loaded, runbook=replace(loaded.runbook, probes=probes, panels={}, tails={}))


def rehearsing(
    loaded: Loaded, place: Path, targets: Callable[[str], Mapping[str, Target]]
) -> contextlib.AbstractAsyncContextManager[Bench]:
    """An engine on a rehearsal's journal; again, it goes on with the one there."""
    journal = place / "rehearsal.journal"
    return driven(loaded, journal, place, Bench, targets=targets, rehearsal=True)


def idle(state: WindowState) -> bool:
    return state.action() is None and not state.unfinished_runs()


def pool(runbook: Runbook) -> list[c.Command]:
    """Whatever can be asked of an engine that could start or end something."""
    asked: list[c.Command] = [c.Abort(), c.SkipStep(next(runbook.steps())[1].id, "why not")]
    asked += [c.RunStep(step.id) for _, step in runbook.steps()]
    for action in runbook.actions:
        asked.append(c.StartAction(action.id, action.confirm or action.id))
        asked.append(c.StartAction(action.id, forced_words(action), forced=True))
    return asked


def only_by_hand(state: WindowState, step: Step) -> str:
    return "nobody confirms it here" if step.kind is StepKind.MANUAL else ""


def changing(runbook: Runbook) -> set[str]:
    steps = [step for _, step in runbook.steps()]
    steps += [step for action in runbook.actions for step in action.steps]
    return {step.id for step in steps if not step.read_only}


def demo(tmp_path: Path) -> Loaded:
    values = ("RELEASE", "SPEED", "DEMO_DIR", "BACKEND_URL", "MARKET_URL", "FRONTEND_URL",
              "PUBLIC_NAME", "DB_HOST", "DB_PORT", "DB_USER", "DB_NAME", "DB_PASSWORD")  # fmt: skip
    text = configuration.WINDOW.read_text().replace("demo.env", str(tmp_path / "demo.env"))
    (tmp_path / "config.toml").write_text(text)
    given = {one: f"value-of-{one.lower()}" for one in values}
    given |= {"SPEED": "24", "DB_PORT": "5432", "BACKEND_URL": "http://127.0.0.1:1",
              "MARKET_URL": "ws://127.0.0.1:1/x", "FRONTEND_URL": "http://127.0.0.1:1",
              "STATUS_PAGE": "127.0.0.1:1"}  # fmt: skip
    (tmp_path / "demo.env").write_text("".join(f"{k}={v}\n" for k, v in given.items()))
    return load(tmp_path / "config.toml", given)


@pytest.fixture(autouse=True)
def _own_state(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))


@pytest.mark.parametrize("read", [optibid, demo])
@pytest.mark.parametrize("walks", [True, False], ids=["walking", "launching-all"])
async def test_whatever_is_asked_nothing_but_reads_reaches_a_target(
    read: Callable[[Path], Loaded], walks: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not walks:  # as if the engine had forgotten that it rehearses: the wall alone holds
        monkeypatch.setattr(running, "why_walked", only_by_hand)
    loaded = with_quiet_probes(read(tmp_path))
    runbook = loaded.runbook
    inner = {name: Recording(name) for name in ("local", *runbook.targets)}
    asked = pool(runbook)
    chance = random.Random(4)
    async with rehearsing(loaded, tmp_path, lambda window: rehearsed(inner, window)) as bench:
        for command in asked:
            await bench.do(command)
            await bench.until(idle)
        for command in chance.sample(asked, len(asked)):
            await bench.do(command)  # the next one may come while it is under way
        state = await bench.until(idle)
    launched = [spec for one in inner.values() for spec in one.launched]
    assert launched or not walks  # else a refused step may stand before each read
    assert all(spec.read_only for spec in launched)
    started = {fact.run_id: fact.step_id for fact in bench.heard.of(e.StepStarted)}
    assert not {started[spec.run_id] for spec in launched} & changing(runbook)
    touched = {run for one in inner.values() for run in one.touched}
    assert touched <= {spec.run_id for spec in launched}
    if walks:
        assert all(state.step(step.id).status in OVER for _, step in runbook.steps())
        assert not [one for one in bench.heard.of(e.StepFinished)
                    if one.outcome is e.Outcome.REFUSED]  # fmt: skip


@pytest.fixture
def little(tmp_path: Path) -> Loaded:
    (tmp_path / "place").mkdir()
    (tmp_path / "place" / "kept").write_text("precious\n")
    (tmp_path / "config.toml").write_text(LITTLE.format(dir=tmp_path))
    return load(tmp_path / "config.toml", {})


def digest(place: Path) -> str:
    found = [(str(one), one.read_bytes()) for one in sorted((place / "place").rglob("*"))]
    return hashlib.sha256(repr(found).encode()).hexdigest()


def local(loaded: Loaded) -> Callable[[str], Mapping[str, Target]]:
    return lambda window: open_targets(loaded.runbook, lambda state: None, window)


async def test_a_window_is_walked_on_a_real_directory_that_stays_as_it_was(
    little: Loaded, tmp_path: Path
) -> None:
    before = digest(tmp_path)
    async with rehearsing(little, tmp_path, local(little)) as bench:
        for step_id in ("1a", "1b", "1c", "1d", "1e"):
            state = await bench.step(step_id)
        assert {one: state.step(one).status.value for one in ("1a", "1b", "1c", "1d", "1e")} == {
            "1a": "done", "1b": "rehearsed", "1c": "rehearsed", "1d": "rehearsed", "1e": "failed",
        }  # fmt: skip
        assert state.facts["previous.release"] == "v1"
        assert state.facts["backup.path"] == "(rehearsed: backup.path)"
        assert state.step("1c").reason == "rehearsed: backup.path isn't known in a rehearsal"
        assert state.step("1d").command == "touch flag; echo 'v1' >kept"
        assert state.step("1d").evidence[0].probe == "flag"
        assert isinstance(await bench.do(c.SkipStep("1e", "nothing was deployed")), c.Accepted)
        plan = preview(bench.state, "rollback", 1_800_000_000.0)
        assert [one.because for one in plan.steps] == ["undoes 1b, 1d", "always", "always"]
        await bench.do(c.StartAction("rollback", "rollback"))
        state = await bench.until(lambda state: state.actions and idle(state))
    assert digest(tmp_path) == before
    done = state.actions["rollback1"]
    assert (done.outcome, done.reason) == (e.Outcome.REHEARSED, "2 steps walked, 1 read done")
    assert state.step("R2", "rollback1").status is StepStatus.DONE


async def test_a_rollback_is_rehearsed_before_anything_was_walked_and_again(
    little: Loaded, tmp_path: Path
) -> None:
    (tmp_path / "place" / "kept").rename(tmp_path / "place" / "gone")
    before = digest(tmp_path)
    async with rehearsing(little, tmp_path, local(little)) as bench:
        plan = preview(bench.state, "rollback", 1_800_000_000.0)
        assert plan.steps[0].because == "as if 1b, 1d had been done"
        for number in (1, 2):
            assert isinstance(await bench.do(c.StartAction("rollback", "rollback")), c.Accepted)
            run = f"rollback{number}"
            state = await bench.until(lambda state, run=run: state.actions[run].outcome)
            assert state.actions[run].outcome is e.Outcome.FAILED
            assert state.actions[run].reason == "2 steps walked, 0 reads done; R2 exit 1"
    assert digest(tmp_path) == before


async def test_an_engine_that_starts_again_goes_on_with_the_walk(
    little: Loaded, tmp_path: Path
) -> None:
    before = digest(tmp_path)
    async with rehearsing(little, tmp_path, local(little)) as bench:
        await bench.step("1a")
        state = bench.state
        run_id = f"{state.window_id}-1b-1"  # as an engine leaves it that is killed just there
        await bench.engine.ledger.record(
            e.StepStarted("1b", run_id, 1, "run", "local", "cp kept backup; echo backup", 1, 9.0)
        )
    async with rehearsing(little, tmp_path, local(little)) as bench:
        state = await bench.until(lambda state: state.step("1b").outcome)
        assert state.step("1b").status is StepStatus.REHEARSED
    assert digest(tmp_path) == before


async def test_what_it_measures_feeds_the_estimate_of_a_real_window(
    little: Loaded, tmp_path: Path
) -> None:
    async with rehearsing(little, tmp_path, local(little)) as bench:
        await bench.step("1a")
        await bench.do(c.StartAction("rollback", "rollback"))
        state = await bench.until(lambda state: state.actions and idle(state))
        async with asyncio.timeout(60):
            while len((last_measured(little.runbook) or NOTHING).durations_s) < 2:
                await asyncio.sleep(0.02)  # a file, written by another thread
    measured = last_measured(little.runbook)
    assert measured is not None
    assert measured.window_id == state.window_id
    assert set(measured.durations_s) == {"1a", "R2"}
    assert measured.durations_s["1a"] >= 0.1
    real = WindowState()
    for seq, fact in enumerate((opening(little, "", 1_800_000_000.0), measured), 1):
        real = real.apply(e.seal(seq, 1_800_000_000.0, 0.0, "ann", fact, ""))
    real = real.apply(e.seal(3, 1.8e9, 0.0, "ann", e.FactRecorded("backup.path", "b"), ""))
    real = real.apply(e.seal(4, 1.8e9, 0.0, "ann", e.StepStarted("1b", "r", 1, "run"), ""))
    shown = preview(real, "rollback", 1_800_000_000.0)
    assert shown.measured.startswith("R2 measured in rehearsal 20")
    assert 20.0 < shown.estimate_s < 29.0  # R1 and R3 as expected, R2 as measured
    changed = little.runbook.action("rollback")
    assert changed is not None
    steps = tuple(replace(one, run=f"{one.run}; true") for one in changed.steps)
    other = replace(little.runbook, actions=(replace(changed, steps=steps),))
    kept = last_measured(other)
    assert kept is not None
    assert set(kept.durations_s) == {"1a"}  # R2 is another command now


NOTHING = e.RehearsalMeasured("", 0.0, {})


async def test_an_engine_in_rehearsal_begins_with_no_real_target(
    little: Loaded, tmp_path: Path
) -> None:
    with pytest.raises(TargetError, match="local would be real"):
        async with rehearsing(
            little, tmp_path, lambda window: open_targets(little.runbook, lambda state: None)
        ):
            pass
