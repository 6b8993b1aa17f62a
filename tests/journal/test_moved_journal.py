"""A journal whose files are replaced, moved or deleted while it is open: nothing is appended to
what nobody will read, every entry is kept, and it goes on when the files are back."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from optibid_console.entries import ActionStarted, Entry, Held, NoteWritten, SpillOpened, seal
from optibid_console.journal import spill
from optibid_console.journal.chain import verify
from optibid_console.journal.file import entries_of
from optibid_console.journal.following import JournalWatch
from optibid_console.journal.journal import JournalError, JournalMoved
from optibid_console.journal.lease import Deposed, this_engine
from optibid_console.journal.spilling import SpillingJournal
from optibid_console.journal.sqlite import SqliteJournal
from optibid_console.source import CaughtUp, Lost

COUNT = 5


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    (tmp_path / "windows").mkdir()
    return tmp_path / "windows" / "one.journal"


@pytest.fixture
async def journal(path: Path) -> SqliteJournal:
    """One that is held, with entries that only its -wal has."""
    journal = await SqliteJournal.open(path, create=True)
    await journal.acquire("ann", this_engine())
    for number in range(COUNT):
        await journal.append("ann", NoteWritten("window", f"note {number}"))
    return journal


def replace_by_copy(path: Path) -> None:
    shutil.copy(path, f"{path}.x")
    os.rename(f"{path}.x", path)


def replace_all_by_copies(path: Path) -> None:
    for end in ("", "-wal", "-shm"):
        replace_by_copy(Path(f"{path}{end}"))


def move_away(path: Path) -> None:
    path.rename(f"{path}.old")


def move_back(path: Path) -> None:
    Path(f"{path}.old").rename(path)


def rename_directory(path: Path) -> None:
    path.parent.rename(f"{path.parent}.old")


def rename_back(path: Path) -> None:
    Path(f"{path.parent}.old").rename(path.parent)


def delete(end: str) -> Callable[[Path], None]:
    return lambda path: Path(f"{path}{end}").unlink()


def copy_over(end: str) -> Callable[[Path], None]:
    return lambda path: replace_by_copy(Path(f"{path}{end}"))


def remove_directory(path: Path) -> None:
    shutil.rmtree(path.parent)


async def refuses_everything(journal: SqliteJournal) -> str:
    """Returns the reason."""
    head = journal.head()
    sealed = seal(head[0] + 1, 1.0, 1.0, "ann", Held("x"), head[1])
    for attempt in (
        lambda: journal.append("ann", Held("x")),
        lambda: journal.append_sealed([sealed]),
        lambda: journal.acquire("ann", this_engine(), "again"),
        journal.beat,
    ):
        with pytest.raises(JournalMoved):
            await attempt()
    assert journal.head() == head
    return await journal.moved()


GONE = {
    "replaced by a copy": replace_by_copy,
    "all three replaced by copies": replace_all_by_copies,
    "deleted": delete(""),
    "its directory deleted": remove_directory,
}


@pytest.mark.parametrize("attack", GONE.values(), ids=GONE)
async def test_a_journal_without_a_name_is_saved_whole_and_nothing_is_appended(
    path: Path, journal: SqliteJournal, attack: Callable[[Path], None]
) -> None:
    attack(path)
    said = await refuses_everything(journal)
    assert said.startswith(f"the journal {path} was deleted or replaced while it was open; nothing")
    assert f"All {COUNT} entries are in " in said
    saved = Path(said.partition("entries are in ")[2].partition(":")[0])
    assert f"{saved}: end this engine, move that file to {path}, then start it again" in said
    assert await journal.moved() == said  # saved once
    assert len(list(saved.parent.glob("*.saved-*"))) == 1
    assert saved.stat().st_mode & 0o777 == 0o600
    await journal.close()
    found = verify(saved)
    assert (found.entries, found.head, found.problem) == (*journal.head(), "")


MOVED = {
    "moved": (move_away, move_back, "{0}.old"),
    "its directory renamed": (rename_directory, rename_back, "{0.parent}.old/{0.name}"),
}


@pytest.mark.parametrize(("attack", "undo", "at"), MOVED.values(), ids=MOVED)
async def test_a_journal_that_is_moved_back_goes_on(
    path: Path,
    journal: SqliteJournal,
    attack: Callable[[Path], None],
    undo: Callable[[Path], None],
    at: str,
) -> None:
    attack(path)
    now_at = at.format(path)
    said = await refuses_everything(journal)
    assert f"was moved to {now_at} while it was open; nothing is recorded" in said
    assert said.endswith(f"Move {now_at} back to {path}, and it goes on")
    undo(path)
    assert await journal.moved() == ""
    await journal.beat()
    await journal.append("ann", Held("x"))
    await journal.close()
    assert (verify(path).entries, verify(path).problem) == (COUNT + 1, "")


BESIDE = {
    "-wal deleted": ("-wal", delete("-wal")),
    "-wal replaced by a copy": ("-wal", copy_over("-wal")),
    "-shm deleted": ("-shm", delete("-shm")),
    "-shm replaced by a copy": ("-shm", copy_over("-shm")),
}


@pytest.mark.parametrize(("end", "attack"), BESIDE.values(), ids=BESIDE)
async def test_what_lies_beside_a_journal_is_a_part_of_it(
    path: Path, journal: SqliteJournal, end: str, attack: Callable[[Path], None]
) -> None:
    attack(path)
    said = await refuses_everything(journal)
    assert f"the journal's file {path}{end} was deleted or replaced while it was open" in said
    assert f"All {COUNT} entries are in {path}: end this engine, then start it again" in said
    alone = path.with_name("alone.journal")
    shutil.copy(path, alone)  # as a kill of the engine leaves it: true without the -wal
    assert (verify(alone).entries, verify(alone).head) == journal.head()
    await journal.close()
    again = await SqliteJournal.open(path)
    assert again.head() == journal.head()
    await again.acquire("ann", this_engine(), "the test's engine before lives in this process")
    await again.append("ann", Held("x"))
    await again.close()
    assert (verify(path).entries, verify(path).problem) == (COUNT + 1, "")


async def test_a_journal_that_cannot_be_saved_says_so_until_it_can(
    path: Path, journal: SqliteJournal, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = Path(os.environ["XDG_STATE_HOME"])
    state.write_text("no directory")
    remove_directory(path)
    said = await journal.moved()
    assert "are open in this engine alone and can't be saved" in said
    assert "Don't end it" in said
    state.unlink()
    assert f"All {COUNT} entries are in {state}/" in await journal.moved()


async def test_closing_a_replaced_journal_leaves_the_files_at_its_path_alone(
    path: Path, journal: SqliteJournal
) -> None:
    """SQLite would delete the -wal by its path, and it may be another engine's by then."""
    replace_by_copy(path)
    before = sorted(one.name for one in path.parent.iterdir())
    await journal.close()
    assert sorted(one.name for one in path.parent.iterdir()) == before


