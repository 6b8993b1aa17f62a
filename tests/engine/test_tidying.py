"""Old run directories go, on this machine and on others; those of open windows never do."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from optibid_console import entries as e
from optibid_console import paths
from optibid_console.engine.engine import Engine
from optibid_console.engine.tidying import Tidied
from optibid_console.journal.journal import JournalError
from optibid_console.journal.sqlite import SqliteJournal
from optibid_console.known_windows import open_windows
from optibid_console.runbook.model import TargetSpec
from optibid_console.state import WindowState
from optibid_console.targets.local import LocalTarget
from optibid_console.targets.ssh import SshTarget
from optibid_console.targets.target import LinkState, RunEnd, RunSpec, Target
from tests.servers.sshd import Keys, OpenSshServer


class Ledger:
    """Keeps the notes; its window is `mine`."""

    def __init__(self) -> None:
        self.state = WindowState(window_id="mine")
        self.notes: asyncio.Queue[str] = asyncio.Queue()

    async def keep(self, fact: e.NoteWritten) -> None:
        assert fact.subject == "window"
        self.notes.put_nowait(fact.text)


@asynccontextmanager
async def tidied(target: Target, known: Any, reached: bool) -> AsyncIterator[tuple[Tidied, Ledger]]:
    ledger = Ledger()
    tidying = Tidied(target, ledger, known, reached=reached)  # type: ignore[arg-type]
    task = asyncio.create_task(tidying.run())
    try:
        yield tidying, ledger
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await target.close()


async def old_run(target: Target, runs: Path, window: str) -> Path:
    """The directory of an ended run that nobody has touched for years."""
    spec = RunSpec(f"{window}-1", "true", 1, 60.0, window=window)
    async with aclosing(target.run(spec)) as events:
        assert isinstance([event async for event in events][-1], RunEnd)
    for path in (runs / spec.run_id, runs / ".epochs" / window / "1" / "used"):
        os.utime(path, (0, 0))
    return runs / spec.run_id


def windows(runs: Path) -> set[str]:
    return {one.name.removesuffix("-1") for one in runs.iterdir()} - {".epochs"}


async def journal(path: Path, window: str, *more: e.Fact) -> None:
    """A journal in which that window was opened, and then this happened."""
    made = await SqliteJournal.open(path, create=True)
    for fact in (e.WindowOpened(window, "W", "v1", "", 0.0, 1.0, "", {}), *more):
        await made.append("ann", fact)
    await made.close()


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    return tmp_path / "runs"


@pytest.fixture(params=["local", pytest.param("ssh", marks=pytest.mark.server("sshd"))])
async def target(request: Any, tmp_path: Path, runs: Path) -> AsyncIterator[Target]:
    if request.param == "local":
        yield LocalTarget(TargetSpec("app-1", kind="local", run_dir=str(runs)))
        return
    keys = Keys(tmp_path)
    sshd = OpenSshServer(keys)
    keys.know(sshd.port)
    yield SshTarget(keys.spec(sshd.port, run_dir=str(runs)), lambda link: None)
    sshd.stop()


async def test_old_runs_go_once_the_target_answers_and_open_windows_keep_theirs(
    target: Target, runs: Path
) -> None:
    for window in ("mine", "open", "closed", "other"):
        await old_run(target, runs, window)
    async with tidied(target, lambda: {"open"}, False) as (tidying, ledger):
        await asyncio.sleep(0)
        assert windows(runs) == {"mine", "open", "closed", "other"}
        tidying.answers()
        async with asyncio.timeout(60):
            note = await ledger.notes.get()
    assert note == "app-1: 2 run directories were older than keep_runs and removed"
    assert windows(runs) == {"mine", "open"}


async def test_nothing_goes_while_it_is_not_known_which_windows_are_open(runs: Path) -> None:
    target = LocalTarget(TargetSpec("app-1", kind="local", run_dir=str(runs)))
    await old_run(target, runs, "perhaps-open")

    def unreadable() -> frozenset[str]:
        raise JournalError("/a.journal can't be read: the disk is broken")

    async with tidied(target, unreadable, True) as (_, ledger), asyncio.timeout(60):
        note = await ledger.notes.get()
    assert note == ("app-1: old run directories stay: /a.journal can't be read: the disk is broken")
    assert windows(runs) == {"perhaps-open"}


async def test_open_windows_are_those_of_the_journals_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    assert open_windows() == frozenset()
    paths.windows_dir().mkdir(parents=True)
    await journal(paths.windows_dir() / "a.journal", "a", e.NoteWritten("window", "x"))
    await journal(paths.windows_dir() / "b.journal", "b", e.WindowClosed("completed"))
    await journal(paths.windows_dir() / "c.journal", "c")
    assert open_windows() == {"a", "c"}
    (paths.windows_dir() / "d.journal").write_text("no journal")
    with pytest.raises(JournalError, match=r"d\.journal"):
        open_windows()


async def test_an_engine_tidies_up_when_it_starts(
    start_engine: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    runs = tmp_path / "room" / "runs"
    target = LocalTarget(TargetSpec("local", kind="local", run_dir=str(runs)))
    for window in ("open", "closed"):
        await old_run(target, runs, window)
    await target.close()
    paths.windows_dir().mkdir(parents=True)
    await journal(paths.windows_dir() / "open.journal", "open")
    async with start_engine() as bench:
        state = await bench.until(lambda state: state.notes)
    note = "local: 1 run directory was older than keep_runs and removed"
    assert [(one.text, one.by) for one in state.notes] == [(note, "console")]
    assert windows(runs) == {"open"}


async def test_a_target_is_tidied_once_its_link_is_there(
    bench: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    answered: list[str] = []
    monkeypatch.setattr(Tidied, "answers", lambda self: answered.append(self.target.name))
    engine: Engine = bench.engine
    for state in ("connecting", "reconnecting", "connected"):
        engine.link(LinkState("local", state))
    assert answered == ["local"]
