"""A power cut at any moment: every entry whose append returned is there, and the chain holds."""

from __future__ import annotations

import asyncio
import os
import random
import shutil
import tempfile
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from optibid_console.entries import Held
from optibid_console.journal import spill
from optibid_console.journal.chain import Verified, verify
from optibid_console.journal.journal import JournalError
from optibid_console.journal.lease import this_engine
from optibid_console.journal.sqlite import SqliteJournal
from tests.journal.power_cut import Call, Disk, trace

pytestmark = pytest.mark.server("strace")
ROOT = Path(__file__).parents[2]

APPENDS = """
import asyncio, os, random, sys
from pathlib import Path
from optibid_console.entries import NoteWritten
from optibid_console.journal.lease import this_engine
from optibid_console.journal.sqlite import SqliteJournal
chance = random.Random(7)
async def main():
    for _ in range(2):
        journal = await SqliteJournal.open(Path(sys.argv[1]), create=True)
        # checkpoints come often enough to be cut through
        await journal._do("read", lambda: journal._db.execute("PRAGMA wal_autocheckpoint = 40"))
        await journal.acquire("ann", this_engine())
        for _ in range(45):
            entry = await journal.append("ann", NoteWritten("window", "x" * chance.randrange(9000)))
            os.write(1, b"%d\\n" % entry.seq)
            if entry.seq % 9 == 0:
                await journal.beat()
        await journal.release()
        await journal.close()
asyncio.run(main())
"""

SPILLS = """
import os, sys
from pathlib import Path
from optibid_console.entries import GENESIS, NoteWritten, SpillOpened, seal
from optibid_console.journal.spill import Spill
def first(path):
    return seal(1, 1.0, 1.0, "console", SpillOpened(str(path), "full"), GENESIS)
spill, entry = Spill.create(Path(sys.argv[1]), first)
os.write(1, b"1\\n")
for number in range(2, 40):
    note = NoteWritten("window", "x" * (number * 97))
    entry = seal(number, 1.0, 1.0, "ann", note, entry.hash)
    spill.append(entry)
    os.write(1, b"%d\\n" % number)
"""


@pytest.fixture
def memory() -> Iterator[Path]:
    """In memory where there is such a place: what is certain is told by the calls, not the disk,
    and others keep that busy."""
    shared = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=shared if os.access(shared, os.W_OK) else None) as place:
        yield Path(place)


class Traced:
    """What a program did to the disk, and which numbers it had said by then."""

    def __init__(self, room: Path, program: str, *place: str) -> None:
        self.root = room / "disk"
        self.root.mkdir()
        self.place = Path(*place)
        env = {
            **os.environ, "PYTHONPATH": str(ROOT), "XDG_STATE_HOME": str(self.root / "state"),
            "XDG_RUNTIME_DIR": str(self.root / "runtime"),
        }  # fmt: skip
        path = self.root / self.place
        self.calls = trace(program, [str(path)], env, room / "strace")

    def cuts(self, seed: int, many: int) -> Iterator[tuple[int, Path]]:
        """The last number that was said, and the disk's root, for cuts after the calls that
        make the file, each, and `many` others."""
        chance = random.Random(seed)
        mine = [i for i, one in enumerate(self.calls) if self._matters(one)]
        after = {*mine[:60], *chance.sample(mine[60:], min(many, len(mine) - 60))}
        disk, said, into = Disk(self.root), 0, self.root.with_name("cut")
        for i, call in enumerate(self.calls):
            disk.take(call)
            if call.name == "write" and call.fd == 1:
                said = int(call.data)
            if i not in after:
                continue
            into.mkdir()
            disk.cut(chance, into)
            yield said, into
            shutil.rmtree(into)

    def _matters(self, call: Call) -> bool:
        return call.path.startswith(str(self.root)) or call.fd == 1


def test_every_entry_that_was_appended_survives_a_power_cut_at_any_moment(memory: Path) -> None:
    traced = Traced(memory, APPENDS, "windows", "of", "today", "one.journal")
    cuts = whole = 0
    for said, root in traced.cuts(seed=20261124, many=240):
        cuts += 1
        path = root / traced.place
        found = left_of(path)
        assert isinstance(found, Verified) or said == 0, f"{said} entries: {found}"
        if isinstance(found, Verified):
            assert (found.problem, found.entries >= said) == ("", True), (said, found)
            whole += 1
        if cuts % 10 == 0:
            asyncio.run(goes_on(path, said))
    assert cuts >= 250
    assert whole >= 200


def left_of(path: Path) -> Verified | JournalError:
    try:
        return verify(path)
    except JournalError as error:
        return error


async def goes_on(path: Path, said: int) -> None:
    journal = await SqliteJournal.open(path, create=True)
    await journal.acquire("bob", this_engine(), "the power is back")
    entry = await journal.append("bob", Held("goes on"))
    await journal.close()
    assert entry.seq > said
    assert (verify(path).entries, verify(path).problem) == (entry.seq, "")


@pytest.mark.parametrize("blocked", [False, True])
def test_every_entry_of_a_spill_survives_a_power_cut(memory: Path, blocked: bool) -> None:
    """Beside the journal, and in the state directory, where the first place can't be taken."""
    journal = "/proc/none/one.journal" if blocked else "one.journal"
    traced = Traced(memory, SPILLS, journal)
    cuts = 0
    for said, root in traced.cuts(seed=7, many=150):
        cuts += 1
        files = list(root.rglob("*.spill"))
        entries = spill.read(files[0]) if files else []
        assert [one.seq for one in entries[:said]] == list(range(1, said + 1))
        assert all(a.hash == b.prev for a, b in pairwise(entries))
    assert cuts >= 60
