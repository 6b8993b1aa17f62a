"""The demo's window: what its config.toml holds, and the whole story without a screen."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from optibid_console.demo import configuration
from optibid_console.demo.place import Place
from optibid_console.demo.processes import DemoError, alive, marked, wait_until
from optibid_console.demo.stack import Stack
from optibid_console.engine_record import find
from optibid_console.runbook.load import load
from optibid_console.runbook.model import Runbook

REPOSITORY = Path(__file__).parents[2]
GROUPS = 19
"""Steps of OptiBid's checklist, 1.1 to 7.3."""


@pytest.fixture
def runbook(stack: Stack) -> Runbook:
    return load(stack.place.config, {}).runbook


def test_its_config_is_valid_and_has_the_whole_checklist_s_steps(runbook: Runbook) -> None:
    assert [float(phase.at) / 60 for phase in runbook.phases] == [-60, -45, -30, -15, -10, -5, 0]
    assert len({step.group for _, step in runbook.steps()}) == GROUPS
    assert len(runbook.criteria) == 6
    assert {action.id for action in runbook.actions} == {"backup", "migrate", "rollback"}


def test_only_the_password_is_a_secret(stack: Stack) -> None:
    loaded = load(stack.place.config, {})
    assert set(loaded.secrets.names) == {"DB_PASSWORD"}
    assert stack.password not in stack.place.config.read_text()
    assert stack.place.env_file.stat().st_mode & 0o777 == 0o600


def test_it_takes_optibid_s_checklist_where_there_is_one(stack: Stack, runbook: Runbook) -> None:
    assert sum(len(section.items) for section in runbook.checklist) > 100
    assert len(runbook.escalation) == 4


def test_an_installed_demo_has_a_checklist_too(
    stack: Stack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(configuration, "OPTIBID", tmp_path / "none.toml")
    configuration.write_configuration(Place(tmp_path), stack.ports, "secret-of-a-test", 24)
    runbook = load(tmp_path / "config.toml", {}).runbook
    assert len(runbook.escalation) == 4
    assert runbook.item("db-backup") is not None


def test_a_broken_config_of_optibid_s_is_named(
    stack: Stack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = tmp_path / "optibid.toml"
    broken.write_text("[window\n")
    monkeypatch.setattr(configuration, "OPTIBID", broken)
    with pytest.raises(DemoError, match=r"optibid\.toml: .*line 1"):
        configuration.write_configuration(Place(tmp_path), stack.ports, "secret-of-a-test", 24)


def demo(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "optibid_console", "demo", *arguments],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=400,
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
    )


@pytest.mark.parametrize("speed", ["0", "fast", "1000"])
def test_a_speed_that_is_none_is_bad_input(tmp_path: Path, speed: str) -> None:
    done = demo("--speed", speed, cwd=tmp_path)
    assert done.returncode == 2
    assert f"{speed!r} is no speed" in done.stderr


@pytest.mark.parametrize(
    ("options", "why"),
    [
        (["--headless", "--serve", "here:there"], "'here:there' is no HOST:PORT"),
        (["--headless", "--share", "ann"], "--share needs --headless and --serve"),
        (["--serve", "127.0.0.1:0", "--share", "ann"], "--share needs --headless and --serve"),
    ],
)
def test_what_can_not_be_shared_is_bad_input(tmp_path: Path, options: list[str], why: str) -> None:
    done = demo(*options, "--dir", str(tmp_path / "demo"), cwd=tmp_path)
    assert done.returncode == 2
    assert why in done.stderr
    assert not (tmp_path / "demo").exists()


def test_without_a_terminal_it_names_the_headless_demo(tmp_path: Path) -> None:
    done = demo("--dir", str(tmp_path / "demo"), cwd=tmp_path)
    assert done.returncode == 2
    assert "demo --headless" in done.stderr
    assert not (tmp_path / "demo").exists()


@pytest.mark.parametrize(
    ("number", "status"), [(signal.SIGTERM, 130), (signal.SIGKILL, -signal.SIGKILL)]
)
def test_a_story_that_is_ended_leaves_no_engine(
    tmp_path: Path, number: signal.Signals, status: int
) -> None:
    root = tmp_path / "demo"
    with subprocess.Popen(
        [sys.executable, "-m", "optibid_console", "demo", "--headless", "--dir", str(root)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
    ) as process:
        assert process.stdout is not None
        assert json.loads(process.stdout.readline())["kind"] == "window-opened"
        record = find(Place(root).journal)
        assert record is not None
        assert record.pid in marked(root)
        process.send_signal(number)
        assert process.wait(20) == status
    wait_until(lambda: not marked(root), 15, "the demo's processes did not end")
    wait_until(lambda: not alive(record.pid), 5, "its engine did not end")


@pytest.mark.slow
def test_the_headless_story_ends_with_everything_back(tmp_path: Path) -> None:
    root = tmp_path / "demo"
    done = demo("--headless", "--speed", "120", "--dir", str(root), cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    entries = [json.loads(line) for line in done.stdout.splitlines()]
    assert [entry["seq"] for entry in entries] == list(range(1, len(entries) + 1))

    def bodies(kind: str) -> list[dict[str, Any]]:
        return [entry["body"] for entry in entries if entry["kind"] == kind]

    failed = {one["criterion_id"] for one in bodies("criterion-judged") if one["verdict"] == "fail"}
    assert failed & {"error-rate", "performance"}
    (action,) = bodies("action-started")
    assert action["steps"] == ["R1", "R2", "R3", "R4a", "R4b", "R5"]
    assert [one["outcome"] for one in bodies("action-finished")] == ["succeeded"]
    assert {one["outcome"] for one in bodies("step-finished")} == {"succeeded"}
    lamp = [one for one in bodies("readiness-changed") if one["action_id"] == "rollback"]
    assert any(one["ready"] for one in lamp), lamp[-1]
    assert bodies("window-closed")[0]["outcome"] == "rolled back"
    assert {one["channel"] for one in bodies("told")} == {"chat", "status-page"}
    titles = [one["title"] for one in bodies("told") if one["channel"] == "status-page"]
    assert "OptiBid v2.4.0 is being rolled back to v2.3.0" in titles
    assert "as before" in done.stderr
    assert marked(root) == []
