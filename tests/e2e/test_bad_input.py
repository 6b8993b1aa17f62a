"""Configs and terminals that can't be used: each says what, where and what next."""

from __future__ import annotations

import os
import re
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from optibid_console.journal.file import FORMAT
from tests.e2e.conftest import RUNBOOK, Home
from tests.e2e.terminal import WITHIN_S
from tests.home import until

HUGE = 10_000_000


def unreadable(path: Path) -> Path:
    """A file that the person who runs the tests can't read; root can't read /proc/self/mem."""
    if os.geteuid() == 0:
        return Path("/proc/self/mem")
    path.write_text(RUNBOOK)
    path.chmod(0)
    return path


def directory(path: Path) -> Path:
    path.mkdir()
    return path


def fifo(path: Path) -> Path:
    os.mkfifo(path)
    return path


def holding(data: bytes) -> Callable[[Path], Path]:
    def make(path: Path) -> Path:
        path.write_bytes(data)
        return path

    return make


BAD: dict[str, tuple[Callable[[Path], Path], str]] = {
    "none": (lambda path: path, "no such file; name one with -c FILE"),
    "unreadable": (unreadable, "can't be read: "),
    "a directory": (directory, "is a directory; name the config.toml in it"),
    "a pipe": (fifo, "is a FIFO"),
    "endless": (lambda path: Path("/dev/zero"), "is a character device"),
    "invalid UTF-8": (
        holding(RUNBOOK.encode() + b"# caf\xe9\n"), f":{RUNBOOK.count(chr(10)) + 1}: is not UTF-8"
    ),
    "10 MB": (
        holding(RUNBOOK.encode() + b"# long\n" * (HUGE // 7)), "bytes; at most 2000000 are read"
    ),
    "escapes": (holding(b'[window]\nname = "\x1b[2J'), "not TOML"),
    "nested": (holding(b"a = " + b"[" * 50_000), "nested too deeply"),
}  # fmt: skip


@pytest.mark.parametrize("bad", BAD)
def test_a_config_that_can_not_be_used_is_one_line_and_2_everywhere(home: Home, bad: str) -> None:
    make, said = BAD[bad]
    config = str(make(home.path / "bad.toml"))
    started = [home.start(command, "-c", config) for command in ("check", "probe", "engine")]
    for process in started:
        (line,) = "".join(process.communicate(timeout=WITHIN_S)).splitlines()
        assert said in line
        assert "bad.toml" in line or config in line
        assert "\x1b" not in line
        assert process.returncode == 2
    screen = home.terminal("run", "-c", config)
    assert screen.ends() == 2
    assert said in screen.text()
    until(home.nothing_is_left)


def test_the_errors_of_a_config_all_at_once(home: Home) -> None:
    bad = RUNBOOK.replace('on = "local"', 'on = "locall"').replace('"T-5m"', '"T-5x"')
    home.config.write_text(bad + "\n[windows]\n")
    ended = home.run("check")
    lines = ended.stdout.splitlines()
    assert ended.returncode == 2
    assert len(lines) == 4
    assert all(re.match(r"config\.toml:\d+ \S", line) for line in lines)
    assert sum('did you mean "local"?' in line or "local" in line for line in lines) >= 2
    screen = home.terminal("run")
    assert screen.ends() == 2
    joined = "".join(screen.raw.split())
    assert all("".join(line.split()) in joined for line in lines)


@pytest.mark.parametrize(
    ("environ", "says"),
    [({"TERM": "dumb"}, "TERM=dumb"), ({"TERM": ""}, "TERM=")],
)
def test_a_terminal_that_can_not_place_text(home: Home, environ: dict[str, str], says: str) -> None:
    screen = home.terminal("run", environ=environ)
    assert screen.ends() == 2
    assert says in screen.raw
    for command in ("engine", "status", "check", "probe", "demo --headless"):
        assert command in screen.raw
    assert "\x1b" not in screen.raw
    until(home.nothing_is_left)


@pytest.mark.parametrize(
    "command", [["run"], ["attach"], ["attach", "ssh://host.invalid/"], ["demo"]]
)
def test_without_a_terminal_the_headless_commands_are_named(home: Home, command) -> None:
    ended = home.run(*command)
    assert ended.returncode == 2
    assert ended.stdout == ""
    for word in ("engine", "status", "check", "probe", "demo --headless"):
        assert word in ended.stderr
    until(home.nothing_is_left)


def test_a_terminal_of_20_by_5_shows_where_the_window_is(home: Home) -> None:
    screen = home.terminal("run", "--journal", str(home.journal), columns=20, rows=5)
    screen.until("T-00:0", "1.1", "enter run")
    assert re.search(r"T-00:0\d:\d\d", screen.text())
    screen.press("\r")
    screen.until("Run 1.1")
    screen.press("\x1b")
    screen.resize(120, 40)
    screen.until("Say hello", "Probes", "recording")
    screen.resize(20, 5)
    screen.until("enter run  ? help")
    assert screen.process.poll() is None


def test_no_color_means_no_colour(home: Home) -> None:
    screen = home.console(environ={"NO_COLOR": "1"})
    given = set(re.findall(r"(?<=[\x1b;])\[?[34]8;(2;\d+;\d+;\d+|5;\d+)", screen.raw))
    assert given
    assert {one for one in given if not is_grey(one)} == set()


def is_grey(colour: str) -> bool:
    """Black, white or one of xterm's 24 greys; or red, green and blue the same."""
    kind, *numbers = (int(one) for one in colour.split(";"))
    return len(set(numbers)) == 1 if kind == 2 else numbers[0] in (0, 15, 16, *range(231, 256))


def newer(path: Path) -> None:
    with closing(sqlite3.connect(path)) as db:
        db.execute(f"PRAGMA user_version = {FORMAT + 1}")


def test_a_journal_from_a_newer_version(home: Home) -> None:
    engine = home.start("engine", "--journal", str(home.journal))
    until(lambda: home.journal.exists() and len(home.entries()) > 2)
    engine.terminate()
    engine.communicate(timeout=120)
    newer(home.journal)
    says = f"was written by a newer version of optibid-console (format {FORMAT + 1}"
    screen = home.terminal("run", "--journal", str(home.journal))
    assert screen.ends() == 2
    assert says in " ".join(screen.text().split())
    for command in (["engine", "--journal"], ["status"]):
        ended = home.run(*command, str(home.journal))
        assert says in ended.stderr
        assert ended.returncode == 2
    until(home.nothing_is_left)


@pytest.mark.parametrize("what", ["text", "another database", "a directory", "empty"])
def test_a_journal_that_is_something_else(home: Home, what: str) -> None:
    if what == "text":
        home.journal.write_text("shopping list\n" * 100)
    elif what == "another database":
        with closing(sqlite3.connect(home.journal)) as db:
            db.execute("CREATE TABLE songs (name TEXT)")
    elif what == "a directory":
        home.journal.mkdir()
    else:
        home.journal.touch()
    before = home.journal.read_bytes() if home.journal.is_file() else b""
    ended = home.run("status", str(home.journal))
    assert "a.journal" in ended.stderr
    assert ended.returncode == 2
    if what == "empty":
        return
    screen = home.terminal("run", "--journal", str(home.journal))
    assert screen.ends() == 2
    assert "journal" in screen.text()
    assert (home.journal.read_bytes() if home.journal.is_file() else b"") == before
    until(home.nothing_is_left)
