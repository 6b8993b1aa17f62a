"""One engine holds a journal: the others are told who, and a deposed one appends nothing."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from optibid_console.entries import Held, OperatorTook
from optibid_console.journal import file
from optibid_console.journal.chain import verify
from optibid_console.journal.lease import (
    Deposed,
    EngineId,
    Lease,
    LeaseHeld,
    Standing,
    standing,
    this_engine,
)
from optibid_console.journal.sqlite import JournalError, SqliteJournal


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "one.journal"


@asynccontextmanager
async def two(path: Path) -> AsyncIterator[tuple[SqliteJournal, SqliteJournal]]:
    one = await SqliteJournal.open(path, create=True)
    other = await SqliteJournal.open(path)
    yield one, other
    await one.close()
    await other.close()


async def test_the_second_engine_is_told_who_holds_it_and_since_when(path: Path) -> None:
    async with two(path) as (one, other):
        lease = await one.acquire("ann", this_engine())
        assert (lease.epoch, lease.holder) == (1, "ann")
        said = rf"process {os.getpid()} on .* that ann started has held this window since"
        with pytest.raises(LeaseHeld, match=said):
            await other.acquire("bob", this_engine())
        assert (await other.lease()).holder == "ann"


async def test_a_take_over_needs_a_reason_and_what_the_deposed_one_appends_is_rejected(
    path: Path,
) -> None:
    async with two(path) as (one, other):
        await one.acquire("ann", this_engine())
        await one.append("ann", Held("first"))
        with pytest.raises(LeaseHeld):
            await other.acquire("bob", this_engine(), "  ")
        lease = await other.acquire("bob", this_engine(), "her laptop died")
        assert lease.epoch == 2
        for attempt in (one.append("ann", Held("late")), one.beat()):
            with pytest.raises(Deposed, match="bob took this window over at") as caught:
                await attempt
            assert (caught.value.holder, caught.value.since) == ("bob", lease.taken_at)
        assert (await other.append("bob", Held("second"))).seq == 2
        await one.release()  # what is another's stays
        await other.beat()
    assert verify(path).entries == 2


async def test_a_lease_that_was_given_back_is_free_and_its_epoch_stays(path: Path) -> None:
    async with two(path) as (one, other):
        await one.acquire("ann", this_engine())
        await one.append("ann", OperatorTook("bob", 7))
        await one.release()
        assert (await other.acquire("carl", this_engine())).epoch == 8


async def test_who_never_took_the_lease_writes_only_while_nobody_has_it(path: Path) -> None:
    async with two(path) as (one, other):
        await other.append("x", Held("nobody has it"))
        await one.acquire("ann", this_engine())
        with pytest.raises(Deposed):
            await other.append("x", Held("not mine"))


HERE = EngineId("t", "host-1", 100, "boot-1", "5")


@pytest.mark.parametrize(
    ("engine", "alive", "silent_s", "expected"),
    [
        (None, False, 0, Standing.FREE),
        (HERE, True, 0, Standing.LIVE),
        (HERE, True, 60, Standing.SILENT),
        (HERE, False, 0, Standing.DEAD),
        (replace(HERE, boot_id="boot-0"), True, 0, Standing.DEAD),
        (replace(HERE, host="host-2"), False, 1, Standing.LIVE),
        (replace(HERE, host="host-2"), False, 60, Standing.DEAD),
    ],
)
def test_standing(engine: EngineId | None, alive: bool, silent_s: float, expected) -> None:
    lease = Lease(1, "ann" if engine else "", engine, 0.0, 1000.0, 50.0)
    assert standing(lease, 1000.0 + silent_s, HERE, alive, 50.0 + silent_s) is expected


@pytest.mark.parametrize("jump_s", [-3600.0, 3600.0])
def test_a_clock_that_jumps_makes_no_live_lease_look_silent(jump_s: float) -> None:
    lease = Lease(1, "ann", HERE, 0.0, 5000.0, 50.0)
    assert standing(lease, 5000.0 + jump_s, HERE, True, 51.0) is Standing.LIVE


RACER = """
import asyncio, sys
from pathlib import Path
from optibid_console.journal.lease import LeaseHeld, this_engine
from optibid_console.journal.sqlite import SqliteJournal
async def main():
    journal = await SqliteJournal.open(Path(sys.argv[1]), create=True)
    print("ready", flush=True)
    sys.stdin.readline()
    try:
        await journal.acquire(sys.argv[2], this_engine())
    except LeaseHeld:
        print("lost", flush=True)
    else:
        print("won", flush=True)
    sys.stdin.readline()
