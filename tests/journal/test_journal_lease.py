"""One engine holds a journal: the others are told who, and a deposed one appends nothing."""

from __future__ import annotations

import signal
import sqlite3
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from optibid_console.entries import Held, OperatorTook
from optibid_console.journal import file
from optibid_console.journal.chain import verify
from optibid_console.journal.lease import (
    EngineId,
    Lease,
    Standing,
    standing,
    this_engine,
)
from optibid_console.journal.sqlite import JournalError, SqliteJournal


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "one.journal"


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
