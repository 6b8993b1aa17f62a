"""Five ways in which an SSH host can be no use: five messages, in `probe` and in a window."""

from __future__ import annotations

import getpass
import json
import re
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import asyncssh
import pytest

from tests.e2e.conftest import Home
from tests.home import until
from tests.servers.ports import free_port
from tests.servers.sshd import Keys, OpenSshServer

WINDOW = """
[window]
name = "Little window"
version = "v1"
stack = "systemd"

[probes.beat]
kind = "command"
run = "true"
every = "200ms"

[[phases]]
id = "one"
title = "First phase"
at = "T-5m"
"""
HOST = """
[targets.{id}]
host = "{host}"
port = {port}
user = "{user}"
identity = "{identity}"
known_hosts = "{known_hosts}"

[probes.{id}]
kind = "command"
on = "{id}"
run = "true"
every = "1h"
timeout = "15s"

[[phases.steps]]
id = "{id}"
title = "Go to {id}"
on = "{id}"
run = "echo reached >>{reached}"
required = false
"""
SAYS = {
    "nowhere": "host unknown: the name no-such-host.invalid doesn't resolve",
    "stranger": "host key unknown: 127.0.0.1:{port} isn't in",
    "changed": "HOST KEY CHANGED: 127.0.0.1:{port} showed",
    "denied": "permission denied for nobody-known@127.0.0.1:{port}",
    "refused": "127.0.0.1:{port} refused the connection: no SSH server listens on that port",
    "silent": "127.0.0.1:{port} is silent: no answer within 10 s",
}


class Hosts:
    """One real sshd, known, unknown and changed; a port where nobody is; one that is silent."""

    def __init__(self, home: Home, stack: ExitStack) -> None:
        directory = home.path / "keys"
        directory.mkdir()
        self.keys = Keys(directory)
        self.sshd = OpenSshServer(self.keys)
        stack.callback(self.sshd.stop)
        self.keys.know(self.sshd.port)
        self.other = asyncssh.generate_private_key("ssh-ed25519")
        self.other.write_private_key(directory / "other_key")
        changed, none = directory / "changed", directory / "none"
        self.keys.known_hosts.rename(directory / "right")
        self.keys.know(self.sshd.port, directory / "other_key")
        self.keys.known_hosts.rename(changed)
        none.touch()
        right = directory / "right"
        self.reached = home.path / "reached"
        self.ports = dict.fromkeys(SAYS, self.sshd.port)
        self.ports |= {"refused": free_port(), "silent": _silent(stack)}
        known = {"stranger": none, "changed": changed}
        hosts = {"nowhere": "no-such-host.invalid"}
        users = {"denied": "nobody-known"}
        home.config.write_text(
            WINDOW
            + "".join(
                HOST.format(
                    id=one,
                    host=hosts.get(one, "127.0.0.1"),
                    port=self.ports[one],
                    user=users.get(one, getpass.getuser()),
                    identity=self.keys.identity,
                    known_hosts=known.get(one, right),
                    reached=self.reached,
                )
                for one in SAYS
            )
        )

    def says(self, name: str) -> str:
        return SAYS[name].format(port=self.ports[name])

    def fingerprints(self) -> tuple[str, str]:
        """What the host shows, and what is known of it."""
        shown = asyncssh.read_private_key(self.keys.host_key)
        return shown.get_fingerprint(), self.other.get_fingerprint()


def _silent(stack: ExitStack) -> int:
    """A port that takes no connection and refuses none: its queue is full (listen(2))."""
    listener = stack.enter_context(socket.socket())
    listener.bind(("127.0.0.1", 0))
    listener.listen(0)
    for _ in range(4):
        waiting = stack.enter_context(socket.socket())
        waiting.setblocking(False)
        waiting.connect_ex(listener.getsockname())
    return int(listener.getsockname()[1])


@pytest.fixture
def hosts(home: Home) -> Iterator[Hosts]:
    with ExitStack() as stack:
        yield Hosts(home, stack)


@pytest.mark.server("sshd")
def test_a_probe_and_a_step_say_what_is_wrong_with_their_host(home: Home, hosts: Hosts) -> None:
    probing = home.start("probe", "--json", *SAYS)  # both wait for who is silent
    screen = home.terminal("run", "--journal", str(home.journal), columns=160, rows=45)
    screen.until("Go to silent", "recording")
    for name in SAYS:
        screen.press("\r")
        screen.until(f"Run {name} Go to {name}", "Enter run it")
        screen.press("\r")
        until(lambda name=name: name in finished(home))
        screen.until(f"{name} on {name}", "refused")
        screen.press("1\x1b[B")
    check_steps(home, hosts)
    check_probes(hosts, *probing.communicate(timeout=120))
    assert probing.returncode == 4


def check_steps(home: Home, hosts: Hosts) -> None:
    for name, (outcome, reason) in finished(home).items():
        assert outcome == "refused"
        assert hosts.says(name) in reason
        assert reason.endswith("nothing was started")
    for one in hosts.fingerprints():
        assert one in finished(home)["changed"][1]
    assert not hosts.reached.exists()
    assert home.entries("run-launched") == []


def check_probes(hosts: Hosts, out: str, err: str) -> None:
    assert err == ""
    said = {one["probe"]: one["summary"] for one in json.loads(out)}
    for name in SAYS:
        assert hosts.says(name) in said[name]
    for one in hosts.fingerprints():
        assert one in said["changed"]
    words = {re.sub(r"[\d.:]+", "", one.partition(": ")[2])[:20] for one in said.values()}
    assert len(words) == len(SAYS)


@pytest.mark.server("sshd")
def test_probe_prints_a_line_for_each_host(home: Home, hosts: Hosts) -> None:
    home.config.write_text(home.config.read_text().replace('"15s"', '"1s"'))
    lines = home.run("probe", "nowhere", "refused", "changed", "silent").stdout.splitlines()
    assert [line.split()[:3] for line in lines] == [
        ["?", "error", "nowhere"],
        ["?", "error", "refused"],
        ["?", "error", "changed"],
        ["?", "error", "silent"],
    ]
    nowhere, refused, changed, silent = lines
    assert hosts.says("nowhere") in nowhere
    assert hosts.says("refused") in refused
    assert all(one in changed for one in hosts.fingerprints())
    assert "before you replace the line. Not connected" in changed
    assert "silent: 127.0.0.1 hasn't answered yet; waited " in silent


@pytest.mark.server("sshd")
def test_the_refusal_is_read_whole_on_the_screen(home: Home, hosts: Hosts) -> None:
    screen = home.terminal("run", "--journal", str(home.journal), columns=160, rows=45)
    screen.until("Go to changed", "recording")
    screen.press("\x1b[B\x1b[B\r")
    screen.until("Run changed", "Enter run it")
    screen.press("\r")
    until(lambda: "changed" in finished(home))
    screen.press("1")
    screen.press("\r")
    seen = screen.until("HOST KEY CHANGED", "nothing was started")
    flat = re.sub(r"[\s│]", "", seen)
    for one in hosts.fingerprints():
        assert one in flat


def finished(home: Home) -> dict[str, tuple[str, str]]:
    if not Path(home.journal).exists():
        return {}
    facts = [one.fact for one in home.entries("step-finished")]
    return {one.step_id: (one.outcome.value, one.reason) for one in facts}
