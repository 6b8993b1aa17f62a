"""A rehearsal through the real command: its own journal, and nothing of it is real."""

from __future__ import annotations

import os
import signal

import pytest

from optibid_console import engine_record
from optibid_console.engine.measures import file_of
from optibid_console.journal.file import is_rehearsal
from tests.e2e.actions import RUNBOOK, Actions, objects
from tests.e2e.conftest import Home
from tests.home import until

READ = """
[[actions.steps]]
id = "R2"
title = "See what is there"
on = "local"
run = "echo seen; ls kept"
read_only = true
"""


@pytest.fixture
def actions(home: Home) -> Actions:
    home.config.write_text(RUNBOOK + READ)
    (home.path / "kept").touch()
    return Actions(home)


def rehearsals(home: Home) -> list[str]:
    return [one.name for one in (home.state / "rehearsals").glob("*.journal")]


def test_a_rollback_is_rehearsed_and_feeds_the_estimate(actions: Actions) -> None:
    home = actions.home
    (home.path / "launches").write_text("as it was\n")
    shown = home.run("action", "rollback", "--rehearse")
    assert (shown.returncode, shown.stderr) == (3, "type --confirm rollback to do it\n")
    assert "REHEARSAL: only what is marked read-only is done" in shown.stdout
    assert "1. R1 Take it back on local (as if 1.1 had been done)" in shown.stdout
    assert rehearsals(home) == []
    done = home.run("action", "rollback", "--rehearse", "--confirm", "rollback")
    assert (done.returncode, done.stderr) == (0, "")
    assert "(REHEARSAL: nothing is changed)" in done.stdout
    assert "↷ R1 rehearsed 0:00: rehearsed: it isn't marked read-only" in done.stdout
    assert "  R2 | seen\n" in done.stdout
    assert "rollback rehearsed after" in done.stdout
    assert (home.path / "launches").read_text() == "as it was\n"
    assert len(rehearsals(home)) == 1
    until(home.nothing_is_left)
    assert file_of("Little window").exists()
    home.go()
    actions.run("backup", "--confirm", "backup")
    plan = objects(actions.run("rollback", "--json").stdout)[0]["plan"]
    assert plan["measured"].startswith("R2 measured in rehearsal 20")


def test_a_rehearsal_is_never_gone_on_with_as_a_real_window_nor_the_reverse(
    actions: Actions,
) -> None:
    home = actions.home
    screen = home.terminal("run", "--rehearse", "--journal", str(home.journal))
    screen.until("REHEARSAL", "Little window", "recording")
    assert is_rehearsal(home.journal)
    theirs = "this journal is a rehearsal's: nothing real is done in it"
    refused = actions.run("backup", "--confirm", "backup")
    assert (refused.returncode, theirs in refused.stderr) == (3, True)
    console = home.terminal("run", "--journal", str(home.journal))  # while its engine runs
    assert console.ends() == 3
    assert theirs in console.text()
    os.kill(home.engine().pid, signal.SIGTERM)
    until(lambda: not engine_record.running())
    engine = home.run("engine", "--journal", str(home.journal))
    assert (engine.returncode, theirs in engine.stderr) == (3, True)
    real = str(home.path / "real.journal")
    home.go()
    assert home.run("action", "backup", "--confirm", "backup", "--journal", real).returncode == 0
    for line in (("engine",), ("action", "rollback", "--confirm", "rollback")):
        ended = home.run(*line, "--rehearse", "--journal", real)
        assert ended.returncode == 3
        assert (
            "this journal is a real window's: a rehearsal has a journal of its own" in ended.stderr
        )
    assert home.launches() == 1
    assert not engine_record.running()