asyncio.run(main())
"""


def racer(path: Path, name: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", RACER, str(path), name],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip


def hear(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def tell(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None
    process.stdin.write("\n")
    process.stdin.flush()


async def test_of_two_processes_that_race_exactly_one_gets_it_and_a_killed_one_leaves_it(
    path: Path,
) -> None:
    racers = [racer(path, name) for name in ("ann", "bob")]
    try:
        assert [hear(one) for one in racers] == ["ready", "ready"]
        for one in racers:
            tell(one)
        said = [hear(one) for one in racers]
        assert sorted(said) == ["lost", "won"]
        winner = racers[said.index("won")]
        journal = await SqliteJournal.open(path)
        winner.send_signal(signal.SIGSTOP)
        with pytest.raises(LeaseHeld):
            await journal.acquire("carl", this_engine())
        winner.kill()
        winner.wait()
        assert (await journal.acquire("carl", this_engine())).epoch == 2
        await journal.close()
    finally:
        for one in racers:
            one.kill()
            one.communicate()


OLD = """
CREATE TABLE entries (seq INTEGER PRIMARY KEY, at REAL NOT NULL, mono REAL NOT NULL,
    actor TEXT NOT NULL, kind TEXT NOT NULL, body TEXT NOT NULL, prev TEXT NOT NULL,
    hash TEXT NOT NULL);
PRAGMA application_id = 0x4F424A31;
PRAGMA user_version = 1;
"""


async def format_1(path: Path) -> None:
    """A journal as version 1 wrote it, with an operator of epoch 3."""
    new = path.with_name("new")
    journal = await SqliteJournal.open(new, create=True)
    await journal.append("ann", OperatorTook("ann", 3))
    await journal.append("ann", Held("x"))
    await journal.close()
    with sqlite3.connect(path) as db:
        db.executescript(OLD)
        db.execute("ATTACH ? AS new", (str(new),))
        db.execute("INSERT INTO entries SELECT * FROM new.entries")
    db.close()


async def test_format_1_goes_on_as_format_2_with_its_epochs(path: Path) -> None:
    await format_1(path)
    assert verify(path).entries == 2  # reading changes nothing
    assert user_version(path) == 1
    journal = await SqliteJournal.open(path)
    assert (await journal.acquire("bob", this_engine())).epoch == 4
    assert (await journal.append("bob", Held("y"))).seq == 3
    await journal.close()
    assert user_version(path) == file.FORMAT == 2
    assert verify(path).problem == ""


KILLED = """
import os, signal, sqlite3, sys
from optibid_console.journal import file
lease, first = file._MIGRATIONS[1]
file._MIGRATIONS = ((), (lease, "SELECT crash()", first))
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.create_function("crash", 0, lambda: os.kill(os.getpid(), signal.SIGKILL))
file._migrate(connection)
"""


async def test_a_crash_in_the_middle_of_a_migration_leaves_format_1(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await format_1(path)
    killed = subprocess.run([sys.executable, "-c", KILLED, str(path)], check=False)
    assert killed.returncode == -signal.SIGKILL
    assert user_version(path) == 1
    lease, _ = file._MIGRATIONS[1]
    monkeypatch.setattr(file, "_MIGRATIONS", ((), (lease, "SELECT no_such_function()")))
    with pytest.raises(JournalError, match="no_such_function"):
        await SqliteJournal.open(path)
    monkeypatch.undo()
    assert user_version(path) == 1
    journal = await SqliteJournal.open(path)
    await journal.close()
    assert user_version(path) == 2
    assert verify(path).entries == 2


def user_version(path: Path) -> int:
    with sqlite3.connect(path) as db:
        found = int(db.execute("PRAGMA user_version").fetchone()[0])
    db.close()
    return found


async def test_a_committed_entry_is_in_the_files_when_append_returns(path: Path) -> None:
    """As after a power cut at that moment: only what the disk's files hold is left."""
    journal = await SqliteJournal.open(path, create=True)
    await journal.acquire("ann", this_engine())
    copies = []
    for number in range(3):
        entry = await journal.append("ann", Held(str(number)))
        copy = path.with_name(f"copy-{number}.journal")
        copy.write_bytes(path.read_bytes())
        Path(f"{copy}-wal").write_bytes(Path(f"{path}-wal").read_bytes())
        copies.append((copy, entry))
    await journal.close()
    for copy, entry in copies:
        assert verify(copy).head == entry.hash
