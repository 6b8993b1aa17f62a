"""A home of its own for each test, a small runbook in it, and the real command."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from optibid_console import engine_record
from tests.home import WITHIN_S, own_home, until

RUNBOOK = """
[window]
name = "Little window"
version = "v1"
stack = "directory"

[probes.fine]
kind = "command"
run = "true"

[probes.broken]
kind = "command"
run = "exit 1"

[probes.silent]
kind = "command"
run = "sleep 20"
timeout = "200ms"

[[phases]]
id = "one"
title = "First phase"
at = "T-5m"

[[phases.steps]]
id = "1.1"
title = "Say hello"
on = "local"
run = "echo hello"
"""


class Home:
    """Where the command's files are, and the command."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.config = path / "config.toml"
        self.config.write_text(RUNBOOK)
        self.state = path / "state" / "optibid-console"
        self.runtime = path / "run" / "optibid-console"

    def start(self, *arguments: str, interrupts_ignored: bool = False) -> subprocess.Popen[str]:
        trap = "trap '' INT; " if interrupts_ignored else ""
        return subprocess.Popen(
            ["sh", "-c", f'{trap}exec "$@"', "sh", sys.executable, "-m", "optibid_console",
             *arguments],
            cwd=self.path, text=True, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        with self.start(*arguments) as process:
            out, err = process.communicate(timeout=WITHIN_S)
        assert "Traceback" not in out + err
        return subprocess.CompletedProcess(arguments, process.returncode, out, err)

    def left(self) -> list[str]:
        """Files of engines: locks, records, sockets."""
        places = (self.state / "engines", self.runtime)
        return [one.name for place in places if place.is_dir() for one in place.iterdir()]

    def end_engines(self) -> None:
        for one in engine_record.running():
            os.kill(one.pid, signal.SIGTERM)
        until(lambda: not engine_record.running())


@pytest.fixture
def home(monkeypatch: pytest.MonkeyPatch) -> Iterator[Home]:
    with own_home(monkeypatch) as path:
        monkeypatch.chdir(path)
        home = Home(path)
        yield home
        home.end_engines()
