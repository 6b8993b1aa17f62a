"""A demo starts quickly and leaves nothing behind, however it ends."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from optibid_console.demo import postgres
from optibid_console.demo.place import Place
from optibid_console.demo.processes import DemoError, alive, marked, wait_until
from optibid_console.demo.stack import Stack, running_stack
from tests.e2e.terminal import Terminal

REPOSITORY = Path(__file__).parents[2]


@pytest.mark.alone
def test_it_starts_within_ten_seconds(tmp_path: Path) -> None:
    begun = time.monotonic()
    with running_stack(tmp_path / "stack", 1.0, lambda line: None):
        assert time.monotonic() - begun < 10


def start_in_foreground(root: Path) -> subprocess.Popen[str]:
    """`python -m optibid_console.demo.stack`, ready."""
    process = subprocess.Popen(
        [sys.executable, "-m", "optibid_console.demo.stack", "--dir", str(root)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
    )
    assert process.stdout is not None
    assert process.stdout.readline().startswith('{"dir"')
    return process


def everything_of(root: Path) -> list[int]:
    """The demo's processes and its PostgreSQL."""
    postmaster = Place(root).postgres_link / "postmaster.pid"
    server = [int(postmaster.read_text().split()[0])] if postmaster.exists() else []
    return [pid for pid in {*marked(root), *server} if alive(pid)]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_ends_it_and_all_of_it(tmp_path: Path, number: signal.Signals) -> None:
    root = tmp_path / "demo"
    with start_in_foreground(root) as process:
        pids = everything_of(root)
        assert len(pids) >= 5
        process.send_signal(number)
        assert process.wait(20) == 0
    assert [pid for pid in pids if alive(pid)] == []
    assert [path.name for path in root.iterdir()] == [".optibid-demo"]


def test_when_it_is_killed_its_warden_ends_the_rest(tmp_path: Path) -> None:
    with start_in_foreground(tmp_path) as process:
        pids = everything_of(tmp_path)
        process.kill()
        process.wait(20)
    wait_until(lambda: not any(map(alive, pids)), 15, "the demo's processes did not end")


def test_a_killed_demo_s_directory_is_taken_over(tmp_path: Path) -> None:
    with start_in_foreground(tmp_path) as process:
        process.kill()
        process.wait(20)
    with running_stack(tmp_path, 24, lambda line: None) as stack:
        assert stack.is_healthy()
    assert everything_of(tmp_path) == []


def test_a_second_demo_in_the_same_directory_is_refused(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = stack.place.root
    monkeypatch.setattr("optibid_console.demo.stack._LOCK_PATIENCE_S", 0.1)
    with (
        pytest.raises(DemoError, match=rf"runs in .* \(process {os.getpid()}\)"),
        running_stack(root, 24, lambda line: None),
    ):
        pytest.fail("two demos in one directory")
    assert stack.is_healthy()


def test_a_directory_with_other_things_in_it_is_left_alone(tmp_path: Path) -> None:
    precious = tmp_path / "precious.txt"
    precious.write_text("mine")
    with (
        pytest.raises(DemoError, match="not empty"),
        running_stack(tmp_path, 24, lambda line: None),
    ):
        pytest.fail("it took somebody's directory")
    assert precious.read_text() == "mine"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has to become another user")
def test_root_without_namespaces_runs_postgresql_as_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    away = tmp_path / "out-of-reach"  # as in root's own home
    shutil.copytree(Path(postgres.tool("initdb")).parents[1], away / "pg", symlinks=True)
    away.chmod(0o700)
    monkeypatch.setattr(postgres, "tool", lambda name: str(away / "pg" / "bin" / name))
    monkeypatch.setattr(postgres, "_runner", postgres._as_nobody)
    with running_stack(tmp_path / "demo", 24, lambda line: None) as stack:
        data = stack.place.postgres_link.resolve()
        server = int((data / "postmaster.pid").read_text().split()[0])
        assert f"\nUid:\t{postgres.NOBODY}" in Path(f"/proc/{server}/status").read_text()
        assert "ready to accept" in (stack.place.logs / "postgresql.log").read_text()
    assert not alive(server)
    assert not data.parent.exists()


def test_programs_out_of_reach_are_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    tool = tmp_path / "initdb"
    tool.write_text("#!/bin/sh\n")
    with pytest.raises(DemoError, match=r"initdb can't be run .* as root"):
        postgres._Runner().run([str(tool)], {})


@pytest.mark.parametrize("when", ["app-1 ", "Pre-deployment"], ids=["starting", "under way"])
def test_a_terminal_that_is_closed_ends_it_without_a_complaint(tmp_path: Path, when: str) -> None:
    root, state = tmp_path / "demo", tmp_path / "state"
    terminal = Terminal(
        "demo", "--dir", str(root), cwd=tmp_path,
        environ={"XDG_STATE_HOME": str(state), "PYTHONPATH": str(REPOSITORY)},
    )  # fmt: skip
    try:
        terminal.until(when)
        terminal.hang_up()
        terminal.ends()
    finally:
        terminal.close()
    assert everything_of(root) == []
    assert [path.name for path in root.iterdir()] == [".optibid-demo"]
    assert list(state.rglob("crashes/*")) == []
