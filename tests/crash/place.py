"""A window's directory, and real engines in processes of their own that a test ends."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

from optibid_console import engine_record
from optibid_console.entries import Entry, kind_of
from optibid_console.journal.places import entries_of
from optibid_console.journal_place import Place as JournalPlace
from optibid_console.source import CaughtUp
from optibid_console.state import WindowState, fold
from optibid_console.stop_points import VARIABLE
from tests.crash.attached import WITHIN_S, Attached

PRINTS = r"printf 'a\0b\377\033[2J\n'; echo wrong >&2; sleep 0.3; seq 1 3000; printf 'no newline'"
"""What step 1.1 does after it has noted its launch: bytes that are easily lost or changed."""

RUNBOOK = """
[window]
name = "Little window"
version = "v1"
stack = "directory"

[targets.here]
kind = "local"
run_dir = "{dir}/runs"
cwd = "{dir}"

{targets}

[[phases]]
id = "one"
title = "First phase"
at = "T-5m"

[[phases.steps]]
id = "1.1"
title = "Print"
on = "{on}"
run = '''echo launched >>{dir}/launches; {prints}'''
timeout = "1m"

[[actions]]
id = "rollback"
title = "Rollback"
key = "R"
needs_facts = []

[[actions.steps]]
id = "R1"
title = "Undo"
on = "{on}"
run = "echo undone >>{dir}/undone"
undoes = ["1.1"]
"""


class Place:
    """A directory with a runbook, a journal and what engines leave there."""

    def __init__(
        self,
        path: Path,
        on: str = "here",
        targets: str = "",
        prints: str = PRINTS,
        journal: JournalPlace | None = None,
        home: Path | None = None,
    ) -> None:
        """`home`: where this console keeps its state, as on a machine of its own."""
        self.path = path
        self.config = path / "config.toml"
        self.journal = journal or path / "a.journal"
        given = {"dir": path, "on": on, "targets": targets, "prints": prints}
        self.config.write_text(RUNBOOK.format(**given))
        self.looked_at: JournalPlace | None = None
        """Where this process reads the journal, when that isn't where the consoles do."""
        self.env: dict[str, str] = {}
        if home is not None:
            (home / "run").mkdir(parents=True)
            state, runtime = str(home / "state"), str(home / "run")
            self.env = {"XDG_STATE_HOME": state, "XDG_RUNTIME_DIR": runtime}
        self.engines: list[subprocess.Popen[str]] = []

    async def engine(
        self, *options: str, stop_at: str = "", prefix: tuple[str, ...] = ()
    ) -> subprocess.Popen[str]:
        """An engine, once it is ready. Raises `AssertionError` with what it says when it isn't."""
        reads, writes = os.pipe()
        process = subprocess.Popen(
            [
                *prefix, sys.executable, "-m", "optibid_console", "engine", "-c", str(self.config),
                "--journal", str(self.journal), "--ready-fd", str(writes), *options,
            ],
            cwd=self.path, text=True, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE,
            pass_fds=(writes,), env={**os.environ, **self.env, VARIABLE: stop_at},
        )  # fmt: skip
        os.close(writes)
        self.engines.append(process)
        with os.fdopen(reads) as ready:
            said = await asyncio.to_thread(ready.read)
        assert said == "ready\n", said
        return process

    @contextlib.asynccontextmanager
    async def attached(self, name: str = "ann", take_over: str = "") -> AsyncIterator[Attached]:
        with self.at_home():
            record = engine_record.find(self.journal)
        assert record is not None
        screen = Attached(Path(record.socket), name, take_over)
        task = asyncio.create_task(screen.take())
        try:
            await screen.until(lambda one: one.has(CaughtUp))
            yield screen
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    @contextlib.contextmanager
    def at_home(self) -> Iterator[None]:
        """This process as one on that console's machine."""
        before = {name: os.environ.get(name) for name in self.env}
        os.environ.update(self.env)
        try:
            yield
        finally:
            for name, value in before.items():
                os.environ[name] = value or ""

    async def end(self, process: subprocess.Popen[str], how: int = signal.SIGTERM) -> int:
        if process.poll() is None:
            process.send_signal(how)
        return await asyncio.to_thread(process.wait, WITHIN_S)

    @property
    def seen(self) -> JournalPlace:
        return self.looked_at or self.journal

    def state(self) -> WindowState:
        return fold(entries_of(self.seen))

    def facts(self, kind: type) -> list[Entry]:
        return [one for one in entries_of(self.seen) if isinstance(one.fact, kind)]

    def kinds(self) -> list[str]:
        return [kind_of(type(one.fact)) for one in entries_of(self.seen)]

    def lines(self, name: str) -> int:
        with contextlib.suppress(FileNotFoundError):
            return len((self.path / name).read_text().splitlines())
        return 0

    def output(self, run_id: str) -> bytes:
        return (self.path / "runs" / run_id / "out").read_bytes()

    def bare(self) -> bytes:
        """What the command prints when nobody is between."""
        return subprocess.run(
            ["/bin/sh", "-c", PRINTS], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=True
        ).stdout

    def clear(self) -> None:
        for process in self.engines:
            if process.poll() is None:
                process.kill()
            _, said = process.communicate(timeout=WITHIN_S)
            assert "Traceback" not in said


def container_target(path: Path, container: str, docker: str, on: str = "") -> str:
    """The table of a container that sees the directory of temporary files."""
    return (
        f'[targets.there]\nkind = "container"\ncontainer = "{container}"\ndocker = "{docker}"\n'
        f'run_dir = "{path}/runs"\ncwd = "{path}"\n' + (f'on = "{on}"\n' if on else "")
    )
