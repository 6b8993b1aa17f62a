"""`verify`: proves a journal, a copy of one or one that is being written, or names the change."""

from __future__ import annotations

import json
import shutil
import sqlite3
import subprocess
from pathlib import Path
from typing import Any

import pytest

from optibid_console.entries import Held
from optibid_console.journal.lease import this_engine
from optibid_console.journal.spilling import SpillingJournal
from optibid_console.journal.sqlite import SqliteJournal


@pytest.fixture
async def journal(home: Any) -> SqliteJournal:
    """One that is open, with three entries."""
    journal = await SqliteJournal.open(home.path / "a.journal", create=True)
    await journal.acquire("ann", this_engine())
    for number in range(3):
        await journal.append("ann", Held(str(number)))
    return journal


def verify(home: Any, *arguments: str) -> subprocess.CompletedProcess[str]:
    done: subprocess.CompletedProcess[str] = home.run("verify", *arguments)
    return done


async def test_a_live_journal_and_a_copy_of_it_are_proved(home: Any, journal: Any) -> None:
    head = f"3:{journal.head()[1]}"
    live = verify(home, "a.journal")
    assert live.returncode == 0
    assert live.stdout.splitlines() == [
        "✓ a.journal: 3 entries, each follows the one before", f"  head {head}",
        "  this doesn't show entries that were cut off at its end, or a chain that was sealed "
        "anew: give a head that was noted elsewhere, --head NUMBER:HASH",
    ]  # fmt: skip
    await journal.append("ann", Held("after it"))
    await journal.close()
    shutil.copy("a.journal", "copy.journal")
    found = verify(home, "copy.journal", "--json", "--head", head)
    assert found.returncode == 0
    answer = json.loads(found.stdout)
    assert (answer["ok"], answer["entries"], answer["problem"]) == (True, 4, "")
    assert sorted(one.name for one in Path().glob("*.journal*")) == ["a.journal", "copy.journal"]


async def test_what_was_changed_or_cut_off_is_named(home: Any, journal: Any) -> None:
    head = f"3:{journal.head()[1]}"
    await journal.close()
    with sqlite3.connect("a.journal") as db:
        db.execute("DELETE FROM entries WHERE seq = 3")
    db.close()
    assert verify(home, "a.journal").returncode == 0  # what is left is a chain
    cut = verify(home, "a.journal", "--head", head)
    assert cut.returncode == 1
    assert cut.stdout.startswith("✗ a.journal: entries 3 to 3 were cut off at the end\n")
    other = f"2:{'0' * 64}"
    anew = verify(home, "a.journal", "--head", other)
    assert "entry 2 isn't the one whose hash was noted: the journal was sealed anew" in anew.stdout
    with sqlite3.connect("a.journal") as db:
        db.execute("UPDATE entries SET actor = 'mallory' WHERE seq = 1")
    db.close()
    changed = verify(home, "a.journal", "--json")
    assert changed.returncode == 1
    assert json.loads(changed.stdout)["problem"].startswith("entry 1 was changed")


async def test_what_can_not_be_read_ends_with_2(home: Any, journal: Any) -> None:
    await journal.close()
    assert verify(home, "none.journal").returncode == 2
    assert verify(home, "config.toml").returncode == 2
    bad = verify(home, "a.journal", "--head", "3:abc")
    assert bad.returncode == 2
    assert "write it as `verify` and `status` print it" in bad.stderr


async def test_the_head_that_status_shows_is_found_again(home: Any, journal: Any) -> None:
    await journal.close()
    plain = json.loads(home.run("status", "a.journal", "--json").stdout)
    number, _, digest = plain["head"].partition(":")
    assert (int(number), digest) == journal.head()
    assert f"head {plain['head']}" in home.run("status", "a.journal").stdout
    for noted in (plain["head"], digest, f"{number}:{digest[:16]}", digest[:12].upper()):
        found = verify(home, "a.journal", "--head", noted)
        assert found.returncode == 0
        assert "is in it: nothing up to it was cut off or sealed anew" in found.stdout
    for noted in (f"{number}:{digest[:11]}", "0:" + digest, digest + "0", "x" * 64, ":" + digest):
        assert verify(home, "a.journal", "--head", noted).returncode == 2


async def test_a_spill_is_named(home: Any, journal: Any) -> None:
    from optibid_console.entries import ActionStarted

    spilling = SpillingJournal(journal, Path("a.journal"))
    await journal._do("read", lambda: journal._db.execute("PRAGMA query_only = ON"))
    await spilling.force("rollback")
    await spilling.append("ann", ActionStarted("rollback", "rollback1", ()))
    found = verify(home, "a.journal")
    assert found.returncode == 0
    assert "! a.journal.spill: 2 more entries, not merged yet; the next `run` does; " in (
        found.stdout
    )
    spill = Path("a.journal.spill")
    spill.write_text(spill.read_text().replace("rollback1", "rollback2"))
    assert verify(home, "a.journal").returncode == 1
    await spilling.close()
