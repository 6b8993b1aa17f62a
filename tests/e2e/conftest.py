"""A home of its own for each test, and the real command in it: with and without a terminal."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from optibid_console import engine_record
from optibid_console.engine_record import EngineRecord
from optibid_console.entries import Entry
from optibid_console.journal.file import entries_of
from optibid_console.journal.journal import JournalError
from optibid_console.state import fold
from tests.e2e.terminal import WITHIN_S, Terminal
from tests.home import own_home, until

RUNBOOK = """
[window]
name = "Little window"
version = "v1"
stack = "systemd"

[probes.beat]
kind = "command"
run = "true"
every = "200ms"

[[phases]]
id = "one"
title = "First phase"
at = "T-5m"

[[phases.steps]]
id = "1.1"
title = "Say hello"
on = "local"
run = "echo launched >>launches; until [ -e go ]; do sleep 0.05; done; echo hello"
timeout = "1m"

[[phases.steps]]
id = "1.2"
title = "Look around"
on = "local"
run = "true"
"""


class Home:
    """Where the command's files are, and the command."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.config = path / "config.toml"
        self.journal = path / "a.journal"
        self.state = path / "state" / "optibid-console"
        self.runtime = path / "run" / "optibid-console"
        self.terminals: list[Terminal] = []
        self.processes: list[subprocess.Popen[str]] = []

    def start(self, *arguments: str, **given: Any) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-m", "optibid_console", *arguments],
            cwd=self.path, text=True, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, **given,
        )  # fmt: skip
        self.processes.append(process)
        return process

    def run(self, *arguments: str, **given: Any) -> subprocess.CompletedProcess[str]:
        """Run it to its end, without a terminal."""
        process = self.start(*arguments, **given)
        out, err = process.communicate(timeout=WITHIN_S)
        assert "Traceback" not in out + err
        return subprocess.CompletedProcess(arguments, process.returncode, out, err)

    def terminal(self, *arguments: str, **given: Any) -> Terminal:
        """Run it in a terminal."""
        terminal = Terminal(*arguments, cwd=self.path, **given)
        self.terminals.append(terminal)
        return terminal

    def console(self, *arguments: str, **given: Any) -> Terminal:
        """`run` on this home's journal, once its window is seen."""
        terminal = self.terminal("run", "--journal", str(self.journal), *arguments, **given)
        terminal.until("Little window", "Say hello", "recording")
        return terminal

    def status(self) -> Any:
        return json.loads(self.run("status", "--json", str(self.journal)).stdout)

    def operator(self) -> str:
        return fold(entries_of(self.journal)).operator

    def engine(self) -> EngineRecord:
        (one,) = engine_record.running()
        return one

    def entries(self, kind: str = "", journal: Path | None = None) -> list[Entry]:
        try:
            found = list(entries_of(journal or self.journal))
        except JournalError as error:
            if "no window was recorded in it" not in str(error):
                raise
            return []  # an engine is just making it
        return [one for one in found if kind in ("", one.to_plain()["kind"])]

    def launches(self) -> int:
        """How often the command of step 1.1 was begun."""
        with suppress(FileNotFoundError):
            return (self.path / "launches").read_text().count("launched")
        return 0

    def go(self) -> None:
        """Let the command of step 1.1 end."""
        (self.path / "go").touch()

    def left(self) -> list[str]:
        """What engines left: records, locks, sockets, journals still open, processes."""
        files = [
            str(one)
            for place in (self.state / "engines", self.runtime)
            if place.is_dir()
            for one in place.iterdir()
        ]
        wal = [str(one) for one in self.path.rglob("*.journal-*")]
        return files + wal + [f"{pid}: {line}" for pid, line in self.own_processes().items()]

    def nothing_is_left(self) -> bool:
        """A probe's command that was cut off has a watcher that may sleep for a second more."""
        return self.left() == []

    def own_processes(self) -> dict[int, str]:
        """Every process whose HOME is this one, except those that this test started."""
        mine = {one.pid for one in self.processes} | {one.process.pid for one in self.terminals}
        wanted = f"HOME={self.path}".encode()
        found = {}
        for entry in Path("/proc").glob("[0-9]*"):
            pid = int(entry.name)
            with suppress(OSError):
                if pid not in {*mine, os.getpid()} and wanted in (
                    (entry / "environ").read_bytes().split(b"\0")
                ):
                    line = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()
                    if line:
                        found[pid] = line
        return found

    def end(self) -> None:
        for process in self.processes:
            if process.poll() is None:
                process.kill()
            process.communicate(timeout=WITHIN_S)
        for one in engine_record.running():
            os.kill(one.pid, signal.SIGTERM)
        self.go()
        until(lambda: not engine_record.running())
        for terminal in self.terminals:
            terminal.close()
        until(lambda: not self.own_processes())  # runs outlive engines; `go` ends them
        for log in self.path.rglob("*.engine.log"):
            assert "Traceback" not in log.read_text()
        assert not list(self.path.rglob("crashes/*"))


@pytest.fixture
def home(monkeypatch: pytest.MonkeyPatch) -> Iterator[Home]:
    with own_home(monkeypatch) as path:
        monkeypatch.delenv("NO_COLOR", raising=False)
        monkeypatch.setenv("TERM", "xterm-256color")
        monkeypatch.chdir(path)
        home = Home(path)
        home.config.write_text(RUNBOOK)
        yield home
        home.end()
