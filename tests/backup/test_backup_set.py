"""The other parts of a backup set: what a run step names is looked at and recorded."""

from __future__ import annotations

import hashlib
import os
import subprocess
import time
from dataclasses import replace
from typing import Any

import pytest

from optibid_console import commands as c
from optibid_console import entries as e
from optibid_console.engine import engine
from optibid_console.engine.operations.backup import migrated_since
from optibid_console.estimate import estimate_s
from optibid_console.journal.journal import JournalError
from optibid_console.persistent import Grown
from optibid_console.runbook.load import RunbookError
from optibid_console.runbook.model import Action, Phase, Runbook, Step, StepKind, Window
from optibid_console.state import Artifact, DatabaseState, RunState, WindowState
from probes.probe import Seconds
from tests.backup.conftest import STAMP, Place

pytestmark = pytest.mark.server("postgres")

STEP = """
[[phases.steps]]
id = "1.1"
title = "A part"
on = "{on}"
run = '''{run}'''
record = "part.one"
artifact = "{artifact}"
timeout = "20s"
"""
TAR = """
set -eu
mkdir -p backups etc
echo SECRET=1 >etc/env
chmod 640 etc/env
file=$PWD/backups/config.tar.gz
tar -czf "$file" etc
tar -dzf "$file"
echo "$file"
"""


async def run_part(place: Place, artifact: str, run: str) -> tuple[e.Outcome | None, str]:
    place.first = STEP.format(on=place.on, run=run, artifact=artifact)
    async with place.engine() as bench:
        assert isinstance(await bench.do(c.RunStep("1.1")), c.Accepted)
        state = await bench.until(lambda state: state.step("1.1").outcome is not None, 60)
        place.state = state
        step = state.step("1.1")
        return step.outcome, step.reason


async def test_files_are_looked_at_and_keep_owner_and_mode(ssh_place: Place) -> None:
    outcome, reason = await run_part(ssh_place, "files", TAR)
    file = ssh_place.backups / "config.tar.gz"
    assert outcome is e.Outcome.SUCCEEDED, reason
    made = ssh_place.state.artifacts["part.one"].recorded
    assert (made.kind, made.target, made.path) == ("files", "db-1", str(file))
    assert made.size_bytes == file.stat().st_size
    assert made.sha256 == hashlib.sha256(file.read_bytes()).hexdigest()
    assert ssh_place.state.facts["part.one"] == str(file)
    assert ssh_place.state.facts["part.one.sha256"] == made.sha256
    assert ssh_place.state.artifacts["part.one"].by == "oncall-1"
    listed = subprocess.run(
        ["tar", "-tvzf", str(file)], capture_output=True, text=True, check=True
    ).stdout
    assert "-rw-r----- " in listed


STAMPED = """
mkdir -p backups
file=$PWD/backups/config_${window.stamp}.tar.gz
echo kept >"$file"
echo "$file"
"""


async def test_files_go_with_their_sets_and_never_those_of_an_open_window(
    ssh_place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    ssh_place.database = 'keep = 3\nkeep_for = "10d"'
    monkeypatch.setattr(engine, "open_windows", lambda: {"20250201_000000-abcd", "odd"})
    ssh_place.backups.mkdir()
    months_ago = time.time() - 90 * 86400
    for name, age in (
        ("config_20250101_000000.tar.gz", months_ago),
        ("config_20250101_000000_2.tar.gz", months_ago),
        ("config_20250201_000000.tar.gz", months_ago),
        ("config_20250301_000000.tar.gz", months_ago),
        ("config_20250401_000000.tar.gz", time.time()),
        ("config_20250501_000000.tar.gz", months_ago),
        ("config_20250101_000000.tar.gz.mine", months_ago),
        ("config_of_2024.tar.gz", months_ago),
        ("other_20250101_000000.tar.gz", months_ago),
    ):
        (ssh_place.backups / name).write_text("x")
        os.utime(ssh_place.backups / name, (age, age))
    outcome, reason = await run_part(ssh_place, "files", STAMPED)
    assert outcome is e.Outcome.SUCCEEDED, reason
    gone = ("config_20250101_000000.tar.gz", "config_20250101_000000_2.tar.gz",
            "config_20250301_000000.tar.gz", "config_20250501_000000.tar.gz")  # fmt: skip
    assert reason.endswith(f"; removed {', '.join(gone)}")
    assert ssh_place.kept() == [
        "config_20250101_000000.tar.gz.mine",
        "config_20250201_000000.tar.gz",
        "config_20250401_000000.tar.gz",
        f"config_{STAMP}.tar.gz",
        "config_of_2024.tar.gz",
        "other_20250101_000000.tar.gz",
    ]


async def test_files_stay_while_nobody_knows_which_windows_are_open(
    empty_place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unreadable() -> frozenset[str]:
        raise JournalError("a.journal can't be read")

    empty_place.database = "keep = 1"
    monkeypatch.setattr(engine, "open_windows", unreadable)
    empty_place.backups.mkdir()
    old = empty_place.backups / "config_20250101_000000.tar.gz"
    old.write_text("x")
    os.utime(old, (0, 0))
    outcome, reason = await run_part(empty_place, "files", STAMPED)
    assert outcome is e.Outcome.SUCCEEDED, reason
    assert reason.endswith("; older ones stay: a.journal can't be read")
    assert old.exists()


@pytest.mark.parametrize("kind", ["tag", "image", "revision"])
async def test_what_is_named_is_recorded(empty_place: Place, kind: str) -> None:
    outcome, reason = await run_part(empty_place, kind, "echo first; echo v20270115")
    assert (outcome, reason) == (e.Outcome.SUCCEEDED, f"exit 0; {kind} v20270115")
    assert empty_place.state.artifacts["part.one"].recorded.kind == kind
    assert empty_place.state.facts["part.one"] == "v20270115"


@pytest.mark.parametrize(
    ("kind", "run", "said"),
    [
        ("tag", "true", "it ended with exit 0 but named no tag"),
        ("files", "true", "it ended with exit 0 but named no files"),
        ("files", "echo etc/env", "its last line has to be the file's whole path, not etc/env"),
        ("files", "echo /nowhere", "/nowhere: there is no such file, or nothing in it"),
        ("files", "echo /dev", "/dev: there is no such file, or nothing in it"),
        ("files", ": >empty; echo $PWD/empty", "/empty: there is no such file, or nothing in it"),
        ("image", "echo sha256:abc; exit 3", "exit 3: sha256:abc"),
    ],
)
async def test_what_is_not_there_is_no_part(
    empty_place: Place, kind: str, run: str, said: str
) -> None:
    outcome, reason = await run_part(empty_place, kind, run)
    assert outcome is e.Outcome.FAILED
    assert reason.endswith(said)
    assert not empty_place.state.artifacts
    assert "part.one" not in empty_place.state.facts


async def test_an_engine_that_is_killed_after_the_end_names_it_once(
    place: Place, crash: Any
) -> None:
    place.first = STEP.format(on="local", run=TAR, artifact="files")
    crash.config.write_text(place.config(crash.path))
    first = await crash.engine(stop_at="after-end-recorded")
    async with crash.attached() as screen:
        await screen.send(c.RunStep("1.1"))
        await crash.end(first, 0)
    again = await crash.engine()
    async with crash.attached() as screen:
        await screen.until(lambda one: one.state.step("1.1").outcome is not None)
    await crash.end(again)
    assert len(crash.facts(e.ArtifactRecorded)) == 1
    assert [one.fact.name for one in crash.facts(e.FactRecorded)] == ["part.one", "part.one.sha256"]


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ('record = "part.one"\n', "", "needs record: the fact that its last line becomes"),
        ('artifact = "tag"', 'artifact = "picture"', "artifact"),
        ("run = '''true'''", 'kind = "manual"', 'only belongs to kind = "run"'),
    ],
)
async def test_a_mistake_is_named(empty_place: Place, before: str, after: str, said: str) -> None:
    empty_place.first = STEP.format(on="local", run="true", artifact="tag").replace(before, after)
    with pytest.raises(RunbookError, match=said):
        async with empty_place.engine():
            pass


