"""The `action` command on a little window, and what it prints."""

from __future__ import annotations

import json
import subprocess
from typing import Any

from tests.e2e.conftest import Home
from tests.home import until

RUNBOOK = """
[window]
name = "Little window"
version = "v1"
stack = "directory"

[[phases]]
id = "one"
title = "First phase"
at = "T-5m"

[[phases.steps]]
id = "1.1"
title = "Make a backup"
on = "local"
run = "echo launched >>launches; echo here; until [ -e go ]; do sleep 0.05; done; test ! -e broken"

[[phases.steps]]
id = "1.2"
title = "Look around"
on = "local"
run = "echo looked; test ! -e blind"
required = false

[[actions]]
id = "backup"
title = "Backup"
uses = ["1.1"]
costs = "a little disk"

[[actions]]
id = "look"
title = "Look"
uses = ["1.2"]

[[actions]]
id = "tell"
title = "Tell people"

[[actions.steps]]
id = "t1"
title = "Call her"
kind = "manual"
note = "her number is on the wall"

[[actions]]
id = "rollback"
title = "Rollback"

[[actions.steps]]
id = "R1"
title = "Take it back"
on = "local"
run = "rm -f launches"
undoes = ["1.1"]
"""


class Actions:
    """The `action` command on one home's journal."""

    def __init__(self, home: Home) -> None:
        self.home = home

    def line(self, name: str, *options: str) -> tuple[str, ...]:
        return ("action", name, "--journal", str(self.home.journal), *options)

    def run(self, name: str, *options: str) -> subprocess.CompletedProcess[str]:
        return self.home.run(*self.line(name, *options))

    def start(self, name: str, *options: str) -> subprocess.Popen[str]:
        return self.home.start(*self.line(name, *options))

    def backup_under_way(self, *options: str) -> subprocess.Popen[str]:
        """The backup, begun by another process and waiting for `go`."""
        process = self.start("backup", "--confirm", "backup", *options)
        until(lambda: self.home.launches() == 1)
        return process

    def attached(self, process: subprocess.Popen[str]) -> str:
        """The first line of it, once there is one."""
        assert process.stdout is not None
        return process.stdout.readline()

    def rest(self, process: subprocess.Popen[str]) -> tuple[int, str]:
        """What it prints after `attached`."""
        assert process.stdout is not None
        out = process.stdout.read()
        return process.wait(30), out

    def ended(self, process: subprocess.Popen[str]) -> tuple[int, str, str]:
        out, err = process.communicate(timeout=120)
        assert "Traceback" not in out + err
        return process.returncode, out, err


def objects(out: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in out.splitlines()]
