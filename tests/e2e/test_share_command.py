"""`share` and `engine --serve` on a real engine: links without a screen, with exit statuses."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from optibid_console import engine_record
from optibid_console.feed.link import parse_link
from optibid_console.feed.socket_file import answers
from tests.e2e.actions import objects
from tests.e2e.conftest import Home, until
from tests.e2e.test_control_commands import opened
from tests.e2e.test_watching import LINK, JsonLines

pytestmark = pytest.mark.slow


class Sharing:
    """The commands on one home's journal."""

    def __init__(self, home: Home) -> None:
        self.home = home

    def run(self, *line: str) -> subprocess.CompletedProcess[str]:
        return self.home.run(*line, "--journal", str(self.home.journal))

    def engine(self, *more: str) -> subprocess.Popen[str]:
        """An engine as a service manager runs it, once it answers."""
        process = self.home.start("engine", "--journal", str(self.home.journal), *more)
        until(lambda: process.poll() is not None or self.answers())
        return process

    def answers(self) -> bool:
        return any(answers(Path(one.socket)) for one in engine_record.running())


@pytest.fixture
def sharing(home: Home) -> Sharing:
    return Sharing(home)


@contextmanager
def taken() -> Iterator[str]:
    """An address where somebody else listens."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"127.0.0.1:{server.getsockname()[1]}"


def test_links_are_made_listed_and_taken_back_without_a_screen(sharing: Sharing) -> None:
    sharing.engine("--as", "svc", "--serve", "127.0.0.1:0")
    made = sharing.run("share", "--name", "support", "--for", "90m", "--as", "bob")
    assert made.returncode == 0
    assert LINK.fullmatch(made.stdout.strip())
    assert made.stderr.startswith("a link for support, good until ")
    (entry,) = sharing.home.entries("watch-shared")
    assert entry.actor == "bob"
    assert abs(entry.fact.expires_at - entry.at - 90 * 60) < 60
    second = objects(sharing.run("share", "--json").stdout)
    assert second[0]["link"]["name"] == "observers"
    assert parse_link(second[0]["link"]["link"]).token not in json.dumps(
        [one.to_plain() for one in sharing.home.entries()]
    )
    assert second[-1]["result"]["exit_status"] == 0
    again = sharing.run("share", "--name", "support")
    assert (again.returncode, again.stdout) == (3, "")
    assert "a link for support already: revoke it first" in again.stderr
    listed = sharing.run("share", "--list")
    assert listed.returncode == 0
    assert [line.split()[:2] for line in listed.stdout.splitlines()[1:]] == [
        ["support", "until"], ["observers", "until"],
    ]  # fmt: skip
    (known,) = [one for one in objects(sharing.run("share", "--list", "--json").stdout)
                if "sharing" in one]  # fmt: skip
    assert [one["name"] for one in known["sharing"]["links"]] == ["support", "observers"]
    watching = JsonLines(sharing.home, made.stdout.strip())
    until(lambda: any("caught_up" in one for one in watching.lines) or watching.entries())
    revoked = sharing.run("share", "--revoke", "support")
    assert (revoked.returncode, revoked.stdout) == (0, "the link for support is void\n")
    assert watching.process.wait(30) == 3
    assert "revoked" in json.dumps(watching.lines[-1])
    nobody = sharing.run("share", "--revoke", "support")
    assert (nobody.returncode, "no link for 'support'" in nobody.stderr) == (3, True)
    stopped = sharing.run("share", "--stop")
    assert stopped.returncode == 0
    assert sharing.run("share", "--list").stdout.startswith("this window isn't shared: ")
    assert sharing.home.operator() == ""  # who shares leaves the window as it was


def test_what_can_t_be_shared_is_refused_and_records_nothing(sharing: Sharing) -> None:
    home = sharing.home
    none = sharing.run("share")
    assert (none.returncode, "no window is open" in none.stderr) == (3, True)
    asyncio.run(opened(home))
    unserved = sharing.run("share", "--name", "support")
    assert (unserved.returncode, "add --serve HOST:PORT" in unserved.stderr) == (3, True)
    alone = sharing.run("share", "--serve", "127.0.0.1:0")
    assert (alone.returncode, "no engine runs this window" in alone.stderr) == (3, True)
    for line, said in (
        (("--for", "soon"), "a time is 30m, 12h or 2d"),
        (("--serve", "no port:x"), "--serve: "),
        (("--list", "--serve", "127.0.0.1:0"), "--serve is for a new link"),
        (("--serve", "0.0.0.0:0", "--serve-plain"), "0.0.0.0 is no loopback address"),
        (("--serve", "0.0.0.0:0", "--serve-plain", "10.0.0.1"), "the address to serve at is"),
        (("--serve", "127.0.0.1:0", "--serve-plain", "--serve-cert", "x"), "leave out --serve-pl"),
        (("--serve-plain",), "need --serve HOST:PORT"),
        (("--serve", "127.0.0.1:0", "--serve-cert", "none.pem"), "none.pem: no such file"),
    ):
        bad = sharing.run("share", *line)
        assert (bad.returncode, said in bad.stderr) == (2, True), bad.stderr
    for line, said in (
        (("--for", "8d"), "a link lasts up to 168 hours"),
        (("--name", "x" * 41), "a name of 1 to 40 characters"),
        (("--stop",), "this window isn't shared"),
    ):
        more = () if "--stop" in line else ("--serve", "127.0.0.1:0")
        refused = sharing.run("share", *line, *more)
        assert (refused.returncode, said in refused.stderr) == (3, True), refused.stderr
    sharing.engine()
    with taken() as address:
        in_use = sharing.run("share", "--serve", address)
    assert (in_use.returncode, in_use.stdout) == (3, "")
    assert f"can't be listened for at {address}: Address already in use" in in_use.stderr
    home.console("--as", "ann")
    other = sharing.run("share", "--serve", "127.0.0.1:0", "--as", "bob")
    assert (other.returncode, "ann drives this window" in other.stderr) == (3, True)
    assert home.entries("sharing-started") == []
    served = sharing.run(
        "share", "--serve", "127.0.0.1:0", "--as", "bob", "--take-over", "she left"
    )
    assert (served.returncode, bool(LINK.search(served.stdout))) == (0, True)


def test_plain_is_for_loopback_or_for_who_names_the_address_again(sharing: Sharing) -> None:
    sharing.engine()
    made = sharing.run("share", "--serve", "127.0.0.1:0", "--serve-plain")
    assert made.stdout.startswith("optibid+plain://127.0.0.1:")
    elsewhere = sharing.run("share", "--serve", "127.0.0.1:1", "--name", "x")
    assert (elsewhere.returncode, "shared already, at 127.0.0.1:" in elsewhere.stderr) == (3, True)
    assert sharing.run("share", "--stop").returncode == 0
    named = sharing.run("share", "--serve", "0.0.0.0:0", "--serve-plain", "0.0.0.0")
    assert named.stdout.startswith(f"optibid+plain://{socket.gethostname()}:")


def test_a_new_window_isn_t_opened_where_it_can_t_be_shared(sharing: Sharing) -> None:
    with taken() as address:
        engine = sharing.home.start(
            "engine", "--journal", str(sharing.home.journal), "--serve", address
        )
        _, said = engine.communicate(timeout=60)
    assert engine.returncode == 2
    assert said == (
        f"--serve: observers can't be listened for at {address}: Address already in use\n"
    )
    assert sharing.home.entries() == []


def test_a_window_under_way_goes_on_where_it_can_t_be_shared_and_says_so(sharing: Sharing) -> None:
    asyncio.run(opened(sharing.home))
    with taken() as address:
        engine = sharing.engine("--serve", address)
        until(lambda: sharing.home.entries("sharing-stopped"))
    assert sharing.answers()
    (entry,) = sharing.home.entries("sharing-stopped")
    assert entry.fact.reason == (
        f"observers can't be listened for at {address}: Address already in use"
    )
    os.kill(engine.pid, signal.SIGTERM)
    _, said = engine.communicate(timeout=60)
    assert "this window isn't shared: observers can't be listened for" in said
