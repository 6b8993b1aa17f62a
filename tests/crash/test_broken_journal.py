"""A disk that is full, or goes bad, under a running window: nothing starts, nothing is lost,
rollback can."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from optibid_console import commands as c
from optibid_console import entries as e
from optibid_console.journal import spill
from optibid_console.journal.chain import verify
from optibid_console.journal.file import entries_of
from optibid_console.journal.lease import this_engine
from optibid_console.journal.sqlite import JournalError, SqliteJournal
from optibid_console.permit import forced_words
from optibid_console.signals import Pulse
from optibid_console.state import StepStatus

SMALL_DISK = 'mount -t tmpfs -o size=2m,mode=700 small {dir} && exec "$@"'


def may_mount() -> bool:
    done = subprocess.run(
        ["unshare", "-m", "sh", "-c", "mount -t tmpfs small /mnt"], capture_output=True, check=False
    )
    return done.returncode == 0


needs_mount = pytest.mark.skipif(
    os.geteuid() != 0 or not may_mount(), reason="needs to mount: root, and a kernel that lets it"
)


def fill(disk: Path) -> None:
    with (disk / "filler").open("wb", buffering=0) as filler:
        size = 65536
        while size:
            try:
                filler.write(b"x" * size)
            except OSError:
                size //= 2


def pulse(screen: Any) -> Pulse | None:
    told = [one for one in screen.events if isinstance(one, Pulse)]
    return told[-1] if told else None


@needs_mount
async def test_on_a_full_disk_nothing_starts_but_a_forced_rollback_and_nothing_is_lost(
    place: Any,
) -> None:
    disk = place.path / "disk"
    disk.mkdir()
    place.journal = disk / "a.journal"
    mount = ("unshare", "-m", "sh", "-c", SMALL_DISK.format(dir=disk), "sh")
    engine = await place.engine("--as", "ann", prefix=mount)
    seen = Path(f"/proc/{engine.pid}/root{disk}")
    async with place.attached("ann") as ann:
        await ann.send(c.RunStep("1.1"))
        await ann.until(lambda one: one.state.step("1.1").status is StepStatus.DONE)
        fill(seen)
        await ann.until(lambda one: pulse(one) and not pulse(one).journal_ok)
        assert "full; make space there" in pulse(ann).problem
        for command in (c.WriteNote("window", "x"), c.StartAction("rollback", "rollback")):
            reply = await ann.send(command)
            assert isinstance(reply, c.Refused)
            assert "can't be written, so nothing was done" in reply.why
        assert "type 'rollback without journal'" in reply.why
        words = forced_words(ann.state.runbook.action("rollback"))
        assert isinstance(
            await ann.send(c.StartAction("rollback", "rollback", forced=True)), c.Refused
        )
        assert place.lines("undone") == 0
        assert isinstance(await ann.send(c.StartAction("rollback", words, forced=True)), c.Accepted)
        await ann.until(lambda one: one.state.actions and not one.state.action_run)
        assert place.lines("undone") == 1
        assert ann.state.spill.startswith(str(place.path / "state"))
        assert Path(ann.state.spill).exists()
        async with place.attached("bob") as bob:  # who comes now sees all of it
            await bob.until(lambda one: one.state.seq == ann.state.seq)
        (seen / "filler").unlink()
        await ann.until(lambda one: not one.state.spill)
        await ann.until(lambda one: pulse(one).journal_ok)
        assert isinstance(await ann.send(c.WriteNote("window", "it is back")), c.Accepted)
        await ann.until(lambda one: one.state.notes)
    held = os.open(seen, os.O_RDONLY | os.O_DIRECTORY)  # the disk goes with its last user
    assert await place.end(engine) == 0
    place.journal = place.path / "a.journal"
    place.journal.write_bytes(Path(f"/proc/self/fd/{held}/a.journal").read_bytes())
    os.close(held)
    assert verify(place.journal).problem == ""
    facts = [one.fact for one in entries_of(place.journal)]
    (opened,) = [i for i, one in enumerate(facts, 1) if isinstance(one, e.SpillOpened)]
    (merged,) = [one for one in facts if isinstance(one, e.SpillMerged)]
    assert merged.first == opened
    assert not Path(merged.path).exists()


async def grow(path: Path, count: int) -> None:
    """Notes that nobody reads again, in pages that no append needs."""
    journal = await SqliteJournal.open(path)
    await journal.acquire("ann", this_engine())
    (seq, prev), entries = journal.head(), []
    for number in range(seq + 1, seq + 1 + count):
        note = e.NoteWritten("window", f"{number} {'x' * 300}")
        entries.append(e.seal(number, 1.0, 1.0, "ann", note, prev))
        prev = entries[-1].hash
    await journal.append_sealed(entries)
    await journal.release()
    await journal.close()


async def test_pages_that_go_bad_under_a_running_window_are_noticed_and_stop_new_starts(
    place: Any,
) -> None:
    before = await place.engine("--as", "ann")
    async with place.attached("ann") as ann:
        await ann.send(c.RunStep("1.1"))
        await ann.until(lambda one: one.state.step("1.1").status is StepStatus.DONE)
    assert await place.end(before) == 0
    await grow(place.journal, 1500)
    engine = await place.engine("--as", "ann")
    async with place.attached("ann") as ann:
        middle, size = place.journal.stat().st_size * 3 // 4 // 4096 * 4096, 8 * 4096
        with place.journal.open("r+b") as file:
            file.seek(middle)
            good = file.read(size)
            file.seek(middle)
            file.write(b"\xff" * size)
        await ann.until(lambda one: pulse(one) and not pulse(one).journal_ok)
        said = pulse(ann).problem
        assert re.search(r"is damaged: entry \d+ can't be read: .* malformed", said)
        assert "check the disk, keep the file as evidence" in said
        for command in (c.WriteNote("window", "x"), c.StartAction("rollback", "rollback")):
            reply = await ann.send(command)
            assert isinstance(reply, c.Refused)
            assert "can't be written, so nothing was done" in reply.why
        words = forced_words(ann.state.runbook.action("rollback"))
        assert isinstance(await ann.send(c.StartAction("rollback", words, forced=True)), c.Accepted)
        await ann.until(lambda one: one.state.actions and not one.state.action_run)
        assert place.lines("undone") == 1
        assert Path(ann.state.spill).exists()
        with place.journal.open("r+b") as file:  # as from a copy of the disk
            file.seek(middle)
            file.write(good)
        await ann.until(lambda one: not one.state.spill and pulse(one).journal_ok)
        assert isinstance(await ann.send(c.WriteNote("window", "it is whole")), c.Accepted)
    assert await place.end(engine) == 0
    assert verify(place.journal).problem == ""
    assert place.lines("launches") == 1


async def test_a_spill_of_a_deposed_engine_is_told_at_once_and_merged_at_the_next_start(
    place: Any,
) -> None:
    engine = await place.engine("--as", "ann")
    ((last, prev),) = [(one.seq, one.hash) for one in list(entries_of(place.journal))[-1:]]

    def first(path: Path) -> e.Entry:
        return e.seal(last + 1, 1.0, 1.0, "console", e.SpillOpened(str(path), "full"), prev)

    async with place.attached("ann") as ann:
        left, opened = spill.Spill.create(place.journal, first)
        late = e.seal(last + 2, 2.0, 2.0, "bob", e.NoteWritten("window", "late"), opened.hash)
        left.append(late)
        await ann.until(lambda one: one.state.notes)
        (note,) = ann.state.notes
        assert note.text.startswith(f"another engine left a spill, {left.path}: ")
        assert "not merged yet; the next `run` does" in note.text
    assert await place.end(engine) == 0
    assert await place.end(await place.engine("--as", "ann")) == 0
    assert verify(place.journal).problem == ""
    assert [one.text for one in place.state().notes] == [note.text, "late"]
    assert not left.path.exists()


@needs_mount
def test_a_journal_on_a_read_only_file_system_says_so(tmp_path: Path) -> None:
    program = (
        "import asyncio, sys; from pathlib import Path; "
        "from optibid_console.journal.sqlite import SqliteJournal, JournalError\n"
        "try: asyncio.run(SqliteJournal.open(Path(sys.argv[1]), create=True))\n"
        "except JournalError as error: print(error)"
    )
    bind = f"mount --bind {tmp_path} {tmp_path} && mount -o remount,ro,bind {tmp_path}"
    said = subprocess.run(
        ["unshare", "-m", "sh", "-c", f'{bind} && exec "$@"', "sh", sys.executable, "-c", program,
         str(tmp_path / "a.journal")],
        capture_output=True, text=True, check=True, cwd=Path(__file__).parents[2],
    )  # fmt: skip
    assert "a.journal can't be opened: Read-only file system; " in said.stdout


async def test_a_corrupt_page_stops_the_journal_and_verify_names_it(tmp_path: Path) -> None:
    path = tmp_path / "a.journal"
    journal = await SqliteJournal.open(path, create=True)
    for number in range(200):
        await journal.append("ann", e.NoteWritten("window", f"{number} {'x' * 200}"))
    await journal.close()
    with path.open("r+b") as file:
        file.seek(-3 * 4096, os.SEEK_END)
        file.write(b"\xff" * 3 * 4096)
    with pytest.raises(JournalError, match=r"malformed; check the disk, keep the file as evidence"):
        await SqliteJournal.open(path)
    found = verify(path)
    assert 150 < found.entries < 200
    assert found.problem.startswith(f"entry {found.entries + 1} can't be read: ")
    assert "malformed" in found.problem
