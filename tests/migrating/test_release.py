"""What is pending, and what is applied, is read from the release in git."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from optibid_console import entries as e
from optibid_console.engine import database_watch
from optibid_console.entries import Outcome
from optibid_console.plan import preview
from tests.migrating.conftest import Window

pytestmark = pytest.mark.server("postgres")

NEW = {
    "004_prices": "ALTER TABLE bids ADD COLUMN settlement_price numeric(10, 2);",
    "005_notes": "CREATE TABLE notes (id int PRIMARY KEY);",
    "006_data": "-- data-only\nUPDATE bids SET price = price + 1;",
}
OLD = {"003_seed": "SELECT 1;"}


class Origin:
    """A repository with the releases v1 (003 alone) and v2 (003 to 006), and its clone."""

    def __init__(self, clone: Path) -> None:
        self.source = clone.parent / "source"
        self.clone = clone
        self.source.mkdir()
        self.git(self.source, "init", "--quiet", "--initial-branch=main")
        self.release("v1", OLD)
        shutil.rmtree(clone)
        self.git(clone.parent, "clone", "--quiet", str(self.source), str(clone))

    def release(self, tag: str, files: Mapping[str, str]) -> None:
        folder = self.source / "migrations"
        folder.mkdir(exist_ok=True)
        for name, text in files.items():
            (folder / f"{name}.sql").write_text(text)
        self.git(self.source, "add", "--all")
        self.git(self.source, "commit", "--quiet", "--message", tag)
        self.git(self.source, "tag", "--force", tag)

    def fetch(self) -> None:
        self.git(self.clone, "fetch", "--quiet", "--tags", "--force")

    def git(self, folder: Path, *words: str) -> str:
        env = {**os.environ, "GIT_CONFIG_GLOBAL": "/dev/null"}
        for who in ("AUTHOR", "COMMITTER"):
            env |= {f"GIT_{who}_NAME": "A test", f"GIT_{who}_EMAIL": "test@example.com"}
        done = subprocess.run(["git", *words], cwd=folder, env=env, check=True, capture_output=True)
        return done.stdout.decode().strip()


@pytest.fixture
def origin(window: Window) -> Origin:
    """The window's hosts have a clone at v1; v2 is in the remote alone."""
    made = Origin(window.room)
    made.git(window.room, "checkout", "--quiet", "--detach", "v1")
    made.release("v2", NEW)
    window.revision = 'revision = "v2"'
    return made


async def test_the_release_s_files_are_applied_whatever_is_checked_out(
    window: Window, origin: Origin
) -> None:
    origin.fetch()
    async with window.open() as bench:
        await window.record_backup()
        outcome, reason = await window.migrate()
        read = bench.state.databases["optibid"].read
    assert (outcome, reason) == (
        Outcome.SUCCEEDED, "004_prices, 005_notes, 006_data applied; 5 schema changes"
    )  # fmt: skip
    assert read.release == f"v2 ({origin.git(window.room, 'rev-parse', 'v2')[:9]})"
    assert [one.name for one in (window.room / "migrations").iterdir()] == ["003_seed.sql"]
    assert not list(window.room.glob("runs/**/release.*"))
    assert origin.git(window.room, "status", "--short", "--untracked-files=no") == ""
    applied = window.sql("SELECT name FROM schema_migrations WHERE success ORDER BY version")
    assert applied == [("seed",), *((name,) for name in NEW)]


async def test_a_release_that_isn_t_there_is_refused_with_what_is_next(
    window: Window, origin: Origin, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database_watch, "EVERY_S", 0.3)
    async with window.open() as bench:
        await window.record_backup()
        state = await bench.until(lambda state: state.databases["optibid"].unread)
        why = state.databases["optibid"].unread
        missing = (
            f"the checkout {window.room} has no revision v2: fetch it there (git fetch --tags)"
        )
        assert why.endswith(missing)
        assert preview(state, "migrate", state.at).pending[0].endswith(missing)
        outcome, reason = await window.migrate()
        assert (outcome, reason) == (Outcome.REFUSED, f"{why}; nothing was started")
        origin.fetch()
        state = await bench.until(lambda state: state.databases["optibid"].read)
        (head, *names) = preview(state, "migrate", state.at).pending
        commit = origin.git(window.room, "rev-parse", "v2")[:9]
        assert head == f"optibid: 3 pending of v2 ({commit})"
        assert names == [f"  {name}" for name in NEW]
        assert (await window.migrate())[0] is Outcome.SUCCEEDED


