"""The runbook's targets, opened by kind."""

from __future__ import annotations

import subprocess
import sys

import pytest

from optibid_console.runbook.model import Runbook, TargetSpec, Window
from optibid_console.targets import open_targets

WINDOW = Window("w", "1")


def runbook(*specs: TargetSpec) -> Runbook:
    return Runbook(WINDOW, targets={one.id: one for one in specs})


async def test_this_machine_is_always_a_target() -> None:
    targets = open_targets(runbook(TargetSpec("app-1", host="app-1.example")), print)
    assert sorted(targets) == ["app-1", "local"]
    done = await targets["local"].execute("echo here", timeout_s=5)
    assert done.stdout == b"here\n"
    for one in targets.values():
        await one.close()


def test_an_unknown_kind_is_named() -> None:
    with pytest.raises(ValueError, match=r"targets\.x\.kind: no kind 'teleport'"):
        open_targets(runbook(TargetSpec("x", kind="teleport")), print)


def test_without_an_ssh_target_asyncssh_is_not_imported() -> None:
    program = (
        "import sys; from optibid_console.targets import open_targets;"
        "from optibid_console.runbook.model import Runbook, Window;"
        "open_targets(Runbook(Window('w', '1')), print); sys.exit('asyncssh' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
