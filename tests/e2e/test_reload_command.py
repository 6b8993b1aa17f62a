"""`reload` on a real engine that screens and an observer follow, by exit status."""

from __future__ import annotations

import re

import pytest

from tests.e2e.actions import objects
from tests.e2e.conftest import RUNBOOK, Home
from tests.e2e.test_watching import link_on

HELLO = 'title = "Say hello"'
DIGEST = re.compile(r"type --confirm ([0-9a-f]{12}) to go by it")
AS_BOB = ("--as", "bob", "--take-over", "ann sleeps")


@pytest.mark.slow
def test_it_is_shown_confirmed_recorded_and_followed_by_screens_and_observers(home: Home) -> None:
    none = home.run("reload")
    assert none.returncode == 3
    assert "no engine here runs a window of config.toml: `optibid-console run" in none.stderr

    operator = home.console("--as", "ann", "--serve", "127.0.0.1:0")
    operator.until("A link for observers")
    link = link_on(operator)
    operator.press("\x1b")
    observer = home.terminal("watch", link)
    observer.until("Say hello")
    follower = home.terminal("attach", str(home.journal), "--watch", "--as", "carl")
    follower.until("Say hello")
    home.config.write_text(RUNBOOK.replace(HELLO, 'title = "Say goodbye"'))

    shown = home.run("reload")
    assert (shown.returncode, shown.stdout) == (
        3, "steps to come:\n  1.1 Say goodbye changes: it is run as it is now\n"
        "      title: 'Say hello' → 'Say goodbye'\n"
    )  # fmt: skip
    digest = DIGEST.fullmatch(shown.stderr.strip())
    assert digest is not None
    other = home.run("reload", "--confirm", "0" * 12, "--json", *AS_BOB)
    assert other.returncode == 3
    assert "config.toml isn't what was confirmed" in objects(other.stdout)[-1]["result"]["said"]
    driven = home.run("reload", "--confirm", digest[1], "--as", "bob")
    assert (driven.returncode, "ann drives this window" in driven.stderr) == (3, True)
    assert home.entries("runbook-accepted") == []

    done = home.run("reload", "--confirm", digest[1], *AS_BOB)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "the window goes by config.toml as it is now: 1 change, recorded\n"
    (entry,) = home.entries("runbook-accepted")
    assert (entry.actor, entry.fact.differences) == (
        "bob", ("phases[0].steps[0].title: 'Say hello' → 'Say goodbye'",)
    )  # fmt: skip
    for screen in (operator, observer, follower):
        screen.until("Say goodbye")
