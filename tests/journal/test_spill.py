"""A journal that can't be written: what is forced goes on in a spill and comes back whole."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from optibid_console.entries import (
    ActionStarted,
    Entry,
    Held,
    NoteWritten,
    SpillMerged,
    SpillOpened,
    StepStarted,
)
from optibid_console.journal import spill
from optibid_console.journal.chain import verify
from optibid_console.journal.journal import JournalError
from optibid_console.journal.lease import Deposed, this_engine
from optibid_console.journal.spilling import SpillingJournal
from optibid_console.journal.sqlite import SqliteJournal

FORCED = ActionStarted("rollback", "rollback1", ("R1",))


class Window:
    """A journal that an engine holds, and that can be made unwritable."""

    def __init__(self, path: Path, inner: SqliteJournal) -> None:
        self.path = path
        self.inner = inner
        self.journal = SpillingJournal(inner, path)

    async def break_it(self, broken: bool = True) -> None:
        word = "ON" if broken else "OFF"
        await self.inner._do("read", lambda: self.inner._db.execute(f"PRAGMA query_only = {word}"))

    async def roll_back(self) -> list[Entry]:
        await self.journal.force("rollback")
        started = StepStarted("R1", "r1", 1, "run", action_run="rollback1")
        return [await self.journal.append("ann", one) for one in (FORCED, started, Held("x"))]

    @property
    def spill(self) -> Path:
        return self.path.with_name("one.journal.spill")


@pytest.fixture
async def window(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Window]:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    path = tmp_path / "one.journal"
    inner = await SqliteJournal.open(path, create=True)
    await inner.acquire("ann", this_engine())
    window = Window(path, inner)
    await window.journal.append("ann", NoteWritten("window", "first"))
    yield window
    await window.journal.close()


async def test_nothing_is_spilled_that_was_not_forced(window: Window) -> None:
    await window.break_it()
    with pytest.raises(JournalError, match="readonly"):
        await window.journal.append("ann", Held("x"))
    await window.journal.force("rollback")
    for fact in (
        StepStarted("1.1", "r", 1, "run"),
        StepStarted("b1", "r", 1, "run", action_run="backup1"),
        ActionStarted("backup", "backup1", ("b1",)),
    ):
        with pytest.raises(JournalError, match="readonly"):
            await window.journal.append("ann", fact)
    assert not window.spill.exists()


async def test_a_forced_rollback_is_numbered_on_and_merged_as_it_was(window: Window) -> None:
    await window.break_it()
    spilled = await window.roll_back()
    assert [one.seq for one in spilled] == [3, 4, 5]  # 2 says that the spill was opened
    assert window.journal.head() == (5, spilled[-1].hash)
    (opened, *rest) = await window.journal.read(1, 10)
    assert isinstance(opened.fact, SpillOpened)
    assert rest == spilled
    assert "a rollback is recorded in" in window.journal.problem
    assert window.spill.stat().st_mode & 0o777 == 0o600
    with pytest.raises(JournalError):
        await window.journal.append("ann", StepStarted("1.1", "r", 1, "run"))
    with pytest.raises(JournalError, match="readonly"):
        await window.journal.mend()
    found = spill.check(window.spill, verify(window.path))
    assert (found.entries, found.problem, found.merged) == (4, "", False)
    await window.break_it(False)
    (merged,) = await window.journal.mend()
    assert isinstance(merged.fact, SpillMerged)
    assert (merged.fact.first, merged.fact.last) == (2, 5)
    assert window.journal.problem == ""
    assert not window.spill.exists()
    after = await window.journal.append("ann", Held("goes on"))
    assert after.seq == 7
    assert [one.hash for one in await window.inner.read(2, 3)] == [one.hash for one in spilled]
    assert verify(window.path).entries == 7
    await window.break_it()
    with pytest.raises(JournalError, match="readonly"):
        await window.journal.append("ann", Held("forced once, not for ever"))


async def test_a_spill_that_an_ended_engine_left_is_merged_by_the_next(window: Window) -> None:
    await window.break_it()
    spilled = await window.roll_back()
    await window.break_it(False)
    with window.spill.open("ab") as file:
        file.write(b'{"seq": 6, "half a line')  # a crash in the middle of the next one
    again = SpillingJournal(window.inner, window.path)
    assert await again.recover() == 4
    assert not window.spill.exists()
    assert [one.hash for one in await window.inner.read(2, 3)] == [one.hash for one in spilled]
    assert verify(window.path).entries == 6


async def test_a_crash_after_the_merge_does_not_merge_twice(window: Window) -> None:
    await window.break_it()
    await window.roll_back()
    kept = window.spill.read_bytes()
    await window.break_it(False)
    await window.journal.mend()
    window.spill.write_bytes(kept)
    assert spill.check(window.spill, verify(window.path)).merged
    assert await SpillingJournal(window.inner, window.path).recover() == 0
    assert not window.spill.exists()
    assert verify(window.path).entries == 6


async def test_where_another_engine_went_on_the_facts_are_sealed_anew(window: Window) -> None:
    await window.break_it()
    spilled = await window.roll_back()
    other = await SqliteJournal.open(window.path)
    await other.acquire("bob", this_engine(), "her disk was full")
    await other.append("bob", Held("meanwhile"))
    await window.break_it(False)
    with pytest.raises(Deposed):
        await window.inner.beat()
    assert await SpillingJournal(other, window.path).recover() == 4
    merged = await other.read(3, 3)
    assert [one.fact for one in merged] == [one.fact for one in spilled]
    assert [one.at for one in merged] == [one.at for one in spilled]
    assert verify(window.path).problem == ""
    await other.close()


async def test_what_was_sealed_anew_is_not_merged_again_when_the_spill_comes_back(
    window: Window,
) -> None:
    """As after a power cut between the merge and the end of the file."""
    await window.break_it()
    await window.roll_back()
    kept = window.spill.read_bytes()
    other = await SqliteJournal.open(window.path)
    await other.acquire("bob", this_engine(), "her disk was full")
    await other.append("bob", Held("meanwhile"))
    assert await SpillingJournal(other, window.path).recover() == 4
    window.spill.write_bytes(kept)
    assert await SpillingJournal(other, window.path).recover() == 0
    assert not window.spill.exists()
    assert verify(window.path).entries == other.head()[0] == 7
    await other.close()


async def test_a_deposed_engine_adds_nothing_to_a_spill_that_was_merged(window: Window) -> None:
    await window.break_it()
    await window.roll_back()
    other = await SqliteJournal.open(window.path)
    await other.acquire("bob", this_engine(), "her disk was full")
    assert await SpillingJournal(other, window.path).recover() == 4
    with pytest.raises(JournalError, match="another engine has taken it into the journal"):
        await window.journal.append("ann", Held("nobody would read it"))
    assert not window.spill.exists()
    await other.close()


async def test_an_engine_that_cannot_write_notices_that_it_was_deposed(window: Window) -> None:
    await window.break_it()
    with pytest.raises(JournalError, match="readonly"):
        await window.journal.beat()
    other = await SqliteJournal.open(window.path)
    await other.acquire("bob", this_engine(), "her disk is read-only")
    with pytest.raises(Deposed, match="bob took this window over"):
        await window.journal.beat()
    await other.close()


async def test_the_spill_of_a_deposed_engine_is_known_and_not_gone_on_with(window: Window) -> None:
    other = await SqliteJournal.open(window.path)
    await window.break_it()
    await other.acquire("bob", this_engine(), "her disk was full")
    newer = Window(window.path, other)
    assert await newer.journal.others() == []
    await window.roll_back()
    assert await window.journal.others() == []  # it is its own
    assert await newer.journal.others() == [window.spill]
    before = window.spill.read_bytes()
    await newer.break_it()
    await newer.roll_back()
    assert window.spill.read_bytes() == before
    assert len(spill.beside(window.path)) == 2
    await newer.journal.close()


async def test_a_spill_that_a_suspended_engine_is_writing_is_not_waited_for_without_end(
    window: Window, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spill, "LOCK_S", 0.05)
    await window.break_it()
    await window.roll_back()
    await window.break_it(False)
    with spill.held(window.spill), pytest.raises(JournalError, match="end that process"):
        await SpillingJournal(window.inner, window.path).recover()
    assert window.spill.exists()


async def test_a_spill_that_was_changed_is_named(window: Window) -> None:
    await window.break_it()
    await window.roll_back()
    lines = window.spill.read_text().splitlines()
    entry = json.loads(lines[2])
    entry["actor"] = "mallory"
    lines[2] = json.dumps(entry)
    window.spill.write_text("\n".join(lines) + "\n")
    found = spill.check(window.spill, verify(window.path))
    assert found.problem.startswith("entry 4 was changed")
    window.spill.write_text("not JSON\n")
    assert "was changed" in spill.check(window.spill, verify(window.path)).problem


async def test_where_nothing_can_be_written_beside_the_journal_another_place_is_taken(
    window: Window,
) -> None:
    window.spill.mkdir()  # nobody can make a file of that name
    await window.break_it()
    await window.roll_back()
    (found,) = [one for one in spill.beside(window.path) if one.is_file()]
    assert found.parent.name == "spills"
    (opened, *_) = await window.journal.read(1, 1)
    assert opened.fact.path == str(found)
    window.spill.rmdir()


async def test_where_nothing_can_be_written_at_all_it_says_where(
    window: Window, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spill, "_places", lambda journal: [Path("/proc/none/one.spill")])
    await window.break_it()
    with pytest.raises(JournalError, match=r"neither .* nor a spill file .*/proc/none/one\.spill"):
        await window.roll_back()
