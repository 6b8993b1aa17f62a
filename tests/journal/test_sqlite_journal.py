"""The SQLite journal: what was appended is there, whole, in order, and nothing else is."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from optibid_console.entries import Held, NoteWritten
from optibid_console.journal import file
from optibid_console.journal.chain import verify
from optibid_console.journal.sqlite import JournalError, SqliteJournal


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "windows" / "one.journal"


async def fill(path: Path, count: int) -> None:
    journal = await SqliteJournal.open(path, create=True)
    for number in range(count):
        await journal.append("oncall-1", NoteWritten("window", f"note {number}"))
    await journal.close()


async def test_the_file_is_durable_private_and_named(path: Path) -> None:
    journal = await SqliteJournal.open(path, create=True)
    db = journal._db
    pragmas = await journal._do(
        "read",
        lambda: [
            db.execute(f"PRAGMA {one}").fetchone()[0]
            for one in ("journal_mode", "synchronous", "application_id", "user_version")
        ],
    )
    await journal.append("a", Held("x"))
    assert path.stat().st_mode & 0o777 == 0o600
    assert Path(f"{path}-wal").stat().st_mode & 0o777 == 0o600
    await journal.close()
    assert pragmas == ["wal", 2, file.APPLICATION_ID, file.FORMAT]
    assert sorted(one.name for one in path.parent.iterdir()) == ["one.journal"]


async def test_a_full_disk_is_an_error_and_the_journal_goes_on_afterwards(path: Path) -> None:
    journal = await SqliteJournal.open(path, create=True)
    before = await journal.append("a", Held("fits"))
    db = journal._db
    pages = await journal._do("read", lambda: db.execute("PRAGMA page_count").fetchone()[0])
    await journal._do("read", lambda: db.execute(f"PRAGMA max_page_count = {pages}").fetchall())
    with pytest.raises(JournalError, match=r"one\.journal can't be written: .*full; make space"):
        await journal.append("a", Held("x" * 100_000))
    assert journal.head() == (1, before.hash)
    await journal._do("read", lambda: db.execute("PRAGMA max_page_count = 100000").fetchall())
    after = await journal.append("a", Held("x" * 100_000))
    await journal.close()
    assert (after.seq, after.prev) == (2, before.hash)
    assert verify(path).entries == 2


async def not_a_database(path: Path) -> None:
    path.write_bytes(b"# a config, not a journal\n" * 100)


async def of_another_program(path: Path) -> None:
    with sqlite3.connect(path) as db:
        db.execute("CREATE TABLE bookmarks (url TEXT)")
    db.close()


async def from_a_newer_version(path: Path) -> None:
    await fill(path, 1)
    with sqlite3.connect(path) as db:
        db.execute("PRAGMA user_version = 7")
    db.close()


async def a_directory(path: Path) -> None:
    path.mkdir()


async def empty(path: Path) -> None:
    path.touch()


async def missing(path: Path) -> None:
    assert not path.exists()


async def with_a_changed_last_entry(path: Path) -> None:
    await fill(path, 3)
    with sqlite3.connect(path) as db:
        db.execute("UPDATE entries SET actor = 'mallory' WHERE seq = 3")
    db.close()


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (not_a_database, "is not a journal of optibid-console; give another --journal"),
        (of_another_program, "is not a journal of optibid-console"),
        (from_a_newer_version, r"newer version of optibid-console \(format 7, .* up to 2\)"),
        (a_directory, "is a directory"),
        (empty, "is empty"),
        (missing, "there is no journal at"),
        (with_a_changed_last_entry, r"its last entry \(3\) was changed"),
    ],
)
async def test_what_is_no_good_journal_says_what_and_where(tmp_path: Path, make, says) -> None:
    path = tmp_path / "bad.journal"
    await make(path)
    with pytest.raises(JournalError, match=says) as caught:
        await SqliteJournal.open(path)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("where", ["/proc/no/place/for.journal", "{file}/for.journal"])
async def test_an_unwritable_place_says_so(tmp_path: Path, where: str) -> None:
    (tmp_path / "file").touch()
    path = Path(where.format(file=tmp_path / "file"))
    with pytest.raises(JournalError, match=r"can't be opened: .*; .*--journal"):
        await SqliteJournal.open(path, create=True)
