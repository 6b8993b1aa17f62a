"""A journal that goes bad while it is held: the scrub finds it, a piece at a time."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path

import pytest

from optibid_console.entries import Entry, Held, NoteWritten, seal
from optibid_console.journal import scrub
from optibid_console.journal.chain import verify
from optibid_console.journal.journal import JournalError
from optibid_console.journal.lease import this_engine
from optibid_console.journal.scrub import PASS_S, Scrub
from optibid_console.journal.spilling import SpillingJournal
from optibid_console.journal.sqlite import SqliteJournal

COUNT = 300


@pytest.fixture
async def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    path = tmp_path / "one.journal"
    journal = await SqliteJournal.open(path, create=True)
    entries: list[Entry] = []
    prev = journal.head()[1]
    for number in range(1, COUNT + 1):
        note = NoteWritten("window", f"{number} {'x' * 200}")
        entries.append(seal(number, 1.0, 1.0, "ann", note, prev))
        prev = entries[-1].hash
    await journal.append_sealed(entries)
    await journal.close()
    return path


def head(path: Path) -> tuple[int, str]:
    found = verify(path)
    return found.entries, found.head


def tamper(path: Path, statement: str) -> None:
    with sqlite3.connect(path) as db:
        db.execute(statement)
    db.close()


def test_a_pass_is_made_of_pieces_and_passes_do_not_follow_each_other_at_once(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scrub, "BUDGET_S", 0.0)  # one entry at each call
    one, at = Scrub(path), head(path)
    for _ in range(COUNT):
        assert one.go_on(at, 100.0) == ""
    assert one._good == COUNT
    assert one.go_on(at, 100.0) == ""  # there are no more
    tamper(path, "UPDATE entries SET actor = 'mallory' WHERE seq = 2")
    assert one.go_on(at, 100.0 + PASS_S - 1) == ""
    assert one.go_on(at, 100.0 + PASS_S) == ""
    assert "entry 2 was changed" in one.go_on(at, 101.0 + PASS_S)


@pytest.mark.parametrize(
    ("statement", "says"),
    [
        ("UPDATE entries SET actor = 'mallory' WHERE seq = 1", "entry 1 was changed"),
        ("UPDATE entries SET actor = 'mallory' WHERE seq = 150", "entry 150 was changed"),
        ("DELETE FROM entries WHERE seq = 200", "entry 200 is missing: after 199 comes 201"),
        ("DELETE FROM entries WHERE seq > 290", "entries 291 to 300 are missing at its end"),
    ],
)
def test_what_is_wrong_is_said_until_it_is_right_again(
    path: Path, monkeypatch: pytest.MonkeyPatch, statement: str, says: str
) -> None:
    monkeypatch.setattr(scrub, "BUDGET_S", 60.0)
    at, good = head(path), path.read_bytes()
    one = Scrub(path)
    tamper(path, statement)
    for now in (0.0, 1.0):
        said = one.go_on(at, now)
        assert says in said
        assert f"{path} is damaged" in said
        assert "check the disk, keep the file as evidence" in said
    path.write_bytes(good)
    assert one.go_on(at, 2.0) == ""


def test_a_file_that_is_gone_is_said(path: Path) -> None:
    one, at = Scrub(path), head(path)
    path.rename(path.with_name("moved"))
    assert f"there is no journal at {path}" in one.go_on(at, 0.0)


async def test_nothing_is_appended_to_a_damaged_journal_and_a_forced_rollback_is_spilled(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scrub, "BUDGET_S", 60.0)
    inner = await SqliteJournal.open(path)
    await inner.acquire("ann", this_engine())
    journal = SpillingJournal(inner, path)
    good = path.read_bytes()
    with path.open("r+b") as file:
        file.seek(len(good) // 2)
        file.write(os.urandom(4096 * 2))
    await journal.scrub()
    assert "is damaged" in journal.problem
    with pytest.raises(JournalError, match="keep the file as evidence"):
        await journal.append("ann", Held("x"))
    await journal.force("rollback")
    spilled = await journal.append("ann", Held("x"))
    assert spilled.seq == COUNT + 2
    with pytest.raises(JournalError, match="keep the file as evidence"):
        await journal.mend()
    with path.open("r+b") as file:
        file.seek(len(good) // 2)
        file.write(good[len(good) // 2 :][: 4096 * 2])
    await journal.scrub()
    assert len(await journal.mend()) == 1
    assert journal.problem == ""
    await journal.close()
    assert (verify(path).entries, verify(path).problem) == (COUNT + 3, "")
