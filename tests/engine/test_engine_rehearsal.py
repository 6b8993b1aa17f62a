"""An engine in rehearsal: all is walked, reads are done, and nothing else reaches a target."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from optibid_console import commands as c
from optibid_console import entries as e
from optibid_console.engine.measures import last_measured
from optibid_console.engine.opening import opening
from optibid_console.plan import preview
from optibid_console.runbook.load import Loaded, load
from optibid_console.state import StepStatus, WindowState
from optibid_console.targets import open_targets
from optibid_console.targets.target import (
    Target,
    TargetError,
)
from tests.engine.rehearsing import idle, rehearsing

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
            assert state.actions[run].reason == (
                "2 steps walked, 0 reads done; R2 exit 1: cat: kept: No such file or directory"
            )
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
