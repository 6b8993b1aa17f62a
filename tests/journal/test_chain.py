"""The hash chain: every kind of tampering is found, and the first bad entry is named."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from optibid_console.journal.chain import verify
from optibid_console.journal.sqlite import JournalError, SqliteJournal
from optibid_console.journal_head import Noted
from optibid_console.journal_place import Address
from tests.journal.conftest import Kept


@pytest.fixture
async def path(tmp_path: Path) -> Path:
    path = tmp_path / "one.journal"
    await Kept(path).fill(6)
    return path


RENUMBER = "UPDATE entries SET seq = seq - 1 WHERE seq > 3"


@pytest.mark.parametrize(
    ("tampering", "good", "says"),
    [
        ("SELECT 1", 6, ""),
        ("UPDATE entries SET body = '{\"subject\":\"window\",\"text\":\"x\"}' WHERE seq = 3", 2,
         "entry 3 was changed: what it says doesn't give its hash"),
        ("UPDATE entries SET at = at + 0.001 WHERE seq = 1", 0, "entry 1 was changed"),
        ("UPDATE entries SET mono = mono + 1 WHERE seq = 2", 1, "entry 2 was changed"),
        ("UPDATE entries SET kind = 'held' WHERE seq = 6", 5, "entry 6 was changed"),
        ("UPDATE entries SET body = '{' WHERE seq = 4", 3, "entry 4 was changed: it can't be read"),
        ("UPDATE entries SET actor = CAST(x'ff41' AS TEXT) WHERE seq = 4", 3,
         "entry 4 was changed: it can't be read"),
        ("INSERT INTO entries SELECT -7, at, mono, actor, kind, body, prev, hash FROM entries "
         "WHERE seq = 1", 0, "an entry numbered -7 was inserted before entry 1"),
        ("DELETE FROM entries WHERE seq = 4", 3, "entry 4 is missing: after 3 comes 5"),
        ("DELETE FROM entries WHERE seq = 1", 0, "entry 1 is missing"),
        (f"DELETE FROM entries WHERE seq = 3; {RENUMBER}", 2, "entry 3 was changed"),
        ("UPDATE entries SET seq = 99 WHERE seq = 2; UPDATE entries SET seq = 2 WHERE seq = 3; "
         "UPDATE entries SET seq = 3 WHERE seq = 99", 1, "entry 2 was changed"),
    ],
)  # fmt: skip
async def test_tampering_is_found(kept: Kept, tampering: str, good: int, says: str) -> None:
    await kept.fill(6)
    if isinstance(kept.place, Address) and ("CAST" in tampering or "-7" in tampering):
        pytest.skip("PostgreSQL itself refuses text that isn't UTF-8, and such a number")
    kept.tamper(*tampering.split(";"))
    found = kept.verify()
    assert found.entries == good
    assert found.problem.startswith(says) if says else found.problem == ""


@pytest.mark.parametrize("digits", [64, 16])
@pytest.mark.parametrize(
    ("tampering", "with_number", "without"),
    [
        ("SELECT 1", "", ""),
        ("DELETE FROM entries WHERE seq > 4", "entries 5 to 5 were cut off at the end",
         "no entry has the noted hash"),
        ("anew", "entry 5 isn't the one whose hash was noted: the journal was sealed anew",
         "no entry has the noted hash"),
        ("more", "", ""),
    ],
)  # fmt: skip
async def test_a_noted_head_shows_what_the_chain_alone_can_not(
    kept: Kept, tampering: str, with_number: str, without: str, digits: int
) -> None:
    await kept.fill(5)
    head = kept.verify().head
    if tampering == "anew":  # as somebody who may write it would
        kept.tamper("DELETE FROM entries WHERE seq > 2")
        await kept.fill(4)
    elif tampering == "more":
        await kept.fill(2)
    else:
        kept.tamper(tampering)
    assert kept.verify().problem == ""
    for number, says in ((5, with_number), (0, without)):
        problem = kept.verify(Noted(number, head[:digits])).problem
        assert problem.startswith(says) if says else problem == ""


async def test_a_forged_entry_with_a_good_hash_breaks_the_chain(path: Path) -> None:
    from optibid_console.codec import canonical
    from optibid_console.entries import Held, seal

    forged = seal(3, 1.0, 1.0, "mallory", Held("forged"), "f" * 64).to_plain()
    row = [*list(forged.values())[:5], canonical(forged["body"]).decode(), forged["prev"]]
    with sqlite3.connect(path) as db:
        db.execute("DELETE FROM entries WHERE seq = 3")
        db.execute("INSERT INTO entries VALUES (?, ?, ?, ?, ?, ?, ?, ?)", [*row, forged["hash"]])
    db.close()
    assert verify(path).problem == (
        "entry 3 doesn't follow entry 2: one was inserted, removed or reordered"
    )


async def test_the_head_of_a_good_journal_is_the_last_hash(path: Path) -> None:
    journal = await SqliteJournal.open(path)
    assert (verify(path).entries, verify(path).head) == journal.head()
    await journal.close()


def test_what_is_no_journal_raises(tmp_path: Path) -> None:
    with pytest.raises(JournalError, match="there is no journal"):
        verify(tmp_path / "none")
