"""Coming back to a window: with another runbook, after its end, from another machine."""

from __future__ import annotations

import asyncio
import getpass
import os
import signal
import sys
from collections.abc import Iterator

import pytest

from optibid_console import engine_record
from tests.e2e.conftest import RUNBOOK, Home
from tests.e2e.test_engine_life import close_window, leave, start_step
from tests.home import ROOT, until
from tests.servers.sshd import Keys, OpenSshServer


def end_engine(home: Home) -> None:
    os.kill(home.engine().pid, signal.SIGTERM)
    until(lambda: not engine_record.running())


def test_a_changed_runbook_is_refused_with_the_differences(home: Home) -> None:
    leave(home.console())
    end_engine(home)
    before = len(home.entries())
    home.config.write_text(RUNBOOK.replace('run = "true"\n', 'run = "false"\n'))
    screen = home.terminal("run", "--journal", str(home.journal))
    assert screen.ends() == 3
    seen = " ".join(screen.text().split())
    assert "the runbook has changed since this window was opened:" in seen
    assert "probes.beat.settings.run: 'true' → 'false'" in seen
    assert "probes changed: beat" in seen
    assert "undo the change, go on with it (--accept-runbook records the difference)" in seen
    ended = home.run("engine", "--journal", str(home.journal))
    assert ended.returncode == 3
    assert "'true' → 'false'" in ended.stderr
    until(home.nothing_is_left)
    assert len(home.entries()) == before
    home.config.write_text(f"# a comment is no change\n{RUNBOOK}")
    home.console()


def test_a_runbook_that_changes_under_a_running_window_is_said_and_changes_nothing(
    home: Home,
) -> None:
    leave(home.console())
    home.config.write_text(RUNBOOK.replace("Say hello", "Say goodbye"))
    screen = home.console()  # it shows `Say hello`
    screen.until("config.toml changed since this window was opened", "(1 difference)")
    screen.press("l")
    screen.until("'Say hello' → 'Say goodbye'", "ctrl+p reload")
    home.config.write_text("not TOML")
    home.terminal("attach").until("Say hello")


async def test_a_closed_window_is_not_written_again(home: Home) -> None:
    leave(await asyncio.to_thread(home.console))
    await close_window(home)
    await asyncio.to_thread(until, home.nothing_is_left)
    before = home.journal.read_bytes()
    screen = home.terminal("run", "--journal", str(home.journal))
    assert screen.ends() == 3
    assert "this window is closed (abandoned)" in " ".join(screen.text().split())
    ended = home.run("engine", "--journal", str(home.journal))
    assert ended.returncode == 3
    status = home.run("status", str(home.journal))
    assert status.returncode == 0
    assert "closed: abandoned" in status.stdout
    assert home.journal.read_bytes() == before
    until(home.nothing_is_left)


async def test_without_a_journal_the_next_window_is_a_new_one(home: Home) -> None:
    first = home.terminal("run")
    await asyncio.to_thread(first.until, "Say hello", "recording")
    leave(first)
    old = home.engine().journal
    await close_window(home)
    await asyncio.to_thread(until, lambda: not engine_record.running())
    home.terminal("run").until("Say hello", "recording", "Timeline 0/2")
    assert home.engine().journal != old


def test_t0_belongs_to_a_new_window(home: Home) -> None:
    ended = home.run("engine", "--journal", str(home.journal), "--t0", "half past nine")
    assert ended.returncode == 2
    assert "half past nine" in ended.stderr
    leave(home.console("--t0", "21:00"))
    end_engine(home)
    ended = home.run("engine", "--journal", str(home.journal), "--t0", "22:00")
    assert ended.returncode == 2
    assert "open already" in ended.stderr


class Machine:
    """This machine as others see it through sshd, with the command on its PATH."""

    def __init__(self, home: Home) -> None:
        ssh = home.path / ".ssh"
        ssh.mkdir()
        self.keys = Keys(ssh)
        command = home.path / "bin" / "optibid-console"
        command.parent.mkdir()
        command.write_text(f'#!/bin/sh\nexec {sys.executable} -m optibid_console "$@"\n')
        command.chmod(0o755)
        self.sshd = OpenSshServer(
            self.keys,
            f"SetEnv PATH={command.parent}:/usr/bin:/bin XDG_STATE_HOME={home.path}/state "
            f"XDG_RUNTIME_DIR={home.path}/run PYTHONPATH={ROOT}",
        )
        (ssh / "config").write_text(f"Host *\n  IdentityFile {self.keys.identity}\n")
        self.address = f"ssh://{getpass.getuser()}@127.0.0.1:{self.sshd.port}"


@pytest.fixture
def machine(home: Home) -> Iterator[Machine]:
    machine = Machine(home)
    yield machine
    machine.sshd.stop()


@pytest.mark.server("sshd")
def test_a_window_on_another_machine_is_driven_through_ssh(home: Home, machine: Machine) -> None:
    machine.keys.know(machine.sshd.port)
    leave(home.console("--as", "ann"))
    far = home.terminal("attach", f"{machine.address}{home.journal}", "--as", "bob")
    far.until("Little window", "operator bob", "Say hello")
    start_step(far)
    machine.sshd.drop()
    far.until("feed lost")
    far.until("1.1 on local", "running", "operator bob")
    home.go()
    far.until("1.1 on local", "succeeded", "hello")
    leave(far)
    assert home.launches() == 1


@pytest.mark.server("sshd")
def test_where_no_window_can_be_reached_through_ssh_it_says_why(
    home: Home, machine: Machine
) -> None:
    unknown = home.terminal("attach", f"{machine.address}/")
    assert unknown.ends() == 1
    assert "host key unknown" in " ".join(unknown.text().split())
    machine.keys.know(machine.sshd.port)
    nothing = home.terminal("attach", f"{machine.address}/")
    assert nothing.ends() == 1
    assert "no window runs there" in " ".join(nothing.text().split())
    bad = home.terminal("attach", "ssh://host:port/")
    assert bad.ends() == 2
