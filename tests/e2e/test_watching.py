"""A window shared by the real command, and watched with its link by another."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from optibid_console import engine_record
from tests.e2e.conftest import Home
from tests.home import until

LINK = re.compile(r"optibid://[0-9.:]+/#[A-Za-z0-9_-]{43}@[A-Za-z0-9_-]{43}")


def link_on(screen) -> str:
    """The link, put together from the lines of its sheet."""
    found: list[str] = []

    def shown() -> bool:
        text = "".join(line.strip(" │┃║|▌▐") for line in screen.text().splitlines())
        found[:] = LINK.findall(text)
        return bool(found)

    until(shown)
    return found[0]


class JsonLines:
    """`watch --json` and what it has printed."""

    def __init__(self, home: Home, link: str, *more: str) -> None:
        self.process = home.start(
            "watch", "--json", *more, env={**os.environ, "OPTIBID_LINK": link}
        )
        self.lines: list[dict] = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        for line in self.process.stdout:
            self.lines.append(json.loads(line))

    def entries(self) -> list[dict]:
        return [one["entry"] for one in self.lines if "entry" in one]


@pytest.mark.slow
def test_a_link_shows_the_window_and_nothing_can_be_done_with_it(home: Home) -> None:
    journal = str(home.journal)
    operator = home.terminal("run", "--journal", journal, "--as", "ann", "--serve", "127.0.0.1:0")
    operator.until("A link for observers")
    link = link_on(operator)
    operator.press("\x1b")
    lines = JsonLines(home, link)
    other = home.terminal("watch", link, "--as", "bob")
    other.until("WATCHING ann's window", "read only", "First phase")
    operator.until("2 watching")
    other.press("x")
    other.until("this link is for watching")
    operator.press("h")
    operator.until("The clock stands still")
    operator.press("waiting for the all-clear\r")
    other.until("HOLD")
    until(lambda: any(one["kind"] == "held" for one in lines.entries()))
    kept = [one.to_plain() for one in home.entries()]
    until(lambda: len(lines.entries()) >= len(kept))
    assert lines.entries()[: len(kept)] == kept
    assert all(link.partition("#")[2][:43] not in json.dumps(one) for one in kept)
    log = Path(f"{home.journal}.engine.log")
    assert link.partition("#")[2][:43] not in log.read_text()
    os.kill(home.engine().pid, signal.SIGTERM)
    until(lambda: not engine_record.running())
    assert lines.process.wait(30) == 0
    assert "ended" in lines.lines[-1]


@pytest.mark.slow
def test_who_is_turned_away_while_watching_is_told_why_and_the_command_fails(home: Home) -> None:
    journal = str(home.journal)
    operator = home.terminal("run", "--journal", journal, "--as", "ann", "--serve", "127.0.0.1:0")
    operator.until("A link for observers")
    link = link_on(operator)
    operator.press("\x1b")
    lines = JsonLines(home, link)
    other = home.terminal("watch", link, "--as", "bob")
    other.until("WATCHING ann's window", "First phase")
    until(lambda: any("caught_up" in one for one in lines.lines))
    operator.press("\x10share")
    operator.until("share this window")
    operator.press("\r")
    operator.until("Watching now", "revoke the link of observers")
    operator.press("\x1b[B\r")
    assert other.ends() == 3
    assert "your link was taken back by ann" in other.raw.rpartition("\x1b[?1049l")[2]
    assert lines.process.wait(30) == 3
    assert "your link was taken back by ann" in lines.process.stderr.read()


def test_watching_loads_nothing_of_engine_and_targets() -> None:
    code = (
        "import sys; from optibid_console.cli import watching, json_lines; "
        "from optibid_console.feed import observer; import screens.app, screens.window; "
        "import websockets.asyncio.client; print(*sys.modules)"
    )
    said = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.split()
    never = ("optibid_console.engine", "optibid_console.targets", "asyncssh", "psycopg", "docker",
             "httpx")  # fmt: skip
    assert [
        one for one in said if one.startswith(tuple(f"{n}." for n in never)) or one in never
    ] == []
