"""The runbook's targets, opened by kind."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace

import pytest

from optibid_console.runbook.model import Runbook, TargetSpec, Window
from optibid_console.targets import open_targets, unchanged
from optibid_console.targets.rehearsal import check_rehearsed

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


APP = TargetSpec("app-1", host="app-1.example")
BOX = TargetSpec("box", kind="container", container="web", on="app-1")
DB = TargetSpec("db-1", host="db-1.example")


@pytest.mark.parametrize("rehearsal", ["", "w1"])
async def test_targets_that_are_the_same_in_another_runbook_stay_open(rehearsal: str) -> None:
    before, after = runbook(APP, BOX, DB), runbook(APP, BOX, replace(DB, port=2222))
    assert sorted(unchanged(before, after)) == ["app-1", "box", "local"]
    old = open_targets(before, print, rehearsal)
    new = open_targets(after, print, rehearsal, {one: old[one] for one in ("app-1", "box")})
    assert sorted(new) == ["app-1", "box", "db-1", "local"]
    assert {name for name in new if new[name] is old[name]} == {"app-1", "box"}
    if rehearsal:
        check_rehearsed(new)
    for one in {id(one): one for one in (*old.values(), *new.values())}.values():
        await one.close()


def test_a_container_on_a_machine_that_changed_is_another_one() -> None:
    moved = runbook(replace(APP, host="app-2.example"), BOX, DB)
    assert sorted(unchanged(runbook(APP, BOX, DB), moved)) == ["db-1", "local"]