def run(step_id: str, at: float, outcome: e.Outcome | None = e.Outcome.SUCCEEDED) -> RunState:
    ended = e.RunEnded(step_id, outcome, "") if outcome else None
    return RunState(
        f"{step_id}-{at}",
        step_id,
        step_id,
        "",
        "",
        at,
        "ann",
        1,
        60.0,
        "",
        started_seq=1,
        ended=ended,
    )


@pytest.mark.parametrize(
    ("runs", "said"),
    [
        ((), ""),
        ((run("m", 5),), ""),
        ((run("m", 15),), "m"),
        ((run("m", 15, None),), "m"),
        ((run("m", 15), run("r", 16, e.Outcome.FAILED)), "m"),
        ((run("m", 15), run("r", 16)), ""),
        ((run("m", 15), run("r", 16), run("m", 17)), "m"),
        ((run("other", 15),), ""),
    ],
)
def test_a_backup_of_a_migrated_database_takes_nothings_place(
    runs: tuple[RunState, ...], said: str
) -> None:
    steps = tuple(
        Step(one, one, kind=kind, database=database)
        for one, kind, database in (
            ("m", StepKind.MIGRATE, "db"),
            ("r", StepKind.RESTORE, "db"),
            ("other", StepKind.MIGRATE, "another"),
        )
    )
    book = Runbook(Window("w", "v"), phases=(Phase("p", "P", Seconds(0), steps=steps),))
    made = Artifact(e.ArtifactRecorded("db", "database", "local", "/b"), "ann", 10.0)
    grown: Grown[str, RunState] = Grown()
    for one in runs:
        grown = grown.put(one.run_id, one)
    state = WindowState(runbook=book, artifacts={"db": made}, runs=grown)
    assert migrated_since(state, book, "db") == said


def test_a_restore_is_estimated_by_the_backup_that_it_restores() -> None:
    restore = Step("r", "Restore", kind=StepKind.RESTORE, database="db", undoes=("m",))
    migrate = Step("m", "Migrate", kind=StepKind.MIGRATE, database="db")
    rollback = Action("rollback", "Rollback", steps=(restore,))
    book = Runbook(
        Window("w", "v"),
        phases=(Phase("p", "P", Seconds(0), steps=(migrate,)),),
        actions=(rollback,),
    )
    made = e.ArtifactRecorded("db", "database", "local", "/b", run_id="b-1.0")
    backup = run("b", 1.0)
    backup = replace(backup, ended=e.RunEnded("b-1.0", e.Outcome.SUCCEEDED, "", duration_s=252.0))
    runs: Grown[str, RunState] = Grown()
    for one in (backup, run("m", 15)):
        runs = runs.put(one.run_id, one)
    tried = DatabaseState(unjudged_run="m-15.0")
    unmeasured = Artifact(replace(made, run_id="gone"), "ann", 10.0)
    state = WindowState(
        runbook=book, runs=runs, databases={"db": tried}, artifacts={"db": unmeasured}
    )
    assert estimate_s(state, rollback) == float(restore.expect_duration)
    state = replace(state, artifacts={"db": Artifact(made, "ann", 10.0)})
    assert estimate_s(state, rollback) == 252.0
