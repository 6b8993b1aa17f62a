"""What the journal costs: a durable append beside a bare insert, and opening a long one."""

from __future__ import annotations

import asyncio
import json
import resource
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from optibid_console import entries as e
from optibid_console.codec import to_plain
from optibid_console.engine.ledger import Ledger
from optibid_console.feed.hub import Hub
from optibid_console.journal import chain, entry_row, file
from optibid_console.journal.lease import this_engine
from optibid_console.journal.spilling import SpillingJournal
from optibid_console.journal.sqlite import SqliteJournal
from optibid_console.runbook.model import Phase, Runbook, Step, Window
from optibid_console.runbook.secrets import Secrets
from probes.probe import Reading, Seconds, Status
from tests.bench.figures import Figures

APPENDS = 400
FEW, MANY = 100_000, 1_000_000

FACT = e.ProbeChanged(Reading("backend", Status.FAILING, 'status "error"', 1.0, 12.0))


def main() -> int:
    figures = Figures()
    with tempfile.TemporaryDirectory(prefix="bench-journal-") as place:
        asyncio.run(_appends(Path(place), figures))
        _openings(Path(place), figures)
    return figures.status


def _openings(place: Path, figures: Figures) -> None:
    """The best of each, taken in turns: what else the machine does only adds."""
    paths = {count: place / f"{count}.journal" for count in (FEW, MANY)}
    for count, path in paths.items():
        _write(path, count)
    for what, option in (("opening and folding", "--open"), ("verifying", "--verify")):
        best: dict[int, dict[str, float]] = {}
        for count in (FEW, MANY, FEW, MANY, FEW, MANY, FEW):
            command = [sys.executable, __file__, option, str(paths[count])]
            said = json.loads(subprocess.check_output(command))
            known = best.get(count, said)
            best[count] = {name: min(said[name], known[name]) for name in said}
        for count, said in best.items():
            figures.told(
                f"{what} a journal of {count:,} entries", said["took_s"], "s",
                cpu_s=round(said["cpu_s"], 2), memory_mb=said["memory_mb"],
                file_mb=round(paths[count].stat().st_size / 1e6),
            )  # fmt: skip
        figures.at_most(
            f"ten times the entries: {what}, CPU time",
            best[MANY]["cpu_s"] / best[FEW]["cpu_s"], 11.0, "times",
            wall=round(best[MANY]["took_s"] / best[FEW]["took_s"], 2),
        )  # fmt: skip


async def _appends(place: Path, figures: Figures) -> None:
    """Interleaved, so that the disk is as busy for the one as for the other."""
    journal = await SqliteJournal.open(place / "append.journal", create=True)
    await journal.acquire("bench", this_engine())
    bare = sqlite3.connect(place / "bare.sqlite", isolation_level=None)
    bare.execute("PRAGMA journal_mode = WAL")
    bare.execute("PRAGMA synchronous = FULL")
    bare.execute(file._SCHEMA)
    durable_ms, bare_ms = [], []
    for number in range(1, APPENDS + 1):
        began = time.perf_counter()
        entry = await journal.append("bench", FACT)
        durable_ms.append((time.perf_counter() - began) * 1000)
        row = [number, *entry_row.row_of(entry)[1:]]
        began = time.perf_counter()
        bare.execute("INSERT INTO entries VALUES (?, ?, ?, ?, ?, ?, ?, ?)", row)
        bare_ms.append((time.perf_counter() - began) * 1000)
    await journal.close()
    bare.close()
    durable, insert = statistics.median(durable_ms), statistics.median(bare_ms)
    figures.at_most(
        "a durable append, of a bare sqlite3 insert", durable / insert, 1.5, "times",
        append_ms=round(durable, 3), insert_ms=round(insert, 3), appends=APPENDS,
    )  # fmt: skip


def _write(path: Path, count: int) -> None:
    """A journal of so many entries, written in one transaction: durable as a whole."""
    db = file.connect(path, create=True, writable=True)
    with file.transaction(db):
        db.executemany(
            "INSERT INTO entries VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (entry_row.row_of(one) for one in _entries(count)),
        )
    db.close()


def _entries(count: int) -> Iterator[e.Entry]:
    prev = e.GENESIS
    facts = _facts()
    for seq in range(1, count + 1):
        entry = e.seal(seq, 1_800_000_000.0 + seq, float(seq), "oncall-1", next(facts), prev)
        prev = entry.hash
        yield entry


def _facts() -> Iterator[e.Fact]:
    """As a window's day has them, and with all that grows: runs, steps of actions, notes."""
    step = Step("2.1", "Migrate", on="app-1", run="true")
    phase = Phase("migrate", "Migration", Seconds(0), steps=(step,))
    runbook = Runbook(window=Window("OptiBid", "v1"), phases=(phase,))
    yield e.WindowOpened("w", "OptiBid", "v1", "20270115_070000", 1.0, 1.0, "d", to_plain(runbook))
    number = 0
    while True:
        number += 1
        run_id = f"w-2.1-{number}"
        for probe in range(4):
            status = Status.OK if number % 2 else Status.FAILING
            yield e.ProbeChanged(Reading(f"probe-{probe}", status, "3 ms", float(number), 3.0))
        yield e.StepStarted("2.1", run_id, number, "run", "app-1", "true", 1, 60.0)
        yield e.RunLaunched(run_id)
        yield e.RunEnded(run_id, e.Outcome.SUCCEEDED, "exit 0", 0, last_lines=("done",))
        yield e.StepFinished("2.1", run_id, e.Outcome.SUCCEEDED, "exit 0", 1.0)
        yield e.NoteWritten("step:2.1", f"note {number}")
        yield e.CriterionJudged("errors", e.Verdict.PASS, f"0.{number} below 5", float(number))


def _measured(work: Callable[[], object]) -> None:
    """Do it and say what it took."""
    before_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    began, cpu_began = time.perf_counter(), time.process_time()
    work()
    said = {"took_s": time.perf_counter() - began, "cpu_s": time.process_time() - cpu_began}
    memory_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024 - before_mb
    print(json.dumps({**said, "memory_mb": round(memory_mb)}))


async def _open(path: Path) -> None:
    """As the engine does."""
    journal = SpillingJournal(await SqliteJournal.open(path), path)
    ledger = Ledger(journal, Hub(), Secrets())
    await ledger.restore()
    await journal.close()


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["--open", path]:
            _measured(lambda: asyncio.run(_open(Path(path))))
        case ["--verify", path]:
            _measured(lambda: chain.verify(Path(path)))
        case _:
            raise SystemExit(main())