async def test_a_release_that_stays_the_same_costs_one_git_process(
    window: Window, origin: Origin, monkeypatch: pytest.MonkeyPatch
) -> None:
    git, asked = shutil.which("git"), window.room.parent / "asked"
    shim = window.room.parent / "bin" / "git"
    shim.parent.mkdir()
    shim.write_text(f'#!/bin/sh\necho "$1 $2 $3 $4" >>{asked}\nexec {git} "$@"\n')
    shim.chmod(0o755)
    monkeypatch.setenv("PATH", f"{shim.parent}:{os.environ['PATH']}")
    monkeypatch.setattr(database_watch, "EVERY_S", 0.1)
    origin.fetch()
    async with window.open() as bench:
        await bench.until(lambda state: (known := state.databases.get("optibid")) and known.read)
        known = len(asked.read_text().splitlines())
        while len(asked.read_text().splitlines()) < known + 4:
            bench.heard.news.clear()
            await bench.heard.news.wait()
        later = asked.read_text().splitlines()[known:]
        assert set(later) == {"rev-parse --quiet --verify v2^{commit}"}
        origin.release("v2", {"007_more": "CREATE TABLE more (id int);"})
        origin.fetch()
        await bench.until(lambda state: "007_more" in state.databases["optibid"].read.pending)


async def test_a_runner_of_the_step_s_own_isn_t_started_on_other_files(
    window: Window, origin: Origin
) -> None:
    window.runner = "touch started"
    origin.fetch()
    (window.room / "migrations" / "003_seed.sql").write_text("SELECT 2;")
    (window.room / "migrations" / "009_mine.sql").write_text("SELECT 9;")
    commit = origin.git(window.room, "rev-parse", "v2")[:9]
    async with window.open():
        await window.record_backup()
        outcome, reason = await window.migrate()
        assert outcome is Outcome.REFUSED
        assert reason == (
            f"migrations on local isn't that of v2 ({commit}): it is without 004_prices, "
            "005_notes, 006_data, with another 003_seed, with its own 009_mine; check v2 out "
            "there, or leave the step's run out: the console then applies the release's own "
            "files; nothing was started"
        )
        assert not (window.room / "started").exists()
        (window.room / "migrations" / "009_mine.sql").unlink()
        origin.git(window.room, "checkout", "--quiet", "--force", "--detach", "v2")
        outcome, reason = await window.migrate()
    assert (window.room / "started").exists()
    assert outcome is Outcome.FAILED
    assert reason == (
        "exit 0, but nothing was applied: 004_prices, 005_notes, 006_data are still pending"
    )


@pytest.mark.parametrize(
    ("break_it", "said"),
    [
        ("git rm -q -r migrations", "has no directory migrations"),
        ("git mv migrations/003_seed.sql migrations/seed.sql",
         "there is no migration file (NNN_name.sql) in broken:migrations on local"),
        ("ln -s 003_seed.sql migrations/004_link.sql",
         "004_link.sql in broken is no regular file"),
        ("cp migrations/003_seed.sql 'migrations/004_\"odd\".sql'",
         "broken has a file whose name can't be read"),
    ],
)  # fmt: skip
async def test_a_release_whose_files_can_t_be_known_is_never_nothing_pending(
    window: Window, origin: Origin, break_it: str, said: str
) -> None:
    subprocess.run(["sh", "-c", break_it], cwd=window.room, check=True)
    origin.git(window.room, "add", "--all", "migrations/..")
    origin.git(window.room, "commit", "--quiet", "--message", "broken")
    origin.git(window.room, "tag", "broken")
    window.revision = 'revision = "broken"'
    async with window.open():
        await window.record_backup()
        outcome, reason = await window.migrate()
    assert outcome is Outcome.REFUSED
    assert said in reason
    assert reason.endswith("; nothing was started")


async def test_a_release_that_moves_while_it_is_applied_is_no_success(
    window: Window, origin: Origin
) -> None:
    origin.fetch()
    window.runner = "git tag --force v2 v1"
    origin.git(window.room, "checkout", "--quiet", "--detach", "v2")
    async with window.open() as bench:
        await window.record_backup()
        outcome, reason = await window.migrate()
        moments = [one.moment for one in bench.heard.of(e.MigrationsRead)]
    assert moments[-1] == "after"
    assert outcome is Outcome.FAILED
    assert "; the release was v2 (" in reason
