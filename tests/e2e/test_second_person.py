"""A gate's second person, on a real screen of their own beside the operator's."""

from __future__ import annotations

import os
import signal

import pytest

from optibid_console import engine_record
from optibid_console import entries as e
from tests.e2e.conftest import RUNBOOK, Home
from tests.home import until

PHASE = 'title = "First phase"\nat = "T-5m"\n'


@pytest.mark.slow
def test_a_second_screen_confirms_and_the_step_may_run(home: Home) -> None:
    gated = RUNBOOK.replace(PHASE, f"{PHASE}gate = {{ second_person = true }}\n")
    assert gated != RUNBOOK
    home.config.write_text(gated)
    home.go()
    journal = str(home.journal)
    operator = home.terminal("run", "--journal", journal, "--as", "ann")
    operator.until("Gate of First phase: waiting", "a second person")
    own = home.terminal("attach", journal, "--watch", "--as", "Ann")
    own.until("WATCHING ann's window")
    own.press("g")
    own.until("Ann drives this window: attach under your own name")
    other = home.terminal("attach", journal, "--watch", "--as", "bob")
    other.until("WATCHING ann's window")
    other.press("g")
    other.until("confirm, as bob")
    other.press("\r")
    other.until("Confirm as a second person")
    other.press("backups look right\r")
    until(lambda: home.entries("gate-confirmed"))
    (confirmed,) = home.entries("gate-confirmed")
    assert (confirmed.actor, confirmed.fact.note) == ("bob", "backups look right")
    other.press("\r")
    operator.until("First phase", "next")
    operator.press("\r")
    operator.until("run it")
    operator.press("\r")
    until(lambda: home.entries("step-finished"))
    (passed,) = home.entries("gate-passed")
    assert isinstance(passed.fact, e.GatePassed)
    assert passed.fact.grounds[0].startswith("bob confirmed at ")
    assert passed.actor == "ann"
    assert home.launches() == 1
    os.kill(home.engine().pid, signal.SIGTERM)
    until(lambda: not engine_record.running())
