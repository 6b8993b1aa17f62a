"""`hold`, `resume`, `step`, `skip`, `jump`, `abort`, `forward` on a real engine, by exit status."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import time

import pytest

from optibid_console import engine_record
from optibid_console.engine.opening import opening
from optibid_console.journal.lease import this_engine
from optibid_console.journal.sqlite import SqliteJournal
from optibid_console.runbook.load import load
from tests.e2e.actions import objects
from tests.e2e.conftest import RUNBOOK, Home
from tests.home import until

MORE = """
[[phases.steps]]
id = "1.3"
title = "Look again"
on = "local"
run = "echo looked again; test ! -e blind"
required = false

[[phases.steps]]
id = "1.4"
title = "Somebody looks"
kind = "manual"
required = false
"""

ROLLBACK = """
[[actions]]
id = "rollback"
title = "Rollback"
key = "R"

[[actions.steps]]
id = "R1"
title = "Go back"
on = "local"
run = "true"
undoes = ["1.1"]
"""


class Controls:
    """The commands on one home's journal."""

    def __init__(self, home: Home) -> None:
        self.home = home

    def run(self, *line: str) -> subprocess.CompletedProcess[str]:
        return self.home.run(*line, "--journal", str(self.home.journal))


@pytest.fixture
def controls(home: Home) -> Controls:
    home.config.write_text(RUNBOOK + MORE + ROLLBACK)
    home.go()
    asyncio.run(opened(home))
    return Controls(home)


async def opened(home: Home) -> None:
    """An open window that no engine runs."""
    journal = await SqliteJournal.open(home.journal, create=True)
    await journal.acquire("ann", this_engine())
    await journal.append("ann", opening(load(home.config, {}), "", time.time()))
    await journal.release()
    await journal.close()


def test_hold_and_resume_without_an_engine_leave_none(controls: Controls) -> None:
    held = controls.run("hold", "--reason", "the dba asks", "--as", "bob")
    assert (held.returncode, held.stderr) == (0, "")
    assert held.stdout == "the window is held by bob: the dba asks\n"
    (entry,) = controls.home.entries("held")
    assert (entry.actor, entry.fact.reason) == ("bob", "the dba asks")
    again = controls.run("hold", "--reason", "me too")
    assert again.returncode == 3
    assert again.stderr == "hold isn't possible: the window is held already: the dba asks\n"
    resumed = controls.run("resume", "--json")
    assert resumed.returncode == 0
    assert objects(resumed.stdout)[-1]["result"]["exit_status"] == 0
    assert controls.run("resume").stderr == "resume isn't possible: the window isn't held\n"
    assert not engine_record.running()


def test_a_step_is_shown_run_with_its_output_and_tried_again(controls: Controls) -> None:
    shown = controls.run("step", "1.1")
    assert shown.returncode == 3
    assert shown.stderr == "type --confirm 1.1 to run it\n"
    assert "1.1 Say hello on local\n  echo launched >>launches;" in shown.stdout
    assert controls.home.launches() == 0
    early = controls.run("step", "1.3", "--confirm", "1.3")
    assert (early.returncode, "1.1 Say hello comes first" in early.stderr) == (3, True)
    done = controls.run("step", "1.1", "--confirm", "1.1")
    assert (done.returncode, done.stderr) == (0, "")
    assert "  1.1 | hello\n" in done.stdout
    assert done.stdout.endswith("1.1 succeeded after 0:00: exit 0\n")
    assert controls.run("step", "1.2", "--confirm", "1.2").returncode == 0
    (controls.home.path / "blind").touch()
    failed = controls.run("step", "1.3", "--confirm", "1.3")
    assert (failed.returncode, "1.3 failed after" in failed.stderr) == (1, True)
    (controls.home.path / "blind").unlink()
    again = controls.run("step", "1.3", "--confirm", "1.3", "--reason", "it can see now")
    assert again.returncode == 0
    assert "try 2" in again.stdout
    assert controls.home.entries("step-started")[-1].fact.reason == "it can see now"
    by_hand = controls.run("step", "1.4", "--confirm", "1.4", "--reason", "I looked", "--as", "bob")
    assert by_hand.returncode == 0
    assert by_hand.stdout.endswith("1.4 succeeded after 0:00: confirmed by bob: I looked\n")


def test_skip_and_jump_pass_the_same_guards(controls: Controls) -> None:
    required = controls.run("skip", "1.1", "--reason", "hurry")
    assert (required.returncode, required.stderr) == (
        3, "skip isn't possible: 1.1 is required: it can't be skipped, only waived\n"
    )  # fmt: skip
    between = controls.run("jump", "1.3", "--reason", "hurry")
    assert between.returncode == 3
    assert "1.1 Say hello and 1 more required step come first" in between.stderr
    assert controls.run("skip", "1.3", "--reason", "seen before").returncode == 0
    assert controls.home.entries("step-skipped")[-1].fact.reason == "seen before"
    back = controls.run("jump", "1.3", "--reason", "after all")
    assert (back.returncode, back.stderr) == (0, "")
    assert back.stdout == (
        "the window goes on from 1.3: 1.3 open to be run again; nothing was run by it\n"
    )


def test_a_step_prints_the_output_of_no_earlier_run(controls: Controls) -> None:
    assert controls.run("step", "1.1", "--confirm", "1.1").returncode == 0
    later = controls.run("step", "1.2", "--confirm", "1.2")
    assert later.returncode == 0
    assert "1.1 |" not in later.stdout


