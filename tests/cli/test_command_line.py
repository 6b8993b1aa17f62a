"""The command line: what it prints, how it ends, and that it never shows a traceback."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from optibid_console import __version__
from optibid_console.cli import main
from optibid_console.cli import main as entry
from optibid_console.cli.options import parse
from tests.cli.conftest import RUNBOOK
from tests.home import ROOT, WITHIN_S, until

main_module = sys.modules["optibid_console.cli.main"]


@pytest.mark.parametrize(
    ("argv", "command"),
    [
        ([], "run"),
        (["-c", "x.toml"], "run"),
        (["--t0", "21:00"], "run"),
        (["run", "--as", "ann"], "run"),
        (["attach"], "attach"),
        (["engine", "-c", "x.toml"], "engine"),
        (["status", "--json"], "status"),
        (["demo", "--speed", "40", "--headless"], "demo"),
        (["check"], "check"),
        (["probe", "-c", "x.toml", "db", "api"], "probe"),
    ],
)
def test_without_a_command_it_is_run(argv: list[str], command: str) -> None:
    assert parse(argv).command == command


def test_the_demo_gets_its_own_arguments() -> None:
    assert parse(["demo", "--speed", "40", "--help"]).rest == ["--speed", "40", "--help"]


@pytest.mark.parametrize("argv", [["fly"], ["run", "--nonsense"], ["status", "a", "b"]])
def test_what_is_not_understood_ends_with_2(argv: list[str], capsys) -> None:
    with pytest.raises(SystemExit) as caught:
        main(argv)
    assert caught.value.code == 2
    assert "usage: optibid-console" in capsys.readouterr().err


def test_the_version_is_printed_without_loading_anything_heavy() -> None:
    program = (
        "import sys; from optibid_console.cli import main\n"
        "try: main(['--version'])\n"
        "except SystemExit: pass\n"
        "heavy = {'textual', 'asyncssh', 'httpx', 'websockets', 'psycopg', 'docker', 'sqlite3'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    out = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True).stdout
    assert out.split("\n")[:2] == [f"optibid-console {__version__}", "[]"]


def test_the_way_to_the_first_paint_loads_no_engine() -> None:
    program = (
        "import sys; import optibid_console.cli.windows, optibid_console.runbook.load\n"
        "heavy = {'asyncssh', 'httpx', 'websockets', 'psycopg', 'docker', 'sqlite3',\n"
        "         'optibid_console.engine.engine'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    out = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True).stdout
    assert out == "[]\n"


def test_a_good_config_is_counted(home, capsys) -> None:
    assert main(["check"]) == 0
    assert "1 phases, 1 steps" in capsys.readouterr().out
    assert main(["check", "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["ok"] is True
    assert answer["counts"]["probes"] == 3


def test_a_bad_config_gives_every_problem_and_2(home, capsys) -> None:
    home.config.write_text(RUNBOOK.replace('on = "local"', 'on = "nowhere"') + "\n[surprise]\n")
    assert main(["check"]) == 2
    out = capsys.readouterr().out
    assert len(out.splitlines()) == 2
    assert "nowhere" in out
    assert "surprise" in out
    assert main(["check", "--json"]) == 2
    answer = json.loads(capsys.readouterr().out)
    assert (answer["ok"], len(answer["problems"])) == (False, 2)
    assert main(["engine"]) == 2
    assert main(["probe"]) == 2


@pytest.mark.parametrize("config", ["none.toml", "."])
def test_no_config_is_said(home, config: str, capsys) -> None:
    assert main(["probe", "-c", config]) == 2
    captured = capsys.readouterr()
    assert len((captured.out + captured.err).strip().splitlines()) == 1


@pytest.mark.parametrize(
    ("names", "code", "words"),
    [
        (["fine"], 0, ["✓ ok"]),
        (["broken"], 1, ["✗ failing"]),
        (["silent"], 4, ["? error"]),
        (["fine", "silent"], 4, ["✓ ok", "? error"]),
        ([], 1, ["✓ ok", "✗ failing", "? error"]),
    ],
)
def test_probes_are_read_once(home, names, code: int, words, capsys) -> None:
    assert main(["probe", *names]) == code
    out = capsys.readouterr().out
    assert [re.match(r"\S+ \w+", line)[0] for line in out.splitlines()] == words
    assert main(["probe", "--json", *names]) == code
    readings = json.loads(capsys.readouterr().out)
    assert [one["status"] for one in readings] == [word.split()[1] for word in words]


def test_a_probe_that_is_not_there_is_named_with_its_nearest(home, capsys) -> None:
    assert main(["probe", "brokn"]) == 2
    err = capsys.readouterr().err
    assert 'no probe "brokn"; probes are fine, broken, silent; did you mean "broken"?' in err


def test_status_without_any_window(home, capsys) -> None:
    assert main(["status"]) == 1
    assert "no window runs here" in capsys.readouterr().err
    assert main(["status", "--json", "--all"]) == 0
    assert json.loads(capsys.readouterr().out) == []


def test_status_of_a_running_window_and_of_one_whose_engine_is_gone(home, capsys) -> None:
    with home.start("engine", "--journal", "a.journal") as engine:
        until(lambda: (home.path / "a.journal").exists() and home.run("status").returncode == 0)
        running = home.run("status").stdout
        listed = json.loads(home.run("status", "--json", "--all").stdout)
        engine.terminate()
        engine.communicate(timeout=WITHIN_S)
    assert re.match(r"Little window v1   T-00:0\d:\d\d   phase 1/1 First phase", running)
    assert f"engine {engine.pid} on " in running
    assert listed[0]["engine"]["socket"].startswith(str(home.runtime))
    assert main(["status", "a.journal"]) == 0
    gone = capsys.readouterr().out
    assert "no engine runs: what follows is of 20" in gone
    assert "may be stale" in gone


def test_status_of_what_is_no_journal(home, capsys) -> None:
    assert main(["status", "config.toml"]) == 2
    assert "config.toml is not a journal" in capsys.readouterr().err
    assert main(["status", "none.journal"]) == 2
    assert "there is no journal at none.journal" in capsys.readouterr().err


@pytest.mark.parametrize("argv", [["run"], [], ["attach"], ["attach", "ssh://app-1/"]])
def test_without_a_terminal_the_headless_commands_are_named(home, argv: list[str]) -> None:
    ended = home.run(*argv)
    assert ended.returncode == 2
    assert "this is no terminal" in ended.stderr
    for command in ("engine", "status", "check", "probe", "demo --headless"):
        assert f"`{command}`" in ended.stderr or f"optibid-console {command}" in ended.stderr


def test_a_dumb_terminal_is_refused(home, monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    for stream in (sys.stdin, sys.stdout, sys.stderr):
        monkeypatch.setattr(stream, "isatty", lambda: True, raising=False)
    monkeypatch.setenv("TERM", "dumb")
    assert main(["run"]) == 2
    assert "can't place text (TERM=dumb)" in capsys.readouterr().err


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("optibid_console.cli.windows.no_terminal", lambda: "")


@pytest.mark.usefixtures("terminal")
def test_attach_without_a_window_says_how_to_open_one(home, capsys) -> None:
    assert main(["attach"]) == 2
    assert "no window runs here; `optibid-console run -c FILE`" in capsys.readouterr().err
    assert main(["attach", "a.journal"]) == 2
    assert "no engine runs the window in a.journal" in capsys.readouterr().err


@pytest.mark.usefixtures("terminal")
def test_attach_with_several_windows_lists_them(home, capsys) -> None:
    from optibid_console.engine_record import EngineRecord, claimed

    def record(name: str) -> EngineRecord:
        return EngineRecord(1, "here", str(home.path / name), "/none.sock", name, "", 0.0)

    with claimed(record("a.journal")), claimed(record("b.journal")):
        assert main(["attach"]) == 2
    err = capsys.readouterr().err
    assert "2 windows run here; say which:" in err
    assert f"optibid-console attach {home.path}/a.journal" in err


def test_a_bug_is_one_line_and_a_file(home, monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    def bug(options) -> int:
        raise RuntimeError("a bug\n\x1b[2Jwith escapes")

    monkeypatch.setitem(main_module._COMMANDS, "status", bug)
    assert entry(["status"]) == 1
    err = capsys.readouterr().err
    assert err.count("\n") == 1
    assert "\x1b" not in err
    log = re.search(r"details are in (\S+\.log)", err)
    assert log is not None
    with open(log[1]) as kept:
        assert "Traceback" in kept.read()
    assert os.stat(log[1]).st_mode & 0o777 == 0o600


@pytest.mark.parametrize("ignored", [False, True])
def test_an_interrupt_is_quiet(home, ignored: bool) -> None:
    """Also with SIGINT ignored, as a script's shell starts a command in the background."""
    home.config.write_text(RUNBOOK.replace('"200ms"', '"60s"'))
    with home.start("probe", "silent", interrupts_ignored=ignored) as process:
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
        until(lambda: process.poll() is not None or children.read_text())
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=WITHIN_S)
    assert (process.returncode, out, err) == (130, "", "")


INTERRUPTED_AT = """
import os, signal, sys
class Interrupting:
    def find_spec(self, name, path=None, target=None):
        if name == "{module}":
            os.kill(os.getpid(), signal.SIGINT)
sys.meta_path.insert(0, Interrupting())
"""


@pytest.mark.parametrize(
    "module", ["optibid_console.cli", "optibid_console.cli.options", "optibid_console.cli.checks"]
)
def test_an_interrupt_is_quiet_while_the_program_loads(home, monkeypatch, module: str) -> None:
    (home.path / "sitecustomize.py").write_text(INTERRUPTED_AT.format(module=module))
    monkeypatch.setenv("PYTHONPATH", f"{home.path}:{ROOT}")
    done = home.run("check")
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "")


def test_a_closed_pipe_is_quiet(home) -> None:
    with home.start("check") as process:
        assert process.stdout is not None
        process.stdout.close()
        process.stdout = None
        _, err = process.communicate(timeout=WITHIN_S)
    assert (process.returncode, err) == (141, "")