async def test_a_process_that_closed_a_replaced_journal_ends_and_leaves_its_wal(path: Path) -> None:
    program = (
        "import asyncio, os, shutil, sys; from pathlib import Path\n"
        "from optibid_console.entries import Held\n"
        "from optibid_console.journal.sqlite import SqliteJournal\n"
        "async def main(path):\n"
        "    journal = await SqliteJournal.open(path, create=True)\n"
        "    await journal.append('ann', Held('x'))\n"
        "    shutil.copy(path, f'{path}.x'); os.rename(f'{path}.x', path)\n"
        "    await journal.close()\n"
        "asyncio.run(main(Path(sys.argv[1])))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(path)], capture_output=True, text=True, timeout=60,
        cwd=Path(__file__).parents[2], check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    assert Path(f"{path}-wal").stat().st_size > 0


async def test_an_engine_that_was_deposed_notices_it_also_at_a_moved_journal(
    path: Path, journal: SqliteJournal
) -> None:
    other = await SqliteJournal.open(path)
    await other.acquire("bob", this_engine(), "ann is silent")
    move_away(path)
    with pytest.raises(Deposed, match="bob took this window over"):
        await journal.beat()
    await other.close()
    await journal.close()


async def test_a_link_that_is_set_anew_is_another_journal(path: Path, tmp_path: Path) -> None:
    link = tmp_path / "link.journal"
    link.symlink_to(path)
    journal = await SqliteJournal.open(link, create=True)
    await journal.append("ann", Held("x"))
    assert await journal.moved() == ""
    shutil.copy(path, tmp_path / "other.journal")
    link.unlink()
    link.symlink_to(tmp_path / "other.journal")
    with pytest.raises(JournalMoved, match=r"was moved to .*/windows/one\.journal"):
        await journal.append("ann", Held("y"))
    await journal.close()


async def test_a_forced_rollback_goes_into_a_spill_and_comes_in_when_the_file_is_back(
    path: Path, journal: SqliteJournal
) -> None:
    spilling = SpillingJournal(journal, path)
    move_away(path)
    await spilling.scrub()
    assert "was moved to" in spilling.problem
    with pytest.raises(JournalError, match="was moved to"):
        await spilling.append("ann", Held("x"))
    await spilling.force("rollback")
    started = ActionStarted("rollback", "r1", ("R1",))
    spilled = await spilling.append("ann", started)
    assert spilled.seq == COUNT + 2
    assert [one.seq for one in spill.read(Path(f"{path}.spill"))] == [COUNT + 1, COUNT + 2]
    with pytest.raises(JournalError, match="was moved to"):
        await spilling.mend()
    move_back(path)
    await spilling.scrub()
    assert len(await spilling.mend()) == 1
    assert spilling.problem == ""
    await spilling.close()
    assert (verify(path).entries, verify(path).problem) == (COUNT + 3, "")
    assert [one.fact for one in entries_of(path)][COUNT + 1] == started


async def test_the_scrub_opens_nothing_at_the_path_of_a_replaced_journal(
    path: Path, journal: SqliteJournal
) -> None:
    """A second connection would fold the -wal of the open file into the other one."""
    copy = Path(f"{path}.x")
    shutil.copy(path, copy)
    before = copy.read_bytes()
    copy.rename(path)
    spilling = SpillingJournal(journal, path)
    await spilling.scrub()
    assert "was deleted or replaced" in spilling.problem
    assert path.read_bytes() == before
    assert Path(f"{path}-wal").exists()
    await spilling.close()


async def test_who_follows_the_file_is_told_and_goes_on_with_what_is_there_then(
    path: Path, journal: SqliteJournal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("optibid_console.journal.following.BEAT_S", 0.05)
    watch = JournalWatch(path, "bob")
    events = watch.events()
    seen: list[int] = []
    async for event in events:
        if isinstance(event, Entry):
            seen.append(event.seq)
        if isinstance(event, CaughtUp):
            move_away(path)
        if isinstance(event, Lost) and "was moved to" in event.why:
            move_back(path)
            await journal.append("ann", Held("after it"))
        if len(seen) == COUNT + 1:
            break
    assert seen == list(range(1, COUNT + 2))
    await events.aclose()
    await journal.close()


@pytest.mark.parametrize(
    ("attack", "says"),
    [(move_away, "was moved: move it back"), (replace_by_copy, "was deleted or replaced, or"),
     (delete(""), "was deleted or replaced, or")],
)  # fmt: skip
async def test_a_spill_that_is_not_at_its_path_takes_nothing(
    path: Path, attack: Callable[[Path], None], says: str
) -> None:
    def first(at: Path) -> Entry:
        return seal(1, 1.0, 1.0, "console", SpillOpened(str(at), "full"), "0" * 64)

    made, opened = spill.Spill.create(path, first)
    attack(made.path)
    later = seal(2, 1.0, 1.0, "ann", Held("x"), opened.hash)
    with pytest.raises(OSError, match=says):
        made.append(later)
    if attack is move_away:
        move_back(made.path)
        made.append(later)
        assert [one.seq for one in spill.read(made.path)] == [1, 2]