def test_an_accepted_runbook_is_the_one_that_judges(controls: Controls) -> None:
    config = controls.home.config
    config.write_text(config.read_text().replace('id = "1.1"', 'id = "1.1"\nrequired = false'))
    refused = controls.run("skip", "1.1", "--reason", "hurry")
    assert (refused.returncode, "1.1 is required" in refused.stderr) == (3, True)
    accepted = controls.run("skip", "1.1", "--reason", "hurry", "--accept-runbook")
    assert (accepted.returncode, accepted.stderr) == (0, "")
    assert controls.home.entries("step-skipped")[-1].fact.step_id == "1.1"


def test_after_a_rollback_no_command_goes_forward_until_forward_is_typed(
    controls: Controls,
) -> None:
    early = controls.run("forward", "--confirm", "forward")
    assert (early.returncode, "the window goes forward" in early.stderr) == (3, True)
    idle = controls.run("abort")
    assert (idle.returncode, idle.stderr) == (3, "nothing is running: there is nothing to abort\n")
    assert controls.run("step", "1.1", "--confirm", "1.1").returncode == 0
    back = controls.run("action", "rollback", "--confirm", "rollback")
    assert (back.returncode, back.stderr) == (0, "")
    assert controls.home.status()["situation"] == "rolled-back"
    for line in (("step", "1.1", "--confirm", "1.1"), ("jump", "1.2", "--reason", "hurry")):
        refused = controls.run(*line)
        assert (refused.returncode, "type 'forward' first" in refused.stderr) == (3, True), line
    assert controls.run("forward", "--confirm", "forwards").returncode == 3
    on = controls.run("forward", "--confirm", "forward", "--reason", "the disk was full")
    assert (on.returncode, on.stdout) == (
        0, "the window goes forward again; nothing was run by it\n"
    )  # fmt: skip
    assert controls.home.entries("went-forward")[-1].fact.reason == "the disk was full"
    assert controls.run("step", "1.1", "--confirm", "1.1").returncode == 0


def test_abort_ends_the_step_under_way_and_says_what(controls: Controls) -> None:
    (controls.home.path / "go").unlink()
    running = controls.home.start(
        "step", "1.1", "--confirm", "1.1", "--journal", str(controls.home.journal)
    )
    until(lambda: controls.home.launches() == 1)
    done = controls.run("abort", "--as", "bob", "--take-over", "it hangs")
    assert (done.returncode, done.stdout, done.stderr) == (0, "aborting 1.1\n", "")
    said, _ = running.communicate(timeout=30)
    assert running.returncode != 0, said


def test_who_drives_is_not_pushed_aside(controls: Controls) -> None:
    journal = str(controls.home.journal)
    screen = controls.home.terminal("run", "--journal", journal, "--as", "ann")
    screen.until("Little window", "recording")
    refused = controls.run("hold", "--reason", "stop", "--as", "bob")
    assert refused.returncode == 3
    assert refused.stderr.startswith("ann drives this window, for ")
    assert "--take-over" in refused.stderr
    taken = controls.run("hold", "--reason", "stop", "--as", "bob", "--take-over", "she sleeps")
    assert taken.returncode == 0
    screen.until("HOLD")
    os.kill(controls.home.engine().pid, signal.SIGTERM)
    until(lambda: not engine_record.running())


@pytest.mark.parametrize(
    ("line", "status", "said"),
    [
        (("step", "9.9"), 2, 'no step "9.9" in the phases; steps are 1.1, 1.2, 1.3, 1.4'),
        (("skip", "1.3"), 2, "required: --reason"),
        (("hold",), 2, "required: --reason"),
    ],
)
def test_bad_input_is_said(
    controls: Controls, line: tuple[str, ...], status: int, said: str
) -> None:
    ended = controls.run(*line)
    assert (ended.returncode, said in ended.stderr) == (status, True)


def test_without_a_window_nothing_is_opened(home: Home) -> None:
    ended = home.run("hold", "--reason", "x", "--journal", str(home.journal))
    assert ended.returncode == 3
    assert ended.stderr == "no window is open: `optibid-console run` opens one\n"
    assert not home.journal.exists()


def test_a_required_step_is_waived_alone_and_stays_so(controls: Controls) -> None:
    ahead = controls.run("waive", "1.2", "--reason", "hurry", "--confirm", "1.2")
    assert (ahead.returncode, "only the next step can be waived" in ahead.stderr) == (3, True)
    optional = controls.run("waive", "1.3", "--reason", "hurry")
    assert optional.returncode == 3
    assert optional.stderr == "waive isn't possible: 1.3 isn't required: skip it\n"
    for wrong in ((), ("--confirm", "yes")):
        shown = controls.run("waive", "1.1", "--reason", "no disk", *wrong)
        assert shown.returncode == 3
        assert shown.stderr == "type --confirm 1.1 to go on without 1.1, alone\n"
    assert not controls.home.entries("step-waived")
    done = controls.run("waive", "1.1", "--reason", "no disk", "--confirm", "1.1", "--as", "bob")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "1.1 is waived by bob alone: no disk\n"
    (entry,) = controls.home.entries("step-waived")
    assert (entry.actor, entry.fact.by, entry.fact.second) == ("bob", "bob", "")
    assert controls.home.launches() == 0
    assert controls.run("step", "1.2", "--confirm", "1.2").returncode == 0
    said = controls.home.run("status", str(controls.home.journal)).stdout
    assert "! 1.1 waived by bob alone: no disk\n" in said
