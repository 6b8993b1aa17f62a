"""Every command's exit status: 0 done, 1 failed, 2 bad input, 3 refused, 4 unknown."""

from __future__ import annotations

import signal
import time

import pytest

from optibid_console import engine_record
from tests.e2e.conftest import RUNBOOK, Home
from tests.home import until

GIVES_BACK = {
    "\x1b[?1049l": "\x1b[?1049h",  # the screen that was there before
    "\x1b[?25h": "\x1b[?25l",  # the cursor
    "\x1b[?1000l": "\x1b[?1000h",  # the mouse
}
CHATTER = """
[tails.chatter]
on = "local"
path = "chatter.log"
"""
MORE = """
[probes.broken]
kind = "command"
run = "exit 1"

[probes.unmeasured]
kind = "command"
run = "sleep 20"
timeout = "200ms"

[[phases]]
"""


@pytest.mark.parametrize(
    ("line", "status"),
    [
        ("--version", 0),
        ("check", 0),
        ("check -c none.toml", 2),
        ("probe beat", 0),
        ("probe broken", 1),
        ("probe unmeasured", 4),
        ("probe unmeasured broken", 1),
        ("probe beet", 2),
        ("status", 1),
        ("status none.journal", 2),
        ("engine --t0 soon", 2),
        ("engine --journal /dev/null/a.journal", 2),
        ("fly", 2),
        ("demo --speed fast", 2),
        ("demo --fly", 2),
    ],
)
def test_a_command_ends_as_documented(home: Home, line: str, status: int) -> None:
    home.config.write_text(RUNBOOK.replace("\n[[phases]]\n", MORE, 1))
    ended = home.run(*line.split())
    assert ended.returncode == status
    assert (ended.stdout if status == 0 else ended.stdout + ended.stderr).strip()
    until(home.nothing_is_left)


def test_a_second_engine_is_refused(home: Home) -> None:
    home.console()
    ended = home.run("engine", "--journal", str(home.journal))
    assert ended.returncode == 3
    assert "another engine (process " in ended.stderr


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_engine_in_the_foreground_ends_well_when_told_to(
    home: Home, number: signal.Signals
) -> None:
    engine = home.start("engine", "--journal", str(home.journal))
    until(lambda: engine_record.find(home.journal) and home.journal.exists())
    until(lambda: home.entries("engine-started"))
    engine.send_signal(number)
    out, err = engine.communicate(timeout=120)
    assert (engine.returncode, out, err) == (0, "", "")
    until(home.nothing_is_left)


def test_attach_in_a_terminal_without_a_window(home: Home) -> None:
    screen = home.terminal("attach")
    assert screen.ends() == 2
    assert "no window runs here; `optibid-console run -c FILE` opens one" in screen.text()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_screen_that_is_told_to_end_gives_the_terminal_back(
    home: Home, number: signal.Signals
) -> None:
    screen = home.console()
    screen.signal(number)
    assert screen.ends() == 128 + number
    for gives, takes in GIVES_BACK.items():
        assert screen.raw.rindex(gives) > screen.raw.rindex(takes)
    assert engine_record.find(home.journal)


def test_a_screen_whose_terminal_takes_nothing_ends_too(home: Home) -> None:
    home.config.write_text(RUNBOOK + CHATTER)
    log = home.path / "chatter.log"
    log.write_text("")
    screen = home.console()
    screen.unread()
    give_up = time.monotonic() + 1.5
    with log.open("a") as chatter:
        while time.monotonic() < give_up:
            chatter.write("".join(f"{i} {'x' * 150}\n" for i in range(1000)))
            chatter.flush()
            time.sleep(0.05)
    screen.signal(signal.SIGTERM)
    screen.process.wait(10)
    assert engine_record.find(home.journal)
